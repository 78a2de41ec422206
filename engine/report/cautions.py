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


def make_cautions(summary: Summary, is_page: bool) -> list[str]:
    """Returns a line for each estimator and number of runs that falls short in simulated studies.

    The page shows the mean wait only of arms that wait for a hit, `summary.json` has it of every arm.
    """
    arms: dict[str, list[str]] = {}
    for name, estimator, num_runs in _estimates(summary, is_page):
        if (caution := statistics.caution(estimator, num_runs)) is not None:
            what = _OF_ARMS.get(estimator, "the interval of a difference")
            arms.setdefault(f"{what}: {caution}", []).append(f"“{name}”")
    return [f"{', '.join(names)}: {line}." for line, names in arms.items()]


def _estimates(summary: Summary, is_page: bool) -> Iterator[tuple[str, str, int]]:
    for name, arm in summary.arms.items():
        is_mean_shown = not is_page or summary.runs[name].waits_for == Event.HIT
        for estimator in _OF_ARMS:
            if estimator != "restricted_mean" or is_mean_shown:
                yield name, estimator, arm.num_runs
    for name, comparison in summary.comparisons.items():
        estimator = "paired_difference" if comparison.is_paired else "restricted_mean_difference"
        yield name, estimator, min(summary.arms[n].num_runs for n in (name, summary.baseline))
