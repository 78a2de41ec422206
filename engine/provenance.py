"""Who, what, where: what else it takes to say how a number was made."""

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_LOADED = time.monotonic()
_PACKAGES = (
    "plateau-engine",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "scipy",
    "scikit-learn",
    "tensorflow-datasets",
    "array_record",
    "pyarrow",
)


def versions() -> dict[str, str]:
    """Versions of Python and of every package that touches a number, where they are installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def code_revision() -> dict[str, Any]:
    """The commit of the engine's checkout, and whether it was changed since; empty without one."""
    root = Path(__file__).resolve().parent.parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", "engine/provenance.py") is None:
        return {}
    revision = git("rev-parse", "HEAD")
    return {"revision": revision, "is_dirty": bool(git("status", "--porcelain"))}


def hardware() -> dict[str, Any]:
    """The machine's kind: architecture, system and usable cores; nothing that names it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"machine": platform.machine(), "system": platform.system(), "cores": cores}


def command_line() -> list[str]:
    """The words of the command, without directories of this machine."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    return [program, *(_without_directory(word) for word in sys.argv[1:])]


def _without_directory(word: str) -> str:
    flag, separator, value = word.partition("=")
    target = value if separator else word
    if os.path.isabs(os.path.expanduser(target)):
        target = Path(target).name
    return f"{flag}{separator}{target}" if separator else target


def now() -> str:
    """The time in ISO format, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def seconds_since_start() -> float:
    """Age of this process, in seconds; since this module was loaded where it cannot be known."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic() - _LOADED


def environment_digest(launch: dict[str, Any]) -> str:
    """Digest."""
    return str(launch["versions"])
