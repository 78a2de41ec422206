"""One arm of a study against an arm of another, in sentences."""

import math

from engine.report.contrast import Contrast
from engine.report.phrases import interval, number, p_value, percent, percent_interval
from engine.statistics import LEVEL, Estimate


def describe_contrast(contrast: Contrast, own_name: str, base_name: str) -> str:
    """Describes a contrast of two studies, named as the reader knows them: sizes with intervals first, then p."""
    unit, difference = contrast.unit, contrast.difference
    studies, arms = (own_name, base_name), (contrast.arm, contrast.baseline)
    numbers = zip(studies, arms, contrast.fractions, contrast.num_runs, contrast.medians, strict=True)
    lines = [
        f"“{arm}” of {study}: {percent(fraction.value)} of {num_runs} runs had the event "
        f"(95 % CI {percent_interval(fraction)}), {_describe_median(median, unit)}."
        for study, arm, fraction, num_runs, median in numbers
    ]
    if any(contrast.num_failed):
        own, base = contrast.num_failed
        lines.append(
            f"{own} and {base} more have no outcome, because they ended their worker again and again; they are left "
            "out, and so is the other run of their pair in what compares."
        )
    lines.append(
        f"All is read at the common horizon of {number(contrast.horizon, unit)} {unit}. Difference of mean waits up to "
        f"there: {number(difference.value, unit)} {unit} (95 % CI {interval(difference, unit)}; "
        f"{_describe_pairs(contrast)}): {_decide(difference, contrast.p_holm)}. "
        f"Equal incidence: {p_value(contrast.p_holm)} after Holm."
    )
    return " ".join(lines)


def _describe_median(median: Estimate, unit: str) -> str:
    if not math.isfinite(median.value):
        return "median not reached"
    return f"median {number(median.value, unit)} {unit} ({interval(median, unit)})"


def _describe_pairs(contrast: Contrast) -> str:
    if contrast.num_pairs == 0:
        return "unpaired runs"
    pairs = f"{contrast.num_pairs} pairs of equal seeds"
    return f"means of all runs, test in {pairs}" if contrast.num_pairs < max(contrast.num_runs) else pairs


def _decide(difference: Estimate, p: float) -> str:
    is_significant, has_zero = p < LEVEL, difference.lower <= 0 <= difference.upper
    if is_significant == has_zero:
        return "interval and test disagree, so nothing is decided"
    if not is_significant:
        return "no difference beyond chance"
    return "the first is earlier" if difference.upper < 0 else "the first is later"
