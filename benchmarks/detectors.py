"""The detectors that are compared: each as a function from synthetic curves to what it says."""

import functools
import importlib.util
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from benchmarks.curves.synthetic import SyntheticCurve
from engine.outcomes import DetectorSettings, PlateauBreak, event_code, find_break

_MOST_POINTS = 2048
_LEAST_DEVIATION = 1e-3
_GAIN_IN_ACCURACY = 0.1
_CONFIRMATION = 3


class Reading(NamedTuple):
    """What a detector says of one curve.

    Attributes:
        is_break: whether the curve has left chance level.
        onset: in steps, NaN where it has not, and of an online detector.
        lower, upper: the points between which the onset lies.
        fired: the step at which an online detector knew, NaN for the others.
        found: everything that the reference detector says, `None` for the others.
    """

    is_break: bool
    onset: float
    lower: float
    upper: float
    fired: float = np.nan
    found: PlateauBreak | None = None


Detector = Callable[[Sequence[SyntheticCurve]], list[Reading]]
_NOTHING = Reading(False, np.nan, np.nan, np.nan)


def _reference(curves: Sequence[SyntheticCurve]) -> list[Reading]:
    readings = []
    for curve in curves:
        found = find_break(curve.steps, curve.loss, curve.chance_loss)
        times = (found.onset_step, found.onset_lower, found.onset_upper)
        onset, lower, upper = (np.nan if time is None else time for time in times)
        is_break = event_code(found.status) == 1
        readings.append(Reading(is_break, onset, lower, upper, found=found))
    return readings


@functools.cache
def _compiled_watch() -> Callable[..., Any]:
    """Compiles the watch over progress and steps `[num_curves, num_points]`: what it knew at each point."""
    import jax
    import jax.numpy as jnp

    from engine.outcomes.online import Watch, observe, start_watch

    settings = DetectorSettings()

    def watch_one(progress: jax.Array, steps: jax.Array) -> tuple[jax.Array, jax.Array]:
        def body(watch: Watch, point: tuple[jax.Array, jax.Array]) -> tuple[Watch, tuple[jax.Array, jax.Array]]:
            new = observe(watch, *point, settings)
            is_there = jnp.isfinite(point[0])
            new = jax.tree.map(lambda a, b: jnp.where(is_there, a, b), new, watch)
            return new, (new.level < settings.low, new.num_high >= _CONFIRMATION)

        _, known = jax.lax.scan(body, start_watch(progress[0]), (progress[1:], steps[1:]))
        return known

    return jax.jit(jax.vmap(watch_one))


def fired_steps(progress: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns when the online detector knew of the break with which each curve ends, `[num_curves]`.

    That is the first evaluation, since its average was last below `low`, at which the average had been
    above `high` for three evaluations in a row; infinite where there is none.

    Args:
        progress: ρ, padded with NaN, shape `[num_curves, num_points]`.
        steps: shape `[num_curves, num_points]`.
    """
    is_low, is_high = (np.asarray(known) for known in _compiled_watch()(progress, steps))
    after_low = np.flip(np.cumsum(np.flip(is_low, 1), axis=1), 1) == 0
    is_firing = is_high & after_low
    first = np.take_along_axis(steps, 1 + np.argmax(is_firing, axis=1)[:, None], axis=1)[:, 0]
    return np.where(is_firing.any(axis=1), first, np.inf)


def _online(curves: Sequence[SyntheticCurve]) -> list[Reading]:
    """Where it stands when the curve ends; all curves at once, padded to one length."""
    progress = np.full((len(curves), _MOST_POINTS), np.nan, np.float32)
    steps = np.zeros_like(progress)
    for row, curve in enumerate(curves):
        num_points = len(curve.steps)
        progress[row, :num_points] = 1.0 - curve.loss / curve.chance_loss
        steps[row, :num_points] = curve.steps
    fired = fired_steps(progress, steps)
    return [Reading(True, np.nan, np.nan, np.nan, float(step)) if np.isfinite(step) else _NOTHING for step in fired]


def _at(curve: SyntheticCurve, onset: float) -> Reading:
    after = min(max(1, int(np.searchsorted(curve.steps, onset))), len(curve.steps) - 1)
    lower, upper = curve.steps[after - 1], curve.steps[after]
    return Reading(True, float(onset), float(lower), float(upper))


def _first(curve: SyntheticCurve, is_past: np.ndarray) -> Reading:
    return _at(curve, curve.steps[np.argmax(is_past)]) if is_past.any() else _NOTHING


def _loss_below(share: float) -> Detector:
    def detect(curves: Sequence[SyntheticCurve]) -> list[Reading]:
        return [_first(curve, curve.loss < share * curve.chance_loss) for curve in curves]

    return detect


def _accuracy_above_half(curves: Sequence[SyntheticCurve]) -> list[Reading]:
    return [_first(curve, curve.accuracy > 0.5) for curve in curves]


def _accuracy_above_constant(curves: Sequence[SyntheticCurve]) -> list[Reading]:
    return [_first(curve, curve.accuracy > curve.constant_accuracy + _GAIN_IN_ACCURACY) for curve in curves]


def _pelt(which: str) -> Detector:
    """Changes of the mean; a break is there where the last segment's mean is above 0.2."""

    def detect(curves: Sequence[SyntheticCurve]) -> list[Reading]:
        return [_change(curve, which) for curve in curves]

    return detect


def _change(curve: SyntheticCurve, which: str) -> Reading:
    values = 1.0 - curve.loss / curve.chance_loss
    is_finite = np.isfinite(values)
    values = values if is_finite.all() else values[: np.argmin(is_finite)]
    ends = _segments(values.tobytes())
    means = np.array([values[start:end].mean() for start, end in pairwise(ends)])
    if len(means) < 2 or means[-1] < DetectorSettings().high:
        return _NOTHING
    place = {"first": 0, "last": -1, "largest": int(np.argmax(np.diff(means)))}[which]
    return _at(curve, float(curve.steps[ends[1:-1][place]]))


@functools.lru_cache(maxsize=4096)
def _segments(buffer: bytes) -> list[int]:
    """Where segments of equal mean begin, and where the last one ends.

    The argument holds the curve, so that the three ways of reading one search share it.
    The penalty is BIC's, `2·σ²·ln n`, with σ from the median absolute difference of neighbours.
    `KernelCPD` with a linear kernel is PELT on the squared error, in C.
    """
    import ruptures

    values = np.frombuffer(buffer)
    if len(values) < 4:
        return [0, len(values)]
    change = np.diff(values)
    deviation = 1.4826 * float(np.median(abs(change - np.median(change)))) / np.sqrt(2.0)
    penalty = 2.0 * np.log(len(values)) * max(deviation, _LEAST_DEVIATION) ** 2
    search = ruptures.KernelCPD(kernel="linear", min_size=2).fit(values[:, None])
    return [0, *search.predict(pen=penalty)]


OURS = "ours, offline"
ONLINE = "ours, online"
DETECTORS: dict[str, Detector] = {
    OURS: _reference,
    ONLINE: _online,
    "PELT, first change": _pelt("first"),
    "PELT, largest change": _pelt("largest"),
    "PELT, last change": _pelt("last"),
    "loss below 0.95 H": _loss_below(0.95),
    "loss below 0.9 H": _loss_below(0.9),
    "accuracy above a constant's + 0.1": _accuracy_above_constant,
    "accuracy above 0.5": _accuracy_above_half,
}


def available() -> dict[str, Detector]:
    """The detectors whose packages are installed."""
    has_ruptures = importlib.util.find_spec("ruptures") is not None
    return {name: detector for name, detector in DETECTORS.items() if has_ruptures or not name.startswith("PELT")}
