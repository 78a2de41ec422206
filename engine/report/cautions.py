"""Where an interval or a test of the report is known to fall short at its number of runs."""

from engine import statistics
from engine.report.summary import Summary

# What the table and the figures show of every arm, in words.
_OF_ARMS = {
    "aalen_johansen": "the band of the share that left",
    "median_time": "the interval of the median",
    "restricted_mean": "the interval of a mean",
}


def make_cautions(summary: Summary) -> list[str]:
    """One line for each estimator and number of runs that falls short, from simulated studies."""
    arms: dict[str, list[str]] = {}
    for name, arm in summary.arms.items():
        for estimator, words in _OF_ARMS.items():
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
