"""p-values from shuffled labels, against all arrangements."""

import itertools

import numpy as np
import pytest

from engine import statistics as s


@pytest.mark.parametrize("test", [s.log_rank, s.gray_test])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_share_of_arrangements(test, seed):
    """Of 70 splits of 8 runs; three standard errors of 1,999 shuffles are below .034."""
    generator = np.random.default_rng(seed)
    time, event = generator.integers(1, 6, 8).astype(float), generator.integers(0, 3, 8)
    group = np.repeat([0, 1], 4)
    plain = test(time, event, group)
    others = [
        test(time, event, np.isin(np.arange(8), chosen).astype(int)).statistic
        for chosen in itertools.combinations(range(8), 4)
    ]
    expected = np.mean(np.array(others) >= plain.statistic - 1e-9)
    found = test(time, event, group, num_permutations=1999)
    assert found[:2] == plain[:2]
    assert abs(found.p_value - expected) < 0.034
    assert test(time, event, group, num_permutations=1999) == found


def test_labels_stay_within_their_strata():
    """Pairs whose first run always wins: of 2⁶ arrangements two are as far."""
    time, event = np.tile([1.0, 2.0], 6), np.ones(12, int)
    group, pairs = np.tile(["a", "b"], 6), np.repeat(np.arange(6), 2)
    found = s.log_rank(time, event, group, pairs, num_permutations=1999)
    # Three standard errors of 1,999 shuffles.
    assert abs(found.p_value - 2 / 64) < 0.012


def test_names_are_labels_and_the_order_of_rows_changes_the_shuffles_alone():
    generator = np.random.default_rng(0)
    time, event = generator.exponential(size=20), np.ones(20, int)
    group = np.repeat(["fast", "slow"], 10)
    found = s.log_rank(time, event, group, num_permutations=199)
    assert s.log_rank(time, event, group == "slow", num_permutations=199) == pytest.approx(found)
    assert 1 / 200 <= found.p_value <= 1


@pytest.mark.parametrize("test", [s.log_rank, s.gray_test])
def test_a_negative_number_is_one_clear_error(test):
    with pytest.raises(ValueError, match="num_permutations must not be negative, got -1"):
        test([1.0, 2.0], [1, 1], [0, 1], num_permutations=-1)


def test_size_of_few_runs():
    """Two arms of six waits, 500 studies: at most 5 % reject, plus three standard errors."""
    generator = np.random.default_rng(0)
    group, rejected = np.repeat([0, 1], 6), 0
    for seed in range(500):
        time = generator.exponential(size=12)
        data = np.minimum(time, 2.0), (time <= 2.0).astype(int), group
        rejected += s.log_rank(*data, num_permutations=39, seed=seed).p_value <= 0.05
    assert 0 < rejected / 500 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)
