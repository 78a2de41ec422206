"""What MLflow and trackio are told, each by the package itself, which keeps it on this machine."""

import shutil
import sys
import types
from pathlib import Path

import pytest

import launch
from engine.observers import StudyProgress
from engine.observers.trackers import TRACKERS, Tracking, make_tracker
from engine.store import open_existing
from tests.observers.rows import row_of

STANDING = StudyProgress(0, 1, 0.0)


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "study"))


def _follow(copied, name, seeds, notify=print):
    directory = open_existing(copied)
    directory.document["study"]["seeds"]["slow"] = 5
    tracking = Tracking(make_tracker(name), directory, 10, notify)
    tracking.catch_up()
    tracking.on_rows([row_of(seed) for seed in seeds], STANDING)
    tracking.on_end()


def test_mlflow_keeps_arms_and_runs_and_goes_on_with_them(copied, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(uri)
    make_tracker("mlflow").check()
    said = []
    _follow(copied, "mlflow", [3], said.append)
    _follow(copied, "mlflow", [3, 4], said.append)
    assert said == [f"MLflow: {uri}"] * 2
    client = mlflow.MlflowClient()
    (experiment,) = (one for one in client.search_experiments() if one.name == "small")
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(found) == {"slow", "slow seed 3", "slow seed 4"}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    arm, row = found["slow"], row_of(4)
    shares = client.get_metric_history(arm.info.run_id, "share")
    assert [(point.step, point.value) for point in shares][-1][0] == 5
    assert arm.data.tags["is_whole"] == "True"
    assert arm.data.params["arm"] == "slow"
    curve = client.get_metric_history(arm.info.run_id, "curve/median")
    assert [point.step for point in curve] == [0, 11, 22, 33, 44]
    losses = client.get_metric_history(found["slow seed 4"].info.run_id, "loss")
    assert [(point.step, point.value) for point in losses] == [
        (step, pytest.approx(value)) for step, value in zip(row["steps"], row["loss"], strict=True)
    ]
    assert found["slow seed 4"].data.tags["status"] == row["status"]
    assert str(copied) not in str([run.data.params for run in found.values()])


def test_trackio_keeps_arms_and_runs_side_by_side(copied, monkeypatch, tmp_path, capsys):
    trackio = pytest.importorskip("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    project = f"test-{tmp_path.name}"
    monkeypatch.setenv("TRACKIO_PROJECT", project)
    make_tracker("trackio").check()
    said = []
    _follow(copied, "trackio", [3, 4], said.append)
    assert said == [f"trackio: trackio show --project={project}"]
    assert capsys.readouterr().out == ""
    names = {name.rsplit(" ", 1)[0]: name for name in SQLiteStorage.get_runs(project)}
    assert set(names) == {"slow", "slow seed 3", "slow seed 4"}
    row = row_of(4)
    points = [point for point in SQLiteStorage.get_logs(project, names["slow seed 4"]) if "loss" in point]
    assert [point["step"] for point in points] == list(row["steps"])
    assert [point["loss"] for point in points] == pytest.approx(list(row["loss"]))
    arm = SQLiteStorage.get_logs(project, names["slow"])
    assert [point["step"] for point in arm if "share" in point][-1] == 5
    assert arm[-1]["end/num_over"] == 5
    trackio.delete_project(project, force=True)


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("module", [None, types.ModuleType("empty")])
def test_a_missing_package_is_said_before_anything_starts(name, module, monkeypatch, tmp_path, data_dir, capsys):
    monkeypatch.setitem(sys.modules, name, module)
    words = ["launch.py", "--experiment=single", f"--workdir={tmp_path / 'w'}", f"--data_dir={data_dir}"]
    assert launch.main([*words, f"--track={name}"]) == 2
    assert f"error: {name} needs the package of that name: pip install {name}" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_the_help_names_every_tracker(capsys):
    launch.main(["launch.py", "run", "--help"])
    line = next(line for line in capsys.readouterr().out.splitlines() if "--track:" in line)
    assert all(name in line for name in TRACKERS)
