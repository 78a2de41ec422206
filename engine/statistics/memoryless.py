"""Is a wait memoryless? The Weibull law with its test of shape 1, and early luck.

A memoryless wait sometimes ends at once, hidden progress never does.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .incidence import incidence_table, median_time
from .proportions import proportion
from .results import Estimate, TestResult, check_confidence, check_times

# Largest distance of a limit of log(shape) or log(scale) from the estimate; beyond, exp overflows.
_WIDEST = 600.0
_MAX_ITERATIONS = 100
# Above so many events the correction, of the order of 1/events, is left out.
_MANY = 1000
_TOLERANCE = 1e-11
# For resamples: the error of their likelihood ratio is this squared, times the number of events.
_ROUGH = 1e-4
_BLOCK = 1_000_000  # resampled runs held at once


class WeibullFit(NamedTuple):
    """A Weibull law, `S(t) = exp(−(t/scale)^shape)`, and the test that its shape is 1, an exponential wait.

    With a shape above 1 the hazard rises, below 1 it falls. By the scale 63.2 % have had the event.
    """

    shape: Estimate
    scale: Estimate
    test: TestResult


def weibull(
    time: np.ndarray, event: np.ndarray, confidence: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> WeibullFit:
    """Fits a Weibull law to waiting times by maximum likelihood, with limits of the profile likelihood.

    The test of shape 1 is the likelihood ratio with Bartlett's correction: its mean over resamples of the fitted
    exponential law is divided out, with a relative standard error of √(2/num_resamples), because χ² alone rejects too
    often below some fifty events. A resampled run is censored where the data were; for a run with its event, from the
    Kaplan–Meier law of the later censoring times. A competing event (2) counts as censored.

    A shape near 1 does not show a memoryless wait, nor does one above 1, as after a delay, exclude it. Raises
    ValueError if a time is 0, no run had the event, or all events are at the last time.

    Source: Lawless (2003), Statistical Models and Methods for Lifetime Data, §5.2; Bartlett (1937), Proc. R. Soc. A
    160; Rocke (1989), Comm. Statist. B 18, for its estimate by resampling.
    """
    from scipy.special import chdtrc, chdtri

    time, event = check_times(time, event)
    z = check_confidence(confidence)
    is_event = event == 1
    _check_identified(time, is_event)
    if num_resamples < 2:
        raise ValueError(f"num_resamples must be at least 2, got {num_resamples!r}")
    unit = float(np.exp(np.log(time).mean()))
    sample = _Sample(np.log(time / unit), is_event)
    shape = float(_shapes(sample.log_time[None], is_event[None])[0])
    log_scale = sample.log_scale(shape)
    floor = sample.log_likelihood(shape, log_scale) - float(chdtri(1, 1.0 - confidence)) / 2
    shape_error, log_scale_error = sample.standard_errors(shape, log_scale)

    low, high = np.exp(_crossings(sample.profile_of_log_shape, np.log(shape), floor, z / shape)).tolist()
    shape_estimate = Estimate(shape, low, high, shape_error)
    low, high = np.exp(_crossings(sample.profile_of_log_scale, log_scale, floor, z / shape)).tolist()
    scale = unit * float(np.exp(log_scale))
    scale_estimate = Estimate(scale, unit * low, unit * high, scale * log_scale_error)

    ratio = float(_ratios(sample.log_time[None], is_event[None], np.array([shape]))[0])
    statistic = ratio / _typical_ratio(time / unit, is_event, num_resamples, np.random.default_rng(seed))
    return WeibullFit(shape_estimate, scale_estimate, TestResult(statistic, 1, float(chdtrc(1, statistic))))


def _check_identified(time: np.ndarray, is_event: np.ndarray) -> None:
    if np.any(time == 0):
        raise ValueError("times must be positive: a Weibull law gives a wait of 0 no likelihood")
    if not is_event.any():
        raise ValueError("no run had the event: the Weibull law is not identified")
    if np.all(time[is_event] == time.max()):
        raise ValueError(
            f"all events are at the last time {time.max():g}: the likelihood grows with the shape without bound"
        )


class _Sample(NamedTuple):
    """The likelihood of `log_time` and `is_event`, both `[num_runs]`."""

    log_time: np.ndarray
    is_event: np.ndarray

    def log_scale(self, shape: float) -> float:
        """Returns the log scale at which the likelihood of a shape is greatest."""
        from scipy.special import logsumexp

        return float(logsumexp(shape * self.log_time) - np.log(self.is_event.sum())) / shape

    def log_likelihood(self, shape: float, log_scale: float) -> float:
        x = self.log_time - log_scale
        own = np.log(shape) - log_scale + (shape - 1.0) * x[self.is_event]
        return float(own.sum() - _exp(shape * x).sum())

    def profile_of_log_shape(self, log_shape: float) -> float:
        shape = float(np.exp(log_shape))
        return self.log_likelihood(shape, self.log_scale(shape))

    def profile_of_log_scale(self, log_scale: float) -> float:
        from scipy.optimize import brentq

        x = self.log_time - log_scale
        num, total = self.is_event.sum(), x[self.is_event].sum()

        def slope(log_shape: float) -> float:
            shape = np.exp(log_shape)
            return float(num + shape * (total - x @ _exp(shape * x)))

        # The first term wins towards shape 0, the other, negative, towards infinity.
        span = 1.0
        while slope(-span) < 0 or slope(span) > 0:
            span *= 2.0
        return self.log_likelihood(float(np.exp(brentq(slope, -span, span))), log_scale)

    def standard_errors(self, shape: float, log_scale: float) -> tuple[float, float]:
        """Returns those of the shape and of the log scale, from the observed information."""
        x = self.log_time - log_scale
        weight = _exp(shape * x)
        num, mixed = self.is_event.sum(), shape * (weight @ x)
        of_scale, of_shape = shape**2 * num, num / shape**2 + weight @ x**2
        determinant = of_scale * of_shape - mixed**2
        return float(np.sqrt(of_scale / determinant)), float(np.sqrt(of_shape / determinant))


def _exp(x: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(x, _WIDEST))


def _crossings(profile: Callable[[float], float], best: float, floor: float, step: float) -> tuple[float, float]:
    """Finds where a profile falls to the floor on either side of its maximum; infinite where it never does."""
    from scipy.optimize import brentq

    ends = []
    for sign in (-1.0, 1.0):
        distance = step
        while profile(best + sign * distance) > floor and distance < _WIDEST:
            distance *= 2.0
        end = best + sign * distance
        is_found = profile(end) <= floor
        ends.append(brentq(lambda x: profile(x) - floor, best, end) if is_found else sign * np.inf)
    return ends[0], ends[1]


def _shapes(log_time: np.ndarray, is_event: np.ndarray, tolerance: float = _TOLERANCE) -> np.ndarray:
    """Returns the likeliest shapes `[num_samples]` of samples `[num_samples, num_runs]`.

    The root of `Σ t^k·log t/Σ t^k − 1/k − mean of log t over events`, which grows with the shape k, by Newton's steps
    inside of a bracket.
    """
    x = log_time - log_time.max(1, keepdims=True)
    mean = (x * is_event).sum(1) / is_event.sum(1)
    shape, low, high = np.ones(len(x)), np.zeros(len(x)), np.full(len(x), np.inf)
    for _ in range(_MAX_ITERATIONS):
        weight = np.exp(shape[:, None] * x)
        weight /= weight.sum(1, keepdims=True)
        first = (weight * x).sum(1)
        spread = (weight * x**2).sum(1) - first**2
        value = first - 1.0 / shape - mean
        low, high = np.where(value < 0, shape, low), np.where(value < 0, high, shape)
        moved = shape - value / (spread + 1.0 / shape**2)
        inside = np.where(np.isinf(high), 4.0 * low, (low + np.minimum(high, 1e300)) / 2)
        moved = np.where((moved <= low) | (moved >= high), inside, moved)
        is_done = np.all(np.abs(moved - shape) <= tolerance * shape)
        shape = moved
        if is_done:
            break
    return shape


def _ratios(log_time: np.ndarray, is_event: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Returns twice the log-likelihood's gain from shape 1 to the likeliest, `[num_samples]`."""
    x = log_time - log_time.max(1, keepdims=True)
    num, total = is_event.sum(1), (x * is_event).sum(1)
    powers, plain = np.exp(shape[:, None] * x).sum(1), np.exp(x).sum(1)
    gain = num * (np.log(shape) - np.log(powers / plain)) + (shape - 1.0) * total
    return 2.0 * np.maximum(gain, 0.0)


def _typical_ratio(time: np.ndarray, is_event: np.ndarray, num_resamples: int, generator: np.random.Generator) -> float:
    """Returns the mean likelihood ratio of exponential samples like this one; 1 with very many events."""
    if is_event.sum() > _MANY:
        return 1.0
    ratios = []
    rows = max(_BLOCK // len(time), 1)
    for first in range(0, num_resamples, rows):
        shape = (min(rows, num_resamples - first), len(time))
        wait = generator.exponential(time.sum() / is_event.sum(), shape)
        limit = _censoring_times(time, is_event, generator.random(shape))
        drawn, has_event = np.minimum(wait, limit), wait <= limit
        # The others have no likeliest shape: no event, or none before the last time.
        is_before = has_event & (drawn < drawn.max(1, keepdims=True))
        is_identified = is_before.any(1)
        log_time, has_event = np.log(drawn[is_identified]), has_event[is_identified]
        ratios.append(_ratios(log_time, has_event, _shapes(log_time, has_event, _ROUGH)))
    found = np.concatenate(ratios)
    return float(found.mean()) if len(found) else 1.0


def _censoring_times(time: np.ndarray, is_event: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Returns when each run would have been censored, had it lasted; infinite for never.

    Known for censored runs. For the others, the Kaplan–Meier law of the censoring times beyond their own is inverted at
    the uniform numbers `[num_resamples, num_runs]`.
    """
    table = incidence_table(time, np.where(is_event, 0, 1), cause=1)
    uncensored = np.append(1.0 - table.incidence, 0.0)
    beyond = uncensored[np.searchsorted(table.time, time)]
    index = np.searchsorted(-uncensored, -(uniform * beyond), side="left")
    times = np.append(table.time, np.inf)
    return np.where(is_event, times[np.minimum(index, len(table.time))], time)


class EarlyLuck(NamedTuple):
    """The runs that needed less than half of the median time.

    Their share has Clopper and Pearson's limits, as if the median were known. Under a memoryless wait `1 − 2^(−1/2)` of
    all are expected, and so few or fewer with probability `p_value`.
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
    exponential waits, given a share u of the law before that event, each of them is early with probability
    `q(u) = 1/(1 + √(1−u))`, and u is Beta(m, n−m+1), exactly: `P(K ≤ k) = ∫ Beta(u; m, n−m+1)·Binom(k; m−1, q(u)) du`.
    Where a run is censored or ends otherwise before the median, q is replaced by its least value ½, which is cautious.
    Raises ValueError if the median is not reached, or is 0.

    Source: David and Nagaraja (2003), Order Statistics, §2.5: a sample before an order statistic.
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
