"""Numbers as people write them, and questions that several parts of the report answer."""

import math

from engine.errors import one_line
from engine.report.summary import ArmSummary
from engine.statistics import Estimate

NORMAL_QUESTION = "Is that normal for this set-up?"
REMEDY_QUESTION = "Is something wrong, and what would fix it?"
_LONGEST_LABEL = 48


def label(name: str) -> str:
    """A name as figures show it, whatever it is: short, in one line, and never empty."""
    words = one_line(name) or "(no name)"
    if len(words) > _LONGEST_LABEL:
        words = f"{words[: _LONGEST_LABEL // 2]}…{words[1 - _LONGEST_LABEL // 2 :]}"
    # Matplotlib leaves labels that begin with an underscore out of legends.
    return f"\N{HAIR SPACE}{words}" if words.startswith("_") else words


def runs_are(number_of: int) -> str:
    """`1 run is`, `12 runs are`."""
    return "1 run is" if number_of == 1 else f"{number_of} runs are"


def number(value: float, unit: str = "") -> str:
    """A time or a difference: one decimal for epochs, two digits below 1, none for steps."""
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


def percent(value: float) -> str:
    """A share as a whole percentage, one decimal near the ends."""
    scaled = 100.0 * value
    near_end = 0 < scaled < 1 or 99 < scaled < 100
    return f"{scaled:.1f} %" if near_end else f"{scaled:.0f} %"


def p_value(p: float) -> str:
    """`p = 0.012`, or `p < 0.0001`."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def interval(estimate: Estimate, unit: str) -> str:
    """`10.6–11.9`, or `10.6–∞` where the upper limit does not exist."""
    lower, upper = number(estimate.lower, unit), number(estimate.upper, unit)
    return f"{lower} to {upper}" if estimate.lower < 0 else f"{lower}–{upper}"


def fraction(successes: int, num_runs: int, estimate: Estimate) -> str:
    """`24 of 24 runs (100 %, 95 % CI 86–100 %)`."""
    low, high = percent(estimate.lower).removesuffix(" %"), percent(estimate.upper)
    share = percent(estimate.value)
    return f"{successes} of {num_runs} runs ({share}, 95 % CI {low}–{high})"


def onset(arm: ArmSummary, unit: str, horizon: float) -> str:
    """The median onset with its interval, or why there is none."""
    median = arm.median_onset
    word = "epoch" if unit == "epochs" else "step"
    if math.isfinite(median.value):
        return f"{word} {number(median.value, unit)} (95 % CI {interval(median, unit)})"
    if 2 * arm.statuses["diverged"] >= arm.num_runs:
        return "not reached, because runs diverged first"
    least = f", 95 % CI {interval(median, unit)}" if median.lower <= horizon else ""
    return f"later than {word} {number(horizon, unit)}, the horizon{least}"


def joined(words: list[str]) -> str:
    """`a, b and c`."""
    if len(words) <= 1:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]
