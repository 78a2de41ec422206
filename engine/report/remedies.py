"""Arms that kick in earlier than the baseline, and what is different in them."""

from typing import Any

from ..statistics import LEVEL, Estimate
from .phrases import interval, joined, number, onset, p_value
from .summary import Summary

MOST_NAMED = 3


def find_remedy(summary: Summary) -> str | None:
    """Returns the arm that the answers name first of those that kick in earlier, or `None`."""
    return next(iter(find_cures(summary) or find_earlier(summary)), None)


def find_cures(summary: Summary) -> list[str]:
    """Returns at most three arms that release a baseline which is typically on a plateau.

    Its plateau is no longer typical there, or its median onset less than half the baseline's, both beyond chance; of
    every minimal set of changed fields the earliest one counts.
    """
    if summary.is_of_logs or summary.typical_status not in ("broke", "stuck"):
        return []
    base = summary.arms[summary.baseline]
    chosen: dict[frozenset[str], str] = {}
    for name in find_earlier(summary):
        arm = summary.arms[name]
        is_released = arm.fraction.lower > 0.5 and (
            arm.plateau_fraction.upper < 0.5 or 2 * arm.median_onset.upper < base.median_onset.lower
        )
        fields = frozenset(_shown_changes(summary, name))
        if is_released and not any(smaller <= fields for smaller in chosen):
            chosen[fields] = name
    return list(chosen.values())[:MOST_NAMED]


def find_earlier(summary: Summary) -> list[str]:
    """Returns the arms that kick in earlier: those with fewest changes first, then those with the largest effect."""
    found = [name for name, comparison in summary.comparisons.items() if comparison.is_earlier]
    return sorted(found, key=lambda n: (len(_shown_changes(summary, n)), summary.comparisons[n].difference.value, n))


def say_compared(summary: Summary, name: str) -> str:
    """Says when an arm kicks in, and how much earlier or later than the baseline."""
    comparison, unit = summary.comparisons[name], summary.unit
    difference = comparison.difference
    size = Estimate(abs(difference.value), *sorted((abs(difference.lower), abs(difference.upper))))
    has_censored = any(summary.arms[n].fraction.value < 1 for n in (name, summary.baseline))
    direction = "earlier" if difference.value < 0 else "later"
    changed = say_change(summary, name)
    return (
        f"“{name}”{f' ({changed})' if changed else ''}: the median onset is "
        f"{onset(summary.arms[name], unit, summary.horizon(name))}, on average {'at least ' if has_censored else ''}"
        f"{number(size.value, unit)} {unit} {direction} (95 % CI {interval(size, unit)}; "
        f"{p_value(comparison.p_adjusted)} {'at every look' if summary.has_looks else 'after Holm'})."
    )


def say_change(summary: Summary, name: str) -> str:
    """Writes what is different in an arm, for example `init=he in place of normal`."""
    pairs = _shown_changes(summary, name).items()
    return joined([f"{field}={_plain(own)} in place of {_plain(base)}" for field, (base, own) in pairs])


def say_undecided(summary: Summary) -> list[str]:
    """Says why an arm is not called earlier or later whose difference has an interval without 0."""
    found = [
        name
        for name, one in summary.comparisons.items()
        if not (one.is_earlier or one.is_later) and (one.difference.upper < 0 or one.difference.lower > 0)
    ]
    if not found:
        return []
    named = [f"“{name}”" for name in found[:MOST_NAMED]]
    more = [f"{len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return [
        f"The interval of the difference leaves 0 out for {joined([*named, *more])}, and p is not below {LEVEL:g}: the "
        f"interval takes differences between runs to be normally distributed, the test does not, and the test decides. "
        f"More seeds would tell."
    ]


def _shown_changes(summary: Summary, name: str) -> dict[str, tuple[Any, Any]]:
    """Returns the changed fields without those that only exist under another choice."""
    changed = summary.comparisons[name].changed
    return {field: pair for field, pair in changed.items() if None not in pair}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
