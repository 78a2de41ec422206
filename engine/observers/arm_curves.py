"""The curves of an arm as one: quartiles of the loss, and the share of runs that has left chance level."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from .. import statistics
from ..outcomes import FAILED
from ..outcomes.prefix import FinishedPrefix
from ..outcomes.row import CURVE_STEPS
from ..store import WAITING_COLUMNS, Row, waiting_times
from ..store.redact import without_places

MAX_POINTS = 1000
# Metrics by the column of their steps.
METRICS = {axis: [name for name, of in CURVE_STEPS.items() if of == axis] for axis in ("steps", "inspected_steps")}
CURVE_COLUMNS = [*METRICS, *itertools.chain.from_iterable(METRICS.values())]
_QUARTILES = (0.25, 0.5, 0.75)


class PooledCurves(NamedTuple):
    """The runs of an arm against the step; arrays `[num_points]`, at most `MAX_POINTS`.

    Attributes:
        lower, median, upper: quartiles of the loss. A run that ended early keeps its last value; one that diverged
            counts as infinite from there on.
        share: of the runs that have had the event, with divergence as a competing risk (Aalen–Johansen).
        num_trained: number of runs that were trained up to the step.
    """

    steps: np.ndarray
    lower: np.ndarray
    median: np.ndarray
    upper: np.ndarray
    share: np.ndarray
    num_trained: np.ndarray
    num_runs: int


class _EndedRun(NamedTuple):
    loss: np.ndarray
    time: float
    event: int
    steps_run: int


class ArmCurveBuilder:
    """Collects the repetitions of one arm as they end, and pools the longest prefix of seeds whose runs are all over.

    Evaluations are `eval_every` steps apart, or at steps of each run's own where that is `None`. `ended` holds the runs
    that are over by seed, `None` for one that failed; `prefix` the seeds, from 0 on, whose runs are all over.
    """

    def __init__(self, horizon: int, eval_every: int | None) -> None:
        num_intervals = horizon // (eval_every or 1)
        points = np.linspace(0, num_intervals, min(num_intervals + 1, MAX_POINTS))
        self._grid = points.round().astype(np.int64) * (eval_every or 1)
        self.ended: dict[int, _EndedRun | None] = {}
        self.prefix = FinishedPrefix()

    def add(self, row: Row) -> None:
        """Adds a run that is over; one that failed is over and has no outcome."""
        seed = row["seed"]
        if row["status"] == FAILED:
            self.ended.setdefault(seed, None)
        else:
            (time,) = waiting_times({name: [row.get(name)] for name in WAITING_COLUMNS})
            self.ended[seed] = _EndedRun(self._loss_on_grid(row), time, row["event"], row["steps_run"])
        self.prefix.add(seed)

    def _loss_on_grid(self, row: Row) -> np.ndarray:
        steps, loss = np.asarray(row["steps"]), np.asarray(row["loss"], np.float32)
        if not len(steps):
            return np.full(len(self._grid), np.inf, np.float32)
        found = loss[np.maximum(np.searchsorted(steps, self._grid, side="right") - 1, 0)]
        if row["event"] == 2 or row.get("is_diverged_later"):
            found[self._grid > steps[-1]] = np.inf
        return found

    def _used(self) -> list[_EndedRun]:
        return [run for seed in range(self.prefix.length) if (run := self.ended[seed]) is not None]

    def waited(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns times in steps and events of the runs of the prefix that have an outcome, each `[num_used]`."""
        used = self._used()
        return np.array([run.time for run in used]), np.array([run.event for run in used], int)

    def curves(self) -> PooledCurves | None:
        """Pools the runs of the prefix; `None` if there are none yet."""
        used = self._used()
        if not used:
            return None
        loss = np.stack([run.loss for run in used])
        loss[np.isnan(loss)] = np.inf
        ranks = [int(np.ceil(share * len(used))) - 1 for share in _QUARTILES]
        lower, median, upper = np.partition(loss, ranks, axis=0)[ranks]
        incidence = statistics.aalen_johansen(*self.waited())
        share = np.concatenate([[0.0], incidence.value])[np.searchsorted(incidence.time, self._grid, side="right")]
        ends = np.sort([run.steps_run for run in used])
        num_trained = len(used) - np.searchsorted(ends, self._grid, side="left")
        return PooledCurves(self._grid, lower, median, upper, share, num_trained, len(used))


def make_builders(document: Mapping[str, Any]) -> dict[str, ArmCurveBuilder]:
    """Returns a builder for every arm of a `study.json`."""
    horizons, eval_every = document["identity"]["horizons"], document["identity"].get("eval_every")
    return {name: ArmCurveBuilder(horizons[name], eval_every) for name in document["arm_order"]}


def used_fields(document: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """Returns the fields of an arm that are set, without paths of this machine."""
    fields = document["identity"]["arms"][arm].items()
    return {n: without_places(v) if isinstance(v, str) else v for n, v in fields if v is not None}


def rows_of(table: pa.Table, curves: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yields the rows of a table of the store, with arrays in the columns `curves`; a missing curve is `None`."""
    plain = table.drop_columns([name for name in curves if name in table.column_names])
    for i, row in enumerate(plain.to_pylist()):
        for name in curves:
            values = table[name][i].values
            row[name] = None if values is None else values.to_numpy(zero_copy_only=False)
        yield row
