"""What all runs of a pool have in common, and the rule that chooses its width."""

import math
from typing import Any, NamedTuple

from engine.arms.arm import Arm
from engine.outcomes import DetectorSettings

_ACCELERATOR_WIDTH = 64
_SMALL_BLOCK = 8


class PoolSpec(NamedTuple):
    """Everything a pool is made from; runs of equal spec are comparable bit by bit.

    Attributes:
        arm: resolved; only its structure is read.
        data: host arrays of the task, or `Spooled` files of them.
        width: number of lanes.
        block: lanes that are computed together; divides the width.
        form: how convolutions are computed, see `engine.models.lowering`.
        eval_every: steps between evaluations.
        stop: one of `engine.training.stopping.STOPS`.
        diagnostics_every: steps between measurements: 1, 2, 4 or 8 evaluation intervals; 0 without.
    """

    arm: Arm
    data: dict[str, Any]
    root_seed: int
    width: int
    block: int
    form: str
    eval_every: int
    detector: DetectorSettings
    stop: str = "horizon"
    diagnostics: tuple[str, ...] = ()
    diagnostics_every: int = 0

    @property
    def segments_between_diagnostics(self) -> int:
        """Evaluation intervals from one measurement of the diagnostics to the next."""
        return self.diagnostics_every // self.eval_every


def default_width(platform: str, fills_core: bool) -> int:
    """Returns the lanes per worker for a network on a kind of device.

    On a CPU more lanes than one block bring nothing.
    """
    return _ACCELERATOR_WIDTH if platform != "cpu" else _cpu_block(fills_core)


def block_of(platform: str, fills_core: bool, width: int) -> int:
    """Returns how many lanes are computed together, a divisor of the width.

    A single large run fills a CPU core and its cache; up to 8 smaller ones together gain a fifth. An accelerator
    computes all lanes together.
    """
    return width if platform != "cpu" else math.gcd(width, _cpu_block(fills_core))


def _cpu_block(fills_core: bool) -> int:
    return 1 if fills_core else _SMALL_BLOCK
