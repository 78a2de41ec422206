"""What every statistic returns, and checks of its arguments."""

from typing import NamedTuple

import numpy as np

# Of every test; intervals hold with 1 − LEVEL.
LEVEL = 0.05


class Estimate(NamedTuple):
    """A number with its confidence interval. A bound that does not exist is infinite."""

    value: float
    lower: float
    upper: float
    standard_error: float | None = None


class TestResult(NamedTuple):
    """A test of a hypothesis."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


class ProbabilityCurve(NamedTuple):
    """A probability as a step function of time, right-continuous; arrays of shape `[num_times]`.

    Attributes:
        time: distinct observed times, censored ones included, increasing.
        value: the probability from that time on.
        lower, upper: pointwise confidence limits.
        at_risk: runs neither over nor censored just before that time.
        standard_error: of `value`.
    """

    time: np.ndarray
    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    at_risk: np.ndarray
    standard_error: np.ndarray


def check_times(
    time: np.ndarray, event: np.ndarray, codes: tuple[int, ...] = (0, 1, 2)
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `time` as float and `event` as int, both of shape `[num_runs]`.

    Raises:
        ValueError: the shapes differ or are empty, a time is negative or not finite, or an event
            is not among `codes`.
    """
    time = np.asarray(time, dtype=np.float64)
    event = np.asarray(event)
    if time.ndim != 1 or time.shape != event.shape:
        raise ValueError(f"time and event have shapes {time.shape} and {event.shape}: expected two equal [n]")
    if len(time) == 0:
        raise ValueError("time and event are empty: expected at least one run")
    if not np.all(np.isfinite(time)) or np.any(time < 0):
        raise ValueError("times must be finite and not negative")
    unknown = set(np.unique(event).tolist()) - set(codes)
    if unknown:
        raise ValueError(f"unknown event codes {sorted(unknown)}: expected {list(codes)}")
    return time, event.astype(np.int64)


def check_confidence(confidence: float) -> float:
    """Returns the two-sided normal quantile of a confidence level in (0, 1).

    Raises:
        ValueError: it lies outside.
    """
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return float(ndtri(0.5 + confidence / 2))
