"""The points of a run in the order of steps: restarts, repetitions, and runs that are mixed up."""

from typing import NamedTuple

import numpy as np

from engine.errors import InputError

# Steps of a restart are logged in stretches; where stretches are shorter, runs are mixed.
_SHORTEST_STRETCH = 5
# From this share of steps on that are there twice, it is not by accident.
_MANY = 0.5


class MixedRunsError(InputError):
    """Several runs in one log that nothing tells apart."""


class Points(NamedTuple):
    """What was logged of one metric of one run, in the order of the log.

    Attributes:
        steps: `[num_points]`, not yet in order.
        values: `[num_points]`.
        rows: of the log, as a person counts them, `[num_points]`.
    """

    steps: np.ndarray
    values: np.ndarray
    rows: np.ndarray

    def take(self, chosen: np.ndarray) -> "Points":
        """Some of the points."""
        return Points(self.steps[chosen], self.values[chosen], self.rows[chosen])


class Stretches(NamedTuple):
    """A run, or several where a log holds more, in the order of steps.

    Attributes:
        runs: points whose steps increase.
        notes: what was done to the log, each with a word for the kind of it.
    """

    runs: list[Points]
    notes: list[tuple[str, str]]


def in_order(points: Points, restarts: str | None, where: str) -> Stretches:
    """Points in the order of steps, each step once.

    Where the step goes back to somewhere within the run, as at a restart from a checkpoint, what
    follows takes the place of what was there. Steps that are merely out of order are sorted.

    Args:
        points: as logged.
        restarts: one of `options.RESTARTS`, or `None` to do so unless it could be another run.
        where: the log and the run, for messages.

    Raises:
        MixedRunsError: the log seems to hold several runs that nothing tells apart.
    """
    steps = points.steps
    drops = np.flatnonzero(np.diff(steps) < 0) + 1
    if not len(drops) and np.all(np.diff(steps) > 0):
        return Stretches([points], [])
    num_distinct = len(np.unique(steps))
    if num_distinct == len(steps):
        order = np.argsort(steps, kind="stable")
        return Stretches([points.take(order)], [("sorted", f"{where}: rows are not in order")])
    if restarts == "separate":
        pieces = np.split(np.arange(len(steps)), drops)
        runs = [_last_of_each(points.take(piece)) for piece in pieces]
        return Stretches(runs, [("separate", f"{where}: the step goes back {len(drops)} times")])
    if restarts is None:
        _refuse_mixed(points, drops, num_distinct, where)
    kept, notes = points, []
    if len(drops):
        kept = _without_replaced(points, drops)
        notes.append(("restart", _restart_words(points, drops, where)))
    single = _last_of_each(kept)
    if len(single.steps) < len(kept.steps):
        number = len(kept.steps) - len(single.steps)
        notes.append(("twice", f"{where}: {number} steps are there more than once, the last counts"))
    return Stretches([single], notes)


def _restart_words(points: Points, drops: np.ndarray, where: str) -> str:
    first = int(drops[0])
    times = f"{len(drops)} times" if len(drops) > 1 else "once"
    return (
        f"{where}: the step goes back {times}, first from {points.steps[first - 1]} to "
        f"{points.steps[first]} in row {int(points.rows[first])}"
    )


def _refuse_mixed(points: Points, drops: np.ndarray, num_distinct: int, where: str) -> None:
    """Refuses what looks like several runs under one name.

    Raises:
        MixedRunsError: it does.
    """
    steps = points.steps
    advice = (
        "give --restarts=replace if it is one run, --restarts=separate to begin a run there, or "
        "the column that tells them apart as --run_column"
    )
    num_twice = len(steps) - num_distinct
    is_back_at_start = len(drops) and np.any(steps[drops] <= steps[0])
    if is_back_at_start:
        first = int(drops[np.argmax(steps[drops] <= steps[0])])
        raise MixedRunsError(
            f"{where}: the step goes back to its start, {steps[first]}, in row "
            f"{int(points.rows[first])}: two runs in one, or one that was begun again? {advice}"
        )
    is_in_pieces = len(drops) * _SHORTEST_STRETCH > len(steps)
    if is_in_pieces or (num_twice > _MANY * num_distinct and not len(drops)):
        value, count = _most_often(steps)
        raise MixedRunsError(f"{where}: step {value} is there {count} times: several runs mixed? {advice}")


def _most_often(steps: np.ndarray) -> tuple[int, int]:
    values, counts = np.unique(steps, return_counts=True)
    most = int(np.argmax(counts))
    return int(values[most]), int(counts[most])


def _without_replaced(points: Points, drops: np.ndarray) -> Points:
    """The points that no later stretch takes the place of."""
    # A point counts if no step after it in the log is smaller or, in a later stretch, the same.
    steps = points.steps
    starts = steps[drops]
    least_later = np.minimum.accumulate(starts[::-1])[::-1]
    piece = np.searchsorted(drops, np.arange(len(steps)), side="right")
    limit = np.concatenate([least_later.astype(np.float64), [np.inf]])[piece]
    return points.take(np.flatnonzero(steps < limit))


def _last_of_each(points: Points) -> Points:
    """Each step once, with what was logged last; steps are in order."""
    is_last = np.concatenate([np.diff(points.steps) != 0, [True]])
    return points.take(np.flatnonzero(is_last))
