"""Tries the user's networks before anything long starts, and says what is wrong with them."""

import dataclasses

from engine import tasks
from engine.commands.running.progress import note
from engine.errors import some_of
from engine.lanes.self_check import FirstBatch, try_network
from engine.models.initial import AS_WRITTEN
from engine.preflight.constant_outputs import LEAST
from engine.studies.expand import ExpandedStudy
from engine.studies.shared_program import SharedProgram
from engine.user_code import is_reference
from engine.workers import processes
from engine.workers.devices import Devices

_MOST_NAMED = 4


def try_user_networks(
    study: ExpandedStudy, available: Devices, cache_dir: str | None, is_quiet: bool = False
) -> dict[str, list[str]]:
    """Takes one batch through every network of the user, on one of the devices.

    Returns by arm what is wrong with its network, a sentence each, and says it unless `is_quiet`. Raises `InputError`
    as `try_network` does.
    """
    by_network: dict[object, list[SharedProgram]] = {}
    for program in study.programs:
        arm = program.spec.arm
        if is_reference(arm.model):
            # An optimiser or a control makes no other network.
            source = tasks.source_of(dataclasses.replace(arm, control="none"))
            by_network.setdefault((arm.model, arm.model_args, arm.precision, source), []).append(program)
    notes: dict[str, list[str]] = {name: [] for name in study.arms}
    for programs in by_network.values():
        first = min(programs, key=lambda program: program.spec.arm.control != "none")
        found = processes.call(available, cache_dir, try_network, first.spec, cache_dir)
        lines = describe_faults(found)
        notes.update({name: lines for program in programs for name in program.arm_names})
        is_as_written = any(program.spec.arm.init == AS_WRITTEN for program in programs)
        for line in [*lines, *(_describe_start(found) if is_as_written else [])] if not is_quiet else []:
            note(f"{some_of(first.arm_names, _MOST_NAMED)}: {line}")
    return notes


def describe_faults(found: FirstBatch) -> list[str]:
    """Says what is wrong with a network wherever it starts, a sentence each."""
    lines = []
    if found.is_share:
        lines.append(
            "the outputs are shares that add up to 1, as after a softmax; the loss takes a softmax itself, so leave "
            "that out, or it can hardly learn"
        )
    if found.spread and found.spread < LEAST * min(found.input_spread, 1.0):
        lines.append(
            f"with its own start and with He's the outputs differ by {found.spread:.0e} only from example to example, "
            f"where the inputs differ by {found.input_spread:.2g}: look for a factor, or a saturating activation, that "
            f"makes them small"
        )
    if found.unreached:
        stay = "stays where it starts" if len(found.unreached) == 1 else "stay where they start"
        names = some_of(found.unreached, _MOST_NAMED)
        lines.append(f"the gradient of the loss does not reach {names}: {stay}")
    return lines


def _describe_start(found: FirstBatch) -> list[str]:
    """Says what may be intended: an output layer of zeros holds back everything before it for one step."""
    if not found.unmoved:
        return []
    places = some_of(found.unmoved, _MOST_NAMED)
    return [
        f"where the network starts as it is written, the gradient of a batch is 0 in {places}: nothing moves there "
        f"before something else does"
    ]
