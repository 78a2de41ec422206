"""The numbers of the detectors."""

from typing import NamedTuple

from engine.errors import InputError


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


# What each number may be, both ends included.
_BOUNDS: dict[str, tuple[float, float]] = {
    "window": (1, 1001),
    "low": (1e-6, 1),
    "high": (1e-6, 1),
    "end_fraction": (1e-6, 1),
    "level_step": (1e-6, 0.5),
    "suddenness_broke": (0, 1e6),
    "suddenness_none": (0, 1e6),
    "divergence_factor": (1, 1e6),
    "divergence_steps": (1, 1e9),
    "settle_margin": (0, 1e6),
    "settle_level": (0, 1),
}
_WHOLE = ("window", "divergence_steps")


def check_settings(settings: DetectorSettings) -> None:
    """Checks numbers that come from a person or a file.

    Raises:
        InputError: one of them is out of range, or is no number.
    """
    for name, value in settings._asdict().items():
        least, most = _BOUNDS[name]
        kinds = (int,) if name in _WHOLE else (int, float)
        is_number = isinstance(value, kinds) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            kind = "a whole number" if name in _WHOLE else "a number"
            raise InputError(f"detector.{name}={value!r}: expected {kind} from {least:g} to {most:g}")
    if settings.window % 2 == 0:
        raise InputError(f"detector.window={settings.window}: expected an odd number")
    if settings.low >= settings.high:
        raise InputError(f"detector.low={settings.low}: expected less than detector.high={settings.high}")
