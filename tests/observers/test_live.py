"""The page that is kept up to date: a process of its own, its end, and what it leaves."""

import multiprocessing.spawn
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.observers import StudyProgress
from engine.observers.live import LivePage, _Builder, close_page
from engine.store import open_existing

ROOT = Path(__file__).parent.parent.parent
HALF = StudyProgress(6, 12, 0.5)


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "study"))


def _until(is_so, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def test_a_page_is_built_and_closed(copied):
    builder = _Builder(copied)
    cpu_seconds, problem = builder.build(HALF, 30.0)
    assert problem is None
    assert cpu_seconds > 0
    page = (copied / "report.html").read_text()
    assert '<meta http-equiv="refresh" content="30">' in page
    assert "6 of 12 runs are over" in page
    assert not (copied / "summary.json").exists()
    close_page(copied)
    closed = (copied / "report.html").read_text()
    assert "refresh" not in closed
    assert "without a last report" in closed
    close_page(copied)
    assert (copied / "report.html").read_text() == closed


def test_what_has_not_changed_is_not_built_again(copied, monkeypatch):
    builder = _Builder(copied)
    builder.build(HALF, 30.0)
    monkeypatch.setattr(builder, "_make", pytest.fail)
    assert builder.build(HALF._replace(steps_done=0.6), 45.0)[1] is None
    page = (copied / "report.html").read_text()
    assert 'content="45"' in page
    assert "60 % of the steps" in page


def test_without_a_run_that_is_over_there_is_a_page_too(copied):
    for part in (copied / "parts").iterdir():
        part.unlink()
    assert _Builder(copied).build(StudyProgress(0, 12, 0.1), 5.0)[1] is None
    page = (copied / "report.html").read_text()
    assert "No run is over yet." in page
    assert "Does it work?" in page


def test_what_cannot_be_written_is_an_answer(copied):
    (copied / "report.html").mkdir()
    _, problem = _Builder(copied).build(HALF, 30.0)
    assert "cannot write" in problem
    close_page(copied)


def test_no_study_is_discarded_but_for_its_page(copied):
    directory = open_existing(copied)
    (copied / "report.html").write_text("a page")
    directory.discard()
    assert (copied / "report.html").exists()
    shutil.rmtree(copied / "parts")
    shutil.rmtree(copied / "tensorboard")
    (copied / "parts").mkdir()
    directory.discard()
    assert not copied.exists()


def test_the_process_builds_and_ends(copied, monkeypatch):
    """It never imports the program that starts it: a script would begin once more."""
    inherited = []
    prepare = multiprocessing.spawn.get_preparation_data
    monkeypatch.setattr(
        multiprocessing.spawn, "get_preparation_data", lambda name: inherited.append(prepare(name)) or inherited[-1]
    )
    page = LivePage(copied, every=3600.0)
    page.on_end()
    page = LivePage(copied, every=3600.0)
    page.on_rows([], HALF)
    assert len(inherited) == 1
    assert not any(name.startswith("init_main") for name in inherited[0])
    process = page._builder.process
    _until((copied / "report.html").exists)
    page.on_rows([], HALF)
    assert process.is_alive()
    page.on_end()
    assert not process.is_alive()


def test_a_process_that_died_is_said(copied):
    page = LivePage(copied, every=1.0)
    page.on_rows([], HALF)
    page._builder.process.kill()
    page._builder.process.join()
    with pytest.raises(RuntimeError, match="its process has ended"):
        page.on_rows([], HALF)
    page.on_end()


def test_the_page_of_a_launch_that_was_killed_is_closed_by_the_next(copied, data_dir, cache_dir):
    from engine.commands.run import run
    from tests.conftest import small_study

    _Builder(copied).build(HALF, 30.0)
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    run(small_study(), copied, has_report=False, live_every=60.0, **options)
    assert "refresh" not in (copied / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_whole_page_that_says_so(number, code, tmp_path, data_dir, cache_dir):
    workdir = tmp_path / "study"
    words = ["--experiment=single", "--model=mlp", "--seeds=400", "--horizon=2200", "--live=1"]
    words += [f"--workdir={workdir}", f"--data_dir={data_dir}", "--workers=1"]
    words += [f"--compilation_cache={cache_dir}"]
    launch = subprocess.Popen(
        [sys.executable, str(ROOT / "launch.py"), *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    page = workdir / "report.html"
    _until(lambda: page.exists() and "So far:" in page.read_text())
    assert 'http-equiv="refresh"' in page.read_text()
    os.killpg(launch.pid, number)
    _, err = launch.communicate(timeout=60)
    assert launch.returncode == code, err
    closed = page.read_text()
    assert closed.rstrip().endswith("</html>")
    assert "refresh" not in closed
    assert "The launch ended at" in closed
    assert not list(workdir.glob(".report*"))
