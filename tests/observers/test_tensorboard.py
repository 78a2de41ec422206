"""The folder that TensorBoard is pointed to: names, contents, and what stays the same."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import launch
from engine.commands.report import report
from engine.commands.run import run
from engine.errors import InputError, StorageError
from engine.observers import StudyProgress
from engine.observers.event_file import chart_of_quartiles, session_start
from engine.observers.tensorboard import TensorBoard, folder_names, run_folder
from engine.store import open_existing
from engine.studies.designs import FIRST_FORK_SEED, FIRST_GRID_SEED, MAX_FORKS
from tests.conftest import read_all, small_study
from tests.observers.rows import row_of


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "study"))


def _scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars(tag)]


def _files(workdir: Path) -> dict[str, bytes]:
    root = workdir / "tensorboard"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_arms_stand_before_single_runs(finished):
    found = EventMultiplexer()
    found.AddRunsFromDirectory(str(finished / "tensorboard"))
    found.Reload()
    arms = ["aggregate/fast", "aggregate/slow"]
    runs = [f"runs/{arm}/seed-000{seed}" for arm in ("fast", "slow") for seed in range(3)]
    assert sorted(found.Runs()) == arms + runs
    tags = {tag for run in found.Runs().values() for tag in run["scalars"]}
    first = sorted(tags)[:5]
    assert all(tag.startswith("arm/") for tag in first)
    assert {"run/loss", "run/accuracy", "run/held_out_loss"} <= tags - set(first)


def test_every_run_and_arm_is_what_the_store_says(finished):
    rows = [row for row in read_all(finished) if row["arm"] == "slow"]
    for row in rows:
        folder = finished / "tensorboard" / "runs" / "slow" / f"seed-000{row['seed']}"
        expected = list(zip(row["steps"], row["loss"], strict=True))
        assert _scalars(folder, "run/loss") == expected
    found = _scalars(finished / "tensorboard" / "aggregate" / "slow", "arm/loss_median")
    expected = np.sort([row["loss"] for row in rows], axis=0)[1]
    assert found == list(zip(rows[0]["steps"], expected, strict=True))
    share = _scalars(finished / "tensorboard" / "aggregate" / "slow", "arm/share_left_chance")
    left = [row["onset_step"] for row in rows if row["event"] == 1]
    assert share[-1] == (44, pytest.approx(len(left) / 3))


def test_a_report_writes_the_same_again(copied, capsys):
    before = _files(copied)
    shutil.rmtree(copied / "tensorboard")
    report(copied, has_tensorboard=True)
    assert "tensorboard --logdir=" in capsys.readouterr().out
    after = _files(copied)
    runs = {name for name in before if name.startswith("runs/")}
    assert {name: after[name] for name in runs} == {name: before[name] for name in runs}
    report(copied, has_tensorboard=True)
    assert _files(copied) == after


def test_a_resumed_launch_writes_only_what_is_new(copied, data_dir, cache_dir):
    before = _files(copied)
    times = {p: p.stat().st_mtime_ns for p in (copied / "tensorboard").rglob("runs/*/*/*")}
    gone = next(path for path in times if "seed-0001" in str(path))
    gone.unlink()
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    study = small_study(seeds=4)
    run(study, copied, has_report=False, has_tensorboard=True, **options)
    after = _files(copied)
    runs = {name: content for name, content in before.items() if name.startswith("runs/")}
    assert {name: after[name] for name in runs} == runs
    assert len([name for name in after if name.startswith("runs/")]) == 8
    assert all(p.stat().st_mtime_ns == times[p] for p in times if p != gone)
    counts = _scalars(copied / "tensorboard" / "aggregate" / "slow", "arm/num_runs")
    assert {value for _, value in counts} == {4.0}


def test_earlier_files_of_an_arm_are_emptied_and_few(copied):
    board = TensorBoard(open_existing(copied))
    board.catch_up()
    for seed in range(3, 30):
        steps = np.arange(0, 45, 11)
        board.on_rows([row_of(seed, steps=steps, loss=np.ones(5))], StudyProgress(0, 0, 0.0))
        board._write_arms()
    files = sorted((copied / "tensorboard" / "aggregate" / "slow").iterdir())
    assert [path.stat().st_size > 0 for path in files] == 9 * [False] + [True]
    board.forget_earlier()
    folder = copied / "tensorboard" / "aggregate" / "slow"
    assert sorted(folder.iterdir()) == files[-1:]


def test_nothing_is_removed_behind_a_link(copied, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for number in (1, 2):
        (elsewhere / f"events.out.tfevents.{number:06d}.plateau").write_text("theirs")
    folder = copied / "tensorboard" / "aggregate" / "slow"
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)
    with pytest.raises(InputError, match="symbolic link"):
        TensorBoard(open_existing(copied)).forget_earlier()
    assert len(list(elsewhere.iterdir())) == 2


def test_arms_are_written_no_more_often_than_agreed(copied):
    board = TensorBoard(open_existing(copied))
    board.catch_up()
    folder = copied / "tensorboard" / "aggregate" / "slow"
    (before,) = folder.iterdir()
    for seed in range(3, 9):
        board.on_rows([row_of(seed)], StudyProgress(0, 0, 0.0))
    assert sum(path.stat().st_size > 0 for path in folder.iterdir()) == 1
    numbered = max(path.name for path in folder.iterdir())
    board.on_end()
    assert max(path.name for path in folder.iterdir()) > numbered > before.name


def test_a_place_that_leads_elsewhere_is_refused(copied, tmp_path):
    shutil.rmtree(copied / "tensorboard" / "runs")
    (tmp_path / "elsewhere").mkdir()
    (copied / "tensorboard" / "runs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"runs.*symbolic link"):
        report(copied, has_tensorboard=True)
    assert not list((tmp_path / "elsewhere").iterdir())
    shutil.rmtree(copied / "tensorboard")
    (copied / "tensorboard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"tensorboard.*symbolic link"):
        report(copied)


def test_what_cannot_be_written_is_said_in_a_line(copied):
    folder = copied / "tensorboard" / "runs" / "slow"
    shutil.rmtree(folder)
    (folder / "seed-0000" / "events.out.tfevents.plateau").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"cannot write .*events.out.tfevents.plateau"):
        report(copied, has_tensorboard=True)
    assert not list((copied / "tensorboard").glob(".part*"))


def test_a_failed_run_has_no_file(copied):
    board = TensorBoard(open_existing(copied))
    failed = {**row_of(3), "status": "failed", "event": 0, "steps": None, "loss": None}
    board.on_rows([failed], StudyProgress(0, 0, 0.0))
    board.on_end()
    assert not (copied / "tensorboard" / "runs" / "slow" / "seed-0003").exists()


def test_curves_of_somebody_else_are_written_too(tmp_path, capsys):
    lines = [
        f"{run},{step},{2.3 if step < 100 + 10 * run else 0.1}" for run in range(3) for step in range(0, 400, 7 + run)
    ]
    (tmp_path / "log.csv").write_text("\n".join(["run,step,loss", *lines]))
    workdir = tmp_path / "study"
    words = [f"--curves={tmp_path / 'log.csv'}", f"--workdir={workdir}", "--chance_loss=2.3"]
    assert launch.main(["launch.py", "read", *words]) == 0
    assert launch.main(["launch.py", "report", f"--workdir={workdir}", "--tensorboard"]) == 0
    (arm,) = (workdir / "tensorboard" / "aggregate").iterdir()
    assert _scalars(arm, "arm/share_left_chance")[-1][1] == 1.0
    assert len(list((workdir / "tensorboard" / "runs" / arm.name).iterdir())) == 3


def test_names_of_runs():
    assert run_folder(row_of(7)) == "seed-0007"
    assert run_folder(row_of(12345)) == "seed-12345"
    assert run_folder(row_of(3, order_seed=FIRST_GRID_SEED + 2)) == "seed-0003-in-order-0002"
    fork = FIRST_FORK_SEED + 3 * MAX_FORKS + 4
    assert run_folder(row_of(3, fork_step=10, fork_order_seed=fork)) == "seed-0003-fork-0004"


def test_names_of_arms_are_safe_and_never_the_same():
    plain = ["he", "init=he,learning_rate=0.001", "größe"]
    assert list(folder_names(plain).values()) == plain
    odd = ["a/b", "a_b", "A_B", "..", ".", "", "../../etc", "x" * 200, "x" * 201, "\ud800", "a b"]
    found = folder_names(odd)
    assert list(found) == odd
    assert len({name.casefold() for name in found.values()}) == len(odd)
    for name in found.values():
        assert name
        assert not name.startswith(".")
        assert "/" not in name
        assert len(name.encode(errors="replace")) < 255


def test_fields_and_charts_are_what_the_plugins_expect():
    fields = {"batch_size": 64, "batch_norm": True, "init": "he", "widths": [16, 8]}
    info = HParamsPluginData.FromString(
        session_start(fields, 12.0).value[0].metadata.plugin_data.content
    ).session_start_info
    assert info.start_time_secs == 12.0
    assert info.hparams["batch_size"].number_value == 64
    assert info.hparams["batch_norm"].bool_value is True
    assert info.hparams["init"].string_value == "he"
    assert info.hparams["widths"].string_value == "16-8"
    (category,) = Layout.FromString(chart_of_quartiles("arm/loss", "arm/share").value[0].tensor.string_val[0]).category
    (band,) = category.chart[0].margin.series
    assert band.value == "arm/loss_median"
    assert (band.lower, band.upper) == ("arm/loss_lower_quartile", "arm/loss_upper_quartile")
    assert list(category.chart[1].multiline.tag) == ["arm/share"]
