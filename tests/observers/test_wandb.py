"""What Weights & Biases is told, by a module that takes its place."""

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import launch
from engine.commands.run import run
from engine.errors import InputError
from engine.observers import StudyProgress, trackers
from engine.observers.trackers import Tracking
from engine.observers.wandb import Tracker
from engine.store import open_existing
from tests.conftest import read_all, small_study
from tests.observers.rows import row_of

STANDING = StudyProgress(0, 1, 0.0)


class _Run:
    def __init__(self, about: dict[str, Any]) -> None:
        self.about, self.logged, self.summary = about, [], {}
        self.is_finished, self.url = False, None

    def define_metric(self, name: str, **about: Any) -> None: ...

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        assert not self.is_finished
        self.logged.append((step, values))

    def finish(self) -> None:
        self.is_finished = True


class _Settings:
    model_fields = types.MappingProxyType({"console": None, "x_disable_meta": None})

    def __init__(self, **values: Any) -> None:
        self.values, self.mode, self.api_key = values, "online", None
        self.base_url = "https://nowhere.invalid"


@pytest.fixture
def fake(monkeypatch, tmp_path) -> types.SimpleNamespace:
    """A module in the place of wandb; `runs` has what was begun."""
    runs: list[_Run] = []

    def init(**about: Any) -> _Run:
        runs.append(_Run(about))
        return runs[-1]

    module = types.SimpleNamespace(
        init=init,
        runs=runs,
        Settings=_Settings,
        setup=lambda: types.SimpleNamespace(settings=_Settings()),
        login=lambda prompt: True,
    )
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    return module


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "study"))


def _by_title(fake: types.SimpleNamespace) -> dict[str, _Run]:
    return {run.about["name"]: run for run in fake.runs}


def test_arms_and_the_first_runs_are_told(fake, tmp_path, data_dir, cache_dir, capsys):
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    run(small_study(), tmp_path / "w", has_report=False, trackers=("wandb",), tracked_runs=3, **options)
    found = _by_title(fake)
    assert set(found) == {"slow", "fast", "slow seed 0", "fast seed 0", "slow seed 1"}
    assert all(one.is_finished for one in fake.runs)
    assert {one.about["group"] for one in fake.runs} == {"small"}
    row = next(row for row in read_all(tmp_path / "w") if (row["arm"], row["seed"]) == ("slow", 1))
    logged = {step: point["loss"] for step, point in found["slow seed 1"].logged}
    assert logged == dict(zip(row["steps"], row["loss"], strict=True))
    assert found["slow seed 1"].summary["status"] == row["status"]
    arm = found["slow"]
    assert [point["seeds"] for _, point in arm.logged if "seeds" in point][-1] == 3
    curve = [point for _, point in arm.logged if "step" in point]
    assert [point["step"] for point in curve] == row["steps"]
    assert set(curve[0]) == {"step", "curve/lower", "curve/median", "curve/upper", "curve/share"}
    assert arm.summary == {"num_over": 3, "num_planned": 3, "is_whole": True}
    assert "note: W&B: kept in" in capsys.readouterr().err


def test_nothing_of_the_machine_is_told(fake, copied):
    sender = Tracking(Tracker(), open_existing(copied), 2, print)
    sender.catch_up()
    sender.on_rows([row_of(3)], STANDING)
    sender.on_end()
    (arm,) = fake.runs
    assert arm.about["settings"].values == {"console": "off", "x_disable_meta": True}
    assert str(copied) not in str(arm.about["config"])
    assert arm.about["config"]["arm"] == "slow"


def test_a_later_launch_goes_on_where_the_first_was(fake, copied):
    for seeds in ([3], [3, 4]):
        directory = open_existing(copied)
        directory.document["study"]["seeds"]["slow"] = 9
        sender = Tracking(Tracker(), directory, 0, print)
        sender.catch_up()
        sender.on_rows([row_of(seed) for seed in seeds], STANDING)
        sender.on_end()
    first, second = fake.runs
    assert first.about["id"] == second.about["id"]
    assert first.about["resume"] == "allow"
    # What was stored before is known, and not told again; of part of an arm there is no curve.
    assert [point["seeds"] for _, point in first.logged] == [4]


def test_without_new_runs_nothing_is_begun(fake, copied):
    sender = Tracking(Tracker(), open_existing(copied), 5, pytest.fail)
    sender.on_rows([], STANDING)
    sender.on_end()
    assert fake.runs == []


def test_values_that_are_no_numbers_are_left_out(fake, copied):
    loss = np.array([1.0, np.nan, np.inf, 2.0], np.float32)
    sender = Tracking(Tracker(), open_existing(copied), 99, print)
    sender.on_rows([row_of(3, loss=loss)], STANDING)
    sender.on_end()
    assert _by_title(fake)["slow seed 3"].logged == [(0, {"loss": 1.0}), (30, {"loss": 2.0})]


def test_a_failure_on_the_way_ends_nothing(fake, tmp_path, data_dir, cache_dir, capsys):
    def init(**about: Any) -> _Run:
        raise ConnectionError("no such host")

    fake.init = init
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    run(small_study(), tmp_path / "w", has_report=False, trackers=("wandb",), tracked_runs=3, **options)
    assert len(read_all(tmp_path / "w")) == 6
    err = capsys.readouterr().err
    assert err.count("no such host") == 1
    assert "WANDB_MODE=offline" in err


def test_one_that_hangs_is_not_waited_for(fake, copied, monkeypatch):
    import threading

    release = threading.Event()
    fake.init = lambda **about: release.wait(60) and _Run(about)
    monkeypatch.setattr(trackers, "_GRACE", 0.05)
    sender = Tracking(Tracker(), open_existing(copied), 99, print)
    sender.on_rows([row_of(3)], STANDING)
    with pytest.raises(RuntimeError, match="not done after"):
        sender.on_end()
    release.set()


@pytest.mark.parametrize("module", [None, types.SimpleNamespace()])
def test_a_missing_package_is_said(module, monkeypatch, tmp_path, data_dir, capsys):
    monkeypatch.setitem(sys.modules, "wandb", module)
    workdir = tmp_path / "w"
    words = ["launch.py", "--experiment=single", f"--workdir={workdir}", f"--data_dir={data_dir}"]
    assert launch.main([*words, "--track=wandb"]) == 2
    assert capsys.readouterr().err == ("error: wandb needs the package of that name: pip install wandb\n")
    assert not workdir.exists()


def test_a_missing_key_is_said_before_anything_starts(fake, monkeypatch):
    Tracker().check()
    fake.login = lambda prompt: False
    with pytest.raises(InputError, match="no key to send anything with"):
        Tracker().check()
    fake.login = lambda: True
    with pytest.raises(InputError, match="no key to send anything with"):
        Tracker().check()
    fake.login = lambda prompt: 1 / 0
    with pytest.raises(InputError, match="wandb cannot be used: division by zero"):
        Tracker().check()


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_nothing_is_asked_for_where_nothing_is_sent(mode, fake):
    settings = _Settings()
    settings.mode = mode
    fake.setup = lambda: types.SimpleNamespace(settings=settings)
    fake.login = pytest.fail
    Tracker().check()


def test_a_key_on_file_is_enough(fake, tmp_path):
    (tmp_path / "none").write_text("machine nowhere.invalid login user password secret\n")
    fake.login = pytest.fail
    Tracker().check()
