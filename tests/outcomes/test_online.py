"""The detector that watches a run while it trains, against the reference on whole curves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.outcomes import DetectorSettings, find_break
from engine.outcomes.online import LEVELS, Watch, is_settled, observe, start_watch

STEPS = np.arange(0, 2001, 10)
SETTINGS = DetectorSettings()


def _stop_at(progress: np.ndarray, steps: np.ndarray = STEPS) -> int | None:
    """Position of the evaluation at which a run would be stopped."""

    def body(watch, point):
        watch = observe(watch, point[0], point[1], SETTINGS)
        return watch, is_settled(watch, SETTINGS)

    points = (jnp.asarray(progress[1:], jnp.float32), jnp.asarray(steps[1:], jnp.float32))
    _, settled = jax.lax.scan(body, start_watch(jnp.float32(progress[0])), points)
    settled = np.asarray(settled)
    return int(np.argmax(settled)) + 1 if settled.any() else None


def _sigmoid(middle: float, width: float, top: float = 0.9) -> np.ndarray:
    return top / (1 + np.exp(-4 * (STEPS - middle) / width))


CURVES = {
    "late break": _sigmoid(800, 200),
    "early break": _sigmoid(300, 60),
    "sharp break": _sigmoid(600, 20),
    "decay from the start": 0.95 * (1 - np.exp(-STEPS / 60)),
    "decay from far above chance": 1 - 4 * np.exp(-STEPS / 80),
    "hump that is lost again, then a break": np.where(
        STEPS < 300, 0.3 * np.sin(np.pi * STEPS / 300), _sigmoid(900, 150)
    ),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_a_settled_curve_has_the_onset_and_the_status_of_the_whole(name, noise):
    progress = CURVES[name] + noise * np.random.default_rng(1).normal(size=len(STEPS))
    stop = _stop_at(progress)
    assert stop is not None
    assert stop < len(STEPS) - 1
    whole = find_break(STEPS, 1 - progress, 1.0)
    short = find_break(STEPS[: stop + 1], 1 - progress[: stop + 1], 1.0)
    assert short.status == whole.status
    assert short.onset_step == whole.onset_step


@pytest.mark.parametrize(
    "progress",
    [
        np.zeros(len(STEPS)),
        np.where(STEPS == 700, 0.9, 0.0),
        np.minimum(0.15, STEPS / 1000),
        _sigmoid(1960, 100),
        np.where(STEPS > 900, np.nan, _sigmoid(880, 100)),
    ],
    ids=["flat", "spike", "below high", "break at the end", "diverged in the break"],
)
def test_these_are_never_stopped(progress):
    assert _stop_at(progress) is None


def test_times_of_levels_are_interpolated():
    watch = start_watch(jnp.float32(0.04))
    watch = observe(watch, jnp.float32(0.5), jnp.float32(10.0), SETTINGS)
    watch = observe(watch, jnp.float32(1.0), jnp.float32(30.0), SETTINGS)
    expected = np.interp(LEVELS, [0.04, 0.5, 1.0], [0.0, 10.0, 30.0])
    np.testing.assert_allclose(watch.reached, expected, rtol=1e-5)


def test_what_is_lost_again_is_forgotten():
    """Levels that a spike reached count from when the curve reaches them to stay."""
    watch = start_watch(jnp.float32(0.0))
    for progress, step in ((0.9, 10.0), (0.0, 20.0), (0.0, 30.0), (0.0, 40.0), (0.0, 50.0)):
        watch = observe(watch, jnp.float32(progress), jnp.float32(step), SETTINGS)
    assert np.isinf(watch.reached[LEVELS > 0.06]).all()
    assert np.isfinite(watch.reached[LEVELS < 0.04]).all()


def _watch(progress: np.ndarray, steps: np.ndarray) -> Watch:
    watch = start_watch(jnp.float32(progress[0]))
    for value, step in zip(progress[1:], steps[1:], strict=True):
        watch = observe(watch, jnp.float32(value), jnp.float32(step), SETTINGS)
    return watch


def test_the_average_moves_by_a_fifth_of_a_bounded_jump():
    progress = np.array([0.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    steps = 10.0 * np.arange(len(progress))
    # A jump counts for .25 at most, a fifth of it each time: the average is .05, .10, .15, .20 at
    # the first four evaluations, where it has arrived at `high`, and above it from then on.
    watches = [_watch(progress[:n], steps[:n]) for n in range(1, 9)]
    np.testing.assert_allclose([float(w.level) for w in watches[:5]], [0.0, 0.05, 0.10, 0.15, 0.20], atol=1e-6)
    num_high = [int(watch.num_high) for watch in watches]
    first = next(n for n, watch in enumerate(watches) if float(watch.level) >= 0.2)
    assert num_high == [0] * first + list(range(1, 9 - first))


def test_a_fall_back_to_chance_takes_the_count_back():
    progress = np.concatenate([np.zeros(5), np.full(15, 0.5), np.zeros(30)])
    steps = 10.0 * np.arange(len(progress))
    assert _watch(progress[:20], steps[:20]).num_high >= 3
    low = _watch(progress, steps)
    assert low.num_high == 0
    assert np.isinf(low.reached[LEVELS > 0.06]).all()
