"""Functions ρ(t) with random parameters: what synthetic curves are sampled from.

A base breaks, or stays at chance. A disguise takes a base and makes it harder to read.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from benchmarks.curves.planted import Progress

_FEWEST, _MOST = 80, 2000
_INTERVALS = (1, 5, 11, 100)
# Width over scale of a logistic rise: its slope in the middle is end/(4·scale), and a tenth of the
# end lies between the shares .45 and .55.
WIDTH_OF_LOGISTIC = 16.0 * math.log(0.55 / 0.45)


class Base(NamedTuple):
    """What a disguise is put over: a grid and a curve on it that breaks, or stays where it is.

    Attributes:
        steps: of the grid, shape `[num_points]`.
        progress: ρ as a function of the step.
        start: when the rise begins; a random time where there is none.
        width: of the rise.
    """

    steps: np.ndarray
    progress: Progress
    start: float
    width: float

    @property
    def horizon(self) -> float:
        """The last step."""
        return float(self.steps[-1])


class Planted(NamedTuple):
    """A disguised curve before it is sampled: a function, and how the sample is made."""

    base: Base
    progress: Progress
    correlation: float = 0.0
    spike_share: float = 0.0
    chance_loss: float = math.log(10)
    constant_accuracy: float = 0.1
    num_stairs: int | None = 1
    diverged_step: float | None = None


def logistic(t: np.ndarray, centre: float, scale: float, end: float) -> np.ndarray:
    """`end / (1 + exp(−(t − centre)/scale))`. Its width is 16·ln(.55/.45)·scale."""
    return end / (1.0 + np.exp(-np.clip((t - centre) / scale, -500.0, 500.0)))


def log_uniform(generator: Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


def grid(generator: Generator, fewest: int = _FEWEST) -> np.ndarray:
    """Steps of evaluations: `fewest` to 2,000 of them, at equal intervals from 0 on."""
    num_points = round(log_uniform(generator, fewest, _MOST))
    return np.arange(num_points) * float(generator.choice(_INTERVALS))


def breaking(
    generator: Generator,
    steps: np.ndarray | None = None,
    *,
    end: tuple[float, float] = (0.5, 0.98),
    narrowest: float | None = None,
) -> Base:
    """A logistic rise after a delay of at least 1.4 widths, and at least 6 points wide."""
    steps = grid(generator) if steps is None else steps
    horizon = float(steps[-1])
    width = log_uniform(generator, narrowest or 6.0 * float(steps[1]), horizon / 5.0)
    rise = generator.uniform(1.4 * width, 0.9 * horizon - 1.5 * width)
    scale = width / WIDTH_OF_LOGISTIC
    return rising(steps, rise + scale * math.log(9.0), scale, generator.uniform(*end))


def rising(steps: np.ndarray, centre: float, scale: float, end: float) -> Base:
    """A logistic rise."""

    def progress(t: np.ndarray) -> np.ndarray:
        return logistic(t, centre, scale, end)

    return Base(steps, progress, centre - 4.0 * scale, WIDTH_OF_LOGISTIC * scale)


def staying(generator: Generator) -> Base:
    """A curve that stays at chance."""
    steps = grid(generator)
    horizon = float(steps[-1])
    width = log_uniform(generator, 6.0 * float(steps[1]), horizon / 5.0)
    return Base(steps, np.zeros_like, generator.uniform(0.3, 0.7) * horizon, width)


def no_disguise(generator: Generator, base: Base) -> Planted:
    """The base as it is."""
    return Planted(base, base.progress)


def correlated_noise(generator: Generator, base: Base) -> Planted:
    """Errors of neighbouring points have a correlation of 0.3 to 0.8."""
    return Planted(base, base.progress, correlation=generator.uniform(0.3, 0.8))


def spikes(generator: Generator, base: Base) -> Planted:
    """3 % of the points are 0.3 to 2 H too high."""
    return Planted(base, base.progress, spike_share=0.03)


def class_imbalance(generator: Generator, base: Base) -> Planted:
    """The prior of the classes is learned first: the loss falls from ln C to H at once."""
    num_classes = int(generator.integers(4, 21))
    prior = np.arange(1.0, num_classes + 1.0) ** -generator.uniform(0.7, 1.6)
    prior /= prior.sum()
    chance_loss = float(-np.sum(prior * np.log(prior)))
    gap = math.log(num_classes) / chance_loss - 1.0
    time = generator.uniform(0.02, 0.06) * base.start

    def progress(t: np.ndarray) -> np.ndarray:
        return base.progress(t) - gap * np.exp(-t / time)

    return Planted(base, progress, chance_loss=chance_loss, constant_accuracy=float(prior.max()))


def rises_first(generator: Generator, base: Base) -> Planted:
    """The loss rises by 0.1 to 1 H, and comes back, before the rise of ρ begins."""
    depth, middle = generator.uniform(0.1, 1.0), generator.uniform(0.3, 0.5) * base.start

    def progress(t: np.ndarray) -> np.ndarray:
        return base.progress(t) - depth * np.exp(-(((t - middle) / (0.25 * middle)) ** 2))

    return Planted(base, progress)


def drift(generator: Generator, base: Base) -> Planted:
    """A straight climb that ends where the rise begins, 1 to 3 % high."""
    height = generator.uniform(0.01, 0.03)

    def progress(t: np.ndarray) -> np.ndarray:
        value = base.progress(t)
        return value + height * np.minimum(1.0, t / base.start) * (1.0 - value)

    return Planted(base, progress)


def long_drift(generator: Generator, base: Base) -> Planted:
    """A straight climb to at most 15 % at the horizon."""
    height = generator.uniform(0.05, 0.15)
    return Planted(base, lambda t: height * t / base.horizon)


def false_steps(generator: Generator, base: Base) -> Planted:
    """A step of 2 to 5 % that is lost again, and one of up to 3.5 % that stays."""
    lost, kept = generator.uniform(0.02, 0.05), generator.uniform(0.02, 0.035)
    scale = 0.02 * base.start

    def progress(t: np.ndarray) -> np.ndarray:
        first = logistic(t, 0.2 * base.start, scale, lost)
        lost_again = logistic(t, 0.45 * base.start, scale, lost)
        second = logistic(t, 0.65 * base.start, scale, kept)
        value = base.progress(t)
        return value + (first - lost_again + second) * (1.0 - value)

    return Planted(base, progress)


def low_floor(generator: Generator, base: Base) -> Planted:
    """A floor of the loss so high that ρ ends at 5 to 15 %."""
    low = rising(base.steps, base.start, base.width / 3.0, generator.uniform(0.05, 0.15))
    return Planted(low, low.progress)


def small_drop(generator: Generator, base: Base) -> Planted:
    """The noise of a high learning rate lifts the loss above chance; less after it is lowered."""
    before, after = -generator.uniform(0.0, 0.2), generator.uniform(0.02, 0.15)

    def progress(t: np.ndarray) -> np.ndarray:
        gain = 1.0 - np.exp(-np.maximum(0.0, t - base.start) / (base.width / 8.0))
        return before + (after - before) * gain

    return Planted(base, progress)


def lost_again(generator: Generator, base: Base) -> Planted:
    """A rise to 10 to 40 % that is lost again."""
    height = generator.uniform(0.1, 0.4)
    scale = 0.03 * base.start

    def progress(t: np.ndarray) -> np.ndarray:
        up = logistic(t, 0.3 * base.start, scale, height)
        return base.progress(t) + up - logistic(t, 0.6 * base.start, scale, height)

    return Planted(base, progress)


def nan_at_the_end(generator: Generator, base: Base) -> Planted:
    """The loss is not finite from some point on, which lies behind the rise."""
    first = base.start + 2.0 * base.width
    index = np.searchsorted(base.steps, generator.uniform(first, max(first, base.horizon)))
    step = float(base.steps[min(int(index), len(base.steps) - 1)])
    return Planted(base, base.progress, diverged_step=step)


def blow_up(generator: Generator, base: Base) -> Planted:
    """The loss grows exponentially from chance, and is 3 H after some points.

    It does so before half of the horizon, so that it stays there for long enough.
    """
    start = 0.5 * base.start
    time = generator.uniform(1.0, 10.0) * base.steps[1]

    def progress(t: np.ndarray) -> np.ndarray:
        return base.progress(t) - np.expm1(np.clip((t - start) / time, 0.0, 6.0))

    step = base.steps[np.argmax(progress(base.steps) < -2.0)]
    return Planted(base, progress, diverged_step=float(step))


def small_stairs(generator: Generator, base: Base) -> Planted:
    """Steps of 2 to 5 % up to at most 15 %."""
    heights = generator.uniform(0.02, 0.05, 3)

    def progress(t: np.ndarray) -> np.ndarray:
        centres = np.array([0.2, 0.5, 0.8]) * base.horizon
        stairs = zip(centres, heights, strict=True)
        return np.sum([logistic(t, c, 0.01 * base.horizon, h) for c, h in stairs], axis=0)

    return Planted(base, progress)


def staircase(generator: Generator) -> Planted:
    """Two to four stairs with plateaus between them that are three to five widths long."""
    num_stairs = int(generator.integers(2, 5))
    steps = grid(generator, 300)
    interval, horizon = float(steps[1]), float(steps[-1])
    heights = generator.uniform(0.8, 1.2, num_stairs)
    heights *= generator.uniform(0.6, 0.98) / heights.sum()
    width = log_uniform(generator, 6.0 * interval, horizon / (6 * num_stairs))
    # The slope in the middle of a stair of height h is h/(4·scale).
    scale = width * heights.max() / (32.0 * 0.1 * heights.sum())
    gaps = generator.uniform(3.0, 5.0, num_stairs - 1) * width
    slack = horizon - 4.0 * width - gaps.sum()
    centres = 2.5 * width + generator.uniform(0.0, slack) + np.concatenate([[0], gaps.cumsum()])

    def progress(t: np.ndarray) -> np.ndarray:
        stairs = zip(centres, heights, strict=True)
        return np.sum([logistic(t, centre, scale, h) for centre, h in stairs], axis=0)

    base = Base(steps, progress, centres[0] - 4.0 * scale, width)
    return Planted(base, progress, num_stairs=num_stairs)


def exponential_decay(generator: Generator) -> Planted:
    """`ρ = end − (end + above)·exp(−t/τ)`: the loss starts at chance, or above it."""
    steps = grid(generator)
    time = log_uniform(generator, 20.0 * float(steps[1]), float(steps[-1]) / 3.0)
    is_above = generator.random() < 0.5
    above = generator.uniform(0.0, 2.0) * is_above
    end = generator.uniform(0.85 if is_above else 0.5, 0.98)

    def progress(t: np.ndarray) -> np.ndarray:
        return end - (end + above) * np.exp(-t / time)

    return Planted(Base(steps, progress, 0.0, 8.0 * time * math.log(1.0 / 0.9)), progress)


def power_law_decay(generator: Generator) -> Planted:
    """`ρ = end·(1 − (1 + t/τ)^−α)`."""
    steps = grid(generator, 200)
    time = log_uniform(generator, 20.0 * float(steps[1]), float(steps[-1]) / 6.0)
    end, power = generator.uniform(0.6, 0.98), generator.uniform(0.7, 2.0)

    def progress(t: np.ndarray) -> np.ndarray:
        return end * (1.0 - (1.0 + t / time) ** -power)

    return Planted(Base(steps, progress, 0.0, time), progress)


def learning_rate_drop(generator: Generator) -> Planted:
    """A decay from the start that has come to rest, and another one when the rate is lowered."""
    steps = grid(generator, 100)
    horizon = float(steps[-1])
    time = log_uniform(generator, max(20.0 * float(steps[1]), 0.02 * horizon), 0.25 * horizon)
    faster = time * generator.uniform(0.4, 1.0)
    first, second = generator.uniform(0.4, 0.6), generator.uniform(0.1, 0.3)
    drop = generator.uniform(0.4, 0.8) * horizon

    def progress(t: np.ndarray) -> np.ndarray:
        after = np.maximum(0.0, t - drop)
        return first * (1.0 - np.exp(-t / time)) + second * (1.0 - np.exp(-after / faster))

    return Planted(Base(steps, progress, 0.0, time), progress, num_stairs=None)


def shoulder(generator: Generator) -> Planted:
    """A logistic rise after a delay of 0.4 to 0.7 widths."""
    steps = grid(generator, 100)
    width = log_uniform(generator, 20.0 * float(steps[1]), float(steps[-1]) / 4.0)
    scale = width / WIDTH_OF_LOGISTIC
    centre = generator.uniform(0.4, 0.7) * width + scale * math.log(9.0)
    base = rising(steps, centre, scale, generator.uniform(0.5, 0.98))
    return Planted(base, base.progress)


def very_slow(generator: Generator) -> Planted:
    """A break more than 1,000 steps wide."""
    steps = 100.0 * np.arange(round(log_uniform(generator, 100, _MOST)))
    base = breaking(generator, steps, narrowest=1000.0)
    return Planted(base, base.progress)


def at_the_end(generator: Generator) -> Planted:
    """A break whose onset lies in the last 5 % of the horizon; ρ_end may still be low."""
    steps = grid(generator)
    horizon = float(steps[-1])
    width = log_uniform(generator, 6.0 * float(steps[1]), horizon / 5.0)
    scale, end = width / WIDTH_OF_LOGISTIC, generator.uniform(0.5, 0.98)
    onset = generator.uniform(0.95, 1.0) * horizon
    base = rising(steps, onset + scale * math.log(end / 0.05 - 1.0), scale, end)
    return Planted(base, base.progress)


def coarse_grid(generator: Generator) -> Planted:
    """An interval of the grid between 0.3 and 3 widths."""
    steps = grid(generator)
    width = float(steps[1]) / generator.uniform(0.3, 3.0)
    horizon = float(steps[-1])
    scale = width / WIDTH_OF_LOGISTIC
    centre = generator.uniform(0.15, 0.85) * horizon
    base = rising(steps, centre, scale, generator.uniform(0.5, 0.98))
    return Planted(base, base.progress)
