"""Networks of the user's own are tried before anything long starts."""

import dataclasses

from engine import tasks, workers
from engine.commands.progress import note
from engine.devices import Devices
from engine.firstbatch import FirstBatch, try_network
from engine.models.initial import AS_WRITTEN
from engine.plan import Plan
from engine.sources import is_reference

# Of outputs, over that of inputs: He's start keeps their size, and pooling averages some of it.
_LEAST_SPREAD = 1e-3


def try_own_networks(plan: Plan, available: Devices, cache_dir: str | None) -> dict[str, list[str]]:
    """Takes one batch through every network of the user's own, and says what it shows.

    Args:
        plan: of the study.
        available: devices, on one of which it is computed.
        cache_dir: where programs and answers are kept.

    Returns:
        What speaks against the networks, in words, by arm.

    Raises:
        InputError: see `engine.firstbatch.try_network`.
    """
    tried: dict[object, FirstBatch] = {}
    notes = {}
    for group in plan.groups:
        arm = group.spec.arm
        if not is_reference(arm.model):
            continue
        is_as_written = arm.init == AS_WRITTEN
        # What an optimiser or a control changes is no other network.
        source = tasks.source_of(dataclasses.replace(arm, control="none"))
        key = (arm.model, arm.model_args, arm.precision, is_as_written, source)
        is_new = key not in tried
        if is_new:
            tried[key] = workers.call(available, cache_dir, try_network, group.spec, cache_dir)
        lines = _in_words(tried[key])
        notes.update(dict.fromkeys(group.arm_names, lines))
        if is_new:
            for line in [*lines, *_of_its_start(tried[key], is_as_written)]:
                note(f"{', '.join(group.arm_names)}: {line}")
    return {name: notes.get(name, []) for name in plan.arms}


def _in_words(found: FirstBatch) -> list[str]:
    """What is wrong with a network wherever it starts."""
    lines = []
    if found.is_share:
        lines.append(
            "the outputs are shares that add up to 1, as after a softmax; the loss takes a softmax "
            "itself, so leave that out, or it can hardly learn"
        )
    if 0 < found.spread < _LEAST_SPREAD * min(found.input_spread, 1.0):
        lines.append(
            f"whatever the start, its outputs differ by {found.spread:.0e} only from example to "
            f"example, where inputs differ by {found.input_spread:.2g}: look for a factor that "
            f"makes them small"
        )
    if found.unreached:
        lines.append(
            f"the gradient of the loss does not reach {_listed(found.unreached)}, which will stay "
            f"where it starts"
        )
    return lines


def _of_its_start(found: FirstBatch, is_as_written: bool) -> list[str]:
    """What may be meant so: a head of zeros holds all before it back for one step."""
    if not found.unmoved or not is_as_written:
        return []
    return [
        f"where the network starts as it is written, the gradient of a batch is 0 in "
        f"{_listed(found.unmoved)}: that cannot move before something else does"
    ]


def _listed(names: list[str]) -> str:
    most = 4
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
