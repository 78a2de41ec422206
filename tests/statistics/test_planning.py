"""Numbers of seeds: published ones, and what comes out when that many are run."""

import numpy as np
import pytest

from engine import statistics as s


@pytest.mark.parametrize(("ratio", "events"), [(1.5, 256), (2.0, 88), (3.0, 35), (0.5, 88)])
def test_events_for_a_comparison(ratio, events):
    """Schoenfeld (1981): events at 90 % power, two-sided 5 %."""
    assert s.seeds_needed(s.ComparisonQuestion(ratio)) == (-(-events // 2), events)


def test_runs_that_never_break_cost_seeds():
    assert s.seeds_needed(s.ComparisonQuestion(2.0, event_share=0.5)) == (88, 88)


def test_seeds_without_a_failure():
    """0.95⁵⁹ = .0485, 0.95⁵⁸ = .0510."""
    assert s.seeds_needed(s.FailureQuestion(0.05)).seeds == 59
    assert s.seeds_needed(s.FailureQuestion(0.5, confidence=0.75)).seeds == 2


@pytest.mark.parametrize("half_width", [0.05, 0.2])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 1.0])
def test_seeds_for_a_fraction_are_the_least(half_width, fraction):
    seeds = s.seeds_needed(s.FractionQuestion(half_width, fraction)).seeds

    def widest(trials):
        counts = {int(np.floor(trials * fraction)), int(np.ceil(trials * fraction))}
        limits = [s.proportion(count, trials) for count in counts]
        return max(found.upper - found.lower for found in limits)

    assert widest(seeds - 1) > 2 * half_width
    assert all(widest(seeds + more) <= 2 * half_width for more in range(30))


@pytest.mark.parametrize(("width", "deviation", "share"), [(0.1, 0.5, 1.0), (0.1, 0.3, 0.8)])
def test_seeds_for_a_median_give_its_width(width, deviation, share):
    """The median half-width of 200 studies is the one asked for.

    A limit is one of the n times, which lie √(2π)·σ/(n·share) of the median apart: 1 % for both
    plans, or 8 % of the width for each of the two limits when both fall the same way. A median of
    200 widths, whose spread is a quarter of the width, adds three times 2 %.
    """
    seeds = s.seeds_needed(s.MedianQuestion(width, deviation, share)).seeds
    generator = np.random.default_rng(0)
    widths = []
    for _ in range(200):
        time = np.exp(deviation * generator.normal(size=seeds))
        event = generator.random(seeds) < share
        found = s.median_time(np.where(event, time, 1e3), event.astype(int))
        widths.append((found.upper - found.lower) / 2 / found.value)
    assert np.median(widths) == pytest.approx(width, rel=0.14)
    assert np.std(widths) < 0.25 * width


def test_power_of_the_comparison_is_what_was_planned():
    """44 runs per arm find a hazard ratio of 2 by log-rank in 90 % of 500 studies (± 3 s.e.)."""
    seeds = s.seeds_needed(s.ComparisonQuestion(2.0)).seeds
    generator = np.random.default_rng(0)
    group = np.repeat([0, 1], seeds)
    found = 0
    for _ in range(500):
        time = generator.exponential(size=2 * seeds) / np.where(group, 2.0, 1.0)
        found += s.log_rank(time, np.ones(2 * seeds), group).p_value < 0.05
    assert abs(found / 500 - 0.9) < 3 * np.sqrt(0.9 * 0.1 / 500)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (s.FractionQuestion(0.0), "half_width"),
        (s.FractionQuestion(0.1, 1.5), "fraction must"),
        (s.FractionQuestion(0.1, confidence=95), "confidence"),
        (s.FailureQuestion(0.0), "rate"),
        (s.FailureQuestion(0.1, 1.0), "confidence"),
        (s.MedianQuestion(0.0, 1.0), "relative_half_width"),
        (s.MedianQuestion(0.1, -1.0), "log_deviation"),
        (s.MedianQuestion(0.1, np.nan), "log_deviation"),
        (s.MedianQuestion(0.1, 1.0, 0.5), "only reached above"),
        (s.ComparisonQuestion(1.0), "hazard_ratio is 1"),
        (s.ComparisonQuestion(-2.0), "hazard_ratio must"),
        (s.ComparisonQuestion(2.0, 0.0), "event_share"),
        (s.ComparisonQuestion(2.0, power=0.01), "power"),
        (s.ComparisonQuestion(2.0, level=1.0), "level"),
    ],
)
def test_bad_questions_are_one_clear_error(question, words):
    with pytest.raises(ValueError, match=words):
        s.seeds_needed(question)


def test_other_questions_are_refused():
    with pytest.raises(TypeError, match="one of the questions"):
        s.seeds_needed("how many?")
