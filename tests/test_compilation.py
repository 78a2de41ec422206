"""Compilation: programs that work, and one process at a time for each."""

import contextlib
import multiprocessing
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from engine.lanes import compilation
from engine.lanes.compilation import compile_all, one_process_at_a_time
from engine.workers.devices import configure_backend


def _hold(directory: str, key: str, connection) -> None:
    configure_backend(directory)
    with one_process_at_a_time(key) as is_ours:
        connection.send(is_ours)
        connection.recv()


@pytest.fixture
def hold(cache_dir):
    """Starts a process that holds a lock."""
    configure_backend(cache_dir)  # another test may have had another
    processes, connections = [], []

    def start(key: str):
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_hold, args=(cache_dir, key, theirs), daemon=True)
        process.start()
        processes.append(process)
        connections.append(ours)  # the process ends when this end is closed
        assert ours.recv() is True
        return process

    yield start
    for process in processes:
        process.kill()
        process.join()


@pytest.fixture
def holder(hold):
    """A process that holds the lock of `busy`."""
    return hold("busy")


@pytest.fixture
def use_cache(cache_dir):
    """Sets another directory for the rest of a test."""
    yield lambda directory: jax.config.update("jax_compilation_cache_dir", directory)
    jax.config.update("jax_compilation_cache_dir", cache_dir)


def test_one_process_at_a_time(holder):
    with one_process_at_a_time("busy", is_patient=False) as is_ours:
        assert not is_ours
    with one_process_at_a_time("another", is_patient=False) as is_ours:
        assert is_ours
    holder.kill()
    with one_process_at_a_time("busy") as is_ours:
        assert is_ours


def test_without_a_cache_everybody_goes_ahead(holder, use_cache):
    use_cache(None)
    with one_process_at_a_time("busy") as is_ours:
        assert is_ours


def test_a_cache_that_cannot_be_written_to_locks_nobody_out(tmp_path: Path, use_cache):
    (tmp_path / "locks").write_text("in the way")
    use_cache(str(tmp_path))
    with one_process_at_a_time("busy") as is_ours:
        assert is_ours


def test_all_programs_are_compiled():
    x = jnp.arange(3.0)
    lowered = {"double": jax.jit(lambda x: 2 * x).lower(x), "add": jax.jit(lambda x: x + 1).lower(x)}
    compiled = compile_all(lowered)
    assert compiled["double"](x).tolist() == [0.0, 2.0, 4.0]
    assert compiled["add"](x).tolist() == [1.0, 2.0, 3.0]


def test_a_program_that_another_process_compiles_comes_last(hold, monkeypatch):
    x = jnp.arange(3.0)
    busy, free = (jax.jit(lambda x, c=c: c * x).lower(x) for c in (5.0, 7.0))
    order = []
    lock = compilation.one_process_at_a_time

    @contextlib.contextmanager
    def watched(key, is_patient=True):
        if is_patient:
            process.kill()
        with lock(key, is_patient) as is_ours:
            order.append((key == key_of_busy, is_patient, is_ours))
            yield is_ours

    key_of_busy = compilation._digest(busy)
    process = hold(key_of_busy)
    monkeypatch.setattr(compilation, "one_process_at_a_time", watched)
    compiled = compile_all({"busy": busy, "free": free})
    assert order == [(True, False, False), (False, False, True), (True, True, True)]
    assert compiled["busy"](x).tolist() == [0.0, 5.0, 10.0]
    assert compiled["free"](x).tolist() == [0.0, 7.0, 14.0]
