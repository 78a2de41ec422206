"""Where an interval or a test of the report is known to fall short at its number of runs."""

from engine import statistics
from engine.outcomes.event import Event
from engine.report.summary import Summary

# What the table and the figures show of every arm, in words.
_OF_ARMS = {
    "aalen_johansen": "the band of the share that left",
    "median_time": "the interval of the median",
    "restricted_mean": "the interval of the mean wait",
}


def make_cautions(summary: Summary, is_page: bool) -> list[str]:
    """One line for each estimator and number of runs that falls short, from simulated studies.

    Args:
        summary: the numbers.
        is_page: whether for the page, which shows the mean wait only of arms that wait for a hit,
            or for `summary.json`, which has it of every arm.
    """
    arms: dict[str, list[str]] = {}
    for name, arm in summary.arms.items():
        is_mean_shown = not is_page or summary.runs[name].waits_for == Event.HIT
        for estimator, words in _OF_ARMS.items():
            if estimator == "restricted_mean" and not is_mean_shown:
                continue
            short = statistics.caution(estimator, arm.num_runs)
            if short is not None:
                arms.setdefault(f"{words}: {short}", []).append(f"“{name}”")
    for name, comparison in summary.comparisons.items():
        least = min(summary.arms[n].num_runs for n in (name, summary.baseline))
        estimator = "paired_difference" if comparison.is_paired else "restricted_mean_difference"
        short = statistics.caution(estimator, least)
        if short is not None:
            line = f"the interval of a difference: {short}"
            arms.setdefault(line, []).append(f"“{name}”")
    return [f"{', '.join(names)}: {line}." for line, names in arms.items()]
