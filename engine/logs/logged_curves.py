"""From the table of a log to the curves of its runs."""

from typing import NamedTuple

import numpy as np

from engine.errors import InputError
from engine.logs.clock import Clock, find_clock
from engine.logs.log_table import Numbers, Table, labels_of, numbers_of
from engine.logs.options import ReadOptions
from engine.logs.ordering import MixedRunsError, Points, in_order
from engine.logs.roles import Roles

_MAX_RUNS = 10**6
# A share is at most 1, so larger accuracies are percentages.
_LARGEST_SHARE = 1.5
_OTHERS = ("accuracy", "held_out_loss", "held_out_accuracy")


class Series(NamedTuple):
    """A metric of one run: steps, increasing, and values; both `[num_points]`."""

    steps: np.ndarray
    values: np.ndarray


class Curve(NamedTuple):
    """What was logged of one run.

    Attributes:
        arm: the group it belongs to; empty where nothing says so.
        run: its name in its log; empty, or a number such as `#2`, where nothing names it.
        place: of its log, which names it then.
        loss: of its curve, as 32-bit numbers.
        others: `accuracy`, `held_out_loss` and `held_out_accuracy`, where they were logged.
    """

    arm: str
    run: str
    place: str
    loss: Series
    others: dict[str, Series]


class Log(NamedTuple):
    """The curves of one table.

    Attributes:
        curves: of its runs.
        clock: in words, where steps come from.
        steps_per_epoch: see `Clock`.
        notes: what was done to it, each with a word for the kind of it.
    """

    curves: list[Curve]
    clock: str
    steps_per_epoch: int | None
    notes: list[tuple[str, str]]


def make_curves(table: Table, roles: Roles, options: ReadOptions) -> Log:
    """The curves of every run in a table.

    Args:
        table: of a log.
        roles: of its columns.
        options: what is known about it.

    Raises:
        InputError: a cell is no number, a step is no step, or runs are mixed up.
    """
    losses = {run: numbers_of(table, column) for run, column in roles.losses.items()}
    has_loss = np.any([loss.is_given for loss in losses.values()], axis=0)
    if not has_loss.any():
        raise InputError(f"{table.source}: not a single loss in {', '.join(map(repr, roles.losses.values()))}")
    codes, pairs = _groups(table, roles)
    clock = find_clock(table, roles, options, has_loss, codes)
    others = {n: numbers_of(table, c) for n in _OTHERS if (c := getattr(roles, n))}
    maker = _Maker(table, clock, {n: _as_share(n, o) for n, o in others.items()}, options)
    num_lost = int(np.sum(has_loss & ~clock.is_given))
    if num_lost:
        maker.notes.append(("no step", f"{table.source}: {num_lost} rows without a step"))
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(pairs) + 1))
    for i, (arm, run) in enumerate(pairs):
        rows = order[bounds[i] : bounds[i + 1]]
        for own, loss in losses.items():
            try:
                maker.add(rows, loss, arm, own or run)
            except MixedRunsError as error:
                raise InputError(f"{error}{_telling(table, roles, clock, rows)}") from None
    return Log(maker.curves, clock.words, clock.steps_per_epoch, maker.notes)


def _groups(table: Table, roles: Roles) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """The number of each row's run, `[num_rows]`, and its group and name; empty where unknown."""
    codes, labels = labels_of(table, roles.run)
    arm_codes, arms = labels_of(table, roles.arm)
    if table.arm is not None:
        arm_codes, arms = np.zeros_like(arm_codes), [table.arm]
    pairs = codes * len(arms) + arm_codes
    used, first, codes = np.unique(pairs, return_index=True, return_inverse=True)
    if len(used) > _MAX_RUNS:
        raise InputError(
            f"{table.source}: {len(used)} runs, expected at most {_MAX_RUNS}: is "
            f"{', '.join(roles.run)} what tells runs apart? --run_column"
        )
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    names = [(arms[pair % len(arms)], labels[pair // len(arms)]) for pair in used[order].tolist()]
    return rank[codes], names


def _telling(table: Table, roles: Roles, clock: Clock, rows: np.ndarray) -> str:
    """Which columns would tell the runs in some rows apart, in words."""
    rows = rows[clock.is_given[rows]]
    found = []
    for name in set(table.columns) - roles.used():
        codes, labels = labels_of(table, (name,))
        if not 1 < len(labels) <= len(rows) // 2:
            continue
        order = np.argsort(codes[rows], kind="stable")
        own, steps = codes[rows][order], clock.steps[rows][order]
        if np.all((np.diff(steps) > 0) | (np.diff(own) > 0)):
            found.append(repr(name))
    return f"; {' and '.join(sorted(found))} would do" if found else ""


def _as_share(name: str, numbers: Numbers) -> Numbers:
    """An accuracy in percent as a share."""
    if not name.endswith("accuracy"):
        return numbers
    finite = numbers.values[np.isfinite(numbers.values)]
    is_percent = len(finite) > 0 and finite.max() > _LARGEST_SHARE
    return numbers._replace(values=numbers.values / 100.0) if is_percent else numbers


class _Maker:
    """Makes the curves of one table.

    Args:
        table: of a log.
        clock: of its rows.
        others: metrics beside the loss, by name.
        options: what is known about it.

    Attributes:
        curves: made so far.
        notes: what was done to them.
    """

    def __init__(self, table: Table, clock: Clock, others: dict[str, Numbers], options: ReadOptions) -> None:
        self._table, self._clock, self._others = table, clock, others
        self._options = options
        self.curves: list[Curve] = []
        self.notes: list[tuple[str, str]] = []

    def add(self, rows: np.ndarray, loss: Numbers, arm: str, run: str) -> None:
        """Adds the run, or the runs, in some rows.

        Args:
            rows: of the table.
            loss: of all rows.
            arm: name of its group.
            run: its name; empty where nothing names it.
        """
        where = f"{self._table.source}, run {run}" if run else self._table.source
        found = in_order(self._points(rows, loss), self._options.restarts, where)
        self.notes += found.notes
        for i, points in enumerate(found.runs):
            full = run if len(found.runs) == 1 else f"{run}#{i + 1}"
            self._add_one(rows, points, arm, full)

    def _add_one(self, rows: np.ndarray, points: Points, arm: str, run: str) -> None:
        where = f"{self._table.source}, run {run}" if run else self._table.source
        points = self._without_gaps(points, where)
        if len(points.steps) < 2 and np.isfinite(points.values).all():
            number = ("no loss", "one point")[len(points.steps)]
            self.notes.append(("short", f"{where}: {number}, left out"))
            return
        with np.errstate(over="ignore"):
            loss = Series(points.steps, points.values.astype(np.float32))
        others = {}
        for name, numbers in self._others.items():
            own = in_order(self._points(rows, numbers), "replace", where).runs[0]
            is_inside = np.isfinite(own.values) & (own.steps <= points.steps[-1])
            if is_inside.any():
                others[name] = Series(own.steps[is_inside], own.values[is_inside])
        self.curves.append(Curve(arm, run, self._table.place, loss, others))

    def _points(self, rows: np.ndarray, numbers: Numbers) -> Points:
        """What was logged of a metric in some rows."""
        rows = rows[numbers.is_given[rows] & self._clock.is_given[rows]]
        steps = self._clock.steps[rows]
        return Points(steps, numbers.values[rows], rows + self._table.first_row)

    def _without_gaps(self, points: Points, where: str) -> Points:
        """The points without those that are not finite, up to the last one that is.

        A loss that blew up stays so: what comes back was not logged, rather than lost.
        """
        is_finite = np.isfinite(points.values)
        if is_finite.all() or not is_finite.any():
            return points
        last = len(is_finite) - int(np.argmax(is_finite[::-1]))
        is_gap = ~is_finite & (np.arange(len(is_finite)) < last)
        if not is_gap.any():
            return points
        first = int(np.argmax(is_gap))
        self.notes.append(
            (
                "gap",
                f"{where}: {int(is_gap.sum())} of {len(is_gap)} losses are not finite, the first "
                f"in {self._table.row_word} {int(points.rows[first])}, and later ones are: those "
                f"are left out",
            )
        )
        return points.take(np.flatnonzero(~is_gap))
