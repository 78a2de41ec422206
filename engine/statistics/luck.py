"""Early luck: a memoryless wait sometimes ends at once, hidden progress never does."""

import functools
from typing import NamedTuple

import numpy as np

from engine.statistics.incidence import median_time
from engine.statistics.proportions import proportion
from engine.statistics.results import Estimate, check_times


class EarlyLuck(NamedTuple):
    """The runs that needed less than half of the median time.

    Attributes:
        share: of all runs, with the limits of Clopper and Pearson, as if the median were known.
        expected: share under a memoryless wait, `1 − 2^(−1/2)` = 0.293.
        p_value: probability of so few or fewer under a memoryless wait.
    """

    share: Estimate
    expected: float
    p_value: float
    median: float
    num_early: int
    num_runs: int


def early_luck(time: np.ndarray, event: np.ndarray, confidence: float = 0.95) -> EarlyLuck:
    """Compares the share of runs before half of the median time with that of a memoryless wait.

    The median is the sample's, so the early ones are among the m − 1 runs before the m-th event, m = ⌈n/2⌉. Of
    exponential waits, given a share u of the law before that event, each of the m − 1 is early with probability
    `q(u) = 1/(1 + √(1−u))`, and u is Beta(m, n−m+1): `P(K ≤ k) = ∫ Beta(u; m, n−m+1) · Binomial(k; m−1, q(u)) du`.

    The p-value is exact, also where a horizon sometimes hides the median. Where a run is censored or ends otherwise
    before the median, q is replaced by its least value ½, which makes the test cautious. Raises ValueError if the
    median is not reached, or is 0.

    Source: David and Nagaraja (2003), Order Statistics, §2.5: given one order statistic, those before it are a sample
    from the law cut there.
    """
    from scipy.special import bdtr

    time, event = check_times(time, event)
    median = median_time(time, event).value
    if not 0 < median < np.inf:
        raise ValueError(f"the median must be reached, and after 0: it is {median}")
    num = len(time)
    num_early = int(np.sum((event == 1) & (time < median / 2)))
    is_before = time < median
    if np.any(is_before & (event != 1)):
        p_value = float(bdtr(num_early, int(np.sum(is_before & (event == 1))), 0.5))
    else:
        p_value = _probability_of_fewer(num_early, num)
    share = proportion(num_early, num, confidence=confidence)
    return EarlyLuck(share, 1 - 0.5**0.5, p_value, median, num_early, num)


@functools.cache
def _probability_of_fewer(num_early: int, num: int) -> float:
    """Computes `P(K ≤ num_early)` among `num` exponential waits, by quadrature over the share u."""
    from scipy.special import bdtr, betaincinv

    m = (num + 1) // 2
    nodes, weights = np.polynomial.legendre.leggauss(200)
    # Over the quantile of u the density is flat, and the integrand smooth and bounded.
    u = betaincinv(m, num - m + 1, (nodes + 1) / 2)
    q = 1 / (1 + np.sqrt(1 - u))
    return min(1.0, float(weights @ bdtr(min(num_early, m - 1), m - 1, q) / 2))
