"""What some minutes buy."""

import pytest
from scipy.stats import chi2

from engine.diagnosis.budget import Costs, choose, precision
from engine.errors import InputError

COSTS = Costs(
    seconds_per_step=1e-3, start_seconds=5.0, spent_seconds=10.0, num_workers=2, num_arms=17,
    num_structures=8,
)  # fmt: skip


def _seconds(seeds: int, horizon: int) -> float:
    """What the choice costs if every run lasts to the horizon, by the same figures."""
    return 10 + 4 * 5 + 8 + seeds * horizon * 17 * 1e-3 / 2 / 0.8


def test_seeds_come_before_a_longer_horizon():
    middle = choose(3, COSTS, 880, False, None)
    assert 10 < middle.seeds < 24
    assert 880 <= middle.horizon < 880 * (1 + 1 / middle.seeds)
    long = choose(10, COSTS, 880, False, None)
    assert long.seeds == 24
    assert 880 < long.horizon < 4 * 880
    longest = choose(200, COSTS, 880, False, None)
    assert (longest.seeds, longest.horizon) == (24, 4 * 880)


@pytest.mark.parametrize("minutes", [2.5, 5, 10, 30])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_the_choice_keeps_within_the_minutes(minutes: float, is_fixed: bool):
    found = choose(minutes, COSTS, 880, is_fixed, None)
    assert _seconds(found.seeds, found.horizon) <= 60 * minutes * 1.02
    if is_fixed:
        assert found.horizon == 880


def test_the_fewest_seeds_cut_the_horizon_down_to_half_of_it():
    found = choose(1.6, COSTS, 880, False, None)
    assert found.seeds == 10
    assert 440 <= found.horizon < 880


@pytest.mark.parametrize(
    ("minutes", "is_fixed", "seeds"), [(0.5, False, None), (1.5, True, None), (3, True, 24)]
)
def test_too_few_minutes_are_refused_with_what_it_takes(minutes, is_fixed, seeds):
    with pytest.raises(InputError, match="expected at least") as error:
        choose(minutes, COSTS, 880, is_fixed, seeds)
    needed = float(str(error.value).split("expected at least ")[1].split(",")[0])
    assert choose(needed, COSTS, 880, is_fixed, seeds).seeds >= (seeds or 10)


def test_the_fewest_seeds_can_show_a_cause():
    """Pairs that all agree have χ² = n; Holm's first step multiplies by the number of changes."""
    changes = 12
    assert chi2.sf(10, 1) * changes < 0.05
    assert chi2.sf(7, 1) * changes > 0.05
    assert "too few for a cause" in precision(9)


def test_precision_is_that_of_the_exact_interval_and_of_the_log_rank_test():
    # Clopper and Pearson's lower limit at n of n is 0.025^(1/n). Of 12 pairs 11 give χ² = 8.33, of
    # which p = 0.0039 is below 0.05/12; 10 give 5.33.
    assert "at least 74 % of such runs" in precision(12)
    assert "earlier in 11 of 12 pairs" in precision(12)
