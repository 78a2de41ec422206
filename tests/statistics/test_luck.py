"""Early luck: exact probabilities of a memoryless wait."""

import numpy as np
import pytest

from engine import statistics as s
from engine.statistics.memoryless import _probability_of_fewer


@pytest.mark.parametrize(
    ("time", "p_value"),
    [
        # P(X₁ ≥ X₂/2) of 3 exponentials: E₁/3 ≥ E₂/2 of independent spacings has 1/(1 + 3/2).
        ([2.0, 3.0, 9.0], 2 / 5),
        ([1.0, 3.0, 9.0], 1.0),
        # Of 4: E₁/4 ≥ E₂/3 has 1/(1 + 4/3).
        ([2.0, 3.0, 9.0, 9.0], 3 / 7),
        ([4.0], 1.0),
    ],
)
def test_probabilities_of_few_runs(time, p_value):
    found = s.early_luck(time, np.ones(len(time)))
    assert found.p_value == pytest.approx(p_value, abs=1e-5)


def test_nobody_early_among_twenty():
    """With the median known 0.707²⁰ = .001; with the sample's it is a half of that."""
    found = s.early_luck(np.arange(20, 40.0), np.ones(20))
    assert found.expected == pytest.approx(0.293, abs=5e-4)
    assert (found.num_early, found.num_runs, found.median) == (0, 20, 29.0)
    assert found.share.upper == pytest.approx(0.168433, abs=5e-7)
    assert found.p_value == pytest.approx(0.00044, abs=1e-5)


def test_what_happens_after_the_median_does_not_matter():
    time = np.array([1.0, 5, 6, 7, 8, 9, 10, 11])
    all_seen = s.early_luck(time, np.ones(8))
    assert s.early_luck(np.minimum(time, 7.5), (time < 7.5).astype(int)) == all_seen


def test_a_run_lost_early_makes_the_test_cautious():
    """One of 8 is lost before the median (9): 0 of the 3 before it, each early with ½ or more."""
    event = np.ones(8, int)
    event[0] = 2
    time = np.array([5.0, 6, 7, 8, 9, 10, 11, 12])
    assert s.early_luck(time, event).p_value == pytest.approx(0.5**3)


@pytest.mark.parametrize("num", [5, 20, 64])
def test_probabilities_are_those_of_simulated_waits(num):
    """Of 20,000 samples the frequency of K ≤ k lies within 4 standard errors, for every k."""
    time = np.sort(np.random.default_rng(num).exponential(size=(20000, num)), axis=1)
    early = np.sum(time < time[:, [(num + 1) // 2 - 1]] / 2, axis=1)
    for k in range(num // 2):
        p = _probability_of_fewer(k, num)
        assert abs(np.mean(early <= k) - p) <= 4 * np.sqrt(p * (1 - p) / 20000) + 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("horizon", "loss"), [(np.inf, 0.0), (0.9, 0.0), (np.inf, 0.3)])
def test_size(horizon, loss):
    """5 % tests of 64 memoryless waits reject at most 5 % of 1,500 studies, and not never.

    A horizon of 1.3 medians, or a loss at 0.3 of the rate of the event, may only lower it.
    """
    generator = np.random.default_rng(0)
    rejected = 0
    for _ in range(1500):
        time = generator.exponential(size=64)
        lost = generator.exponential(size=64) / loss if loss else np.full(64, np.inf)
        end = np.minimum(lost, horizon)
        event = np.where(time <= end, 1, np.where(lost < horizon, 2, 0))
        try:
            rejected += s.early_luck(np.minimum(time, end), event).p_value <= 0.05
        except ValueError:
            continue
    assert 0 < rejected / 1500 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_power_against_a_delay():
    """A wait of 0.4 medians before the exponential: found in most of 60 studies of 20 runs."""
    generator = np.random.default_rng(1)
    p_values = [s.early_luck(0.45 + generator.exponential(size=20), np.ones(20)).p_value for _ in range(60)]
    assert np.mean(np.array(p_values) <= 0.05) > 0.6


@pytest.mark.parametrize(
    ("time", "event", "words"),
    [
        ([1.0, 2.0], [0, 0], "reached"),
        ([1.0, 2.0, 3.0], [1, 2, 2], "reached"),
        ([0.0, 0.0], [1, 1], "after 0"),
        ([np.nan, 1.0], [1, 1], "finite"),
        ([-1.0, 1.0], [1, 1], "negative"),
        ([1.0, 1.0], [1, 3], r"codes \[3\]"),
        ([1.0], [1, 1], "shapes"),
        ([], [], "empty"),
    ],
)
def test_bad_input_is_one_clear_error(time, event, words):
    with pytest.raises(ValueError, match=words):
        s.early_luck(time, event)
