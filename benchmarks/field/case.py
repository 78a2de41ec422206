"""What a case of the field collection is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Arrays of a data set by name, `x` and `y`, with `x_test` and `y_test` where other examples are held out on purpose.
Arrays = dict[str, np.ndarray]

INPUTS = "inputs not scaled"
TARGETS = "targets not scaled"
UNREACHABLE = "outputs cannot reach the targets"
MISFIT = "loss and outputs do not fit"
LABELS = "labels and inputs do not belong together"
CONSTANT = "inputs do not reach the network"
MIXED = "examples of a batch are mixed"
ORDER = "order of the data"
MIXTURE = "held-out examples of another kind"
DECAY = "weight decay too strong"
DROPOUT = "dropout too strong"
AUGMENTATION = "augmentation too strong"
SCHEDULE = "held by the learning-rate schedule"
SATURATING = "saturating activation"
VANISHING = "vanishing signal"
EXPLODING = "exploding signal"
DEAD = "dead units"
SCALE = "held by the initial scale"
EPSILON = "held by epsilon"
SMALL_RATE = "rate too small"
LARGE_RATE = "rate too large"
ALTERED = "gradients clipped or scaled"
UNTRAINED = "parameters not trained"
PRECISION = "precision too low"
SMALL_BATCH = "batch too small"
LARGE_BATCH = "batch too large"
CAPACITY = "capacity too small"
HARD = "hard problem: slow but sure"
NORMAL = "normal for this set-up"


class Case(NamedTuple):
    """A set-up that somebody reported, rebuilt.

    Flags are those of `launch.py diagnose`, without `--workdir` and `--minutes`. In them `{data}` stands for the path
    of the case's data set, `{healthy}` for that of its twin's, `{networks}` for the folder of networks.

    Attributes:
        name: short and unique, such as `raw pixels, SGD`.
        address: of the public report; several cases may share one.
        report: what was reported and what it turned out to be, in a sentence or two of ours.
        cause: one of the names above, the one that the thread found.
        flags: of the set-up with the mistake.
        healthy: flags of the twin: the same set-up with the remedy of the thread and no other change.
        data: makes the arrays of the set-up from a generator; `None` where flags name a built-in data set.
        healthy_data: those of the twin, where they differ.
        also: other names of `cause` that would be as right, for a reason that `report` gives.
    """

    name: str
    address: str
    report: str
    cause: str
    flags: tuple[str, ...]
    healthy: tuple[str, ...]
    data: Callable[[np.random.Generator], Arrays] | None = None
    healthy_data: Callable[[np.random.Generator], Arrays] | None = None
    also: tuple[str, ...] = ()

    def save(self, folder: Path) -> None:
        """Writes the data sets of the case and of its twin below a folder."""
        for name, make in (("data", self.data), ("healthy", self.healthy_data)):
            if make is not None:
                np.savez(folder / f"{name}.npz", **make(np.random.default_rng(0)))  # type: ignore[arg-type]

    def resolved(self, is_healthy: bool, folder: Path) -> list[str]:
        """Returns the flags of the set-up, or of its twin, with the paths of the data sets that `save` wrote there."""
        places = {
            "data": folder / "data.npz",
            "healthy": folder / "healthy.npz",
            "networks": Path(__file__).parent / "networks",
        }
        return [flag.format(**places) for flag in (self.healthy if is_healthy else self.flags)]
