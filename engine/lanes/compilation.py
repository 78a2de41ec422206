"""Compiles programs, once for all processes that share a compilation cache."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from filelock import FileLock, Timeout


def compile_all(programs: Mapping[str, jax.stages.Lowered]) -> dict[str, Any]:
    """Compiles programs by name, or loads them from the compilation cache.

    Processes that want the same program at the same time share the work: one compiles it, the others compile something
    else meanwhile, or wait and load it.
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
    """Returns the compiler's options: a CPU's programs run on one thread, not on a pool of one."""
    return {"xla_cpu_multi_thread_eigen": False} if jax.default_backend() == "cpu" else {}


@contextlib.contextmanager
def one_process_at_a_time(key: str, is_patient: bool = True) -> Iterator[bool]:
    """Holds a lock in the compilation cache, which a process that ends gives up; yields whether to go ahead.

    An impatient process does not go ahead while the lock is taken. Without a cache that can be locked, every process
    does.
    """
    directory = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    with contextlib.ExitStack() as held:
        is_ours = True
        if directory is not None:
            try:
                path = Path(directory, "locks", key)
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(FileLock(path).acquire(blocking=is_patient))
            except Timeout:
                is_ours = False
            except (OSError, NotImplementedError):
                pass
        yield is_ours
