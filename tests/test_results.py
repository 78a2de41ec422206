"""A study that has run, opened in a notebook or script."""

import html
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib import style
from matplotlib.figure import Figure

import engine
from engine import store
from engine.errors import InputError
from engine.report.canvas import to_svg
from engine.store import inventory
from engine.studies.expand import expand
from engine.workers.interruption import Interrupted
from tests.conftest import small_study
from tests.stored import make_document, make_row

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data_dir, cache_dir):
    """A small study as `engine.run` leaves it, and what that returned."""
    path = tmp_path_factory.mktemp("finished")
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    return path, engine.run(small_study(), path, **options)


def _stored(path: Path, rows: list[dict], arms: tuple[str, ...] = ("a", "b")) -> engine.Results:
    document = make_document({name: {} for name in arms}, 880, 9, baseline=arms[0])
    store.create_or_resume(path, document).append(rows)
    return engine.open(path)


def test_a_run_returns_what_can_be_opened_later(finished, data_dir):
    path, results = finished
    later = engine.open(path)
    for one in (results, later):
        assert one.summary == json.loads((path / "summary.json").read_text())
        assert one.verdict == one.summary["verdict"]["headline"]
        assert one.outcomes.equals(pq.read_table(path / "outcomes.parquet"))
    assert later.path == path
    plan = expand(small_study(), "cpu", data_dir=data_dir)
    assert later.study.question == "Does it work?"
    assert later.arms == plan.arms == dict(later.study.arms)
    assert later.study.horizons_by_arm == plan.horizons


def test_curves_are_those_of_the_rows(finished):
    path, results = finished
    rows = {(row["arm"], row["seed"]): row for row in store.open_existing(path).read().to_pylist()}
    for metric, column in (("loss", "steps"), ("held_out_accuracy", "inspected_steps")):
        curves = results.curves("fast", metric)
        np.testing.assert_array_equal(curves.seed, [0, 1, 2])
        np.testing.assert_array_equal(curves.steps, rows["fast", 0][column])
        expected = np.asarray([rows["fast", seed][metric] for seed in range(3)], np.float32)
        np.testing.assert_array_equal(curves.values, expected)
    batch = results.curves("slow", "batch_loss")
    np.testing.assert_array_equal(batch.steps, np.arange(44))
    assert batch.values.shape == (3, 44)
    # Before its update the first mini-batch has the loss of the start, give or take its examples.
    np.testing.assert_allclose(batch.values[:, 0], results.curves("slow").values[:, 0], rtol=0.15)


def test_ragged_curves_are_padded_on_the_steps_of_all(tmp_path):
    ended = {"status": "diverged", "event": 2, "stop_reason": "diverged", "onset_step": None}
    results = _stored(
        tmp_path, [make_row("a", 3, 4), make_row("a", 1, 2, **ended, batch_loss=[1.0, 2.0, 3.0]), make_row("b", 0, 9)]
    )
    curves = results.curves("a")
    np.testing.assert_array_equal(curves.seed, [1, 3])
    np.testing.assert_array_equal(curves.steps, [0, 11, 22, 33])
    full, short = (np.linspace(2.3, 0.1, number).astype(np.float32) for number in (4, 2))
    np.testing.assert_array_equal(curves.values, [[*short, np.nan, np.nan], full])
    inspected = results.curves("a", "held_out_accuracy")
    np.testing.assert_array_equal(inspected.steps, [0, 11, 33])
    np.testing.assert_array_equal(np.isnan(inspected.values), [[False, False, True], [False, True, False]])
    batch = results.curves("a", "batch_loss")
    assert batch.values.shape == (2, 33)
    np.testing.assert_array_equal(batch.values[0, :4], [1, 2, 3, np.nan])
    with pytest.raises(ValueError, match="read-only"):
        curves.values[0, 0] = 0


def test_curves_are_of_repetitions_that_have_an_outcome(tmp_path):
    failed = {"status": "failed", "event": 0, "stop_reason": "failed", "onset_step": None}
    empty = dict.fromkeys(("steps", "loss", "accuracy", "inspected_steps", "held_out_accuracy"))
    results = _stored(
        tmp_path,
        [
            make_row("a", 0),
            make_row("a", 0, order_seed=2**30),
            make_row("a", 0, fork_step=11, fork_order_seed=2**31),
            make_row("a", 1, **failed, **empty, steps_run=0, batch_loss=[]),
        ],
    )
    np.testing.assert_array_equal(results.curves("a").seed, [0])
    assert len(results.outcomes) == 4
    assert len(results.rows(["arm", "loss"])) == 4


def test_wrong_names_are_answered_with_the_nearest(finished):
    _, results = finished
    with pytest.raises(InputError, match=r"unknown arm 'fats'.*did you mean 'fast'"):
        results.curves("fats")
    with pytest.raises(InputError, match=r"unknown metric 'acuracy'.*did you mean 'accuracy'"):
        results.curves("fast", "acuracy")
    with pytest.raises(InputError, match=r"unknown figure 'incident'.*did you mean 'incidence'"):
        results.figures["incident"]
    with pytest.raises(InputError, match=r"unknown column 'los'.*did you mean 'loss'"):
        results.rows(["arm", "los"])
    with pytest.raises(InputError, match="no finished run of 'fast' has a curve of average_loss"):
        results.curves("fast", "average_loss")


def test_a_study_without_finished_runs_opens(tmp_path):
    results = _stored(tmp_path, [])
    assert results.outcomes.num_rows == 0
    assert results.outcomes.schema.equals(store.OUTCOME_SCHEMA)
    for look in (lambda: results.summary, lambda: results.verdict, results.report):
        with pytest.raises(InputError, match="no finished run in"):
            look()
    with pytest.raises(InputError, match="no finished run of 'a'"):
        results.curves("a")
    assert "no finished run" in results._repr_html_()
    assert "no finished run" in str(results)
    assert not (tmp_path / "report.html").exists()


def test_places(tmp_path, monkeypatch, finished):
    path, _ = finished
    monkeypatch.setenv("HOME", str(path.parent))
    assert engine.open(f"~/{path.name}").path == path
    monkeypatch.chdir(path.parent)
    results = engine.open(path.name)
    monkeypatch.chdir(tmp_path)
    assert len(results.outcomes) == 6
    assert repr(results) == f"<study 'small' in {path.name!r}: 2 arms>"
    for place, words in (("nowhere", "no study in"), ("a\0b", "no place in a file system")):
        with pytest.raises(InputError, match=words):
            engine.open(place)
    with pytest.raises(InputError, match="no such home directory"):
        engine.open("~nobody_of_this_name/runs")


def test_runs_are_read_when_they_are_asked_for_and_once(finished, monkeypatch):
    path, _ = finished
    read: list[str] = []

    def count(function):
        def counted(*args):
            read.append(function.__name__)
            return function(*args)

        return counted

    for name in ("inspect_part", "read_part"):
        monkeypatch.setattr(inventory, name, count(getattr(inventory, name)))
    results = engine.open(path)
    assert repr(results).startswith("<study")
    assert results.arms
    assert read == []
    for _ in range(2):
        assert results.outcomes is results.outcomes
        assert results.curves("fast") is results.curves("fast")
        assert results.figures is results.figures
        assert results.summary
        num_read = len(read)
    assert read.count("inspect_part") == len(list((path / "parts").glob("*.parquet")))
    results._repr_html_()
    assert len(read) == num_read


def test_damage_is_said_and_left_out(tmp_path, caplog):
    results = _stored(tmp_path, [make_row("a", 0)])
    store.open_existing(tmp_path).append([make_row("a", 1)])
    part = max((tmp_path / "parts").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    assert len(results.outcomes) == 1
    assert len(results.curves("a").seed) == 1
    assert caplog.text.count(part.name) == 1


def test_html_is_escaped_and_has_no_colours_of_its_own(tmp_path):
    name = "<script>alert('&')</script>\x1b[31m"
    rows = [make_row(name, seed, 40) for seed in range(4)]
    shown = _stored(tmp_path, rows, (name, "other"))._repr_html_()
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert html.escape("<script>alert('&')</script>") in shown
    assert not re.search(r"(background|[^-]color)\s*:", shown)
    assert shown.count("<td ") == shown.count("<th ") > 0


def test_the_report_is_a_path_that_a_notebook_shows(finished):
    path, results = finished
    before = (path / "report.html").read_text()
    report = results.report()
    assert os.fspath(report) == str(report) == str(path / "report.html")
    assert Path(report).read_text() == before
    shown = report._repr_html_()
    assert shown.startswith("<iframe sandbox srcdoc=")
    assert html.unescape(shown.split('srcdoc="')[1].split('"')[0]) == before
    Path(report).unlink()
    assert "No such file" in report._repr_html_()


def _settings() -> dict:
    return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}


def test_figures_are_drawn_when_asked_for_in_a_style_of_their_own(finished):
    path, results = finished
    assert {"incidence", "forest", "curves_1", "curves_2"} <= set(results.figures)
    plain = engine.open(path).figures["incidence"]
    assert isinstance(plain, Figure)
    assert "incidence" in results.figures
    assert "nothing" not in results.figures
    before = _settings()
    with style.context("dark_background"):
        dark = engine.open(path).figures["incidence"]
        assert to_svg(dark, "x") == to_svg(plain, "x")
        content, size = dark._repr_png_()
    assert _settings() == before
    assert content.startswith(b"\x89PNG")
    assert dark.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    assert size["width"] == round(96 * dark.get_figwidth())


def test_looking_at_a_study_starts_no_pyplot_and_no_backend(finished):
    path, _ = finished
    program = (
        "import sys, engine; r = engine.open(sys.argv[1]); r.outcomes, r.summary; str(r); "
        "r.figures['forest']._repr_png_(); r.curves('fast'); import jax; "
        "from jax._src import xla_bridge; "
        "print('matplotlib.pyplot' in sys.modules, "
        "len(getattr(xla_bridge, '_backends', ())))"
    )
    words = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False 0", done.stderr


def test_a_study_runs_outside_of_the_main_thread(tmp_path, data_dir, cache_dir):
    found = []
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}

    def work():
        found.append(engine.run(small_study(seeds=1), tmp_path, has_report=False, **options))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert len(found[0].outcomes) == 2


def test_an_interruption_says_what_is_stored():
    interrupted = Interrupted(signal.SIGINT)
    assert isinstance(interrupted, KeyboardInterrupt)
    assert str(interrupted) == "SIGINT"
    interrupted.stored = "3 finished runs are stored, and 2 as they stand"
    assert str(interrupted) == f"SIGINT: {interrupted.stored}; the same call goes on"


SCRIPT = """
import sys, engine
from engine import Arm, Study
arms = {"a": Arm(model="mlp", dense_widths=(16,), init="he")}
print("begun")
results = engine.run(Study(name="s", arms=arms, seeds=2, horizon=22), sys.argv[1],
                     num_workers=1, is_quiet=True, data_dir=sys.argv[2], cache_dir=sys.argv[3],
                     live_every=1.0)
print(len(results.outcomes))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "pipe", "argument"])
def test_a_script_needs_no_guard(kind, tmp_path, data_dir, cache_dir):
    """Processes are spawned, and would import a script again and start themselves without end."""
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    first, text = {"file": ([str(file)], None), "pipe": (["-"], SCRIPT), "argument": (["-c", SCRIPT], None)}[kind]
    words = [sys.executable, *first, str(tmp_path / "s"), data_dir, cache_dir]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, input=text, capture_output=True, text=True, env=variables, timeout=120)
    assert done.stdout == "begun\n2\n", done.stderr


def test_an_older_reading_never_replaces_a_newer_report(tmp_path):
    results = _stored(tmp_path, [make_row("a", seed) for seed in range(4)], ("a",))
    assert results.outcomes.num_rows == 4
    store.open_existing(tmp_path).append([make_row("a", seed) for seed in range(4, 9)])
    engine.open(tmp_path).report()
    newest = {name: (tmp_path / name).read_bytes() for name in ("outcomes.parquet", "summary.json")}
    assert pq.read_table(tmp_path / "outcomes.parquet").num_rows == 9
    results.report()
    assert {name: (tmp_path / name).read_bytes() for name in newest} == newest
    assert "9 of 9 runs" in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "lock.report").exists()


def test_two_reports_are_written_one_after_the_other(tmp_path):
    _stored(tmp_path, [make_row("a", seed) for seed in range(4)], ("a",))
    with ThreadPoolExecutor(1) as pool:
        with store.reporting(tmp_path):
            other = pool.submit(engine.open(tmp_path).report)
            with pytest.raises(TimeoutError):
                other.result(0.5)
            assert not (tmp_path / "outcomes.parquet").exists()
        other.result()
    assert (tmp_path / "outcomes.parquet").exists()
