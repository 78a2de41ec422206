"""The planted truth against closed forms."""

import math

import numpy as np
import pytest

from benchmarks.curves.planted import truth_of
from benchmarks.curves.shapes import WIDTH_OF_LOGISTIC, logistic

END = 0.9
# The dense grid has 8,192 intervals on 4,000 steps.
SPACING = 4000 / 8192


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def test_the_truth_about_a_sigmoid():
    steps, centre, scale = np.arange(0, 4001.0, 40), 2000.0, 60.0
    truth = truth_of(lambda t: logistic(t, centre, scale, END), steps)
    # t(p) = centre + scale·logit(p); the steepest tenth lies between the shares .45 and .55.
    width = 8 * scale * (_logit(0.55) - _logit(0.45))
    assert width == pytest.approx(WIDTH_OF_LOGISTIC * scale)
    # Linear interpolation between points h apart is off by h²/8 times curvature over slope, which
    # is at most 1/scale here; the start of the steepest tenth is off by half a point at most.
    error = SPACING**2 / (8 * scale)
    assert truth.onset_step == pytest.approx(centre + scale * _logit(0.05 / END), abs=error)
    assert truth.half_step == pytest.approx(centre, abs=error)
    assert truth.width_steps == pytest.approx(width, rel=1e-4)
    rise = centre + scale * _logit(0.1)
    assert truth.suddenness == pytest.approx(rise / width, rel=1e-4)
    assert truth.statuses == ("broke",)
    assert truth.num_stairs == 1
    assert truth.diverged_step is None


@pytest.mark.parametrize("above", [0.0, 1.0])
def test_the_truth_about_an_exponential_decay(above):
    time, steps = 200.0, np.arange(0, 4001.0)
    truth = truth_of(lambda t: END - (END + above) * np.exp(-t / time), steps)
    # ρ = x is reached at τ·ln((end + above)/(end − x)); W is 8 times the first tenth from ρ = 0 on.
    reached = {x: time * math.log((END + above) / (END - x)) for x in (-0.05, 0.05, 0.1 * END)}
    arrival = reached[-0.05] if above else 0.0
    width = 8 * time * math.log(1 / 0.9)
    assert truth.onset_step == pytest.approx(reached[0.05], abs=SPACING)
    assert truth.width_steps == pytest.approx(width, rel=2e-3)
    # The arrival is a point of the dense grid.
    assert truth.suddenness == pytest.approx((reached[0.1 * END] - arrival) / width, abs=2 * SPACING / width)
    assert truth.statuses == ("no_plateau",)


def test_a_hump_that_is_lost_again_is_not_the_onset():
    steps = np.arange(0, 4001.0)

    def progress(t: np.ndarray) -> np.ndarray:
        hump = logistic(t, 300, 10, 0.4) - logistic(t, 600, 10, 0.4)
        return hump + logistic(t, 2500, 60, END)

    truth = truth_of(progress, steps)
    assert truth.onset_step == pytest.approx(2500 + 60 * _logit(0.05 / END), abs=SPACING)
    # The hump is steeper than the break, and is not where the width is read.
    assert truth.width_steps == pytest.approx(WIDTH_OF_LOGISTIC * 60, rel=1e-3)


def test_a_curve_that_diverged_ends_before():
    steps = np.arange(0, 4001.0)
    late = truth_of(lambda t: logistic(t, 1000, 60, END), steps, diverged_step=3000.0)
    early = truth_of(lambda t: logistic(t, 3500, 60, END), steps, diverged_step=3000.0)
    assert (late.statuses, late.diverged_step) == (("broke",), 3000.0)
    assert (early.statuses, early.onset_step, early.num_stairs) == (("diverged",), None, 0)


@pytest.mark.parametrize(
    ("height", "statuses"),
    [(0.16, ("stuck",)), (0.18, ("stuck", "broke")), (0.22, ("broke", "stuck")), (0.24, ("broke",))],
)
def test_near_the_threshold_of_the_end_two_statuses_are_admissible(height, statuses):
    steps = np.arange(0, 4001.0)
    assert truth_of(lambda t: logistic(t, 2000, 60, height), steps).statuses == statuses


@pytest.mark.parametrize(
    ("suddenness", "statuses"),
    [
        (1.2, ("broke",)),
        (1.05, ("broke", "shoulder")),
        (0.95, ("shoulder", "broke")),
        (0.5, ("shoulder",)),
        (0.24, ("no_plateau", "shoulder")),
        (0.2, ("no_plateau",)),
    ],
)
def test_near_a_threshold_of_suddenness_two_statuses_are_admissible(suddenness, statuses):
    scale = 100.0
    centre = scale * (suddenness * WIDTH_OF_LOGISTIC + math.log(9))
    truth = truth_of(lambda t: logistic(t, centre, scale, END), np.arange(0, 4001.0))
    assert truth.suddenness == pytest.approx(suddenness, rel=1e-3)
    assert truth.statuses == statuses
