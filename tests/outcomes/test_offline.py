"""Known answers of the reference detector; H is the chance loss throughout."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.outcomes import STATUSES, DetectorSettings, event_code, find_break
from engine.outcomes.smoothing import first_time_at, non_decreasing, running_median

H = math.log(10)
END = 0.9


def _loss(progress: np.ndarray) -> np.ndarray:
    return H * (1.0 - progress)


def _sigmoid(steps: np.ndarray, centre: float, scale: float, end: float = END) -> np.ndarray:
    return end / (1.0 + np.exp(-(steps - centre) / scale))


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def test_a_sigmoid_has_the_times_of_its_closed_form():
    steps, centre, scale = np.arange(0, 2001.0), 800.0, 40.0
    found = find_break(steps, _loss(_sigmoid(steps, centre, scale)), H)
    # t(p) = centre + scale·logit(p) for a share p of the end; the steepest tenth is p = .45 to .55.
    width = 8 * scale * (_logit(0.55) - _logit(0.45))
    rise = centre + scale * _logit(0.1)
    assert found.status == "broke"
    # The grid of one step interpolates a curve of scale 40 to better than a hundredth of a step.
    assert found.onset_step == pytest.approx(centre + scale * _logit(0.05 / END), abs=0.01)
    assert found.half_step == pytest.approx(centre, abs=0.01)
    assert found.rise_step == pytest.approx(rise, abs=0.01)
    assert found.width_steps == pytest.approx(width, abs=0.05)
    assert found.suddenness == pytest.approx(rise / width, rel=1e-3)
    assert found.num_breaks == 1
    assert found.end_loss == pytest.approx(H * (1 - END), abs=1e-6)
    assert found.onset_lower <= found.onset_step <= found.onset_upper
    assert found.onset_upper - found.onset_lower == 1.0


def test_an_exponential_decay_has_no_plateau():
    steps = np.arange(0, 3001.0)
    found = find_break(steps, _loss(END * (1 - np.exp(-steps / 200))), H)
    # t10 = −τ ln .9, and the steepest tenth is the first: W = 8·t10.
    assert found.status == "no_plateau"
    assert found.suddenness == pytest.approx(1 / 8, rel=1e-3)


@pytest.mark.parametrize(("centre_in_scales", "status"), [(6.0, "broke"), (4.0, "shoulder"), (2.5, "no_plateau")])
def test_suddenness_divides_the_statuses(centre_in_scales, status):
    # Π = (c − ln 9)/(8·2·ln(.55/.45)) for a centre of c scales: 1.18, .56 and .09.
    steps = np.arange(0, 4001.0)
    assert find_break(steps, _loss(_sigmoid(steps, centre_in_scales * 100, 100)), H).status == status


def test_a_curve_at_chance_is_stuck_and_has_no_times():
    steps = np.arange(0, 1001.0, 10)
    found = find_break(steps, _loss(np.full(len(steps), 0.01)), H)
    assert found.status == "stuck"
    assert found.onset_step is None
    assert found.width_steps is None
    assert found.num_breaks == 0


def test_a_loss_that_rises_first_keeps_its_onset():
    steps = np.arange(0, 2001.0, 5)
    plain = _sigmoid(steps, 1000, 40)
    bump = 0.5 * np.exp(-(((steps - 200) / 60) ** 2))
    first = find_break(steps, _loss(plain), H)
    second = find_break(steps, _loss(plain - bump), H)
    # The bump is pooled into the plateau; the crossing of .05 is not part of the pool.
    assert second.status == "broke"
    assert second.onset_step == pytest.approx(first.onset_step, abs=1e-6)


def test_stairs_are_counted():
    steps = np.arange(0, 3001.0, 5)
    one, two, three = (_sigmoid(steps, c, 20, 0.3) for c in (500, 1500, 2500))
    assert find_break(steps, _loss(one), H).num_breaks == 1
    assert find_break(steps, _loss(one + two), H).num_breaks == 2
    assert find_break(steps, _loss(one + two + three), H).num_breaks == 3


def test_every_stair_has_the_times_of_its_closed_form():
    steps, scale = np.arange(0, 3001.0, 5), 20.0
    centres, heights = (500.0, 1500.0, 2500.0), (0.3, 0.2, 0.4)
    pairs = list(zip(centres, heights, strict=True))
    stairs = find_break(steps, _loss(sum(_sigmoid(steps, c, scale, h) for c, h in pairs)), H).stairs
    assert len(stairs) == 3
    before = 0.0
    for stair, (centre, height) in zip(stairs, pairs, strict=True):
        # 25 scales away from the centres a stair is flat to 1e-10. Between points 5 steps apart
        # interpolation is off by 5²/8 times curvature over slope, at most 1/20.
        assert stair.level_before == pytest.approx(before, abs=1e-6)
        assert stair.level_after == pytest.approx(before + height, abs=1e-6)
        assert stair.onset_step == pytest.approx(centre + scale * _logit(0.1), abs=0.16)
        assert stair.half_step == pytest.approx(centre, abs=0.16)
        assert stair.end_step == pytest.approx(centre + scale * _logit(0.9), abs=0.16)
        before += height


def test_one_rise_is_one_stair_from_chance_to_the_end():
    steps = np.arange(0, 2001.0)
    found = find_break(steps, _loss(_sigmoid(steps, 800.0, 40.0)), H)
    (stair,) = found.stairs
    assert stair.level_before == 0.0
    assert stair.level_after == pytest.approx(END, abs=1e-6)
    assert stair.half_step == pytest.approx(found.half_step)
    assert stair.onset_step == pytest.approx(found.rise_step)


@pytest.mark.parametrize(("interval", "is_coarse"), [(10.0, False), (40.0, True)])
def test_a_grid_coarser_than_a_quarter_of_the_width_is_said(interval, is_coarse):
    # The width is 16·ln(.55/.45)·40 = 128 steps, a quarter of it 32.
    steps = np.arange(0, 4001.0, interval)
    found = find_break(steps, _loss(_sigmoid(steps, 2000.0, 40.0)), H)
    assert found.grid_steps == interval
    assert found.is_coarse == is_coarse


def test_only_the_grid_at_the_break_matters():
    steps = np.concatenate([np.arange(0, 600.0, 100), np.arange(600, 1401.0, 10), [1500, 2000]])
    found = find_break(steps, _loss(_sigmoid(steps, 1000.0, 40.0)), H)
    assert found.grid_steps == 10.0
    assert not found.is_coarse


def test_a_stuck_curve_has_no_stairs_and_a_grid():
    steps = np.arange(0, 1001.0, 10)
    found = find_break(steps, _loss(np.zeros(len(steps))), H)
    assert (found.stairs, found.grid_steps, found.is_coarse) == ((), 10.0, False)


def test_spikes_do_not_move_the_onset_by_more_than_the_median_window():
    steps = np.arange(0, 2001.0, 5)
    clean = _sigmoid(steps, 1000, 80)
    spiky = clean.copy()
    spiky[20:380:40] -= 2.0
    first, second = (find_break(steps, _loss(p), H) for p in (clean, spiky))
    assert second.status == "broke"
    # A single spike shifts the median of a rising stretch by at most one point.
    assert abs(second.onset_step - first.onset_step) <= 5.0


def test_what_is_lost_again_is_reported():
    steps = np.arange(0, 2001.0, 5)
    progress = _sigmoid(steps, 500, 20, 0.8) - _sigmoid(steps, 1500, 20, 0.3)
    found = find_break(steps, _loss(progress), H)
    assert found.best_minus_end == pytest.approx(0.3, abs=1e-3)


def test_nan_after_the_break_keeps_the_break():
    steps = np.arange(0, 2001.0, 5)
    loss = _loss(_sigmoid(steps, 800, 40))
    loss[300:] = np.nan
    found = find_break(steps, loss, H)
    assert found.status == "broke"
    assert found.is_diverged_later
    assert found.diverged_step == steps[300]
    assert found.onset_step == pytest.approx(800 + 40 * _logit(0.05 / END), abs=0.5)


def test_nan_on_the_plateau_is_divergence():
    steps = np.arange(0, 2001.0, 5)
    loss = _loss(np.zeros(len(steps)))
    loss[100:] = np.inf
    found = find_break(steps, loss, H)
    assert found.status == "diverged"
    assert found.diverged_step == 500.0
    assert not found.is_diverged_later
    assert event_code(found.status) == 2


@pytest.mark.parametrize(("stays", "status"), [(15.0, "stuck"), (25.0, "diverged")])
def test_a_high_loss_diverges_only_when_it_stays(stays, status):
    steps = np.arange(0, 1001.0, 5)
    loss = np.full(len(steps), H)
    loss[(steps >= 500) & (steps <= 500 + stays)] = 3.5 * H
    assert find_break(steps, loss, H).status == status


def test_a_run_that_is_lost_at_once_has_no_curve():
    found = find_break(np.array([0.0, 10.0]), np.array([np.nan, np.nan]), H)
    assert found.status == "diverged"
    assert found.end_loss is None


def test_a_curve_that_had_learned_before_its_first_point():
    found = find_break(np.array([0.0, 10.0, 20.0]), _loss(np.array([0.9, 0.9, 0.91])), H)
    assert found.status == "no_plateau"
    assert found.width_steps is None
    assert found.num_breaks == 0


def test_learning_from_the_first_point_has_onset_zero():
    steps = np.arange(0, 101.0)
    found = find_break(steps, _loss(np.linspace(0.3, 0.9, 101)), H)
    assert (found.onset_step, found.onset_lower, found.onset_upper) == (0.0, 0.0, 0.0)
    assert found.status == "no_plateau"


@pytest.mark.parametrize(
    ("steps", "loss", "chance", "words"),
    [
        ([0, 1, 2], [1, 2], 1.0, "shapes"),
        ([0], [1], 1.0, "two points"),
        ([0, 2, 1], [1, 1, 1], 1.0, "increasing"),
        ([0, 1], [1, 1], 0.0, "chance_loss"),
        ([0, 1], [1, 1], float("nan"), "chance_loss"),
        ([[0, 1]], [[1, 1]], 1.0, "shapes"),
    ],
)
def test_bad_input_is_one_clear_error(steps, loss, chance, words):
    with pytest.raises(ValueError, match=words):
        find_break(np.array(steps, float), np.array(loss, float), chance)


@settings(deadline=None, max_examples=60)
@given(
    centre=st.floats(300, 700),
    scale=st.floats(5, 60),
    stretch=st.sampled_from([0.25, 2.0, 8.0]),
    chance=st.sampled_from([0.5, 3.0]),
)
def test_times_scale_with_time_and_not_with_the_unit_of_loss(centre, scale, stretch, chance):
    steps = np.arange(0, 1001.0, 5)
    progress = _sigmoid(steps, centre, scale)
    first = find_break(steps, 1.0 - progress, 1.0)
    # Powers of two scale without rounding.
    second = find_break(steps * stretch, (1.0 - progress) * chance, chance)
    assert second.status == first.status
    assert second.onset_step == pytest.approx(first.onset_step * stretch, rel=1e-9)
    assert second.width_steps == pytest.approx(first.width_steps * stretch, rel=1e-9)
    assert second.num_breaks == first.num_breaks


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_any_curve_has_an_outcome(seed, num_points):
    generator = np.random.default_rng(seed)
    steps = np.cumsum(generator.uniform(0.1, 10, num_points))
    loss = generator.choice([0.0, 0.1, 1.0, 5.0, np.nan, np.inf], num_points, p=[0.2] * 4 + [0.1] * 2)
    found = find_break(steps, loss, 1.0)
    assert found.status in STATUSES
    if event_code(found.status) == 1:
        assert found.onset_lower <= found.onset_step <= found.onset_upper
        assert found.width_steps is None or found.width_steps > 0
        assert found.onset_step >= steps[0]
        assert steps[0] <= found.half_step <= steps[-1]
        assert len(found.stairs) == found.num_breaks
        for stair in found.stairs:
            assert stair.onset_step <= stair.half_step <= stair.end_step <= steps[-1]
    else:
        assert found.onset_step is None


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.sampled_from([3, 9, 21]))
def test_the_running_median_leaves_monotone_curves_alone(values, window):
    rising = np.sort(np.array(values))
    np.testing.assert_array_equal(running_median(rising, window), rising)
    np.testing.assert_array_equal(running_median(rising[::-1], window), rising[::-1])


def test_the_running_median_takes_out_spikes():
    values = np.zeros(31)
    values[[5, 15, 25]] = 9.0
    np.testing.assert_array_equal(running_median(values, 5), np.zeros(31))


def test_isotonic_fit_of_a_published_example():
    # Pooling 3 and 2, then 6, 5 and 4, as in the textbook's worked example of PAVA.
    np.testing.assert_allclose(non_decreasing(np.array([1, 3, 2, 6, 5, 4.0])), [1, 2.5, 2.5, 5, 5, 5])


def test_first_times_on_a_flat_stretch():
    steps, rising = np.array([0, 1, 2, 3.0]), np.array([0, 1, 1, 2.0])
    levels = np.array([0.5, 1.0, 1.5, 3.0])
    np.testing.assert_allclose(first_time_at(steps, rising, levels), [0.5, 1, 2.5, np.inf])


def test_settings_change_what_counts():
    steps = np.arange(0, 2001.0, 5)
    loss = _loss(_sigmoid(steps, 800, 40, 0.15))
    assert find_break(steps, loss, H).status == "stuck"
    assert find_break(steps, loss, H, settings=DetectorSettings(high=0.1)).status == "broke"


@pytest.mark.parametrize("start", [1.0, 1.5, 2.0, 3.0, 6.0])
def test_a_steady_decay_from_above_chance_has_no_plateau(start):
    steps = np.arange(0, 2001.0, 5)
    assert find_break(steps, start * H * np.exp(-steps / 150), H).status == "no_plateau"


def test_a_fall_to_chance_does_not_hide_a_plateau():
    steps = np.arange(0, 2001.0, 5)
    progress = _sigmoid(steps, 1000, 20) - 2.0 * np.exp(-steps / 30)
    assert find_break(steps, _loss(progress), H).status == "broke"


@pytest.mark.parametrize("height", [0.1, 0.2, 0.3, 0.4])
def test_a_hump_that_is_lost_again_is_not_the_onset(height):
    steps = np.arange(0, 1001.0, 5)
    hump = _sigmoid(steps, 110, 5, height) - _sigmoid(steps, 330, 5, height)
    found = find_break(steps, _loss(hump + _sigmoid(steps, 660, 8)), H)
    assert found.status == "broke"
    # Interpolation over a grid of 5 steps, on a rise of scale 8.
    assert found.onset_step == pytest.approx(660 + 8 * _logit(0.05 / END), abs=1.0)
    assert found.rise_step == pytest.approx(660 + 8 * _logit(0.1), abs=1.0)


def test_a_break_that_was_lost_before_the_divergence_is_none():
    steps = np.arange(0, 881.0, 11)
    loss = _loss(_sigmoid(steps, 110, 5, 0.4) - _sigmoid(steps, 420, 5, 0.4))
    loss[-4:] = np.nan
    assert find_break(steps, loss, H).status == "diverged"


def test_a_slow_climb_after_the_break_keeps_the_break():
    steps = np.arange(0, 1001.0, 5)
    loss = _loss(_sigmoid(steps, 300, 20)) + np.maximum(0, steps - 900) * 0.01
    loss[-2:] = np.inf
    found = find_break(steps, loss, H)
    assert found.status == "broke"
    assert found.is_diverged_later


@pytest.mark.parametrize("spike", [4.0, 23.7])
def test_a_spike_in_the_last_point_does_not_hide_a_break(spike):
    """The window of the running median has one point there."""
    steps = np.arange(0, 900, 15.0)
    loss = _loss(_sigmoid(steps, 700.0, 15.0))
    expected = find_break(steps, loss, H)
    spiked = find_break(steps, np.append(loss[:-1], spike), H)
    assert spiked.status == expected.status == "broke"
    assert spiked.onset_step == pytest.approx(expected.onset_step, abs=1.0)


def test_a_short_log_with_spikes_has_an_outcome():
    """Few points, at any steps, with spikes of any size: as somebody's log may be."""
    generator = np.random.default_rng(0)
    for _ in range(2000):
        num = int(generator.integers(2, 45))
        steps = np.sort(generator.choice(200, num, replace=False))
        loss = np.where(np.arange(num) < generator.integers(0, num + 1), H, 0.5)
        loss = loss + generator.choice([0.0, 0.01, 0.1, 1.0]) * generator.normal(size=num)
        is_spike = generator.random(num) < generator.choice([0.0, 0.05, 0.3])
        loss[is_spike] = generator.uniform(0, 30, is_spike.sum())
        found = find_break(steps, loss, H)
        assert found.onset_step is None or steps[0] <= found.onset_step <= steps[-1]
