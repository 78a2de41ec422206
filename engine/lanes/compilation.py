"""Compiles programs, once for all processes that share a compilation cache."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock
import jax


def compile_all(programs: Mapping[str, jax.stages.Lowered]) -> dict[str, Any]:
    """Compiles programs, or loads them from the compilation cache.

    Processes that want the same program at the same time share the work: one compiles it, the
    others compile something else meanwhile, or wait and load it.

    Args:
        programs: by name.

    Returns:
        What `jax.stages.Lowered.compile` gives, by name.
    """
    compiled: dict[str, Any] = {}
    keys = {name: _digest(program) for name, program in programs.items()}
    for name, program in programs.items():
        with one_process_at_a_time(keys[name], is_patient=False) as is_ours:
            if is_ours:
                compiled[name] = program.compile(options())
    for name in [name for name in programs if name not in compiled]:
        with one_process_at_a_time(keys[name]):
            pass
        compiled[name] = programs[name].compile(options())
    return compiled


def _digest(program: jax.stages.Lowered) -> str:
    return hashlib.sha256(program.as_text().encode()).hexdigest()


def options() -> dict[str, str | bool]:
    """Of the compiler: a CPU's programs run on one thread, not on a pool of one."""
    return {"xla_cpu_multi_thread_eigen": False} if jax.default_backend() == "cpu" else {}


@contextlib.contextmanager
def one_process_at_a_time(key: str, is_patient: bool = True) -> Iterator[bool]:
    """Holds a lock in the compilation cache; it is free again when its process ends.

    Without a cache, or where it cannot be locked, everybody goes ahead.

    Args:
        key: of what is to be done once.
        is_patient: whether to wait for the lock.

    Yields:
        Whether to go ahead: false where the lock is taken and this process does not wait.
    """
    directory = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if directory is None:
        yield True
        return
    lock = filelock.FileLock(Path(directory, "locks", key), timeout=-1 if is_patient else 0)
    try:
        lock.acquire()
    except filelock.Timeout:
        yield False
        return
    except OSError:
        pass
    try:
        yield True
    finally:
        lock.release()
