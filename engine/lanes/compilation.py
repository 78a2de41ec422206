"""Makes programs, and answers that take a while to find, once for all processes that share a cache."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)


def compile_all(programs: Mapping[str, jax.stages.Lowered]) -> dict[str, Any]:
    """Compiles programs by name or loads them from the cache; processes that want the same program share the work."""
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
    """Holds a lock in the compilation cache, if there is one; yields false if it is taken and not `is_patient`."""
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


def find_once(
    cache_dir: str | None, folder: str, name: str, keys: Iterable[str], find: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Returns the kept answer named by a digest of its inputs, or finds and keeps it; other processes wait for it."""
    if cache_dir is None:
        return find()
    path = Path(cache_dir) / folder / f"{name}.json"
    with one_process_at_a_time(f"{folder}-{name}"):
        answer = recall(path, set(keys))
        if answer is None:
            answer = find()
            keep(path, answer)
    return answer


def recall(path: Path, keys: set[str]) -> dict[str, Any] | None:
    """Reads what was kept at a path; returns `None` if it cannot be read or has other keys."""
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_bytes())
        if isinstance(kept, dict) and kept.keys() == keys:
            return kept
    except (OSError, ValueError, RecursionError):
        pass
    logger.warning("%s is damaged and made anew", path)
    return None


def keep(path: Path, value: dict[str, Any]) -> None:
    """Keeps a value if the place can be written to; readers see all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(value, file, indent=2, sort_keys=True, allow_nan=False)
        os.replace(file.name, path)
    except OSError as error:
        logger.warning("%s cannot be kept: %s", path, error)
