"""What some minutes buy."""

import math

import pytest
from scipy.stats import binom

from engine.diagnosis.budget import Budget, Costs, choose, what_seeds_can_tell
from engine.diagnosis.factors import ALL_CHANGES
from engine.errors import InputError
from engine.studies.diagnosis import CHANGES

COSTS = Costs(
    seconds_per_step=1e-3, start_seconds=5.0, spent_seconds=10.0, num_workers=2, num_arms=17,
    num_structures=8, num_changes=12,
)  # fmt: skip


def _choose(minutes: float, longest: float = math.inf, is_fixed: bool = False, seeds: int | None = None) -> Budget:
    return choose(COSTS, minutes, 880, longest, is_fixed, seeds)


def _seconds(seeds: int, horizon: int) -> float:
    """What the choice costs if every run lasts to the horizon, by the same figures."""
    return 10 + 4 * 5 + 8 + seeds * horizon * 17 * 1e-3 / 2 / 0.65


def test_seeds_come_before_a_longer_horizon():
    middle = _choose(4)
    assert 11 < middle.seeds < 24
    assert 880 <= middle.horizon < 880 * (1 + 1 / middle.seeds)
    long = _choose(10)
    assert long.seeds == 24
    assert 880 < long.horizon < 4 * 880
    longest = _choose(200)
    assert (longest.seeds, longest.horizon) == (24, 4 * 880)


@pytest.mark.parametrize("minutes", [3, 5, 10, 30])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_the_choice_keeps_within_the_minutes(minutes: float, is_fixed: bool):
    found = _choose(minutes, is_fixed=is_fixed)
    assert _seconds(found.seeds, found.horizon) <= 60 * minutes * 1.02
    if is_fixed:
        assert found.horizon == 880


def test_the_fewest_seeds_cut_the_horizon_down_to_half_of_it():
    found = _choose(2)
    assert found.seeds == 11
    assert 440 <= found.horizon < 880


@pytest.mark.parametrize(("minutes", "is_fixed", "seeds"), [(0.5, False, None), (1.5, True, None), (3, True, 24)])
def test_too_few_minutes_are_refused_with_what_it_takes(minutes, is_fixed, seeds):
    with pytest.raises(InputError, match="expected at least") as error:
        _choose(minutes, is_fixed=is_fixed, seeds=seeds)
    needed = float(str(error.value).split("expected at least ")[1].split(",")[0])
    assert _choose(needed, is_fixed=is_fixed, seeds=seeds).seeds >= (seeds or 11)


def test_the_fewest_seeds_can_show_a_cause():
    """Pairs that all agree have p = 2·2^−n; Holm's first step multiplies by the number of changes × 2 tests."""
    # Clipping is taken out or put in, a batch made larger or smaller, an activation replaced or given a leak.
    most = sum(change.kind in CHANGES for change in ALL_CHANGES) - 3
    assert 2 * most * 2 * 0.5**11 < 0.05 < 2 * most * 2 * 0.5**10
    assert "too few for a cause" in what_seeds_can_tell(10, most)
    assert "earlier in 11 of 11 pairs" in what_seeds_can_tell(11, most)


def test_precision_is_that_of_the_exact_interval_and_of_the_sign_test():
    # Clopper and Pearson's lower limit at n of n is 0.025^(1/n).
    assert "at least 86 % of such runs" in what_seeds_can_tell(24, 12)
    assert "earlier in 20 of 24 pairs" in what_seeds_can_tell(24, 12)
    assert 24 * 2 * binom.sf(19, 24, 0.5) < 0.05 < 24 * 2 * binom.sf(18, 24, 0.5)


def test_no_look_is_longer_than_the_rate_lasts():
    assert _choose(200, longest=1000).horizon == 1000
    assert _choose(200, longest=100).horizon == 880
