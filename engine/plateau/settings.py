"""The numbers of the detectors."""

from typing import NamedTuple


class DetectorSettings(NamedTuple):
    """Numbers of the detector. They are part of a study's identity.

    Attributes:
        window: points in the running median, odd.
        low: ρ below which a curve is on its plateau.
        high: ρ that must be held at the end for a curve to have left chance level.
        end_fraction: share of the points, at the end, whose median is ρ_end.
        level_step: distance, in ρ_end, of the two levels that define the width.
        suddenness_broke: suddenness from which on there was a plateau.
        suddenness_none: suddenness below which there was none.
        divergence_factor: multiple of max(H, L(0)) above which a loss counts as blown up.
        divergence_steps: steps for which it must stay there.
        settle_margin: share by which suddenness must lie beyond a threshold before a run may be
            stopped early.
        settle_level: ρ below which no run is stopped early.
    """

    window: int = 21
    low: float = 0.05
    high: float = 0.20
    end_fraction: float = 0.05
    level_step: float = 0.10
    suddenness_broke: float = 1.0
    suddenness_none: float = 0.25
    divergence_factor: float = 3.0
    divergence_steps: int = 20
    settle_margin: float = 0.10
    settle_level: float = 0.50
