"""How the report writes numbers, times, shares and counts, and questions that several sections answer."""

import math
from collections.abc import Mapping
from typing import Any

from ..errors import agreeing, counted, one_line
from ..statistics import Estimate
from .summary import ArmSummary

NORMAL_QUESTION = "Is that normal for this set-up?"
REMEDY_QUESTION = "Is something wrong, and what would fix it?"
_LONGEST_LABEL = 48
# By whether all runs have one start, and one data order.
_VARIED = {
    (False, False): "random starts and data orders",
    (False, True): "random starts, all in the data order of seed {fix_order}",
    (True, False): "data orders, all from the start of init seed {fix_init}",
    (True, True): "noise draws, all from one start and in one data order",
}


def label(name: str) -> str:
    """Returns a name as figures show it: one short line that is never empty."""
    words = one_line(name) or "(no name)"
    if len(words) > _LONGEST_LABEL:
        words = f"{words[: _LONGEST_LABEL // 2]}…{words[1 - _LONGEST_LABEL // 2 :]}"
    # Matplotlib leaves labels that begin with an underscore out of legends.
    return f"\N{HAIR SPACE}{words}" if words.startswith("_") else words


def of_runs(number_of: int, num_runs: int) -> str:
    """Writes `1 of 12 runs is`, `3 of 12 runs are`."""
    return f"{number_of} of {counted(num_runs, 'run')} {agreeing(number_of, 'is', 'are')}"


def joined(words: list[str]) -> str:
    """Writes `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def varied(identity: Mapping[str, Any]) -> str:
    """Says what differs from seed to seed in a study."""
    init, order = identity.get("fix_init"), identity.get("fix_order")
    return _VARIED[init is not None, order is not None].format(fix_init=init, fix_order=order)


def time_word(unit: str) -> str:
    """Returns the singular of a unit of time."""
    return unit.removesuffix("s")


def moment(value: float, unit: str) -> str:
    """Writes `epoch 1.5`, `step 20`."""
    return f"{time_word(unit)} {number(value, unit)}"


def number(value: float, unit: str = "") -> str:
    """Writes a time or a difference: one decimal for epochs, two digits below 0.1, none for steps."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if unit == "steps" or abs(value) >= 100:
        text = f"{value:.0f}"
    elif 0 < abs(value) < 0.1:
        text = f"{value:.2g}"
    else:
        text = f"{value:.1f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("-", "−")


def interval(estimate: Estimate, unit: str) -> str:
    """Writes `10.6–11.9`, or `10.6–∞` where there is no upper limit."""
    lower, upper = number(estimate.lower, unit), number(estimate.upper, unit)
    return f"{lower} to {upper}" if estimate.lower < 0 else f"{lower}–{upper}"


def shift(difference: Estimate, unit: str) -> str:
    """Writes `9.8 earlier (9.4–10.2)`, and `0.4 later (0.1 earlier to 0.9 later)` where either is possible."""

    def with_direction(value: float) -> str:
        return f"{number(abs(value), unit)} {'earlier' if value < 0 else 'later'}"

    value, lower, upper = difference[:3]
    if lower < 0 < upper:
        return f"{with_direction(value)} ({with_direction(lower)} to {with_direction(upper)})"
    size = Estimate(abs(value), *sorted((abs(lower), abs(upper))))
    return f"{with_direction(value)} ({interval(size, unit)})"


def percent(value: float) -> str:
    """Writes a share as a whole percentage, with one decimal near 0 and 100 %."""
    scaled = 100.0 * value
    near_end = 0 < scaled < 1 or 99 < scaled < 100
    return f"{scaled:.1f} %" if near_end else f"{scaled:.0f} %"


def percent_interval(estimate: Estimate) -> str:
    """Writes `86–100 %`."""
    return f"{percent(estimate.lower).removesuffix(' %')}–{percent(estimate.upper)}"


def share(estimate: Estimate) -> str:
    """Writes `84 % (95 % CI 62–96 %)`."""
    return f"{percent(estimate.value)} (95 % CI {percent_interval(estimate)})"


def fraction(successes: int, num_runs: int, estimate: Estimate) -> str:
    """Writes `24 of 24 runs (100 %, 95 % CI 86–100 %)`."""
    return (
        f"{successes} of {counted(num_runs, 'run')} ({percent(estimate.value)}, 95 % CI {percent_interval(estimate)})"
    )


def p_value(p: float) -> str:
    """Writes `p = 0.012`, or `p < 0.0001`."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def onset(arm: ArmSummary, unit: str, horizon: float) -> str:
    """Writes the median onset of an arm with its interval, or why there is none; the horizon is in the unit."""
    median = arm.median_onset
    if math.isfinite(median.value):
        return f"{moment(median.value, unit)} (95 % CI {interval(median, unit)})"
    if 2 * arm.statuses["diverged"] >= arm.num_runs:
        return "not reached, because runs diverged first"
    limits = f", 95 % CI {interval(median, unit)}" if median.lower <= horizon else ""
    return f"later than {moment(horizon, unit)}, the horizon{limits}"
