"""Settings that must hold before a backend starts for a run to have the same bits again.

Workers override the user's environment where it disagrees. Other settings are recorded, see `store.provenance`.
"""

import contextlib
import shlex
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

_CPU = ("cpu",)
_GPU = ("gpu", "cuda", "rocm")
_FLAGS = "XLA_FLAGS"
_TRUE = ("1", "true", "t", "yes", "y", "on")
_FALSE = ("0", "false", "f", "no", "n", "off")

Value = bool | int | float | str


class Setting(NamedTuple):
    """One line of the table, for some platforms or (without any) for all; `value=None` means that it must not be set.

    `kind` is `jax` (an option of JAX), `xla` (a flag of XLA) or `variable` (of the environment). `is_default` tells
    whether it holds unless the user sets it. Such a flag is passed only against what the user set, because XLA ends
    the process at a flag that its version does not know.
    """

    kind: str
    name: str
    value: Value | None
    reason: str
    platforms: tuple[str, ...] = ()
    is_default: bool = True

    @property
    def variable(self) -> str:
        """The environment variable that holds an option of JAX, or the name itself."""
        return self.name.upper() if self.kind == "jax" else self.name


_THREADS = "a thread pool of one keeps the order of sums, and with it the bits, on any machine"
_PRECISION = "products are in float32 where an arm's precision does not say otherwise"
_STREAMS = "random streams are those of Threefry, in its partitionable form, from the plain seed"
_PROGRAM = "another program computes with other bits"
_ERRORS = "a run that diverges is an outcome, not an error"
_ATOMICS = "sums by atomic operations come in any order"
_KERNELS = "kernels are chosen by a rule, not by a race that another launch may lose"

SETTINGS = (
    Setting("variable", "NPROC", "1", _THREADS, _CPU, is_default=False),
    # Takes the place of NPROC where it is there.
    Setting("variable", "PJRT_NPROC", "1", _THREADS, _CPU, is_default=False),
    # Each device of a CPU brings a thread along, whatever NPROC says.
    Setting("jax", "jax_num_cpu_devices", -1, _THREADS, _CPU),
    Setting("xla", "xla_force_host_platform_device_count", 1, _THREADS, _CPU),
    Setting("xla", "xla_cpu_enable_fast_math", False, "fast math reorders sums", _CPU),
    Setting("jax", "jax_default_matmul_precision", "float32", _PRECISION, is_default=False),
    Setting("jax", "jax_enable_x64", False, "parameters, sums and losses are in float32"),
    Setting("jax", "jax_numpy_dtype_promotion", "standard", "the engine counts on it"),
    Setting("jax", "jax_numpy_rank_promotion", "allow", "the engine counts on it"),
    Setting("jax", "jax_threefry_partitionable", True, _STREAMS),
    Setting("jax", "jax_default_prng_impl", "threefry2x32", _STREAMS),
    Setting("jax", "jax_random_seed_offset", 0, _STREAMS),
    Setting("jax", "jax_disable_jit", False, _PROGRAM),
    Setting("jax", "jax_use_direct_linearize", True, _PROGRAM),
    Setting("jax", "jax_optimization_level", "UNKNOWN", _PROGRAM),
    Setting("jax", "jax_exec_time_optimization_effort", 0.0, _PROGRAM),
    Setting("jax", "jax_enable_pgle", False, _PROGRAM),
    Setting("jax", "jax_debug_nans", False, _ERRORS),
    Setting("jax", "jax_debug_infs", False, _ERRORS),
    # Implies the two after it, which are therefore given only against what somebody set.
    Setting("xla", "xla_gpu_deterministic_ops", True, _ATOMICS, _GPU, is_default=False),
    Setting("xla", "xla_gpu_exclude_nondeterministic_ops", True, _ATOMICS, _GPU),
    Setting("xla", "xla_gpu_autotune_level", 0, _KERNELS, _GPU),
    Setting("variable", "CUBLAS_WORKSPACE_CONFIG", ":4096:8", _KERNELS, _GPU, is_default=False),
    # Any value is a decision for all arms at once: 0 forbids TF32, 1 forces it on float32.
    Setting("variable", "NVIDIA_TF32_OVERRIDE", None, "TF32 is a precision of an arm", _GPU),
)

# The user's settings that may change numbers; they are recorded.
_NOT_OURS = (
    *("JAX_COMPILER_ENABLE_REMAT_PASS", "JAX_HIGH_DYNAMIC_RANGE_GUMBEL", "JAX_MEMORY_FITTING_EFFORT"),
    *("JAX_MEMORY_FITTING_LEVEL", "JAX_SOFTMAX_CUSTOM_JVP", "JAX_THREEFRY_GPU_KERNEL_LOWERING"),
    *("JAX_USE_SHARDY_PARTITIONER", "LIBTPU_INIT_ARGS", "TF_CUDNN_DETERMINISTIC", "TF_CUDNN_USE_AUTOTUNE"),
    *("TF_CUDNN_USE_FRONTEND", "TF_DETERMINISTIC_OPS", "TF_USE_CUBLASLT"),
)


def _for_platform(platform: str) -> Iterator[Setting]:
    return (s for s in SETTINGS if not s.platforms or platform in s.platforms)


def _text(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _agrees(given: str, value: Value | None) -> bool:
    if isinstance(value, bool):
        return given.strip().lower() in (_TRUE if value else _FALSE)
    if isinstance(value, (int, float)):
        with contextlib.suppress(ValueError):
            return float(given) == value
    return given == value


def read_flags(environment: Mapping[str, str]) -> dict[str, str]:
    """Reads the flags of XLA by name, without hyphens, as its own parser does; the last one counts."""
    text = _flags_text(environment)
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    flags = {}
    for word in words:
        name, separator, value = word.lstrip("-").partition("=")
        flags[name] = value if separator else "true"
    return flags


def _flags_text(environment: Mapping[str, str]) -> str:
    text = environment.get(_FLAGS, "").strip()
    if text and not text.startswith("-"):
        with contextlib.suppress(OSError, ValueError):
            return " ".join(Path(text).read_text().split())
    return text


def variables(platform: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables to set for a computing process; `apply` removes the forbidden ones in that process."""
    found: dict[str, str] = {}
    given, ours = read_flags(environment), []
    for setting in _for_platform(platform):
        if setting.value is None:
            continue
        name = setting.variable
        if setting.kind == "variable" or (setting.kind == "jax" and name in environment):
            found[name] = _text(setting.value)
        elif setting.kind == "xla" and (name in given or not setting.is_default):
            ours.append(f"--{name}={str(setting.value).lower()}")
    if ours:
        found[_FLAGS] = " ".join([_flags_text(environment), *ours]).strip()
    return found


def contradictions(platform: str, environment: Mapping[str, str]) -> list[str]:
    """Returns a sentence for each thing in a user's environment that workers replace."""
    given, found = read_flags(environment), []
    for setting in _for_platform(platform):
        name = setting.variable
        text = given.get(name) if setting.kind == "xla" else environment.get(name)
        if text is None or _agrees(text, setting.value):
            continue
        shown = f"{_FLAGS}=--{name}={text}" if setting.kind == "xla" else f"{name}={text}"
        ours = "without it" if setting.value is None else f"with {_text(setting.value)}"
        found.append(f"{shown} is not used, workers run {ours}: {setting.reason}")
    return found


def apply(environment: MutableMapping[str, str]) -> None:
    """Sets JAX's options in this process before its backend starts, and removes forbidden variables."""
    import jax

    for setting in SETTINGS:
        if setting.kind == "variable" and setting.value is None:
            environment.pop(setting.name, None)
        if setting.kind != "jax":
            continue
        # A later version may lack the option.
        if getattr(jax.config, setting.name, setting.value) != setting.value:
            with contextlib.suppress(RuntimeError):
                jax.config.update(setting.name, setting.value)


def in_use(platform: str, environment: Mapping[str, str]) -> tuple[dict[str, Value], dict[str, str]]:
    """Returns the options and variables that hold in the workers, and the flags of XLA without the table's defaults."""
    table = list(_for_platform(platform))
    ours = {s.name: s.value for s in table if s.kind != "xla" and s.value is not None}
    theirs = {name: environment[name] for name in _NOT_OURS if environment.get(name)}
    held = {s.name for s in table if s.kind == "xla" and s.is_default}
    given = read_flags({**environment, **variables(platform, environment)})
    return {**theirs, **ours}, {name: value for name, value in given.items() if name not in held}
