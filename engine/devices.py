"""What there is to run on, and how a process is bound to its part of it."""

import contextlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError

_DEVICE_VARIABLES = {
    "cuda": "CUDA_VISIBLE_DEVICES",
    "gpu": "CUDA_VISIBLE_DEVICES",
    "rocm": "ROCR_VISIBLE_DEVICES",
    "tpu": "TPU_VISIBLE_CHIPS",
}


class Devices(NamedTuple):
    """What there is to run on.

    Attributes:
        platform: `cpu`, `gpu` or `tpu`.
        num_devices: cores of a CPU that this process may use, or accelerators.
    """

    platform: str
    num_devices: int


def configure_backend(cache_dir: str | None) -> None:
    """Settings of JAX that a number depends on, and the directory of its compilation cache."""
    import jax

    jax.config.update("jax_default_matmul_precision", "float32")
    jax.config.update("jax_threefry_partitionable", True)
    if cache_dir is not None:
        jax.config.update("jax_compilation_cache_dir", cache_dir)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def pin_threads(environment: dict[str, str] | os._Environ[str]) -> None:
    """Gives XLA's CPU backend a thread pool of one, so that bits do not depend on the cores.

    It must be called before the backend starts.
    """
    environment["NPROC"] = "1"


def memory_limit(num_sharing: int) -> int | None:
    """Bytes that a worker may use; `None` where nobody can say.

    On an accelerator what its backend may allocate; on a CPU this worker's share of the memory of
    the machine or of its control group, whichever is less.

    Args:
        num_sharing: workers that share the memory of a CPU.
    """
    import jax

    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    sizes = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(sizes) // num_sharing if sizes else None


def find_devices() -> Devices:
    """What JAX would run on, found without starting a backend in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    on_cpu = Devices("cpu", cores or 1)
    if os.environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu" or not _has_accelerator_plugin():
        return on_cpu
    program = "import jax; print(jax.default_backend(), jax.local_device_count())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if found.returncode != 0:
        last = (found.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"JAX cannot start its backend: {last}")
    platform, count = found.stdout.split()[-2:]
    return on_cpu if platform == "cpu" else Devices(platform, int(count))


def _has_accelerator_plugin() -> bool:
    plugins = importlib.metadata.entry_points(group="jax_plugins")
    return bool(list(plugins)) or importlib.util.find_spec("libtpu") is not None


def environment(devices: Devices, index: int) -> dict[str, str]:
    """Variables of one worker: its own device, or one core's worth of threads."""
    if devices.platform == "cpu":
        variables = {"JAX_PLATFORMS": "cpu"}
        pin_threads(variables)
        return variables
    variables = {}
    if devices.platform in ("gpu", "cuda", "rocm"):
        given = os.environ.get("XLA_FLAGS", "")
        variables["XLA_FLAGS"] = f"{given} --xla_gpu_deterministic_ops=true".strip()
    variable = _DEVICE_VARIABLES.get(devices.platform)
    if variable is None or devices.num_devices == 1:
        return variables
    visible = os.environ.get(variable, "").split(",") if os.environ.get(variable) else []
    chosen = visible[index % len(visible)] if visible else str(index % devices.num_devices)
    variables[variable] = chosen
    if devices.platform == "tpu":
        variables |= {"TPU_CHIPS_PER_PROCESS_BOUNDS": "1,1,1", "TPU_PROCESS_BOUNDS": "1,1,1"}
    return variables
