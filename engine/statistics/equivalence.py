"""Is a difference small enough not to matter? Two one-sided tests against a margin, in pairs.

Equivalence is shown by rejecting, each at 5 %, that the difference is at least the margin and that it is at most minus
the margin: exactly where the 90 % interval lies within the margin.

Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15.
"""

import bisect
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .proportions import paired_share_difference
from .restricted_means import paired_difference
from .results import LEVEL, Estimate

_MOST_PAIRS = 10**7


class Margin(NamedTuple):
    """The largest difference that does not matter, and the level of each of the two one-sided tests.

    Of several tests a difference is claimed at `level/num_tests`, two-sided. Equivalence that is claimed only if all
    tests show it needs no correction.
    """

    size: float
    level: float = LEVEL
    num_tests: int = 1


class Equivalence(NamedTuple):
    """The verdict of pairs about a difference.

    Attributes:
        difference, wide: with intervals at `1 − 2·level` (90 %) and at `1 − level/num_tests` (95 % for one test).
        verdict: `equivalent`: the first interval lies within the margin; `different`: it does not, and the second
            excludes zero; else `undecided`.
        pairs_needed: number of pairs like these that makes the verdict `equivalent`; None if none does.
    """

    difference: Estimate
    wide: Estimate
    verdict: str
    pairs_needed: int | None


def equivalent_means(value: np.ndarray, baseline: np.ndarray, bound: float, margin: Margin) -> Equivalence:
    """Tests whether the means of paired values `[num_pairs]` differ by less than a margin.

    Values are min(T, τ) of each run, τ where the event never comes, in `[0, bound]`, `bound` the largest τ. The
    interval is Student's t of the paired differences, see `paired_difference`. Where all pairs differ alike it is that
    difference; `wide` keeps the limits given there.
    """
    from scipy.special import stdtrit

    has_event, has_other = np.ones(np.shape(value), int), np.ones(np.shape(baseline), int)
    narrow, wide = (
        paired_difference(value, has_event, baseline, has_other, bound, confidence)
        for confidence in _confidences(margin)
    )
    num = len(has_event)
    spread = (narrow.standard_error or 0.0) * math.sqrt(num)
    if num > 1 and not spread:
        narrow = narrow._replace(lower=narrow.value, upper=narrow.value)

    def is_enough(pairs: int) -> bool:
        quantile = float(stdtrit(pairs - 1, 1 - margin.level)) if pairs > 1 else math.inf
        return abs(narrow.value) + quantile * spread / math.sqrt(pairs) <= margin.size

    return _judge(narrow, wide, margin, is_enough)


def equivalent_shares(has_event: np.ndarray, baseline_has_event: np.ndarray, margin: Margin) -> Equivalence:
    """Tests whether the shares of runs with the event differ by less than a margin, in pairs `[num_pairs]`.

    The limits are those of `paired_share_difference`. Exact, they need pairs even where all agree: 36 for a margin of a
    tenth, because fewer cannot exclude that one in ten disagrees.
    """
    confidences = _confidences(margin)
    own, other = np.asarray(has_event, bool), np.asarray(baseline_has_event, bool)
    if own.ndim != 1 or own.shape != other.shape or not len(own):
        raise ValueError(f"pairs have shapes {own.shape} and {other.shape}: expected two equal [n]")
    num = len(own)
    only_own, only_other = int(np.sum(own & ~other)), int(np.sum(~own & other))
    narrow, wide = (paired_share_difference(only_own, only_other, num, confidence) for confidence in confidences)

    def is_enough(pairs: int) -> bool:
        counts = only_own * pairs / num, only_other * pairs / num
        return _is_within(paired_share_difference(*counts, pairs, 1 - 2 * margin.level), margin)

    return _judge(narrow, wide, margin, is_enough)


def _confidences(margin: Margin) -> tuple[float, float]:
    if not (math.isfinite(margin.size) and margin.size > 0):
        raise ValueError(f"a margin must be positive, got {margin.size!r}")
    if not 0 < margin.level < 0.5 or margin.num_tests < 1:
        raise ValueError(f"expected a level between 0 and 0.5 and at least one test, got {margin}")
    return 1 - 2 * margin.level, 1 - margin.level / margin.num_tests


def _is_within(limits: Estimate, margin: Margin) -> bool:
    return -margin.size <= limits.lower and limits.upper <= margin.size


def _judge(narrow: Estimate, wide: Estimate, margin: Margin, is_enough: Callable[[int], bool]) -> Equivalence:
    verdict = "undecided"
    if _is_within(narrow, margin):
        verdict = "equivalent"
    elif not wide.lower <= 0 <= wide.upper:
        verdict = "different"
    needed = _fewest(is_enough) if abs(narrow.value) < margin.size else None
    return Equivalence(narrow, wide, verdict, needed)


def _fewest(is_enough: Callable[[int], bool]) -> int | None:
    """Finds the smallest number that is enough, if every larger one is too; None beyond 10^7."""
    high = 1
    while not is_enough(high):
        if high > _MOST_PAIRS:
            return None
        high *= 2
    return bisect.bisect_left(range(high), True, lo=high // 2 + 1, key=is_enough)
