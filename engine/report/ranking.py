"""Which arms come first where there are too many to show them all."""

from .summary import Summary

# The baseline, those that leave chance level soonest, and those that do latest.
_SOONEST, _LATEST = 14, 9
MOST_ARMS = 1 + _SOONEST + _LATEST


def rank_arms(summary: Summary) -> list[str]:
    """Returns the arms in the order of the study; of more than `MOST_ARMS`, the baseline and then by when they leave.

    First those of which more runs leave chance level; of these, those with the earlier mean onset up to the horizon.
    """
    names = list(summary.runs)
    if len(names) <= MOST_ARMS:
        return names

    def key(name: str) -> tuple[bool, float, float]:
        arm = summary.arms[name]
        return name != summary.baseline, -arm.fraction.value, arm.restricted_mean.value

    return sorted(names, key=key)


def shown_arms(summary: Summary) -> list[str]:
    """Returns the arms that figures and the short table show, at most `MOST_ARMS`, in the order of `rank_arms`."""
    ranked = rank_arms(summary)
    return ranked if len(ranked) <= MOST_ARMS else [*ranked[: 1 + _SOONEST], *ranked[-_LATEST:]]


def say_shown(summary: Summary) -> str:
    """Says in a sentence which arms are shown, empty where all are."""
    num_arms = len(summary.runs)
    if num_arms <= MOST_ARMS:
        return ""
    return (
        f"Of {num_arms:,} arms the baseline is shown, the {_SOONEST} that leave chance level soonest and the {_LATEST} "
        f"that do latest."
    )
