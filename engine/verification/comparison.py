"""Compares stored runs with the same runs done again: bits and curves, then outcomes in distribution."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .. import statistics
from ..lanes.runs import Run
from ..store import OUTCOME_SCHEMA, ROW_SCHEMA, waiting_times

# Losses that differ by less than this share of the chance loss are close.
CLOSE = 1e-3


class Agreement(NamedTuple):
    """How far a stored run and the same run done again agree. Steps count from 0.

    The loss curves first differ, or one of them ends, at the step `loss_from`, and losses differ by more than `CLOSE`
    only after `close_until`; `most_apart` is their largest difference up to `last_step`, the last that both have, and
    infinite where one is not finite. `stored` and `again` are the outcome columns of both rows.
    """

    run: Run
    differing: tuple[str, ...]
    num_points: int
    num_batches: int
    loss_from: int | None
    batches_from: int | None
    close_until: int | None
    last_step: int | None
    most_apart: float
    stored: dict[str, Any]
    again: dict[str, Any]

    @property
    def is_identical(self) -> bool:
        """Whether every bit of every column is the same."""
        return not self.differing

    @property
    def first_step(self) -> int:
        """Step of the first difference in a curve; 0 where neither curve of the loss differs."""
        return min((step for step in (self.loss_from, self.batches_from) if step is not None), default=0)

    @property
    def statuses(self) -> tuple[str, str]:
        """Status of the stored run, and of the one done again."""
        return self.stored["status"], self.again["status"]


def compare_rows(run: Run, stored: pa.Table, row: Mapping[str, Any]) -> Agreement:
    """Compares every column of a stored row with the row of the run done again, and the curves point by point."""
    again = pa.Table.from_pylist([dict(row)], schema=ROW_SCHEMA)
    steps, loss, batches = (_numbers(stored, name) for name in ("steps", "loss", "batch_loss"))
    steps_again, loss_again, batches_again = (_numbers(again, name) for name in ("steps", "loss", "batch_loss"))
    num_common = min(_num_equal(steps, steps_again), len(loss), len(loss_again))
    apart = _distances(loss[:num_common], loss_again[:num_common])
    is_apart = apart > CLOSE * abs(row["chance_loss"])
    num_close = int(is_apart.argmax()) if is_apart.any() else num_common
    loss_from = _first_difference(loss, loss_again)
    return Agreement(
        run=run,
        differing=tuple(name for name in ROW_SCHEMA.names if _bits(stored[name]) != _bits(again[name])),
        num_points=len(loss),
        num_batches=len(batches),
        loss_from=None if loss_from is None else _at(max(steps, steps_again, key=len), loss_from),
        batches_from=_first_difference(batches, batches_again),
        close_until=_at(steps, num_close - 1),
        last_step=_at(steps, num_common - 1),
        most_apart=float(apart.max(initial=0.0)),
        stored=stored.select(OUTCOME_SCHEMA.names).to_pylist()[0],
        again=again.select(OUTCOME_SCHEMA.names).to_pylist()[0],
    )


def _bits(values: pa.Array | pa.ChunkedArray) -> Any:
    """Returns what is equal if and only if all bits are: NaN equals itself, and 0 is not −0."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_struct(array.type):
        return array.is_valid().to_pylist(), [_bits(part) for part in array.flatten()]
    if pa.types.is_list(array.type):
        return pc.list_value_length(array).to_pylist(), _bits(array.flatten())
    if not pa.types.is_floating(array.type):
        return array.to_pylist()
    return array.is_valid().to_pylist(), array.fill_null(0.0).to_numpy(zero_copy_only=False).tobytes()


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """Returns a list of a table with one row: NaN for a missing number, empty for a missing list."""
    numbers: np.ndarray = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return numbers


def _num_equal(values: np.ndarray, others: np.ndarray) -> int:
    num = min(len(values), len(others))
    return next(iter(np.flatnonzero(values[:num] != others[:num]).tolist()), num)


def _first_difference(values: np.ndarray, others: np.ndarray) -> int | None:
    """Finds where two arrays of float32 first differ in a bit, or one of them ends; `None` nowhere."""
    num = _num_equal(*(np.asarray(array, np.float32).view(np.uint32) for array in (values, others)))
    return None if num == len(values) == len(others) else num


def _distances(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns 0 where both are the same number or both NaN, and infinity where one is not finite."""
    is_same = (values == others) | (np.isnan(values) & np.isnan(others))
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.abs(values.astype(np.float64) - others.astype(np.float64))
    return np.where(is_same, 0.0, np.where(np.isfinite(distances), distances, np.inf))


def _at(steps: np.ndarray, index: int) -> int | None:
    """Returns the step at an index, or `None` where there is none that can be read."""
    is_there = 0 <= index < len(steps) and np.isfinite(steps[index])
    return int(steps[index]) if is_there else None


class OutcomeAgreement(NamedTuple):
    """Outcomes of stored runs and of the same runs done again, in pairs.

    `arm` is `None` for all arms together, `wait` the restricted mean of the wait as a share of the stored one, and
    `share` the share of runs with the event.
    """

    arm: str | None
    num_pairs: int
    wait: statistics.Equivalence
    share: statistics.Equivalence

    @property
    def verdict(self) -> str:
        """`equivalent` where both are, `different` where one is, else `undecided`."""
        verdicts = {self.wait.verdict, self.share.verdict}
        if verdicts == {"equivalent"}:
            return "equivalent"
        return "different" if "different" in verdicts else "undecided"

    @property
    def pairs_needed(self) -> int | None:
        """Pairs needed for `equivalent` if all are like these; `None` where no number would do."""
        needed = self.wait.pairs_needed, self.share.pairs_needed
        return None if None in needed else max(number or 0 for number in needed)


class _Pairs(NamedTuple):
    """Waits over the stored mean, their upper bound, and whether the event came."""

    bound: float
    wait: np.ndarray
    wait_again: np.ndarray
    has_event: np.ndarray
    has_event_again: np.ndarray


def waits_up_to(rows: Sequence[Mapping[str, Any]], horizon: float) -> np.ndarray:
    """Returns min(T, τ) of each row in steps: the horizon τ where the event did not come, `[num_rows]`."""
    columns = {name: [row[name] for row in rows] for name in ("onset_step", "hitting_step")}
    columns["steps_run"] = [horizon if row["steps_run"] is None else row["steps_run"] for row in rows]
    time = waiting_times(columns)
    has_event = _has_event(rows) & np.isfinite(time)
    return np.where(has_event, np.clip(time, 0, horizon), horizon)


def _has_event(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    return np.array([row["event"] == 1 for row in rows], bool)


def compare_outcomes(agreements: list[Agreement], mean_wait: dict[str, float], margin: float) -> list[OutcomeAgreement]:
    """Compares each arm by itself, then all arms together where there are several.

    Together, waits are shares of the stored mean of their arm (`mean_wait`, restricted, in steps), and every pair
    counts alike. The level of a difference is 5 % divided by the number of statements. The margin is relative for the
    mean wait, absolute for the share.
    """
    by_arm: dict[str, list[Agreement]] = {}
    for agreement in agreements:
        by_arm.setdefault(agreement.run.arm_name, []).append(agreement)
    pairs: dict[str | None, _Pairs] = {name: _pairs_of(found, mean_wait[name]) for name, found in by_arm.items()}
    if len(pairs) > 1:
        bounds, *columns = zip(*pairs.values(), strict=True)
        pairs[None] = _Pairs(max(bounds), *(np.concatenate(column) for column in columns))
    size = statistics.Margin(margin, num_tests=2 * len(pairs))
    return [_compare_pairs(name, found, size) for name, found in pairs.items()]


def _pairs_of(agreements: Sequence[Agreement], mean: float) -> _Pairs:
    horizon = agreements[0].run.horizon
    scale = mean if mean > 0 else float(horizon)
    stored, again = [one.stored for one in agreements], [one.again for one in agreements]
    wait, wait_again = (waits_up_to(rows, horizon) / scale for rows in (stored, again))
    return _Pairs(horizon / scale, wait, wait_again, _has_event(stored), _has_event(again))


def _compare_pairs(arm: str | None, pairs: _Pairs, margin: statistics.Margin) -> OutcomeAgreement:
    wait = statistics.equivalent_means(pairs.wait_again, pairs.wait, pairs.bound, margin)
    share = statistics.equivalent_shares(pairs.has_event_again, pairs.has_event, margin)
    return OutcomeAgreement(arm, len(pairs.wait), wait, share)
