"""What a case of the field collection is."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Arrays of a data set by name, `x` and `y`; flags name others, such as those of examples that are held out on purpose.
Arrays = dict[str, np.ndarray]


class Case(NamedTuple):
    """A set-up that somebody reported, rebuilt.

    Flags are those of `launch.py diagnose`, without `--workdir` and `--minutes`. In them `{data}` stands for the path
    of the case's data set, `{healthy}` for that of its twin's, `{networks}` for the folder of networks.

    Attributes:
        name: short and unique, such as `raw pixels, SGD`.
        address: of the public report; several cases may share one.
        report: what was reported and what it turned out to be, in a sentence or two of ours.
        cause: the name in `engine.preflight.causes` that the thread found, or `NORMAL` of `engine.diagnosis.table`.
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
