"""Where bits differ: does the same come of the runs, in distribution?"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.statistics import Equivalence, Margin
from engine.store import waiting_times
from engine.verification.agreement import Agreement


class OutcomeAgreement(NamedTuple):
    """What came of runs as they are stored, against the same runs done again, in pairs.

    Attributes:
        arm: or `None` for all arms together.
        num_pairs: independent repetitions.
        wait: difference of the restricted means of the wait, as a share of the stored mean.
        share: difference of the shares of runs with the event.
        verdict: `equivalent` where both are, `different` where one is, else `undecided`.
        pairs_needed: for `equivalent`, if all are like these; `None` where no number would do.
    """

    arm: str | None
    num_pairs: int
    wait: Equivalence
    share: Equivalence
    verdict: str
    pairs_needed: int | None


class _Pairs(NamedTuple):
    """Pairs of one arm: waits over the stored mean, and whether there was the event."""

    bound: float
    wait: np.ndarray
    wait_again: np.ndarray
    has_event: np.ndarray
    has_event_again: np.ndarray


def waits_up_to(rows: Sequence[Mapping[str, Any]], horizon: float) -> np.ndarray:
    """min(T, τ) of each row in steps; the horizon τ where the event did not come, `[num_rows]`."""
    columns = {name: [row[name] for row in rows] for name in ("onset_step", "hitting_step")}
    columns["steps_run"] = [horizon if r["steps_run"] is None else r["steps_run"] for r in rows]
    time = waiting_times(columns)
    has_event = np.array([row["event"] == 1 for row in rows], bool) & np.isfinite(time)
    return np.where(has_event, np.clip(time, 0, horizon), horizon)


def compare_outcomes(
    agreements: Sequence[Agreement], mean_wait: Mapping[str, float], margin: float
) -> list[OutcomeAgreement]:
    """Each arm by itself, then all arms together where there are several.

    Together means that waits are taken as shares of the stored mean of their arm, and that every
    pair counts alike. A difference has to show beyond 5 % divided by the number of statements.

    Args:
        agreements: of independent repetitions.
        mean_wait: by arm, the stored restricted mean of the wait, in steps.
        margin: largest difference that does not matter: of the mean as a share of it, and of the
            share of runs with the event.
    """
    by_arm: dict[str, list[Agreement]] = {}
    for agreement in agreements:
        by_arm.setdefault(agreement.run.arm_name, []).append(agreement)
    pairs: dict[str | None, _Pairs] = {name: _pairs_of(of_arm, mean_wait[name]) for name, of_arm in by_arm.items()}
    if len(pairs) > 1:
        bounds, *columns = zip(*pairs.values(), strict=True)
        pairs[None] = _Pairs(max(bounds), *(np.concatenate(column) for column in columns))
    asked = Margin(margin, num_tests=2 * len(pairs))
    return [_judge(name, of, asked) for name, of in pairs.items()]


def _pairs_of(agreements: Sequence[Agreement], mean: float) -> _Pairs:
    horizon = agreements[0].run.horizon
    scale = mean if mean > 0 else float(horizon)
    waits, events = [], []
    for rows in ([a.stored for a in agreements], [a.again for a in agreements]):
        waits.append(waits_up_to(rows, horizon) / scale)
        events.append(np.array([row["event"] == 1 for row in rows], bool))
    return _Pairs(horizon / scale, *waits, *events)


def _judge(arm: str | None, pairs: _Pairs, margin: Margin) -> OutcomeAgreement:
    wait = statistics.equivalent_means(pairs.wait_again, pairs.wait, pairs.bound, margin)
    share = statistics.equivalent_shares(pairs.has_event_again, pairs.has_event, margin)
    verdicts = {wait.verdict, share.verdict}
    verdict = "different" if "different" in verdicts else "undecided"
    if verdicts == {"equivalent"}:
        verdict = "equivalent"
    needed = None
    if wait.pairs_needed is not None and share.pairs_needed is not None:
        needed = max(wait.pairs_needed, share.pairs_needed)
    return OutcomeAgreement(arm, len(pairs.wait), wait, share, verdict, needed)
