"""Restarts, repetitions, and runs that are mixed up."""

import numpy as np
import pytest

from engine.logs.logged_curves import MixedRunsError, Points, in_order


def _points(*steps: int) -> Points:
    """Points whose values say where in the log they stood."""
    where = np.arange(len(steps))
    return Points(np.array(steps), where.astype(float), where + 2)


def _steps_and_places(points: Points) -> list[tuple[int, int]]:
    return list(zip(points.steps.tolist(), points.values.astype(int).tolist(), strict=True))


def test_what_is_in_order_stays_as_it_is():
    points = _points(0, 5, 6)
    assert in_order(points, None, "log") == ([points], [])


def test_rows_out_of_order_are_sorted():
    found = in_order(_points(3, 1, 2), None, "log")
    assert _steps_and_places(found.runs[0]) == [(1, 1), (2, 2), (3, 0)]
    assert found.notes == [("sorted", "log: rows are not in order")]


def test_a_restart_takes_the_place_of_what_was_there():
    steps = [*range(20), *range(12, 30), *range(15, 40)]
    found = in_order(_points(*steps), None, "log")
    kept = _steps_and_places(found.runs[0])
    expected = [(s, s) for s in range(12)] + [(s, 20 + s - 12) for s in range(12, 15)]
    assert kept == expected + [(s, 38 + s - 15) for s in range(15, 40)]
    ((kind, words),) = found.notes
    assert kind == "restart"
    assert words == "log: the step goes back 2 times, first from 19 to 12 in row 22"


def test_a_restart_that_stops_earlier_still_counts():
    """What was logged after the checkpoint belongs to a run that was given up."""
    found = in_order(_points(*range(20), *range(10, 15)), None, "log")
    assert found.runs[0].steps.tolist() == list(range(15))
    assert found.runs[0].values.tolist() == [*range(10), *range(20, 25)]


def test_a_restart_on_request_is_another_run():
    found = in_order(_points(*range(20), *range(10, 15)), "separate", "log")
    assert [run.steps.tolist() for run in found.runs] == [list(range(20)), list(range(10, 15))]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([*range(9), *range(9)], "goes back to its start, 0, in row 11"),
        ([3, 4, 5, 6, 7, 8, 2, 3, 4, 5, 6, 7], "goes back to its start, 2, in row 8"),
        ([0, 0, 1, 1, 2, 2], "step 0 is there 2 times: several runs mixed"),
        ([0, 1, 3, 2, 5, 3, 4, 2, 6], "several runs mixed"),
    ],
)
def test_runs_that_nothing_tells_apart_are_refused(steps, words):
    with pytest.raises(MixedRunsError, match=words):
        in_order(_points(*steps), None, "log")
    assert len(in_order(_points(*steps), "replace", "log").runs) == 1


def test_few_steps_that_are_there_twice_count_once():
    found = in_order(_points(0, 1, 2, 2, 3, 4, 5, 6), None, "log")
    assert _steps_and_places(found.runs[0])[2] == (2, 3)
    assert found.notes == [("twice", "log: 1 step is there more than once, the last counts")]


def test_steps_always_increase_whatever_was_logged():
    generator = np.random.default_rng(0)
    for _ in range(200):
        steps = generator.integers(0, 30, generator.integers(1, 60))
        for mode in ("replace", "separate"):
            for run in in_order(_points(*steps), mode, "log").runs:
                assert np.all(np.diff(run.steps) > 0)
                assert len(run.steps)
