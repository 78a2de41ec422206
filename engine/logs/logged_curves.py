"""From the table of a log to the curves of its runs, with their points in the order of steps."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError, agreeing, counted
from .clock import Clock, find_clock
from .column_roles import ColumnRoles
from .log_table import LogTable, Numbers, labels_of, numbers_of, unique_codes
from .options import ReadOptions

_MAX_RUNS = 10**6
# A share is at most 1, so larger accuracies are percentages.
_LARGEST_SHARE = 1.5
_OTHERS = ("accuracy", "held_out_loss", "held_out_accuracy", "learning_rate")
# What is larger or negative is called like a learning rate, and is none.
_LARGEST_RATE = 1e6
# A restart logs a stretch of steps; where stretches are shorter, runs are mixed.
_SHORTEST_STRETCH = 5
# Share of steps that are logged twice, above which it is not by accident.
_MANY = 0.5
_ADVICE = (
    "give --restarts=replace if it is one run, --restarts=separate to begin a run there, or "
    "the column that tells them apart as --run_column"
)


class LoggedSeries(NamedTuple):
    """A metric of one run: steps, which increase in a `LoggedCurve`, and values; both `[num_points]`."""

    steps: np.ndarray
    values: np.ndarray


class LoggedCurve(NamedTuple):
    """What was logged of one run.

    Attributes:
        arm: the group it belongs to; empty where nothing says so.
        run: its name in its log; empty, or a number such as `#2`, where nothing names it.
        place: see `LogFile`.
        others: `accuracy`, `held_out_loss`, `held_out_accuracy` and `learning_rate`, where they were logged.
    """

    arm: str
    run: str
    place: str
    loss: LoggedSeries
    others: dict[str, LoggedSeries]


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


class TableCurves(NamedTuple):
    """The curves of one table; each note on what was done to the log has a word for its kind."""

    curves: list[LoggedCurve]
    clock: Clock
    notes: list[tuple[str, str]]


def make_curves(table: LogTable, roles: ColumnRoles, options: ReadOptions) -> TableCurves:
    """Makes the curves of all runs in a table; raises `InputError` if that cannot be."""
    losses = {run: numbers_of(table, column) for run, column in roles.losses.items()}
    has_loss = np.any([loss.is_given for loss in losses.values()], axis=0)
    if not has_loss.any():
        raise InputError(f"{table.source}: not a single loss in {', '.join(map(repr, roles.losses.values()))}")
    codes, runs = _runs_of(table, roles)
    clock = find_clock(table, roles, options, has_loss, codes)
    maker = _CurveMaker(table, clock, _other_metrics(table, roles), options)
    num_lost = np.sum(has_loss & ~clock.is_given)
    if num_lost:
        maker.notes.append(("no step", f"{table.source}: {counted(num_lost, 'row')} without a step"))
    order = np.argsort(codes, kind="stable")
    for (arm, run), rows in zip(runs, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True):
        for column_run, loss in losses.items():
            try:
                maker.add(rows, loss, arm, column_run or run)
            except MixedRunsError as error:
                raise InputError(f"{error}{_hint_at_columns(table, roles, clock, rows)}") from None
    return TableCurves(maker.curves, clock, maker.notes)


def _runs_of(table: LogTable, roles: ColumnRoles) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Returns the index of each row's run, `[num_rows]`, and the group and the name of every run."""
    codes, names = labels_of(table, roles.run)
    arm_codes, arms = labels_of(table, roles.arm)
    if table.origin.arm is not None:
        arm_codes, arms = np.zeros_like(arm_codes), [table.origin.arm]
    codes, pairs = unique_codes(codes * len(arms) + arm_codes)
    if len(pairs) > _MAX_RUNS:
        raise InputError(
            f"{table.source}: {len(pairs)} runs, expected at most {_MAX_RUNS}: is "
            f"{', '.join(roles.run)} what tells runs apart? --run_column"
        )
    return codes, [(arms[pair % len(arms)], names[pair // len(arms)]) for pair in pairs]


def _hint_at_columns(table: LogTable, roles: ColumnRoles, clock: Clock, rows: np.ndarray) -> str:
    """Says which columns would tell apart the runs in some rows."""
    rows = rows[clock.is_given[rows]]
    found = []
    for name in set(table.columns) - roles.used():
        codes, labels = labels_of(table, (name,))
        if 1 < len(labels) <= len(rows) // 2:
            order = np.argsort(codes[rows], kind="stable")
            if np.all((np.diff(clock.steps[rows][order]) > 0) | (np.diff(codes[rows][order]) > 0)):
                found.append(repr(name))
    return f"; {' and '.join(sorted(found))} would do" if found else ""


def _other_metrics(table: LogTable, roles: ColumnRoles) -> dict[str, Numbers]:
    """Returns the metrics beside the loss, by name."""
    found = {}
    for name in _OTHERS:
        column = getattr(roles, name)
        if column:
            try:
                found[name] = _in_range(name, numbers_of(table, column))
            except InputError:
                # Some write a list of rates, one for each group of parameters; the curve does not need them.
                if name != "learning_rate":
                    raise
    return found


def _in_range(name: str, numbers: Numbers) -> Numbers:
    """Turns an accuracy in percent into a share, and leaves out learning rates that are none."""
    if name == "learning_rate":
        is_rate = (numbers.values >= 0) & (numbers.values <= _LARGEST_RATE)
        return Numbers(numbers.values, numbers.is_given & is_rate)
    finite = numbers.values[np.isfinite(numbers.values)]
    is_percent = name.endswith("accuracy") and len(finite) and finite.max() > _LARGEST_SHARE
    return Numbers(numbers.values / 100.0, numbers.is_given) if is_percent else numbers


class _CurveMaker:
    """Makes the curves of one table, and notes what it does to them; `others` are metrics by name."""

    def __init__(self, table: LogTable, clock: Clock, others: dict[str, Numbers], options: ReadOptions) -> None:
        self._table, self._clock, self._others, self._restarts = table, clock, others, options.restarts
        self.curves: list[LoggedCurve] = []
        self.notes: list[tuple[str, str]] = []

    def add(self, rows: np.ndarray, loss: Numbers, arm: str, run: str) -> None:
        """Adds the run in the given rows of the table, or the runs where these hold several."""
        found = in_order(self._points(rows, loss), self._restarts, self._where(run))
        self.notes += found.notes
        for i, points in enumerate(found.runs):
            self._add_one(rows, points, arm, run if len(found.runs) == 1 else f"{run}#{i + 1}")

    def _where(self, run: str) -> str:
        return f"{self._table.source}, run {run}" if run else self._table.source

    def _add_one(self, rows: np.ndarray, points: Points, arm: str, run: str) -> None:
        where = self._where(run)
        points = self._without_gaps(points, where)
        steps = points.steps
        if len(steps) < 2 and np.isfinite(points.values).all():
            self.notes.append(("short", f"{where}: {('no loss', 'one point')[len(steps)]}, left out"))
            return
        with np.errstate(over="ignore"):
            loss = LoggedSeries(steps, points.values.astype(np.float32))
        others = {}
        for name, numbers in self._others.items():
            other = in_order(self._points(rows, numbers), "replace", where).runs[0]
            other = other.take(np.isfinite(other.values) & (other.steps <= steps[-1]))
            if len(other.steps):
                others[name] = LoggedSeries(other.steps, other.values)
        self.curves.append(LoggedCurve(arm, run, self._table.origin.place, loss, others))

    def _points(self, rows: np.ndarray, numbers: Numbers) -> Points:
        rows = rows[numbers.is_given[rows] & self._clock.is_given[rows]]
        return Points(self._clock.steps[rows], numbers.values[rows], rows + self._table.first_row)

    def _without_gaps(self, points: Points, where: str) -> Points:
        """Leaves out points that are not finite, but for those after the last finite one: the loss blew up there."""
        is_finite = np.isfinite(points.values)
        if is_finite.all() or not is_finite.any():
            return points
        is_gap = ~is_finite
        is_gap[np.flatnonzero(is_finite)[-1] :] = False
        if is_gap.any():
            words = f"{is_gap.sum()} of {len(is_gap)} losses are not finite"
            place = f"the first in {self._table.row_word} {points.rows[np.argmax(is_gap)]}"
            self.notes.append(("gap", f"{where}: {words}, {place}, and later ones are: those are left out"))
        return points.take(~is_gap)


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
    times = agreeing(len(drops), "once", f"{len(drops)} times")
    distinct, counts = np.unique(steps, return_counts=True)
    if len(distinct) == len(steps):
        return OrderedRuns([points.take(np.argsort(steps))], [("sorted", f"{where}: rows are not in order")])
    if restarts == "separate":
        runs = [_last_of_each(points.take(piece)) for piece in np.split(np.arange(len(steps)), drops)]
        return OrderedRuns(runs, [("separate", f"{where}: the step goes back {times}")])
    if restarts is None:
        _refuse_mixed(points, drops, distinct, counts, where)
    notes = []
    if len(drops):
        first = drops[0]
        words = f"first from {steps[first - 1]} to {steps[first]} in row {points.rows[first]}"
        notes.append(("restart", f"{where}: the step goes back {times}, {words}"))
        points = _without_replaced(points, drops)
    single = _last_of_each(points)
    number = len(points.steps) - len(single.steps)
    if number:
        are_there = counted(number, "step is", "steps are")
        notes.append(("twice", f"{where}: {are_there} there more than once, the last counts"))
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
