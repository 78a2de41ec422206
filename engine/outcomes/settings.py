"""The numbers of the detectors, and their bounds."""

from typing import NamedTuple

from ..errors import InputError


class DetectorSettings(NamedTuple):
    """Numbers of the detectors; they are part of a study's identity.

    Attributes:
        window: points in the running median, odd.
        low: ρ below which a curve is on its plateau.
        high: ρ that a curve must hold at its end to have left chance level.
        end_fraction: share of the points, at the end, whose median is ρ_end.
        level_step: distance of the two levels that define the width, as a share of ρ_end.
        suddenness_broke, suddenness_none: at and above the first there was a plateau; below the second there was none.
        divergence_factor, divergence_steps: a loss above this multiple of max(H, L(0)), for so long, is blown up; that
            of a mini-batch above the same multiple of its own first value too.
        settle_margin: share by which suddenness must lie beyond a threshold before a run may be stopped early.
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


# Field, type, minimum and maximum, both included: for what a person types and what a file holds.
_BOUNDS: tuple[tuple[str, type, float, float], ...] = (
    ("window", int, 1, 1001),
    ("low", float, 1e-6, 1),
    ("high", float, 1e-6, 1),
    ("end_fraction", float, 1e-6, 1),
    ("level_step", float, 1e-6, 0.5),
    ("suddenness_broke", float, 0, 1e6),
    ("suddenness_none", float, 0, 1e6),
    ("divergence_factor", float, 1, 1e6),
    ("divergence_steps", int, 1, 1e9),
    ("settle_margin", float, 0, 1e6),
    ("settle_level", float, 0, 1),
)


def check_settings(settings: DetectorSettings) -> None:
    """Checks every number against its bounds; raises `InputError`."""
    for name, kind, least, most in _BOUNDS:
        value = getattr(settings, name)
        is_number = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            words = "a whole number" if kind is int else "a number"
            raise InputError(f"detector.{name}={value!r}: expected {words} from {least:g} to {most:g}")
    if settings.window % 2 == 0:
        raise InputError(f"detector.window={settings.window}: expected an odd number")
    if settings.low >= settings.high:
        raise InputError(f"detector.low={settings.low}: expected less than detector.high={settings.high}")
