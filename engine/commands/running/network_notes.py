"""Networks of the user's own are tried before anything long starts."""

import dataclasses

from engine import tasks, workers
from engine.commands.running.progress import note
from engine.errors import some_of
from engine.lanes.try_model import FirstBatch, try_network
from engine.models.initial import AS_WRITTEN
from engine.studies.expand import ExpandedStudy
from engine.studies.shared_program import SharedProgram
from engine.user_code import is_reference
from engine.workers.devices import Devices

# Of outputs, over that of inputs: He's start keeps their size, and pooling averages some of it.
_LEAST_SPREAD = 1e-3
_MOST_NAMED = 4


def try_own_networks(plan: ExpandedStudy, available: Devices, cache_dir: str | None) -> dict[str, list[str]]:
    """Takes one batch through every network of the user's own, and says what it shows.

    Args:
        plan: of the study.
        available: devices, on one of which it is computed.
        cache_dir: where programs and answers are kept.

    Returns:
        What speaks against the networks, in words, by arm.

    Raises:
        InputError: see `engine.lanes.try_model.try_network`.
    """
    alike: dict[object, list[SharedProgram]] = {}
    for group in plan.programs:
        arm = group.spec.arm
        if is_reference(arm.model):
            # What an optimiser or a control changes is no other network.
            source = tasks.source_of(dataclasses.replace(arm, control="none"))
            key = (arm.model, arm.model_args, arm.precision, source)
            alike.setdefault(key, []).append(group)
    notes: dict[str, list[str]] = {name: [] for name in plan.arms}
    for groups in alike.values():
        first = min(groups, key=lambda group: group.spec.arm.control != "none")
        found = workers.call(available, cache_dir, try_network, first.spec, cache_dir)
        lines = in_words(found)
        notes.update({name: lines for group in groups for name in group.arm_names})
        is_as_written = any(group.spec.arm.init == AS_WRITTEN for group in groups)
        for line in [*lines, *(_of_its_start(found) if is_as_written else [])]:
            note(f"{some_of(first.arm_names, _MOST_NAMED)}: {line}")
    return notes


def in_words(found: FirstBatch) -> list[str]:
    """What is wrong with a network wherever it starts, a line each."""
    lines = []
    if found.is_share:
        lines.append(
            "the outputs are shares that add up to 1, as after a softmax; the loss takes a softmax "
            "itself, so leave that out, or it can hardly learn"
        )
    if found.spread and found.spread < _LEAST_SPREAD * min(found.input_spread, 1.0):
        lines.append(
            f"with its own start and with He's the outputs differ by {found.spread:.0e} only from "
            f"example to example, where the inputs differ by {found.input_spread:.2g}: look for a "
            f"factor, or a saturating activation, that makes them small"
        )
    if found.unreached:
        stay = "stays where it starts" if len(found.unreached) == 1 else "stay where they start"
        names = some_of(found.unreached, _MOST_NAMED)
        lines.append(f"the gradient of the loss does not reach {names}: {stay}")
    return lines


def _of_its_start(found: FirstBatch) -> list[str]:
    """What may be meant so: a head of zeros holds all before it back for one step."""
    if not found.unmoved:
        return []
    return [
        f"where the network starts as it is written, the gradient of a batch is 0 in "
        f"{some_of(found.unmoved, _MOST_NAMED)}: nothing moves there before something else does"
    ]
