"""Which curves fall steadily from the start."""

import math

import numpy as np
import pytest

from engine.outcomes.steady import falls_steadily

H = math.log(10)
STEPS = np.arange(0, 3000, 10)
TIME = STEPS / STEPS[-1]
NOISE = np.random.default_rng(0).normal(size=len(STEPS))


@pytest.mark.parametrize(
    ("loss", "is_steady"),
    [
        (H * (1 - 0.18 * TIME), True),
        (H * (1 - 0.18 * TIME + 0.01 * NOISE), True),
        (5 * H * (1 - 0.5 * TIME), True),
        (H * (0.8 + 0.2 * np.exp(-TIME)), True),
        (H * (0.8 + 0.2 * np.exp(-5 * TIME)), False),
        (H * (1 - 0.2 * np.clip((TIME - 0.2) / 0.8, 0, 1)), False),
        (H * (1 - 0.01 * TIME), False),
        (H * (1 + 0.18 * TIME), False),
        (H * (1 + 0.1 * NOISE), False),
        (np.full(300, H), False),
        (np.where(TIME < 0.9, H * (1 - 0.18 * TIME), np.nan), False),
    ],
)
def test_known_curves(loss, is_steady):
    assert falls_steadily(STEPS, loss, H) == is_steady
    assert falls_steadily(7 * STEPS + 3, 2 * loss, 2 * H) == is_steady


def test_it_needs_six_points():
    steps = np.arange(6.0)
    assert falls_steadily(steps, H * (1 - 0.1 * steps), H)
    assert not falls_steadily(steps[:5], H * (1 - 0.1 * steps[:5]), H)


def test_steps_count_rather_than_points():
    """Points that are logged ever more rarely lie on the same line."""
    steps = np.unique(np.geomspace(10, 10_000, 60).astype(int))
    assert falls_steadily(steps, H * (1 - 0.18 * steps / 10_000), H)


def test_noise_hardly_ever_counts():
    noise = H * (1 + 0.1 * np.random.default_rng(1).normal(size=(5000, 12)))
    assert sum(falls_steadily(np.arange(12), loss, H) for loss in noise) <= 5
