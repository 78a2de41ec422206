"""What is measured of the noise, and what it does to the onset and the width."""

import math

import numpy as np
import pytest

from benchmarks.curves.shapes import WIDTH_OF_LOGISTIC, logistic
from engine.outcomes import find_break
from engine.outcomes.smoothing import Noise, first_time_at, local_line, measure_noise, running_median, shortest_rise

NUM_POINTS = 20_000


def _residuals(values: np.ndarray) -> np.ndarray:
    return values - running_median(values, 21)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_the_noise_of_a_flat_curve_is_what_was_added(correlation):
    generator = np.random.default_rng(0)
    values = generator.normal(size=NUM_POINTS)
    for i in range(1, NUM_POINTS):
        values[i] = correlation * values[i - 1] + math.sqrt(1 - correlation**2) * values[i]
    noise = measure_noise(_residuals(0.03 * values), 0.6)
    # The median of 21 points takes up to 21·(1 − φ)/(1 + φ) degrees of freedom, and with it that
    # share of the variance and of the correlation.
    taken = (1 + correlation) / (1 - correlation) * math.pi / 2 / 21
    assert 0.03 * (1 - taken) <= noise.deviation <= 0.03 * 1.03
    assert correlation - 2 * taken <= noise.correlation <= correlation + 0.03


@pytest.mark.parametrize(
    "values",
    [np.linspace(0, 1, 500), np.exp(-np.arange(500) / 20), np.repeat([0.0, 1.0], 250)],
    ids=["line", "decay", "jump"],
)
def test_a_monotone_curve_has_no_noise(values):
    assert measure_noise(_residuals(values), 0.25) == Noise(0.0, 0.0)


def test_a_slow_wave_is_shape_and_not_noise():
    wave = np.sin(2 * np.pi * np.arange(500) / 25)
    assert measure_noise(_residuals(wave), 0.25) == Noise(0.0, 0.0)


def test_the_noise_of_an_average():
    # σ/√n without correlation, σ·√((1 + φ)/((1 − φ)·n)) with it, and never more than σ.
    assert Noise(0.06, 0.0).of_mean(9) == pytest.approx(0.02)
    assert Noise(0.06, 0.5).of_mean(27) == pytest.approx(0.02)
    assert Noise(0.06, 0.8).of_mean(3) == pytest.approx(0.06)
    assert Noise(0.06, 0.5).points_for(0.02) == pytest.approx(27)


def test_outliers_are_cut_and_the_rest_is_kept():
    smoothed, residuals = np.ones(4), np.array([0.1, -0.2, 5.0, -7.0])
    cut = Noise(0.1, 0.0).without_outliers(smoothed, residuals)
    np.testing.assert_allclose(cut, [1.1, 0.8, 1.3, 0.7])


@pytest.mark.parametrize("window", [1, 3, 9, 99])
def test_a_local_line_leaves_lines_alone(window):
    line = 3.0 - 0.25 * np.arange(40)
    np.testing.assert_allclose(local_line(line, window), line, atol=1e-12)


def test_a_local_line_is_the_fit_of_a_line():
    values = np.random.default_rng(1).normal(size=30)
    smoothed, t = local_line(values, 7), np.arange(7)
    for start, place in ((0, 0), (0, 2), (0, 3), (10, 3), (23, 3), (23, 6)):
        slope, level = np.polyfit(t, values[start : start + 7], 1)
        assert smoothed[start + place] == pytest.approx(level + slope * place)


def test_the_shortest_rise_is_the_shortest_of_all():
    """Against a search over starts on a grid a thousand times finer."""
    generator = np.random.default_rng(2)
    for _ in range(20):
        steps = np.cumsum(generator.uniform(0.5, 2, 12))
        rising = np.maximum.accumulate(np.round(generator.normal(size=12).cumsum(), 1))
        height = 0.4 * (rising[-1] - rising[0])
        if height == 0:
            assert shortest_rise(steps, rising, 0.1) is None
            continue
        lower = np.linspace(rising[0], rising[-1] - height, 12_001)
        # The last time at a level is the first time, backwards, on the mirrored curve.
        left = -first_time_at(-steps[::-1], -rising[::-1], -lower)
        fine = np.min(first_time_at(steps, rising, lower + height) - left)
        found = shortest_rise(steps, rising, height)
        assert found == pytest.approx(fine, abs=1e-2)
        assert found <= fine + 1e-9


@pytest.mark.parametrize("deviation", [0.01, 0.03, 0.06])
def test_noise_does_not_bias_onset_and_width(deviation):
    """Means over 60 curves of a width of 96 points, whose errors are 8 times smaller."""
    steps, scale = np.arange(0, 1001.0), 30.0
    clean = logistic(steps, 500.0, scale, 0.9)
    onset, width = 500 + scale * math.log(0.05 / 0.85), WIDTH_OF_LOGISTIC * scale
    generator = np.random.default_rng(3)
    found = [find_break(steps, 1 - clean - deviation * generator.normal(size=len(steps)), 1.0) for _ in range(60)]
    onsets = np.array([f.onset_step for f in found]) - onset
    ratios = np.array([f.width_steps for f in found]) / width
    error = 3 / math.sqrt(60)
    # A window of half a width leaves a bias of 0.02 W where growth is not quite exponential, and
    # one of a third makes the steepest place 3 % flatter; noise adds a tenth to the steepest rise.
    assert abs(onsets.mean()) <= 0.02 * width + error * onsets.std()
    assert abs(ratios.mean() - 1) <= 0.10 + error * ratios.std()
    assert onsets.std() <= 0.15 * width


def test_decays_with_noise_have_no_plateau():
    """300 exponential decays at 4 % of H: at most 5 % may read otherwise."""
    generator = np.random.default_rng(4)
    steps = np.arange(0, 2001.0, 5)
    statuses = []
    for _ in range(300):
        time = generator.uniform(100, 500)
        progress = 0.9 * (1 - np.exp(-steps / time)) + 0.04 * generator.normal(size=len(steps))
        statuses.append(find_break(steps, 1 - progress, 1.0).status)
    assert statuses.count("no_plateau") >= 0.95 * 300


@pytest.mark.parametrize("deviation", [0.0, 0.01, 0.02, 0.03])
def test_noise_that_begins_after_the_break_leaves_the_first_rise_alone(deviation):
    """A network at chance outputs the same for all inputs; one that has learned swings about.

    The curve jumps from 0 to 0.2 within 30 steps and goes on to 0.8 slowly, so a width that was
    read between levels further apart would be several times as long.
    """
    steps = np.arange(0, 880, 10.0)
    rise = np.interp(steps, [100, 130, 880], [0.0, 0.2, 0.8])
    noise = np.random.default_rng(0).normal(scale=deviation, size=len(steps))
    loss = np.log(10) * (1 - rise - np.where(steps > 130, noise, 0.0))
    outcome = find_break(steps, loss, np.log(10))
    # 0.08 of ρ in 12 steps, a tenth of ρ_end = 0.8; its last points are noisy.
    assert outcome.width_steps == pytest.approx(8 * 12, rel=0.15)
    assert outcome.status == "broke"
