"""What a user's environment says does not reach the bits, and is said to be replaced."""

import subprocess
import sys

import jax
import pytest

from engine import store
from engine.commands.run import run
from engine.store import provenance
from engine.workers import determinism, devices
from engine.workers.devices import Devices
from tests.conftest import read_all, small_arm, small_study

pytestmark = pytest.mark.bits

# Each of the first six alone changes bits where nobody stands in its way.
HOSTILE = {
    "PJRT_NPROC": "4",
    "NPROC": "4",
    "JAX_NUM_CPU_DEVICES": "3",
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_DISABLE_JIT": "1",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_force_host_platform_device_count=4",
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_DEBUG_NANS": "1",
}
CPU, GPU = Devices("cpu", 2), Devices("gpu", 1)


def _run_calm_and_hostile(study, hostile, tmp_path, options, monkeypatch):
    run(study, tmp_path / "calm", has_report=False, num_workers=0, is_quiet=True, **options)
    monkeypatch.delenv("NPROC")
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    run(study, tmp_path / "hostile", has_report=False, num_workers=1, is_quiet=True, **options)
    assert read_all(tmp_path / "hostile") == read_all(tmp_path / "calm")
    documents = [store.open_existing(tmp_path / name).document for name in ("calm", "hostile")]
    digests = [provenance.environment_digest(d["launches"][-1]) for d in documents]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_a_hostile_environment_changes_no_bit_of_convolutions(tmp_path, data_dir, cache_dir, monkeypatch):
    """Their sums are divided among the threads of a pool, where there is one."""
    arm = small_arm(model="cnn8", conv_widths=(8, 8), pool_after=(2,))
    study = small_study(arms={"conv": arm}, baseline=None, seeds=2, horizon=22)
    options = {"data_dir": data_dir, "cache_dir": cache_dir}
    _run_calm_and_hostile(study, HOSTILE, tmp_path, options, monkeypatch)


def test_a_hostile_environment_changes_no_bit(tmp_path, data_dir, cache_dir, monkeypatch, capfd):
    # Other flags are another key of the compilation cache.
    hostile = {name: value for name, value in HOSTILE.items() if name != "XLA_FLAGS"}
    options = {"data_dir": data_dir, "cache_dir": cache_dir}
    _run_calm_and_hostile(small_study(), hostile, tmp_path, options, monkeypatch)
    notes = [line for line in capfd.readouterr().err.splitlines() if line.startswith("note: ")]
    assert [line.split()[1] for line in notes] == [f"{name}={hostile[name]}" for name in sorted(hostile, key=_place)]


def _place(variable):
    return [setting.name.upper() for setting in determinism.SETTINGS].index(variable)


def test_the_installed_versions_know_everything_in_the_table():
    flags = " ".join(f"--{s.name}={str(s.value).lower()}" for s in determinism.SETTINGS if s.kind == "xla")
    names = [s.name for s in determinism.SETTINGS if s.kind == "jax"]
    assert all(hasattr(jax.config, name) for name in names)
    program = "import jax; jax.devices()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HOME": "/home/x", "XLA_FLAGS": "--xla_cpu_use_onednn=true"},
        {"NPROC": "1", "JAX_ENABLE_X64": "False", "JAX_THREEFRY_PARTITIONABLE": "yes"},
        {"XLA_FLAGS": "--xla_cpu_enable_fast_math=0 --xla_force_host_platform_device_count=1"},
        {"XLA_FLAGS": "--xla_cpu_enable_fast_math --xla_cpu_enable_fast_math=false"},
        {"NVIDIA_TF32_OVERRIDE": "1", "CUBLAS_WORKSPACE_CONFIG": ":16:8"},
    ],
)
def test_what_agrees_or_has_no_effect_is_not_mentioned(environment):
    assert determinism.contradictions("cpu", environment) == []


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"XLA_FLAGS": "--xla_gpu_deterministic_ops=false"}, "atomic"),
        ({"XLA_FLAGS": "--xla_gpu_autotune_level=4"}, "run with 0"),
        ({"NVIDIA_TF32_OVERRIDE": "0"}, "run without it"),
        ({"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, "run with :4096:8"),
        ({"JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32"}, "run with float32"),
    ],
)
def test_one_sentence_for_each_contradiction_on_a_gpu(environment, words):
    (sentence,) = determinism.contradictions("gpu", environment)
    ((name, value),) = environment.items()
    assert sentence.startswith(f"{name}={value} is not used")
    assert words in sentence


def test_flags_that_are_so_anyway_are_given_only_against_others(tmp_path, monkeypatch):
    """XLA ends the process at a flag that it does not know, so none is given without need."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert "XLA_FLAGS" not in devices.environment(CPU, 0)
    assert devices.environment(GPU, 0)["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=true"
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=d --xla_cpu_enable_fast_math=true")
    assert devices.environment(CPU, 0)["XLA_FLAGS"] == (
        "--xla_dump_to=d --xla_cpu_enable_fast_math=true --xla_cpu_enable_fast_math=false"
    )
    file = tmp_path / "flags"
    file.write_text("--xla_gpu_autotune_level=4\n--xla_gpu_enable_cublaslt=true\n")
    monkeypatch.setenv("XLA_FLAGS", str(file))
    assert devices.environment(GPU, 0)["XLA_FLAGS"].split() == [
        "--xla_gpu_autotune_level=4",
        "--xla_gpu_enable_cublaslt=true",
        "--xla_gpu_deterministic_ops=true",
        "--xla_gpu_autotune_level=0",
    ]


def test_what_must_not_be_there_is_removed_in_the_worker_itself(monkeypatch):
    environment = {"NVIDIA_TF32_OVERRIDE": "0", "PATH": "here"}
    determinism.apply(environment)
    assert environment == {"PATH": "here"}


def test_options_of_jax_are_put_back():
    try:
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_random_seed_offset", 7)
        devices.configure_backend(None)
        assert not jax.config.jax_enable_x64
        assert jax.config.jax_random_seed_offset == 0
    finally:
        jax.config.update("jax_enable_x64", False)
        jax.config.update("jax_random_seed_offset", 0)
