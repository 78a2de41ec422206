"""What was seen in the data and in the user's networks, in sentences."""

from collections.abc import Iterator, Mapping

from .phrases import joined
from .summary import Summary

_MOST_NAMED = 3


def say_notes(summary: Summary, where: str, notes_by_arm: Mapping[str, list[str]]) -> Iterator[str]:
    """Says each note once, with the arms that it is about."""
    num_arms, arms = len(summary.document["arm_order"]), dict[str, list[str]]()
    for name, notes in notes_by_arm.items():
        for note in notes:
            arms.setdefault(note, []).append(f"“{name}”")
    for note, names in arms.items():
        whose = joined(names) if len(names) <= _MOST_NAMED else f"{len(names)} of {num_arms} arms"
        yield f"{where}: {note}." if len(names) == num_arms else f"{where} of {whose}: {note}."


def say_faults_elsewhere(summary: Summary) -> Iterator[str]:
    """Says what is wrong with networks of the user, besides what the headline says, see `after_faults`."""
    said = _faults_of_baseline(summary)
    notes = summary.notes("network_notes").items()
    yield from say_notes(summary, "In the network", {name: [n for n in own if n not in said] for name, own in notes})


def after_faults(summary: Summary, headline: str) -> str:
    """Puts what is wrong with the network of the baseline before a headline, and so before any advice in it."""
    faults = [f"In the network: {note}." for note in _faults_of_baseline(summary)]
    if faults:
        faults.append("Look at that first: what follows is about the network as it is.")
    return " ".join([*faults, headline])


def _faults_of_baseline(summary: Summary) -> list[str]:
    return summary.notes("network_notes").get(summary.baseline, [])
