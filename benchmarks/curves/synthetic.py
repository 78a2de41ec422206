"""Synthetic loss curves whose truth is planted: what a detector is measured on.

`FAMILIES` is the table of families. A member is drawn by

    curve = FAMILIES["staircase"].draw(np.random.default_rng(0), 0.03)
    found = find_break(curve.steps, curve.loss, curve.chance_loss)
    found.status in curve.truth.statuses

A family is a function ρ(t) with random parameters (`shapes`), a grid of 80 to 2,000 points, and
Gaussian noise whose standard deviation is the second argument, in units of the chance loss H. The
truth follows from the function alone (`planted`).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from benchmarks.curves import shapes
from benchmarks.curves.planted import Truth, truth_of
from benchmarks.curves.shapes import Base, Planted

_MOST_EXAMPLES = 512
_DEVIATION_OF_ONE_EXAMPLE = 0.5
# With ten classes this puts 25 % at the onset, which is what an eight-layer network shows there.
_ACCURACY_POWER = 0.6


class SyntheticCurve(NamedTuple):
    """A curve and the truth about it.

    Attributes:
        steps: shape `[num_points]`.
        loss: in nats, shape `[num_points]`.
        accuracy: that such a classifier would plausibly have, `[num_points]`:
            `a + (1 − a)·max(ρ, 0)^0.6` with `a` the accuracy of a constant, and binomial noise of
            `(0.5/noise)²` examples, 512 at most, whose mean loss would be about as noisy.
        chance_loss: H in nats.
        constant_accuracy: `a`.
        truth: see `planted.Truth`.
    """

    steps: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray
    chance_loss: float
    constant_accuracy: float
    truth: Truth


class Family(NamedTuple):
    """A line of the table.

    Attributes:
        about: in one line, what makes its members hard to read.
        draw: from a generator, and the standard deviation of the noise in units of H.
    """

    about: str
    draw: Callable[[Generator, float], SyntheticCurve]


def _sample(generator: Generator, noise: float, planted: Planted) -> SyntheticCurve:
    """Evaluates the function on the grid, and adds noise: AR(1) of the given correlation."""
    steps = planted.base.steps
    truth = truth_of(planted.progress, steps, num_stairs=planted.num_stairs, diverged_step=planted.diverged_step)
    values = planted.progress(steps)
    loss = 1.0 - values - noise * _errors(generator, len(steps), planted.correlation)
    if planted.spike_share:
        limit = 2.9 * max(1.0, float(loss[0]))
        is_hit = generator.random(len(steps)) < planted.spike_share
        spiked = np.minimum(loss + generator.uniform(0.3, 2.0, len(steps)), limit)
        loss = np.where(is_hit, spiked, loss)
    if planted.diverged_step is not None and np.all(np.abs(values) < 2.0):
        loss = np.where(steps >= planted.diverged_step, np.nan, loss)
    constant = planted.constant_accuracy
    num_examples = round(min(_MOST_EXAMPLES, (_DEVIATION_OF_ONE_EXAMPLE / max(noise, 1e-6)) ** 2))
    share = constant + (1.0 - constant) * np.clip(values, 0.0, 1.0) ** _ACCURACY_POWER
    return SyntheticCurve(
        steps=steps,
        loss=planted.chance_loss * loss,
        accuracy=generator.binomial(num_examples, share) / num_examples,
        chance_loss=planted.chance_loss,
        constant_accuracy=constant,
        truth=truth,
    )


def _errors(generator: Generator, num_points: int, correlation: float) -> np.ndarray:
    """Standard normal errors whose neighbours are correlated."""
    errors = generator.normal(size=num_points)
    if correlation:
        from scipy.signal import lfilter

        errors[1:] *= math.sqrt(1.0 - correlation**2)
        errors = lfilter([1.0], [1.0, -correlation], errors)
    return np.asarray(errors)


def _family(about: str, plant: Callable[[Generator], Planted]) -> Family:
    def draw(generator: Generator, noise: float) -> SyntheticCurve:
        return _sample(generator, noise, plant(generator))

    return Family(about, draw)


def _noisier(about: str, plant: Callable[[Generator], Planted]) -> Family:
    """Noise of 6 to 10 % of H where less is asked for."""

    def draw(generator: Generator, noise: float) -> SyntheticCurve:
        least = generator.uniform(0.06, 0.10)
        return _sample(generator, max(noise, least), plant(generator))

    return Family(about, draw)


_Disguise = Callable[[Generator, Base], Planted]


def _breaks(about: str, disguise: _Disguise, low_end: bool = False) -> Family:
    end = (0.28, 0.5) if low_end else (0.5, 0.98)
    return _family(about, lambda g: disguise(g, shapes.breaking(g, end=end)))


def _stays(about: str, disguise: _Disguise) -> Family:
    return _family(about, lambda g: disguise(g, shapes.staying(g)))


FAMILIES: dict[str, Family] = {
    "clean": _breaks("a sigmoid after a plateau", shapes.no_disguise),
    "correlated_noise": _breaks("errors are AR(1), 0.3 to 0.8", shapes.correlated_noise),
    "spikes": _breaks("3 % of the points are 0.3 to 2 H too high", shapes.spikes),
    "class_imbalance": _breaks("the prior is learned first, from ln C", shapes.class_imbalance),
    "rises_first": _breaks("the loss rises by 0.1 to 1 H first", shapes.rises_first),
    "drift": _breaks("the plateau climbs to 1 to 3 %", shapes.drift),
    "false_steps": _breaks("steps of 2 to 5 % on the plateau", shapes.false_steps),
    "lost_again": _breaks("a rise of 10 to 40 % is lost before the break", shapes.lost_again),
    "label_noise": _breaks("ρ ends at 28 to 50 %", shapes.no_disguise, low_end=True),
    "nan_after_break": _breaks("the loss is NaN after the break", shapes.nan_at_the_end),
    "staircase": _family("two to four stairs", shapes.staircase),
    "very_slow": _family("more than 1,000 steps wide", shapes.very_slow),
    "at_the_end": _family("the onset is in the last 5 % of the horizon", shapes.at_the_end),
    "coarse_grid": _family("an interval of the grid is 0.3 to 3 widths", shapes.coarse_grid),
    "heavy_noise": _noisier("noise of 6 to 10 % of H", lambda g: shapes.no_disguise(g, shapes.breaking(g))),
    "shoulder": _family("a delay of 0.4 to 0.7 widths", shapes.shoulder),
    "learning_rate_drop": _family("a decay, and another one late", shapes.learning_rate_drop),
    "exponential_decay": _family("an exponential decay from the start", shapes.exponential_decay),
    "power_law_decay": _family("a power law from the start", shapes.power_law_decay),
    "divergence": _stays("the loss blows up from chance", shapes.blow_up),
    "nan_on_plateau": _stays("the loss is NaN from some point on", shapes.nan_at_the_end),
    "stuck": _stays("chance level", shapes.no_disguise),
    "stuck_correlated_noise": _stays("errors are AR(1), 0.3 to 0.8", shapes.correlated_noise),
    "stuck_spikes": _stays("3 % of the points are 0.3 to 2 H too high", shapes.spikes),
    "stuck_class_imbalance": _stays("only the prior is learned", shapes.class_imbalance),
    "stuck_rises_first": _stays("the loss rises by 0.1 to 1 H first", shapes.rises_first),
    "stuck_drift": _stays("a climb to 5 to 15 %", shapes.long_drift),
    "stuck_false_steps": _stays("stairs of 2 to 5 % up to 15 %", shapes.small_stairs),
    "stuck_lost_again": _stays("a rise of 10 to 40 % is lost", shapes.lost_again),
    "stuck_label_noise": _stays("ρ ends at 5 to 15 %", shapes.low_floor),
    "stuck_learning_rate_drop": _stays("the loss drops by up to 0.35 H", shapes.small_drop),
    "stuck_heavy_noise": _noisier("noise of 6 to 10 % of H", lambda g: shapes.no_disguise(g, shapes.staying(g))),
}
