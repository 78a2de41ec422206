"""Which other configurations kick in earlier than the baseline, and which of them remove its plateau."""

from typing import Any

from engine.report.phrases import counted, interval, joined, number, onset, p_value
from engine.report.summary import Summary
from engine.statistics import Estimate

_MOST_NAMED = 3

ONE_GROUP = (
    "These runs are one group, so they cannot say what would change the time. Read logs of other configurations with "
    "them, each group with a name: --curves=before=DIR --curves=after=DIR, or --arm_column."
)
_ONE_ARM = (
    "This study has one configuration, so it cannot say what would change the time. "
    "Add arms, for example with --sweep=init=normal,he."
)


def find_typical(summary: Summary) -> str | None:
    """Returns the status that more than half of all runs of the baseline have, beyond chance; None without one."""
    arm = summary.arms[summary.baseline]
    shares = {status: summary.fraction(count, arm.num_runs) for status, count in arm.statuses.items()}
    return next((status for status, share in shares.items() if share.lower > 0.5), None)


def find_cures(summary: Summary) -> list[str]:
    """Returns the arms that release a baseline which is typically on a plateau, at most three.

    An arm counts where its plateau is no longer typical, or its median onset is less than half the
    baseline's, both beyond chance; of every minimal set of changed fields the earliest one.
    """
    if summary.is_of_logs or find_typical(summary) not in ("broke", "stuck"):
        return []
    base = summary.arms[summary.baseline]
    chosen: dict[frozenset[str], str] = {}
    for name in _find_earlier(summary):
        arm = summary.arms[name]
        is_released = arm.fraction.lower > 0.5 and (
            arm.plateau_fraction.upper < 0.5 or 2 * arm.median_onset.upper < base.median_onset.lower
        )
        fields = frozenset(_shown_changes(summary, name))
        if is_released and not any(smaller <= fields for smaller in chosen):
            chosen[fields] = name
    return list(chosen.values())[:_MOST_NAMED]


def say_cures(summary: Summary, cures: list[str]) -> str:
    """Says which single changes release the baseline."""
    changes = ", or ".join(_say_change(summary, name) for name in cures) + ("," if len(cures) > 1 else "")
    return (
        f"The plateau belongs to the set-up and can be removed: {changes} makes it kick in earlier, with everything "
        "else as it was."
    )


def say_remedy(summary: Summary) -> str:
    """Answers whether something is wrong, and what would fix it."""
    if not summary.comparisons:
        if summary.num_arms > 1:
            return (
                "Nothing in this study can be compared with it yet: the other configurations wait for another event, "
                "or have no outcome of a first seed."
            )
        return ONE_GROUP if summary.is_of_logs else _ONE_ARM
    earlier, cures = _find_earlier(summary), find_cures(summary)
    lines = [say_compared(summary, name) for name in cures or earlier[:_MOST_NAMED]]
    if not lines:
        none = "None of the other configurations kicks in earlier, as far as this study can tell."
        later = [name for name, comparison in summary.comparisons.items() if comparison.is_later]
        arms = joined([say_compared(summary, name) for name in later[:_MOST_NAMED]])
        return f"{none} Later: {arms}" if later else none
    num_more = len(earlier) - len(lines)
    if num_more > 0:
        more = counted(num_more, "more configuration is", "more configurations are")
        lines.append(f"{more} earlier too; see the table.")
    if cures:
        lines.append(
            "A mistake that all arms share, in the data or in the training code, would not go away with such a change."
        )
    if summary.is_of_logs:
        lines.append("What is different between groups is not in the logs: whether it is the cause, only you know.")
    return " ".join(lines)


def say_compared(summary: Summary, name: str) -> str:
    """Says how much earlier or later than the baseline an arm kicks in."""
    comparison, unit = summary.comparisons[name], summary.unit
    difference = comparison.difference
    size = Estimate(abs(difference.value), *sorted((abs(difference.lower), abs(difference.upper))))
    has_censored = any(summary.arms[n].fraction.value < 1 for n in (name, summary.baseline))
    direction = "earlier" if difference.value < 0 else "later"
    changed = _say_change(summary, name)
    return (
        f"“{name}”{f' ({changed})' if changed else ''}: the median onset is "
        f"{onset(summary.arms[name], unit, summary.horizon(name))}, on average {'at least ' if has_censored else ''}"
        f"{number(size.value, unit)} {unit} {direction} (95 % CI {interval(size, unit)}; "
        f"{p_value(comparison.p_adjusted)} {'at every look' if summary.has_looks else 'after Holm'})."
    )


def _find_earlier(summary: Summary) -> list[str]:
    """Returns the arms that kick in earlier: those with fewest changes first, then those with the largest effect."""
    found = [name for name, comparison in summary.comparisons.items() if comparison.is_earlier]
    return sorted(found, key=lambda n: (len(_shown_changes(summary, n)), summary.comparisons[n].difference.value, n))


def _shown_changes(summary: Summary, name: str) -> dict[str, tuple[Any, Any]]:
    """Returns the changed fields without those that only exist under another choice."""
    changed = summary.comparisons[name].changed
    return {field: pair for field, pair in changed.items() if None not in pair}


def _say_change(summary: Summary, name: str) -> str:
    """Writes what is different in an arm, for example `init=he in place of normal`."""
    pairs = _shown_changes(summary, name).items()
    return joined([f"{field}={_plain(own)} in place of {_plain(base)}" for field, (base, own) in pairs])


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
