"""What the statistics return, and the checks of their arguments."""

from typing import NamedTuple

import numpy as np

LEVEL = 0.05  # of the tests; intervals hold with 1 − LEVEL


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
    """A probability as a right-continuous step function of time, with pointwise limits; arrays `[num_times]`.

    Times are distinct observed ones, also of censored runs; runs neither over nor censored just before are at risk.
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
    """Returns `time` as float and `event` as int, both `[num_runs]`; raises ValueError where they are no data."""
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


def check_cause(cause: int) -> None:
    """Raises ValueError unless the cause is an event code."""
    if cause not in (1, 2):
        raise ValueError(f"cause must be 1 or 2, got {cause!r}")


def label_indices(name: str, labels: np.ndarray, num_runs: int) -> np.ndarray:
    """Replaces labels by their ranks 0, 1, …, shape `[num_runs]`; `name` is for the message of an error."""
    labels = np.asarray(labels)
    if labels.shape != (num_runs,):
        raise ValueError(f"{name} has shape {labels.shape}: expected {(num_runs,)}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError(f"{name} has labels that are not a number")
    return np.unique(labels, return_inverse=True)[1]


def check_counts(successes: int, trials: int) -> None:
    """Raises ValueError unless so many successes of so many trials are possible."""
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")


def check_confidence(confidence: float) -> float:
    """Returns the two-sided normal quantile of a confidence level, which must lie in (0, 1)."""
    from scipy.special import ndtri

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return float(ndtri(0.5 + confidence / 2))
