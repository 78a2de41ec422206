"""Warnings where an interval or a test of the report is known to fall short at its number of runs."""

from collections.abc import Iterator

from engine import statistics
from engine.outcomes.event import Event
from engine.report.summary import Summary

_OF_ARMS = {
    "aalen_johansen": "the band of the share that left",
    "median_time": "the interval of the median",
    "restricted_mean": "the interval of the mean wait",
}
_OF_COMPARISONS = "the interval of a difference"


def make_cautions(summary: Summary, is_page: bool) -> list[str]:
    """Returns a line for each estimator and number of runs that falls short in simulated studies.

    Args:
        summary: the numbers.
        is_page: whether for the page, which shows the mean wait only of arms that wait for a hit,
            or for `summary.json`, which has it of every arm.
    """
    arms: dict[str, list[str]] = {}
    for name, estimator, what, num_runs in _estimates(summary, is_page):
        caution = statistics.caution(estimator, num_runs)
        if caution is not None:
            arms.setdefault(f"{what}: {caution}", []).append(f"“{name}”")
    return [f"{', '.join(names)}: {line}." for line, names in arms.items()]


def _estimates(summary: Summary, is_page: bool) -> Iterator[tuple[str, str, str, int]]:
    """Yields arm, estimator, what it estimates in words, and number of runs of everything that is shown."""
    for name, arm in summary.arms.items():
        is_mean_shown = not is_page or summary.runs[name].waits_for == Event.HIT
        for estimator, what in _OF_ARMS.items():
            if estimator != "restricted_mean" or is_mean_shown:
                yield name, estimator, what, arm.num_runs
    for name, comparison in summary.comparisons.items():
        estimator = "paired_difference" if comparison.is_paired else "restricted_mean_difference"
        least = min(summary.arms[n].num_runs for n in (name, summary.baseline))
        yield name, estimator, _OF_COMPARISONS, least
