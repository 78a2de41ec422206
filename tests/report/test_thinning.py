"""Curves with as few points as a figure can show."""

import numpy as np
import pytest

from engine.report.arm_runs import LossCurve
from engine.report.canvas import around, few_of, points_per_curve, thinned


def test_short_curves_stay_as_they_are():
    curve = LossCurve(np.arange(300), np.ones(300))
    assert thinned(curve, 300) is curve
    assert points_per_curve(24) > 800
    assert points_per_curve(10_000) == 200


@pytest.mark.parametrize("number", [301, 1000, 9999])
def test_ends_and_extremes_are_kept(number):
    generator = np.random.default_rng(number)
    curve = LossCurve(np.arange(number) * 3, generator.normal(size=number))
    found = thinned(curve, 300)
    assert len(found.steps) <= 302
    assert np.all(np.diff(found.steps) > 0)
    assert found.steps[[0, -1]].tolist() == [0, 3 * (number - 1)]
    assert found.loss.max() == curve.loss.max()
    assert found.loss.min() == curve.loss.min()
    assert np.array_equal(found.loss, curve.loss[found.steps // 3])


def test_what_is_not_finite_stays_a_gap():
    loss = np.ones(1000)
    loss[500:] = np.nan
    found = thinned(LossCurve(np.arange(1000), loss), 100)
    assert np.isfinite(found.loss[:40]).all()
    assert np.isnan(found.loss[-40:]).all()


def test_the_part_around_an_onset_has_a_point_on_either_side():
    curve = LossCurve(np.arange(0, 1000, 10), np.arange(100.0))
    found = around(curve, 505.0, 20.0)
    assert found.steps.tolist() == list(range(480, 560, 10))
    assert len(around(curve, 0.0, 1e9).steps) == 100


@pytest.mark.parametrize("number", [0, 1, 2, 999, 1000, 1001, 50_000])
def test_of_many_steps_some_are_drawn_the_first_and_the_last_among_them(number):
    drawn = few_of(number)
    assert len(drawn) == min(number, 1000)
    assert np.all(np.diff(drawn) > 0)
    if number:
        assert (drawn[0], drawn[-1]) == (0, number - 1)
