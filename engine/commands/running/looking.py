"""Looks at data and networks before anything long starts, and says what is wrong or unusual there."""

import dataclasses
from collections.abc import Iterator

from ... import tasks
from ...arms.choices import options_of
from ...errors import one_line
from ...preflight.checking import check_here, refuse_untrainable
from ...preflight.findings import OF_SETTINGS, Finding
from ...studies.expand import ExpandedStudy
from ...user_code import is_reference
from ...workers import devices, processes
from .progress import note, waiting

_WORDS = {"fault": "wrong", "sign": "unusual", "note": "note"}


def check_arm(concrete: ExpandedStudy, name: str, available: devices.Devices, cache_dir: str) -> list[Finding]:
    """Looks at an arm of an expanded study, on one of the devices."""
    spec, arm, horizon = concrete.program_of[name].spec, concrete.arms[name], concrete.horizons[name]
    with waiting("looking at data and network"):
        found: list[Finding] = processes.call(available, cache_dir, check_here, spec, arm, horizon, cache_dir)
    return found


def describe_findings(found: list[Finding]) -> list[str]:
    """Says what was found, two lines for each finding, or that it was nothing."""
    if not found:
        return ["Nothing unusual in the inputs, the targets, the outputs, the gradient and the first step."]
    lines = []
    for finding in found:
        sentence = one_line(finding.sentence)
        lines += [f"{_WORDS[finding.strength]}: {sentence} ({finding.name})", f"    try: {one_line(finding.advice)}"]
    return lines


def look_at_own(
    study: ExpandedStudy, baseline: str | None, available: devices.Devices, cache_dir: str
) -> dict[str, list[str]]:
    """Looks at one arm of every network or data set of the user, and says what is found.

    The arm is the baseline where it is one of them. Returns by arm what is wrong with its network or data, a sentence
    each; of settings only what is wrong with those of the arm that was looked at. Raises `InputError` where a network
    cannot be trained.
    """
    notes: dict[str, list[str]] = {name: [] for name in study.arms}
    for names in _own(study):
        name = baseline if baseline in names else names[0]
        found = check_arm(study, name, available, cache_dir)
        for line in describe_findings(found) if found else ():
            note(line if len(study.arms) == 1 else f"{one_line(name)}: {line}")
        refuse_untrainable(found, study.arms[name])
        faults = [one for one in found if one.strength == "fault"]
        for other in names:
            notes[other] = [one.sentence for one in faults if other == name or one.name not in OF_SETTINGS]
    return notes


def _own(study: ExpandedStudy) -> Iterator[list[str]]:
    """Yields the arms of each network with its data where either is the user's, those with controls last."""
    groups: dict[object, list[str]] = {}
    for name, arm in sorted(study.arms.items(), key=lambda item: item[1].control != "none"):
        if is_reference(arm.model) or arm.dataset_dir is not None:
            # A control makes no other network.
            source = tasks.source_of(dataclasses.replace(arm, control="none"))
            options = [(option, getattr(arm, option)) for option in options_of("model", arm.model)]
            groups.setdefault((arm.model, arm.model_args, arm.precision, *options, source), []).append(name)
    yield from groups.values()
