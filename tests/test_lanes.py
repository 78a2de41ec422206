"""A seed on its own terms: what a run computes depends on nothing but the run."""

import numpy as np
import pytest

from engine.config import Arm
from engine.lanes import FinishedRun
from tests.conftest import drain, runs_of, small_arm

ARMS = {
    "mlp": small_arm(),
    "norm": small_arm(batch_norm=True, dropout=0.3),
    "cnn8": Arm(conv_widths=(4, 4), pool_after=(1, 2), dense_widths=(8,), init="normal"),
}


def assert_same_bits(first: FinishedRun, second: FinishedRun) -> None:
    assert first.run == second.run
    assert first.diverged_step == second.diverged_step
    assert set(first.curves) == set(second.curves)
    np.testing.assert_array_equal(first.steps, second.steps)
    np.testing.assert_array_equal(first.batch_loss, second.batch_loss)
    for name, curve in first.curves.items():
        np.testing.assert_array_equal(curve, second.curves[name])


@pytest.fixture(params=list(ARMS))
def arm(request) -> Arm:
    return ARMS[request.param]


def test_alone_among_others_in_another_lane_in_another_order(arm, make_pool):
    pool = make_pool(arm)
    seeds = [3, 1, 4, 15, 9, 2, 6]
    together = drain(pool, runs_of(arm, seeds), 4)
    alone = {seed: drain(pool, runs_of(arm, [seed]), 4)["arm", seed] for seed in seeds}
    backwards = drain(make_pool(arm), runs_of(arm, seeds[::-1]), 4)
    for seed in seeds:
        assert_same_bits(together["arm", seed], alone[seed])
        assert_same_bits(together["arm", seed], backwards["arm", seed])
    assert len({run.batch_loss.tobytes() for run in together.values()}) == len(seeds)


def test_runs_of_unequal_length_share_lanes(make_pool):
    """Lanes are filled again as they become free, and nothing else changes."""
    arm = small_arm()
    runs = [
        run._replace(horizon=11 * (1 + 3 * (run.seed % 4))) for run in runs_of(arm, list(range(9)))
    ]
    mixed = drain(make_pool(arm), runs, 4)
    for run in runs:
        alone = drain(make_pool(arm), [run], 4)["arm", run.seed]
        assert_same_bits(mixed["arm", run.seed], alone)
        assert mixed["arm", run.seed].steps[-1] == run.horizon


def test_arms_that_differ_in_numbers_share_a_pool(make_pool):
    slow, fast = small_arm(learning_rate=1e-4), small_arm(learning_rate=1e-2, init="normal")
    runs = [
        run._replace(arm_name=name)
        for name, arm in (("slow", slow), ("fast", fast))
        for run in runs_of(arm, [0, 1, 2])
    ]
    mixed = drain(make_pool(slow), runs, 4)
    for name, arm in (("slow", slow), ("fast", fast)):
        own = drain(make_pool(arm), [r for r in runs if r.arm_name == name], 4)
        for seed in range(3):
            assert_same_bits(mixed[name, seed], own[name, seed])


def test_a_diverged_lane_is_an_outcome_and_poisons_nothing(make_pool):
    bad = small_arm(optimizer="sgd", learning_rate=1e6)
    good = small_arm(optimizer="sgd", learning_rate=1e-2)
    runs = [r._replace(arm_name="bad") for r in runs_of(bad, [0, 1])]
    runs += [r._replace(arm_name="good") for r in runs_of(good, [0, 1])]
    mixed = drain(make_pool(good), runs, 4)
    alone = drain(make_pool(good), runs[2:], 4)
    for seed in (0, 1):
        assert mixed["bad", seed].diverged_step is not None
        assert np.all(np.isfinite(mixed["bad", seed].curves["loss"]))
        assert np.all(mixed["bad", seed].steps[1:] < mixed["bad", seed].diverged_step)
        assert_same_bits(mixed["good", seed], alone["good", seed])
        assert mixed["good", seed].diverged_step is None


def test_a_loss_that_stays_high_is_divergence_at_its_first_step(make_pool):
    """SGD jumps to a finite, high loss in one step and stays there."""
    arm = small_arm(optimizer="sgd", learning_rate=3e2, activation="tanh")
    run = drain(make_pool(arm), runs_of(arm, [0], horizon=110), 4)["arm", 0]
    assert run.diverged_step is not None
    limit = 3 * max(run.curves["loss"][0], np.log(10))
    is_high = run.batch_loss > limit
    if np.all(np.isfinite(run.batch_loss)):
        assert not is_high[: run.diverged_step].any()


def test_the_host_keeps_no_finished_run(make_pool):
    arm = small_arm()
    pool = make_pool(arm)
    drain(pool, runs_of(arm, list(range(6))), 4)
    assert pool.num_free == 4
    assert all(not records for records in pool._records)
