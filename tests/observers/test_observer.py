"""An observer may fail; the training may not."""

import sys
import time

import pytest

from engine.commands.run import run
from engine.errors import InputError
from engine.observers import StudyProgress, Watching, check_watching, ended_with
from engine.observers.observer import GuardedObserver, Pace
from tests.conftest import small_study

STANDING = StudyProgress(0, 1, 0.0)


class _Observer:
    def __init__(self, error: BaseException | None = None, is_at_end: bool = False) -> None:
        self.calls: list[str] = []
        self._error, self._is_at_end = error, is_at_end

    def on_rows(self, rows, standing) -> None:
        self.calls.append("rows")
        if self._error is not None and not self._is_at_end:
            raise self._error

    def on_end(self) -> None:
        self.calls.append("end")
        if self._error is not None and self._is_at_end:
            raise self._error


def test_a_failure_is_said_once_and_ends_the_observer_only():
    lines: list[str] = []
    inner = _Observer(ValueError("two\nlines"))
    observer = GuardedObserver("the thing", inner, lines.append)
    for _ in range(3):
        observer.on_rows([], STANDING)
    observer.on_end()
    assert inner.calls == ["rows", "end"]
    assert lines == ["the thing goes no further (two lines); the training is not touched by that"]


def test_a_failure_at_the_end_is_said_too():
    lines: list[str] = []
    observer = GuardedObserver("it", _Observer(OSError(), is_at_end=True), lines.append)
    observer.on_end()
    assert lines == ["it goes no further (OSError); the training is not touched by that"]


def test_what_fails_at_the_beginning_is_said_and_not_begun():
    lines: list[str] = []
    inner = _Observer()
    observer = GuardedObserver("it", inner, lines.append, lambda: 1 / 0)
    observer.on_rows([], STANDING)
    observer.on_end()
    assert inner.calls == ["end"]
    assert lines == ["it goes no further (division by zero); the training is not touched by that"]


def test_a_signal_is_no_failure():
    observer = GuardedObserver("it", _Observer(KeyboardInterrupt()), pytest.fail)
    with pytest.raises(KeyboardInterrupt):
        observer.on_rows([], STANDING)


def test_all_are_told_of_the_end_however_it_comes():
    first, second = _Observer(KeyboardInterrupt(), is_at_end=True), _Observer()
    with pytest.raises(KeyboardInterrupt), ended_with([first, second]):
        raise InputError("something")
    assert (first.calls, second.calls) == (["end"], ["end"])


def test_what_is_expensive_is_done_less_often(monkeypatch):
    clock = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    pace = Pace(every=10.0, share=0.05)
    assert pace.is_due()
    pace.restart(cost=0.1)
    assert (pace.interval, pace.is_due()) == (10.0, False)
    pace.restart(cost=2.0)
    assert pace.interval == pytest.approx(40.0)
    clock += 39.9
    assert not pace.is_due()
    clock += 0.2
    assert pace.is_due()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"live_every": 0.5}, "live=0.5: expected at least 1 second"),
        ({"live_every": float("nan")}, "live=nan: expected a finite number"),
        ({"tracked_runs": -1}, "tracked_runs=-1: expected at least 0"),
    ],
)
def test_numbers_are_checked_beforehand(options, words, tmp_path):
    with pytest.raises(InputError, match=words):
        run(small_study(), tmp_path / "w", **options)
    assert not (tmp_path / "w").exists()


def test_a_missing_package_of_event_files_is_said_beforehand(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"--tensorboard needs .*: pip install 'plateau-engine\[tensorboard\]'"):
        check_watching(Watching(has_tensorboard=True))


def test_observers_are_told_of_every_run_and_of_how_far_it_is(tmp_path, data_dir, cache_dir, monkeypatch):
    told: list[tuple[int, StudyProgress]] = []
    observer = _Observer()
    observer.on_rows = lambda rows, standing: told.append((len(rows), standing))  # type: ignore[method-assign]
    monkeypatch.setattr("engine.commands.run.make_observers", lambda watching, directory, notify: [observer])
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    for seeds, before in ((2, 0), (3, 4)):
        told.clear()
        run(small_study(seeds=seeds), tmp_path, has_report=False, **options)
        assert sum(number for number, _ in told) == 2 * seeds - before
        assert told[0][1] == StudyProgress(before, 2 * seeds, 0.0)
        assert told[-1][1] == StudyProgress(2 * seeds, 2 * seeds, 1.0)
        shares = [standing.steps_done for _, standing in told]
        assert shares == sorted(shares)
    assert observer.calls == ["end", "end"]
