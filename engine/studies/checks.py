"""Refuses what is wrong with a study before any run starts; every function raises `InputError`."""

from collections.abc import Hashable, Mapping, Sequence

from ..arms.arm import Arm
from ..errors import InputError
from ..tasks import Task
from ..training.precision import PRECISIONS, is_available
from .study import Study


def check_precisions(arms: Mapping[str, Arm], platform: str) -> None:
    """Refuses number formats that the kind of device does not have."""
    for name, arm in arms.items():
        if not is_available(arm.precision, platform):
            usable = ", ".join(precision for precision in PRECISIONS if is_available(precision, platform))
            raise InputError(
                f"arm {name!r}: precision={arm.precision} does not exist on a {platform}: expected one of {usable}"
            )


def check_stream(study: Study, names: Sequence[str], arm: Arm, task: Task) -> None:
    """Refuses to stream examples that are drawn on the device, or that runs see in different orders."""
    if not arm.stream:
        return
    who = f"arm {names[0]!r}: stream=true"
    if not task.streamed:
        raise InputError(f"{who} has no effect: the examples of dataset={arm.dataset} are drawn on the device")
    if study.design != "seeds":
        raise InputError(f"{who} needs design=seeds, not {study.design}")
    if study.fix_order is None:
        raise InputError(
            f"{who} sends the same batches to all runs: give --fix_order=0, or another seed of the "
            f"one data order that they share"
        )


def refuse_equal(identities: Mapping[str, Hashable], why: str = "") -> None:
    """Refuses arms that are the same configuration, by what makes each of them another one."""
    first: dict[Hashable, str] = {}
    for name, identity in identities.items():
        if (other := first.setdefault(identity, name)) != name:
            raise InputError(f"arms {other!r} and {name!r} are the same configuration{why}")


def refuse_equal_runs(study: Study, arms: Mapping[str, Arm]) -> None:
    """Refuses arms in which all repetitions would be the same run."""
    is_fixed = study.fix_init is not None and study.fix_order is not None
    for name, arm in arms.items():
        if is_fixed and not arm.dropout and arm.augment in (None, "none") and not arm.mixup:
            raise InputError(
                f"fix_init and fix_order together leave nothing that varies from seed to seed in "
                f"arm {name!r}: expected at most one of them"
            )


def check_fork_steps(steps: Mapping[str, int | None], horizons: Mapping[str, int], eval_every: int) -> None:
    """Refuses forks that are at no evaluation, or not before the horizon."""
    for name, step in steps.items():
        if step is not None and (step % eval_every or step >= horizons[name]):
            last = horizons[name] - eval_every
            nearest = min(max(round(step / eval_every), 1) * eval_every, last)
            raise InputError(
                f"fork_step={step} for arm {name!r}: expected a multiple of eval_every="
                f"{eval_every} before the horizon of {horizons[name]}; the nearest is {nearest}"
            )
