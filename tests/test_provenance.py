"""What is recorded of a launch, and what must never be."""

import getpass
import importlib.metadata
import json
import re
import socket
import sys
from pathlib import Path

import pytest

from engine import store
from engine.commands.run import run
from engine.lanes.versions import versions as package_versions
from engine.store import provenance
from engine.store.redact import discreet, without_places
from engine.workers import determinism, devices
from engine.workers.devices import Devices, current_launch
from tests.conftest import small_arm, small_study

GPU = Devices("gpu", 4, "NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--seeds=3", "--seeds=3"),
        ("--workdir=runs/kick_in", "--workdir=runs/kick_in"),
        ("--sweep=learning_rate=1e-4,1e-3", "--sweep=learning_rate=1e-4,1e-3"),
        ("/home/alice/runs/a", "a"),
        ("--workdir=/home/alice/runs/a/", "--workdir=a"),
        ("--workdir=~/runs/a", "--workdir=a"),
        ("--workdir=~alice/runs/a", "--workdir=a"),
        ("--workdir=/home/alice", "--workdir=~"),
        ("--workdir=~alice", "--workdir=~"),
        ("--workdir=../../alice/a", "--workdir=a"),
        ("--workdir=runs/../../alice/a", "--workdir=a"),
        ("--workdir=..", "--workdir=~"),
        ("--pilot=/a/b,/c/d", "--pilot=b,d"),
        ("--sweep=dataset=/a/b,c,~/d/e", "--sweep=dataset=b,c,e"),
        ("--data_dir=/home/Alice Smith/my data", "--data_dir=my data"),
        (r"--workdir=C:\Users\alice\runs\a", "--workdir=a"),
        (r"--workdir=C:\Users\alice", "--workdir=~"),
        ("--workdir=D:/data/alice/a", "--workdir=a"),
        (r"\\server\share\a", "a"),
        ("alice@host:/data/a", "a"),
        ("a:/b/c:/d/e", "e"),
        ('{"dir": "/home/alice/x"}', '{"dir": "x"}'),
        ("file:///home/alice/a", "a"),
        ("--data_dir=gs://bucket/digits", "--data_dir=gs://bucket/digits"),
        ("s3://KEY:SECRET@bucket/a", "s3://bucket/a"),
        ("https://h/a?sig=SECRET&x=1,https://u:p@h/b", "https://h/a,https://h/b"),
        ("https://h/a,https://u:p@h/b#frag", "https://h/a,https://h/b"),
    ],
)
def test_of_a_place_the_last_component_is_kept(word, expected):
    assert without_places(word) == expected


def test_values_of_flags_for_secrets_are_hidden():
    words = ["--api_key=abc", "--token", "abc", "--auth", "--seeds=3", "abc", "--password="]
    hidden = ["--api_key=…", "--token", "…", "--auth", "--seeds=3", "abc", "--password=…"]
    assert discreet(words) == hidden


@pytest.mark.long
def test_nothing_in_a_study_says_who_ran_it_and_where(tmp_path, cache_dir, monkeypatch):
    home = tmp_path / "home" / "alice-the-user"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "alice-the-user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("JAX_COMPILER_API_TOKEN", "hunter2")
    monkeypatch.setenv("LIBTPU_INIT_ARGS", f"--log_dir={home}/logs --other={home}")
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to={home}/dump")
    workdir, data_dir = home / "runs" / "mine", home / "data"
    words = [f"--workdir={workdir}", "--data_dir", str(data_dir), "--token=hunter2", "~/x", "../y"]
    monkeypatch.setattr(sys, "argv", [str(home / "launch.py"), *words])
    arms = {"only": small_arm(dataset="teacher")}
    study = small_study(arms=arms, baseline=None, seeds=1, horizon=11)
    options = {"data_dir": str(data_dir), "cache_dir": cache_dir, "num_workers": 0}
    run(study, workdir, is_quiet=True, **options)
    for name in ("study.json", "summary.json", "report.html"):
        text = (workdir / name).read_text()
        for leak in ("alice-the-user", "hunter2", str(tmp_path), str(Path.cwd())):
            assert leak not in text, (name, leak)
    document = json.loads((workdir / "study.json").read_text())
    text = json.dumps(document, ensure_ascii=False)
    assert getpass.getuser() not in text
    assert socket.gethostname() not in text
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    assert not [s for s in strings if re.match(r"[/~]|\\\\|[A-Za-z]:[\\/]", s)]
    (launch,) = document["launches"]
    expected = ["launch.py", "--workdir=mine", "--data_dir", "data", "--token=…", "x", "y"]
    assert launch["command"] == expected
    assert launch["xla_flags"] == {"xla_dump_to": "dump"}


def test_a_launch_says_what_its_bits_depend_on(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_enable_cublaslt=true")
    monkeypatch.setenv("TF_CUDNN_USE_FRONTEND", "1")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    launch = current_launch(GPU)
    assert launch["devices"] == {"platform": "gpu", "kind": GPU.kind, "count": 4}
    for name in ("python", "jax", "jaxlib", "ml_dtypes", "opt_einsum", "numpy", "flax", "optax"):
        assert launch["versions"][name]
    assert launch["xla_flags"] == {"xla_gpu_enable_cublaslt": "true", "xla_gpu_deterministic_ops": "true"}
    settings = launch["settings"]
    assert settings["jax_default_matmul_precision"] == "float32"
    assert settings["TF_CUDNN_USE_FRONTEND"] == "1"
    assert "NVIDIA_TF32_OVERRIDE" not in settings
    assert "NPROC" not in settings
    assert re.fullmatch("[0-9a-f]{64}", launch["code"]["digest"])
    assert json.loads(json.dumps(launch)) == launch


def test_plugins_and_their_libraries_are_found_by_their_names(monkeypatch):
    class Package:
        def __init__(self, name):
            self.name, self.version = name, "1.2"

    plugins = ["jax-cuda12-pjrt", "jax_rocm7_plugin", "nvidia-cublas-cu12", "libtpu", "jax-tpu-x"]
    others = [None, "jaxtyping", "nvidialess", "requests"]
    found = [Package(name) for name in [*plugins, *others]]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: found)
    versions = package_versions.__wrapped__()
    added = {name for name, version in versions.items() if version == "1.2"}
    assert added == {name.replace("_", "-") for name in plugins}


def test_the_code_is_known_by_its_content(tmp_path, monkeypatch):
    """Also where it was installed without git; what is compiled of it does not count."""
    for name in ("a.py", "report/b.py"):
        path = tmp_path / "engine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path / "engine")
    digest = provenance.code_digest.__wrapped__
    first = digest()
    (tmp_path / "engine" / "__pycache__").mkdir()
    (tmp_path / "engine" / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert digest() == first
    (tmp_path / "engine" / "report" / "b.py").write_text("x = 2\n")
    changed = digest()
    (tmp_path / "engine" / "report" / "b.py").rename(tmp_path / "engine" / "report" / "c.py")
    assert len({first, changed, digest()}) == 3
    assert provenance.code_revision().keys() == {"digest"}


def test_equal_environments_have_equal_digests():
    launch = current_launch(GPU)
    later = {**launch, "started": "later", "command": ["other"], "seconds": 3.0}
    later["devices"] = {**launch["devices"], "count": 1}
    later["versions"] = {**launch["versions"], "pyarrow": "0", "python": "2.7"}
    later["xla_flags"] = {**launch["xla_flags"], "xla_dump_to": "d"}
    assert provenance.environment_digest(later) == provenance.environment_digest(launch)
    assert provenance.describe_differences(launch, later) == ""


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("versions", {"jax": "9.9"}, f"jax {package_versions()['jax']} → 9.9"),
        ("versions", {"nvidia-cudnn-cu12": "9"}, "nvidia-cudnn-cu12 none → 9"),
        ("devices", {"kind": "TPU v5"}, f"device {GPU.kind} → TPU v5"),
        ("devices", {"platform": "tpu"}, "platform gpu → tpu"),
        ("settings", {"jax_enable_x64": True}, "jax_enable_x64 False → True"),
        ("xla_flags", {"xla_x": "1"}, "--xla_x none → 1"),
        ("code", {"digest": "f" * 64}, f"… → {'f' * 12}…"),
    ],
)
def test_a_difference_is_named_and_changes_the_digest(part, change, words):
    launch = current_launch(GPU)
    other = {**launch, part: {**launch[part], **change}}
    assert provenance.environment_digest(other) != provenance.environment_digest(launch)
    described = provenance.describe_differences(launch, other)
    assert described.endswith(words)
    assert "," not in described


def test_the_processor_is_known_with_what_xla_writes_code_for(monkeypatch):
    found = devices.find_devices()
    assert found.kind
    text = "processor : 0\nmodel name : Chip X\nflags : fpu avx2 avx512f\nmodel name : Y\n"
    monkeypatch.setattr(devices.Path, "read_text", lambda path: text)
    assert devices.find_devices().kind == "Chip X, AVX2, AVX-512"


def test_another_environment_is_said_when_a_study_goes_on(tmp_path, data_dir, cache_dir, capsys):
    study = small_study(arms={"only": small_arm()}, baseline=None, seeds=1, horizon=11)
    options = {"data_dir": data_dir, "cache_dir": cache_dir, "num_workers": 0, "is_quiet": True}
    run(study, tmp_path, has_report=False, **options)
    directory = store.open_existing(tmp_path)
    directory.document["launches"][0]["versions"]["jax"] = "0.1"
    directory.save_document()
    run(study, tmp_path, has_report=False, **options)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"(jax 0.1 → {package_versions()['jax']})" in line
    run(study, tmp_path, has_report=False, **options)
    assert capsys.readouterr().err == ""


def test_every_reason_of_the_table_is_written():
    for setting in determinism.SETTINGS:
        assert setting.reason
        assert setting.kind in ("jax", "xla", "variable")
