"""The points of a run in the order of steps: restarts, repetitions, and runs that are mixed up."""

from typing import NamedTuple

import numpy as np

from engine.errors import InputError

# A restart logs a stretch of steps; where stretches are shorter, runs are mixed.
_SHORTEST_STRETCH = 5
# Share of steps that are logged twice, above which it is not by accident.
_MANY = 0.5
_ADVICE = (
    "give --restarts=replace if it is one run, --restarts=separate to begin a run there, or "
    "the column that tells them apart as --run_column"
)


class MixedRunsError(InputError):
    """Several runs in one log that nothing tells apart."""


class Points(NamedTuple):
    """The points of one metric of one run, `[num_points]`; rows of the log are numbered as people count."""

    steps: np.ndarray
    values: np.ndarray
    rows: np.ndarray

    def take(self, chosen: np.ndarray) -> "Points":
        """Returns the points that an index or a mask chooses."""
        return Points(*(array[chosen] for array in self))


class OrderedRuns(NamedTuple):
    """One run, or several, with increasing steps; each note on what was done to the log has a word for its kind."""

    runs: list[Points]
    notes: list[tuple[str, str]]


def in_order(points: Points, restarts: str | None, where: str) -> OrderedRuns:
    """Puts points in the order of steps, each step once.

    Where the step goes back to somewhere within the run, as at a restart from a checkpoint, what follows takes the
    place of what was there. Steps that are merely out of order are sorted.

    Args:
        points: in the order of the log.
        restarts: `replace` or `separate`; `None` for `replace`, unless it could be another run.
        where: the log and the run, for messages.

    Raises:
        MixedRunsError: the log seems to hold several runs that nothing tells apart.
    """
    steps = points.steps
    if np.all(np.diff(steps) > 0):
        return OrderedRuns([points], [])
    drops = np.flatnonzero(np.diff(steps) < 0) + 1
    distinct, counts = np.unique(steps, return_counts=True)
    if len(distinct) == len(steps):
        return OrderedRuns([points.take(np.argsort(steps))], [("sorted", f"{where}: rows are not in order")])
    if restarts == "separate":
        pieces = np.split(np.arange(len(steps)), drops)
        runs = [_last_of_each(points.take(piece)) for piece in pieces]
        return OrderedRuns(runs, [("separate", f"{where}: the step goes back {len(drops)} times")])
    if restarts is None:
        _refuse_mixed(points, drops, distinct, counts, where)
    notes = []
    if len(drops):
        first = drops[0]
        times = f"{len(drops)} times" if len(drops) > 1 else "once"
        words = f"first from {steps[first - 1]} to {steps[first]} in row {points.rows[first]}"
        notes.append(("restart", f"{where}: the step goes back {times}, {words}"))
        points = _without_replaced(points, drops)
    single = _last_of_each(points)
    number = len(points.steps) - len(single.steps)
    if number:
        notes.append(("twice", f"{where}: {number} steps are there more than once, the last counts"))
    return OrderedRuns([single], notes)


def _refuse_mixed(points: Points, drops: np.ndarray, distinct: np.ndarray, counts: np.ndarray, where: str) -> None:
    """Raises `MixedRunsError` for what looks like several runs under one name."""
    steps = points.steps
    at_start = drops[steps[drops] <= steps[0]]
    if len(at_start):
        first = at_start[0]
        raise MixedRunsError(
            f"{where}: the step goes back to its start, {steps[first]}, in row "
            f"{points.rows[first]}: two runs in one, or one that was begun again? {_ADVICE}"
        )
    has_short_stretches = len(drops) * _SHORTEST_STRETCH > len(steps)
    if has_short_stretches or (len(steps) - len(distinct) > _MANY * len(distinct) and not len(drops)):
        most = np.argmax(counts)
        raise MixedRunsError(
            f"{where}: step {distinct[most]} is there {counts[most]} times: several runs mixed? {_ADVICE}"
        )


def _without_replaced(points: Points, drops: np.ndarray) -> Points:
    """Returns the points that no later stretch takes the place of."""
    # A point counts if its step is below the start of every later stretch.
    least_later = np.minimum.accumulate(points.steps[drops][::-1])[::-1]
    piece = np.searchsorted(drops, np.arange(len(points.steps)), side="right")
    limit = np.concatenate([least_later.astype(np.float64), [np.inf]])[piece]
    return points.take(points.steps < limit)


def _last_of_each(points: Points) -> Points:
    """Returns each step once, with what was logged last; steps are in order."""
    return points.take(np.concatenate([np.diff(points.steps) != 0, [True]]))
