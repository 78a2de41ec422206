"""A study from its first launch to its report, in this process."""

import dataclasses
import errno
import json
import os

import jax
import pyarrow.parquet as pq
import pytest

from engine import store, workers
from engine.commands.report import report
from engine.commands.run import run
from engine.errors import InputError, StorageError
from engine.store import open_existing
from engine.studies.study import with_sweep
from engine.workers import devices
from tests.conftest import read_all, small_arm, small_study


@pytest.fixture
def options(data_dir, cache_dir):
    return {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}


def test_a_study_leaves_everything_that_is_promised(tmp_path, options):
    summary = run(small_study(), tmp_path, **options).summary
    for name in ("study.json", "outcomes.parquet", "summary.json", "report.html"):
        assert (tmp_path / name).stat().st_size > 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"incidence.svg", "incidence.png", "forest.svg", "curves_1.svg", "curves_2.png"} <= names
    outcomes = pq.read_table(tmp_path / "outcomes.parquet")
    assert outcomes.column_names == store.OUTCOME_SCHEMA.names
    assert outcomes.num_rows == 6
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(summary))
    document = open_existing(tmp_path).document
    launch = document["launches"][-1]
    assert launch["seed_steps"] == 6 * 44
    assert launch["versions"]["jax"] == jax.__version__
    assert len(document["identity"]["data"]["slow"]) == 64


@pytest.mark.long
def test_more_seeds_later_are_what_one_launch_would_have_made(tmp_path, options):
    run(small_study(seeds=6), tmp_path / "once", **options)
    run(small_study(seeds=2), tmp_path / "twice", **options)
    first = read_all(tmp_path / "twice")
    run(small_study(seeds=6), tmp_path / "twice", **options)
    assert read_all(tmp_path / "twice") == read_all(tmp_path / "once")
    assert all(row in read_all(tmp_path / "twice") for row in first)
    launches = open_existing(tmp_path / "twice").document["launches"]
    assert [launch["num_runs"] for launch in launches] == [4, 8]


def test_the_same_command_again_runs_nothing(tmp_path, options):
    run(small_study(), tmp_path, **options)
    before = {path.name: path.read_bytes() for path in (tmp_path / "parts").iterdir()}
    run(small_study(), tmp_path, **options)
    assert {path.name: path.read_bytes() for path in (tmp_path / "parts").iterdir()} == before
    assert open_existing(tmp_path).document["launches"][-1]["num_runs"] == 0


def test_another_study_is_refused_and_nothing_changes(tmp_path, options):
    run(small_study(), tmp_path, **options)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="root_seed was 0, is now 1"):
        run(small_study(root_seed=1), tmp_path, **options)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_is_damaged_is_said_and_run_again(tmp_path, options, capsys):
    run(small_study(), tmp_path, has_report=False, **options)
    rows = read_all(tmp_path)
    (part,) = (tmp_path / "parts").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-9])
    (tmp_path / "study.json").write_text("{")
    capsys.readouterr()
    run(small_study(seeds=4), tmp_path, has_report=False, **options)
    said = capsys.readouterr().err
    assert part.name in said
    assert "study.json' is not whole" in said
    assert sorted(p.name for p in (tmp_path / "damaged").iterdir()) == [part.name, "study.json"]
    assert [row for row in read_all(tmp_path) if row["seed"] < 3] == rows
    launches = open_existing(tmp_path).launches_of_runs()
    assert len(launches) == 8
    assert set(launches.values()) == {1}


def test_a_disk_that_fills_up_loses_nothing(tmp_path, options, monkeypatch):
    run(small_study(), tmp_path / "whole", has_report=False, **options)
    real, done = os.replace, []

    def replace(*paths):
        # Who holds the lock, `study.json` and its backup are written before any row.
        if len(done) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done.append(paths)
        real(*paths)

    path = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(StorageError, match=r"No space left on device.*make space"):
            run(small_study(), path, has_report=False, **options)
    assert sorted(os.listdir(path)) == ["parts", "study.json", "study.json.bak"]
    run(small_study(), path, has_report=False, **options)
    assert read_all(path) == read_all(tmp_path / "whole")


def test_a_second_launch_is_refused_and_readers_are_not(tmp_path, options):
    run(small_study(), tmp_path, **options)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with store.hold(tmp_path, pytest.fail):
        with pytest.raises(InputError, match=f"in use by process {os.getpid()}"):
            run(small_study(seeds=4), tmp_path, **options)
        assert report(tmp_path)["name"] == "small"
    assert before.keys() == {p for p in tmp_path.rglob("*") if p.is_file()}


def test_a_report_says_what_is_left_out(tmp_path, options):
    run(small_study(seeds=2), tmp_path, has_report=False, **options)
    run(small_study(seeds=3), tmp_path, has_report=False, **options)
    parts = {path: len(pq.read_table(path)) for path in (tmp_path / "parts").glob("*.parquet")}
    part = next(path for path, number in parts.items() if number == 2)
    part.write_bytes(part.read_bytes()[:-9])
    summary = report(tmp_path)
    assert summary["arms"]["slow"]["num_runs"] == 2
    assert any("1 part is damaged or missing" in w for w in summary["verdict"]["limits"])


def test_an_interrupted_study_keeps_what_is_finished(tmp_path, options, monkeypatch):
    from engine.lanes.pool import LanePool

    calls = 0
    advance = LanePool.advance

    def interrupted(pool):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return advance(pool)

    study = small_study(seeds=3, horizon=44)
    monkeypatch.setattr(LanePool, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(study, tmp_path / "cut", width=2, **options)
    assert 0 < len(read_all(tmp_path / "cut")) < 6
    monkeypatch.undo()
    run(study, tmp_path / "cut", width=2, **options)
    run(study, tmp_path / "whole", width=2, **options)
    assert read_all(tmp_path / "cut") == read_all(tmp_path / "whole")


@pytest.mark.long
def test_a_sweep_of_numbers_compiles_the_training_program_once(tmp_path, data_dir):
    """8 values × 8 seeds, and the start of a network by another scheme, without a cache."""
    compiled: list[str] = []

    def listen(event: str, duration: float, **details: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(str(details.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    rates = [1e-4 * 2**i for i in range(8)]
    study = small_study(arms={"a": small_arm(), "b": small_arm(init="normal")}, baseline=None, seeds=4)
    study = with_sweep(study, {"learning_rate": rates})
    run(study, tmp_path, num_workers=0, data_dir=data_dir, cache_dir=str(tmp_path / "c"), is_quiet=True)
    assert len(read_all(tmp_path)) == 64
    assert sum("advance" in name for name in compiled) == 1, compiled


def test_a_report_of_an_unfinished_study_uses_the_complete_prefix(tmp_path, options):
    run(small_study(seeds=4), tmp_path, **options)
    rows = read_all(tmp_path)
    for part in (tmp_path / "parts").iterdir():
        part.unlink()
    kept = [row for row in rows if (row["arm"], row["seed"]) not in {("slow", 2), ("fast", 0)}]
    open_existing(tmp_path).append(kept)
    summary = report(tmp_path)
    assert list(summary["arms"]) == ["slow"]
    assert summary["arms"]["slow"]["num_runs"] == 2
    assert summary["arms"]["slow"]["num_stored"] == 3
    assert any("not complete" in line for line in summary["verdict"]["limits"])


def test_a_report_without_runs_is_refused(tmp_path, options):
    run(small_study(), tmp_path, has_report=False, **options)
    for part in (tmp_path / "parts").iterdir():
        part.unlink()
    with pytest.raises(InputError, match="no finished run"):
        report(tmp_path)


def test_a_study_of_diverging_runs_has_a_report(tmp_path, options):
    arms = {"wild": small_arm(optimizer="sgd", learning_rate=1e6), "tame": small_arm()}
    summary = run(small_study(arms=arms, baseline="wild", seeds=6), tmp_path, **options).summary
    assert summary["arms"]["wild"]["statuses"]["diverged"] == 6
    assert summary["arms"]["wild"]["median_onset"]["value"] is None
    assert "diverges" in summary["verdict"]["headline"]


def test_steps_are_the_unit_without_epochs(tmp_path, options):
    arms = {"t": small_arm(dataset="teacher"), "u": small_arm(dataset="teacher", learning_rate=1e-2)}
    summary = run(small_study(arms=arms, baseline=None), tmp_path, **options).summary
    assert summary["unit"] == "steps"
    assert summary["arms"]["t"]["accuracy_after"] is None


def test_the_width_is_kept_on_resume(tmp_path, options):
    run(small_study(seeds=2), tmp_path, width=3, has_report=False, **options)
    run(small_study(seeds=4), tmp_path, has_report=False, **options)
    assert set(open_existing(tmp_path).document["identity"]["width"].values()) == {3}
    assert len(read_all(tmp_path)) == 8
    with pytest.raises(InputError, match="width"):
        run(small_study(seeds=4), tmp_path, width=2, has_report=False, **options)


def test_a_width_that_does_not_fit_leaves_nothing(tmp_path, options, monkeypatch):
    monkeypatch.setattr(workers.serving, "memory_limit", lambda num_sharing: 610_000)
    with pytest.raises(InputError, match=r"width=4 .* not even one lane would fit"):
        run(small_study(), tmp_path / "w", width=4, **options)
    assert not (tmp_path / "w").exists()


def test_runs_that_settle_are_marked_and_the_report_says_so(tmp_path, options):
    study = small_study(
        arms={"fast": small_arm(learning_rate=1e-2), "still": small_arm(learning_rate=0.0)},
        baseline=None,
        horizon=880,
        stop="settled",
    )
    run(study, tmp_path, **options)
    for row in read_all(tmp_path):
        if row["arm"] == "fast":
            assert row["stop_reason"] == "settled"
            assert row["event"] == 1
            assert row["steps_run"] == row["steps"][-1] < 880
            assert row["inspected_steps"][-1] == row["steps_run"]
        else:
            assert (row["stop_reason"], row["status"], row["steps_run"]) == ("horizon", "stuck", 880)
    assert "stopped before the horizon" in (tmp_path / "report.html").read_text()
    with pytest.raises(InputError, match="stop was"):
        run(dataclasses.replace(study, stop="horizon"), tmp_path, **options)


def test_more_workers_than_accelerators_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "find_devices", lambda: devices.Devices("gpu", 1))
    with pytest.raises(InputError, match="at most one for each of the 1 gpu devices"):
        run(small_study(), tmp_path / "w", num_workers=4)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_workers": -1}, "workers=-1: expected at least 0"),
        ({"num_workers": 1.5}, "workers=1.5: expected a whole number"),
        ({"width": 0}, "width=0: expected at least 1"),
        ({"form": "patch"}, "unknown form 'patch': .* did you mean 'patches'"),
        ({"is_tuned": True, "width": 2}, "tune chooses width and form: give neither with it"),
        ({"checkpoint_every": 0}, "checkpoint_every=0.0: expected a positive number"),
        ({"checkpoint_every": float("inf")}, "checkpoint_every=inf: expected a finite number"),
        ({"live_every": 0.5}, "live=0.5: expected at least 1 second"),
        ({"live_every": float("nan")}, "live=nan: expected a finite number"),
        ({"tracked_runs": -1}, "tracked_runs=-1: expected at least 0"),
        ({"worker": 2}, "unknown option 'worker': .* did you mean 'workers'"),
    ],
)
def test_a_wrong_option_gets_one_line(changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        run(small_study(), tmp_path / "w", **changes)
    assert not (tmp_path / "w").exists()
