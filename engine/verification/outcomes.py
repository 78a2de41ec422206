"""Where bits differ: compares the outcomes of stored runs and of the same runs done again, in distribution."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.statistics import Equivalence, Margin
from engine.store import waiting_times
from engine.verification.agreement import Agreement


class OutcomeAgreement(NamedTuple):
    """Outcomes of stored runs and of the same runs done again, in pairs.

    Attributes:
        arm: `None` for all arms together.
        num_pairs: number of independent repetitions.
        wait: restricted mean of the wait, as a share of the stored one.
        share: share of runs with the event.
    """

    arm: str | None
    num_pairs: int
    wait: Equivalence
    share: Equivalence

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


def compare_outcomes(
    agreements: Sequence[Agreement], mean_wait: Mapping[str, float], margin: float
) -> list[OutcomeAgreement]:
    """Compares each arm by itself, then all arms together where there are several.

    Together, waits are shares of the stored mean of their arm, and every pair counts alike. The level of a difference
    is 5 % divided by the number of statements.

    Args:
        agreements: independent repetitions.
        mean_wait: stored restricted mean of the wait by arm, in steps.
        margin: largest difference still called equivalent: relative for the mean wait, absolute for the share.
    """
    by_arm: dict[str, list[Agreement]] = {}
    for agreement in agreements:
        by_arm.setdefault(agreement.run.arm_name, []).append(agreement)
    pairs: dict[str | None, _Pairs] = {name: _pairs_of(found, mean_wait[name]) for name, found in by_arm.items()}
    if len(pairs) > 1:
        bounds, *columns = zip(*pairs.values(), strict=True)
        pairs[None] = _Pairs(max(bounds), *(np.concatenate(column) for column in columns))
    size = Margin(margin, num_tests=2 * len(pairs))
    return [_compare_pairs(name, found, size) for name, found in pairs.items()]


def _pairs_of(agreements: Sequence[Agreement], mean: float) -> _Pairs:
    horizon = agreements[0].run.horizon
    scale = mean if mean > 0 else float(horizon)
    stored, again = [one.stored for one in agreements], [one.again for one in agreements]
    wait, wait_again = (waits_up_to(rows, horizon) / scale for rows in (stored, again))
    return _Pairs(horizon / scale, wait, wait_again, _has_event(stored), _has_event(again))


def _compare_pairs(arm: str | None, pairs: _Pairs, margin: Margin) -> OutcomeAgreement:
    wait = statistics.equivalent_means(pairs.wait_again, pairs.wait, pairs.bound, margin)
    share = statistics.equivalent_shares(pairs.has_event_again, pairs.has_event, margin)
    return OutcomeAgreement(arm, len(pairs.wait), wait, share)
