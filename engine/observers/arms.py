"""The curves of an arm as one: quantiles of the loss and the share that has left chance level.

Quick runs end first, so everything rests on the longest prefix in seed order whose runs are all
over; of the later ones that are over already nothing is used.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine import statistics
from engine.outcomes import FAILED
from engine.outcomes.prefix import FinishedPrefix
from engine.store import WAITING_COLUMNS, waiting_times
from engine.store.redact import without_places

# Of the steps at which there are values; more cannot be seen.
MAX_POINTS = 1000
_QUARTILES = (0.25, 0.5, 0.75)


class ArmCurves(NamedTuple):
    """The runs of an arm against the step; arrays `[num_points]`.

    Attributes:
        steps: of the evaluation grid, at most `MAX_POINTS` of them.
        lower, median, upper: quartiles of the loss. A run that ended early keeps its last value;
            one that diverged counts as infinite from there on.
        share: of the runs that have had the event, divergence competing.
        num_trained: runs that were trained as far as that.
        num_runs: that all this rests on.
    """

    steps: np.ndarray
    lower: np.ndarray
    median: np.ndarray
    upper: np.ndarray
    share: np.ndarray
    num_trained: np.ndarray
    num_runs: int


class _Over(NamedTuple):
    """A run that is over: its loss on the grid, and what came of it."""

    loss: np.ndarray
    time: float
    event: int
    steps_run: int


class Gathering:
    """The repetitions of one arm, as they end.

    Args:
        horizon: of the arm, in steps.
        eval_every: steps between evaluations; `None` where every run has steps of its own, and the
            last value before counts.
    """

    def __init__(self, horizon: int, eval_every: int | None) -> None:
        num_intervals = horizon // (eval_every or 1)
        points = np.linspace(0, num_intervals, min(num_intervals + 1, MAX_POINTS))
        self._grid = points.round().astype(np.int64) * (eval_every or 1)
        self._over: dict[int, _Over | None] = {}
        self._failed: set[int] = set()
        self._prefix = FinishedPrefix()

    def add(self, row: Mapping[str, Any]) -> None:
        """Notes a run that is over; one that failed is over, and says nothing."""
        seed = row["seed"]
        if row["status"] == FAILED:
            if self._over.setdefault(seed, None) is None:
                self._failed.add(seed)
        else:
            self._failed.discard(seed)
            columns = {name: [row.get(name)] for name in WAITING_COLUMNS}
            wait = float(waiting_times(columns)[0])
            loss = self._on_grid(row)
            self._over[seed] = _Over(loss, wait, row["event"], row["steps_run"])
        self._prefix.add(seed)

    def _on_grid(self, row: Mapping[str, Any]) -> np.ndarray:
        steps, loss = np.asarray(row["steps"]), np.asarray(row["loss"], np.float32)
        if not len(steps):
            return np.full(len(self._grid), np.inf, np.float32)
        found = loss[np.maximum(np.searchsorted(steps, self._grid, side="right") - 1, 0)]
        if row["event"] == 2 or row.get("is_diverged_later"):
            found[self._grid > steps[-1]] = np.inf
        return found

    @property
    def num_over(self) -> int:
        """Runs that are over, whichever."""
        return len(self._over)

    @property
    def num_in_a_row(self) -> int:
        """Seeds, from 0 on, whose runs are all over."""
        return self._prefix.length

    @property
    def num_used(self) -> int:
        """Runs of the prefix that have an outcome."""
        return self.num_in_a_row - sum(seed < self.num_in_a_row for seed in self._failed)

    def _used(self) -> list[_Over]:
        found = (self._over[seed] for seed in range(self.num_in_a_row))
        return [run for run in found if run is not None]

    def waited(self) -> tuple[np.ndarray, np.ndarray]:
        """Time in steps and event of the runs of the prefix, each `[num_used]`."""
        used = self._used()
        return np.array([run.time for run in used]), np.array([run.event for run in used], int)

    def curves(self) -> ArmCurves | None:
        """The runs of the prefix as one; `None` where there is none yet."""
        used = self._used()
        if not used:
            return None
        loss = np.stack([run.loss for run in used])
        loss[np.isnan(loss)] = np.inf
        ranks = [int(np.ceil(share * len(used))) - 1 for share in _QUARTILES]
        ordered = np.partition(loss, ranks, axis=0)
        incidence = statistics.aalen_johansen(*self.waited())
        index = np.searchsorted(incidence.time, self._grid, side="right")
        share = np.concatenate([[0.0], incidence.value])[index]
        last = np.sort([run.steps_run for run in used])
        num_trained = len(used) - np.searchsorted(last, self._grid, side="left")
        lower, median, upper = ordered[ranks]
        return ArmCurves(self._grid, lower, median, upper, share, num_trained, len(used))


def used_fields(document: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """The fields of an arm that are used, without places on this machine.

    Args:
        document: `study.json`.
        arm: name.
    """
    fields = document["identity"]["arms"][arm].items()
    found = {name: value for name, value in fields if value is not None}
    return {n: without_places(v) if isinstance(v, str) else v for n, v in found.items()}


def rows_of(table: pa.Table, curves: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a table of the store, curves as arrays; a missing one is `None`.

    Args:
        table: of the store.
        curves: columns that are lists.
    """
    plain = table.drop_columns([name for name in curves if name in table.column_names])
    for i, row in enumerate(plain.to_pylist()):
        for name in curves:
            values = table[name][i].values
            row[name] = None if values is None else values.to_numpy(zero_copy_only=False)
        yield row
