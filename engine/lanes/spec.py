"""What all runs of a pool have in common, and the rule that chooses its width."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..arms.arm import Arm
from ..outcomes import DetectorSettings

_ACCELERATOR_WIDTH = 64
_SMALL_BLOCK = 8


class PoolSpec(NamedTuple):
    """Everything a pool is made from; runs with equal specs are comparable bit by bit.

    Only the structure of `arm` is read. `data` are host arrays or `Spooled` files of them. Of `width` lanes, `block` (a
    divisor) are computed together, convolutions in a `form` of `engine.models.lowering`. `diagnostics_every` steps are
    1, 2, 4 or 8 evaluation intervals; 0 without. `diagnostic_options` are set for all that the diagnostics own.
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
    diagnostic_options: Mapping[str, Any] = {}

    @property
    def segments_between_diagnostics(self) -> int:
        """Evaluation intervals from one measurement of the diagnostics to the next."""
        return self.diagnostics_every // self.eval_every


def default_width(platform: str, fills_core: bool) -> int:
    """Returns the lanes per worker; on a CPU more than one block brings nothing."""
    return _ACCELERATOR_WIDTH if platform != "cpu" else _cpu_block(fills_core)


def block_of(platform: str, fills_core: bool, width: int) -> int:
    """Returns how many lanes are computed together, a divisor of the width; an accelerator computes all together.

    A single large run fills a CPU core and its cache; up to 8 smaller ones together gain a fifth.
    """
    return width if platform != "cpu" else math.gcd(width, _cpu_block(fills_core))


def _cpu_block(fills_core: bool) -> int:
    return 1 if fills_core else _SMALL_BLOCK
