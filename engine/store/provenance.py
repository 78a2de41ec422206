"""Who, what, where: what else it takes to say how a number was made."""

import functools
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.lanes.versions import NUMERICAL, PLUGINS, versions
from engine.store.redact import discreet

_LOADED = time.monotonic()
_ROOT = Path(__file__).resolve().parents[2]


def launch_without_device() -> dict[str, Any]:
    """Describes a launch that begins now, without anything that names the machine or a person."""
    return {
        "command": command_line(),
        "versions": dict(versions()),
        "hardware": hardware(),
        "code": code_revision(),
        "started": now(),
    }


def code_revision() -> dict[str, Any]:
    """The engine's code: a hash of its sources, and the commit of its checkout where it has one."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(_ROOT), *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    code: dict[str, Any] = {"digest": code_digest()}
    if git("ls-files", "--error-unmatch", "engine/store/provenance.py") is not None:
        code["revision"] = git("rev-parse", "HEAD")
        code["is_dirty"] = bool(git("status", "--porcelain"))
    return code


@functools.cache
def code_digest() -> str:
    """SHA-256 over the engine's own sources: names and contents, in the order of the names."""
    digest = hashlib.sha256()
    folder = _ROOT / "engine"
    named = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    for name in sorted(named):
        content = named[name].read_bytes()
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def environment_of(launch: Mapping[str, Any]) -> dict[str, Any]:
    """What the bits of a launch depend on besides its study; of an older record what it has.

    Args:
        launch: one of `launches` in `study.json`.

    Returns:
        `versions` of the packages on the way of a number; and, since they are recorded, `platform`
        and `kind` of the devices, `settings`, `xla_flags` and `code`.
    """
    has = _mapping(launch, "versions")
    found: dict[str, Any] = {"versions": {n: v for n, v in has.items() if n in NUMERICAL or PLUGINS.match(n)}}
    devices, code = _mapping(launch, "devices"), _mapping(launch, "code")
    found |= {name: devices[name] for name in ("platform", "kind") if name in devices}
    if "settings" in launch:
        found["settings"] = dict(_mapping(launch, "settings"))
        flags = _mapping(launch, "xla_flags")
        found["xla_flags"] = {name: v for name, v in flags.items() if "dump" not in name}
    if "digest" in code:
        found["code"] = code["digest"]
    return found


def _mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a record, which may come from somebody else; empty where it is not what it was."""
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def environment_digest(launch: Mapping[str, Any]) -> str:
    """SHA-256 of `environment_of`: what was begun under another one is not continued."""
    text = json.dumps(environment_of(launch), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


_WORDS = {
    "platform": "platform",
    "kind": "device",
    "code": "code of the engine",
    "versions": "",
    "settings": "",
    "xla_flags": "--",
}


def describe_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In what the environments of two launches differ, in words; empty where in nothing.

    What one of the two records is too old to have is passed over.

    Args:
        before, now: of `launches` in `study.json`.
    """
    old, new = environment_of(before), environment_of(now)
    is_complete = old.keys() == new.keys()
    found = []
    for name, words in _WORDS.items():
        if name not in old or name not in new:
            continue
        if isinstance(old[name], Mapping):
            items = {*old[name], *new[name]} if is_complete else {*old[name]} & {*new[name]}
            pairs = [(f"{words}{i}", old[name].get(i), new[name].get(i)) for i in sorted(items)]
        else:
            pairs = [(words, old[name], new[name])]
        found += [f"{what} {_shown(a)} → {_shown(b)}" for what, a, b in pairs if a != b]
    return ", ".join(found)


def _shown(value: Any) -> str:
    """A value in a line, hashes short."""
    text = "none" if value is None else str(value)
    return f"{text[:12]}…" if re.fullmatch("[0-9a-f]{64}", text) else text


def hardware() -> dict[str, Any]:
    """The machine's kind: architecture, system and usable cores; nothing that names it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"machine": platform.machine(), "system": platform.system(), "cores": cores}


def command_line() -> list[str]:
    """The words of the command, without directories of this machine and without secrets."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    return [program, *discreet(sys.argv[1:])]


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
