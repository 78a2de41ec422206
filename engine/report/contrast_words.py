"""One arm of a study against an arm of another, in sentences."""

import math

from engine.report.contrast import Contrast
from engine.report.phrases import interval, number, p_value, percent, percent_interval
from engine.statistics import LEVEL, Estimate

_ARM = "“{arm}” of {study}: {share} of {num_runs} runs had the event (95 % CI {limits}), {median}."
_MEDIAN = "median {value} {unit} ({limits})"
_NO_MEDIAN = "median not reached"
_FAILED = (
    "{own} and {base} more have no outcome, because they ended their worker again and again; they are left out, and "
    "so is the other run of their pair in what compares."
)
_DIFFERENCE = (
    "All is read at the common horizon of {horizon} {unit}. Difference of mean waits up to there: {value} {unit} "
    "(95 % CI {limits}; {how}): {verdict}. Equal incidence: {p} after Holm."
)
_PAIRS = "{num_pairs} pairs of equal seeds"
_SOME_PAIRS = "means of all runs, test in {num_pairs} pairs of equal seeds"
_NO_PAIRS = "unpaired runs"
_EARLIER, _LATER = "the first is earlier", "the first is later"
_DISAGREE = "interval and test disagree, so nothing is decided"
_NO_DIFFERENCE = "no difference beyond chance"


def describe_contrast(contrast: Contrast, own_name: str, base_name: str) -> str:
    """Describes a contrast: sizes with intervals first, then the p-value.

    Args:
        contrast: the numbers.
        own_name, base_name: of the studies, as the reader knows them.
    """
    unit = contrast.unit
    names = (own_name, contrast.arm), (base_name, contrast.baseline)
    numbers = zip(names, contrast.fractions, contrast.num_runs, contrast.medians, strict=True)
    lines = [
        _ARM.format(
            arm=arm,
            study=study,
            share=percent(fraction.value),
            num_runs=num_runs,
            limits=percent_interval(fraction),
            median=_describe_median(median, unit),
        )
        for (study, arm), fraction, num_runs, median in numbers
    ]
    if any(contrast.num_failed):
        own, base = contrast.num_failed
        lines.append(_FAILED.format(own=own, base=base))
    lines.append(
        _DIFFERENCE.format(
            horizon=number(contrast.horizon, unit),
            unit=unit,
            value=number(contrast.difference.value, unit),
            limits=interval(contrast.difference, unit),
            how=_describe_pairs(contrast),
            verdict=_decide(contrast.difference, contrast.p_holm),
            p=p_value(contrast.p_holm),
        )
    )
    return " ".join(lines)


def _describe_median(median: Estimate, unit: str) -> str:
    if not math.isfinite(median.value):
        return _NO_MEDIAN
    return _MEDIAN.format(value=number(median.value, unit), unit=unit, limits=interval(median, unit))


def _describe_pairs(contrast: Contrast) -> str:
    if contrast.num_pairs == 0:
        return _NO_PAIRS
    template = _SOME_PAIRS if contrast.num_pairs < max(contrast.num_runs) else _PAIRS
    return template.format(num_pairs=contrast.num_pairs)


def _decide(difference: Estimate, p: float) -> str:
    is_significant, has_zero = p < LEVEL, difference.lower <= 0 <= difference.upper
    if is_significant == has_zero:
        return _DISAGREE
    if not is_significant:
        return _NO_DIFFERENCE
    return _EARLIER if difference.upper < 0 else _LATER
