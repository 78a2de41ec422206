"""One contract for all families of synthetic curves, and for the detectors on them."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.curves.synthetic import FAMILIES, SyntheticCurve
from benchmarks.detectors import fired_steps
from engine.outcomes import STATUSES, event_code, find_break

NUM_CURVES = 12
MOST_POINTS = 2048
# Families that are noisy whatever is asked for.
NOISY = {"heavy_noise", "stuck_heavy_noise"}
SPIKED = {"spikes", "stuck_spikes"}


def _draw(name: str, noise: float, num_curves: int = NUM_CURVES) -> list[SyntheticCurve]:
    generator = np.random.default_rng([7, list(FAMILIES).index(name)])
    return [FAMILIES[name].draw(generator, noise) for _ in range(num_curves)]


def _is_event(curve: SyntheticCurve) -> bool | None:
    """Whether the curve leaves chance level; `None` where both are admissible."""
    events = {event_code(status) == 1 for status in curve.truth.statuses}
    return events.pop() if len(events) == 1 else None


@pytest.mark.parametrize("name", FAMILIES)
def test_a_curve_is_well_formed(name):
    for curve in _draw(name, 0.03):
        num_points = len(curve.steps)
        assert 80 <= num_points <= 2000
        assert curve.loss.shape == curve.accuracy.shape == (num_points,)
        assert curve.steps[0] == 0
        assert np.all(np.diff(curve.steps) > 0)
        assert curve.chance_loss > 0
        assert np.all((curve.accuracy >= 0) & (curve.accuracy <= 1))
        truth = curve.truth
        assert truth.statuses
        assert set(truth.statuses) <= set(STATUSES)
        has_onset = event_code(truth.statuses[0]) == 1
        assert (truth.onset_step is not None) == has_onset
        if has_onset:
            assert 0 <= truth.onset_step <= curve.steps[-1]
            assert truth.width_steps > 0
        assert np.isfinite(curve.loss).all() == (truth.diverged_step is None) or (name == "divergence")


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_generator_gives_the_same_curve(name):
    first, second = _draw(name, 0.03, 2), _draw(name, 0.03, 2)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.loss, other.loss)
        assert one.truth == other.truth
    assert len(first[0].loss) != len(first[1].loss) or np.any(first[0].loss != first[1].loss)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - NOISY))
def test_without_noise_the_reference_says_what_was_planted(name):
    for curve in _draw(name, 0.0):
        found, truth = find_break(curve.steps, curve.loss, curve.chance_loss), curve.truth
        assert found.status in truth.statuses
        if truth.diverged_step is not None:
            assert found.diverged_step == truth.diverged_step
        if truth.onset_step is None or found.onset_step is None:
            continue
        interval = curve.steps[1] - curve.steps[0]
        # A point of the grid is missing where a spike is.
        slack = 2 * interval if name in SPIKED else 1e-3 * interval
        assert found.onset_lower - slack <= truth.onset_step <= found.onset_upper + slack
        if truth.num_stairs is not None and name != "staircase":
            assert found.num_breaks == truth.num_stairs
        assert found.is_coarse == (interval > 0.25 * found.width_steps)
        assert found.grid_steps == interval
    if name == "coarse_grid":
        assert found.is_coarse


# The share of wrong statuses is below 1 % at 3 % of H, so that more than one of 24 has a chance of
# 2.4 % in each family; with these seeds there is at most one.
@pytest.mark.parametrize("name", FAMILIES)
def test_with_noise_the_reference_says_what_was_planted(name):
    curves = _draw(name, 0.03, 24)
    statuses = [find_break(c.steps, c.loss, c.chance_loss).status for c in curves]
    wrong = [s for s, c in zip(statuses, curves, strict=True) if s not in c.truth.statuses]
    assert len(wrong) <= 1


def test_stairs_have_their_own_times():
    for curve in _draw("staircase", 0.0):
        found = find_break(curve.steps, curve.loss, curve.chance_loss)
        stairs = found.stairs
        assert len(stairs) == found.num_breaks == curve.truth.num_stairs
        assert stairs[0].level_before == 0.0
        end = 1 - found.end_loss / curve.chance_loss
        assert stairs[-1].level_after == pytest.approx(end)
        for one, following in pairwise(stairs):
            assert one.level_after == following.level_before
            assert one.end_step < following.onset_step
        for stair in stairs:
            assert stair.onset_step < stair.half_step < stair.end_step
            assert stair.level_before < stair.level_after


# `at_the_end` may fire on a rise that the median of the last points does not show yet.
@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"at_the_end"}))
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_the_online_detector_fires_where_there_is_a_break(name, noise):
    curves = _draw(name, noise)
    progress = np.full((len(curves), MOST_POINTS), np.nan, np.float32)
    steps = np.zeros_like(progress)
    for row, curve in enumerate(curves):
        progress[row, : len(curve.steps)] = 1.0 - curve.loss / curve.chance_loss
        steps[row, : len(curve.steps)] = curve.steps
    for curve, step in zip(curves, fired_steps(progress, steps), strict=True):
        is_event = _is_event(curve)
        if is_event is not None:
            assert np.isfinite(step) == is_event
        if is_event and name != "staircase":
            # It knows after the onset, within three widths and the memory of its average.
            memory = 10 * (curve.steps[1] - curve.steps[0])
            truth = curve.truth
            assert truth.onset_step <= step <= truth.onset_step + 3 * truth.width_steps + memory
