"""The devices of this machine, and how a process is bound to one of them."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError
from ..store import provenance
from ..store.redact import without_places
from . import determinism

_DEVICE_VARIABLES = {
    "cuda": "CUDA_VISIBLE_DEVICES",
    "gpu": "CUDA_VISIBLE_DEVICES",
    "rocm": "ROCR_VISIBLE_DEVICES",
    "tpu": "TPU_VISIBLE_CHIPS",
}

# Severity, time and place in front of what XLA says.
_LOG_PREFIX = re.compile(r"^[A-Z]\d{4} .*?\] ")
_PROBE = "import jax; print(jax.default_backend(), jax.local_device_count(), jax.local_devices()[0].device_kind)"
# Instructions for which XLA writes other code, by their name in /proc/cpuinfo.
_INSTRUCTIONS = {"avx2": "AVX2", "avx512f": "AVX-512", "amx_tile": "AMX", "sve": "SVE"}


class Devices(NamedTuple):
    """The devices of this machine: usable CPU cores or accelerators, and their model."""

    platform: str
    num_devices: int
    kind: str = ""


def configure_backend(cache_dir: str | None) -> None:
    """Sets what a number depends on in JAX, and the folder of compiled programs."""
    import jax

    determinism.apply(os.environ)
    if cache_dir is not None:
        jax.config.update("jax_compilation_cache_dir", cache_dir)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def current_launch(devices: Devices) -> dict[str, Any]:
    """Describes a launch that begins now, see `store.provenance`."""
    settings, flags = determinism.in_use(devices.platform, os.environ)
    return {
        **provenance.launch_without_device(),
        "devices": {"platform": devices.platform, "kind": devices.kind, "count": devices.num_devices},
        "settings": {name: without_places(v) if isinstance(v, str) else v for name, v in settings.items()},
        "xla_flags": {name: without_places(value) for name, value in flags.items()},
    }


def find_devices() -> Devices:
    """Finds what JAX would run on, without starting a backend in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    on_cpu = Devices("cpu", cores or 1, _processor())
    is_cpu = os.environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu" or not _has_accelerator_plugin()
    flags = os.environ.get("XLA_FLAGS", "")
    # XLA ends the process that gives it flags which it does not know.
    if is_cpu and not flags:
        return on_cpu
    backend, count, kind = _probe(flags)
    return on_cpu if backend == "cpu" else Devices(backend, count, kind)


@functools.cache
def _probe(flags: str) -> tuple[str, int, str]:
    """Starts a backend in a process of its own, under flags of XLA, and returns its name, number and kind."""
    found = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True)
    if found.returncode != 0:
        lines = found.stderr.strip().splitlines() or ["no message"]
        line = next((line for line in lines if flags and "XLA_FLAGS" in line), lines[-1])
        raise InputError(f"JAX cannot start its backend: {_LOG_PREFIX.sub('', line)}")
    backend, count, kind = found.stdout.strip().splitlines()[-1].split(maxsplit=2)
    return backend, int(count), kind


def _processor() -> str:
    lines: dict[str, str] = {}
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            lines.setdefault(name.strip(), value.strip())
    has = set(lines.get("flags", lines.get("Features", "")).split())
    named = [words for flag, words in _INSTRUCTIONS.items() if flag in has]
    model = lines.get("model name") or platform.processor() or platform.machine()
    return ", ".join([model, *named])


def _has_accelerator_plugin() -> bool:
    return bool(importlib.metadata.entry_points(group="jax_plugins") or importlib.util.find_spec("libtpu"))


def environment(devices: Devices, index: int) -> dict[str, str]:
    """Returns the variables of one worker: those of its device, and those that its bits depend on."""
    variables = determinism.variables(devices.platform, os.environ)
    if devices.platform == "cpu":
        return {**variables, "JAX_PLATFORMS": "cpu"}
    variable = _DEVICE_VARIABLES.get(devices.platform)
    if variable is None or devices.num_devices == 1:
        return variables
    visible = (os.environ.get(variable) or ",".join(map(str, range(devices.num_devices)))).split(",")
    variables[variable] = visible[index % len(visible)]
    if devices.platform == "tpu":
        variables |= {"TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}
    return variables
