"""Versions, machine, settings and code behind a launch."""

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

from ..lanes.versions import NUMERICAL, PLUGINS, versions
from .redact import discreet

_LOADED = time.monotonic()
_PACKAGE = Path(__file__).resolve().parents[1]


def launch_without_device() -> dict[str, Any]:
    """Describes a launch that begins now, without anything that names the machine or a person, and without secrets."""
    return {
        "command": [Path(*sys.argv[:1]).name, *discreet(sys.argv[1:])],
        "versions": dict(versions()),
        "hardware": hardware(),
        "code": code_revision(),
        "started": now(),
    }


def code_revision() -> dict[str, Any]:
    """Returns a hash of the engine's sources, and the commit of its checkout where there is one."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(_PACKAGE), *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    code: dict[str, Any] = {"digest": code_digest()}
    if git("ls-files", "--error-unmatch", "store/provenance.py") is not None:
        code["revision"] = git("rev-parse", "HEAD")
        code["is_dirty"] = bool(git("status", "--porcelain"))
    return code


@functools.cache
def code_digest() -> str:
    """Returns the SHA-256 of the names and contents of the engine's sources."""
    digest = hashlib.sha256()
    contents = {path.relative_to(_PACKAGE).as_posix(): path.read_bytes() for path in _PACKAGE.rglob("*.py")}
    for name, content in sorted(contents.items()):
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def environment_of(launch: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the bits of a launch depend on besides its study; None for what its record lacks."""
    devices, flags = launch.get("devices", {}), launch.get("xla_flags", {})
    return {
        "versions": {n: v for n, v in launch["versions"].items() if n in NUMERICAL or PLUGINS.match(n)},
        "platform": devices.get("platform"),
        "kind": devices.get("kind"),
        "settings": launch.get("settings", {}),
        "xla_flags": {name: value for name, value in flags.items() if "dump" not in name},
        "code": launch["code"].get("digest"),
    }


def environment_digest(launch: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of `environment_of`: runs that began under another one are not continued."""
    return hashlib.sha256(json.dumps(environment_of(launch), sort_keys=True).encode()).hexdigest()


_WORDS = {"platform": "platform", "kind": "device", "code": "code of the engine"}
_WORDS |= {"versions": "", "settings": "", "xla_flags": "--"}


def describe_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Says in what the environments of two launches differ; empty where in nothing."""
    old, new = environment_of(before), environment_of(now)
    found = []
    for name, words in _WORDS.items():
        if isinstance(old[name], Mapping):
            items = sorted({*old[name], *new[name]})
            pairs = [(f"{words}{item}", old[name].get(item), new[name].get(item)) for item in items]
        else:
            pairs = [(words, old[name], new[name])]
        found += [f"{what} {_shown(a)} → {_shown(b)}" for what, a, b in pairs if a != b]
    return ", ".join(found)


def _shown(value: Any) -> str:
    """Returns a value for a line, hashes shortened."""
    text = "none" if value is None else str(value)
    return f"{text[:12]}…" if re.fullmatch("[0-9a-f]{64}", text) else text


def hardware() -> dict[str, Any]:
    """Returns architecture, system and usable cores of the machine; nothing that names it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"machine": platform.machine(), "system": platform.system(), "cores": cores}


def now() -> str:
    """Returns the time in ISO format, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def seconds_since_start() -> float:
    """Returns the age of this process in seconds, or of this module where that cannot be known."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return uptime - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.monotonic() - _LOADED
