"""A seed on its own terms: what a run computes depends on nothing but the run."""

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.lanes.pool import make_pool as new_pool
from engine.lanes.runs import FinishedRun
from engine.lanes.spec import PoolSpec
from engine.outcomes import DetectorSettings, find_break
from engine.studies.study import resolve_arm
from engine.tasks import load_data
from tests.conftest import drain, runs_of, small_arm

pytestmark = pytest.mark.bits

ARMS = {
    "mlp": small_arm(),
    "norm": small_arm(batch_norm=True, dropout=0.3),
    "cnn8": Arm(conv_widths=(4, 4), pool_after=(1, 2), dense_widths=(8,), init="normal"),
}


def assert_same_bits(first: FinishedRun, second: FinishedRun) -> None:
    assert first.run == second.run
    assert first.diverged_step == second.diverged_step
    assert first.stop_reason == second.stop_reason
    assert set(first.curves) == set(second.curves)
    np.testing.assert_array_equal(first.inspected_steps, second.inspected_steps)
    for name, curve in first.inspected.items():
        np.testing.assert_array_equal(curve, second.inspected[name])
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


@pytest.mark.parametrize(("name", "block", "widths"), [("cnn8", 1, (1, 3)), ("mlp", 2, (4, 6))])
def test_the_number_of_lanes_changes_nothing_while_the_block_is_the_same(name, block, widths, make_pool):
    """Also where lanes become free at different times, and are filled beside others that go on."""
    runs = [run._replace(horizon=11 * (1 + 5 * (run.seed % 3))) for run in runs_of(ARMS[name], [0, 1, 2, 3])]
    few, many = (drain(make_pool(ARMS[name], width=width, block=block), runs, width) for width in widths)
    for run in runs:
        assert_same_bits(few["arm", run.seed], many["arm", run.seed])


def test_a_width_that_does_not_fit_is_refused_with_one_that_would(data_dir):
    arm = resolve_arm(small_arm())
    data = load_data(arm, 0, data_dir)
    spec = PoolSpec(arm, data, 0, 64, 8, "direct", 11, DetectorSettings())
    needed = new_pool(spec).bytes_needed
    assert needed > sum(a.nbytes for a in data.values())
    with pytest.raises(InputError, match=r"width=64 .* --width=(\d+) would fit") as refused:
        new_pool(spec, memory_limit=needed * 3 // 4)
    fitting = int(str(refused.value).split("--width=")[1].split()[0])
    assert 1 <= fitting < 64
    new_pool(spec._replace(width=fitting, block=1), memory_limit=needed * 3 // 4)


def test_runs_that_settle_early_are_the_same_up_to_there(make_pool):
    """Lanes are recycled at the chunk's end, and no other run notices."""
    arm = small_arm(learning_rate=1e-2)
    runs = runs_of(arm, [0, 1, 2, 3, 4, 5], horizon=880)
    whole = drain(make_pool(arm), runs, 4)
    early = drain(make_pool(arm, stop="settled"), runs, 4)
    alone = drain(make_pool(arm, stop="settled"), runs[3:4], 4)
    assert_same_bits(early["arm", 3], alone["arm", 3])
    for seed in range(6):
        short, full = early["arm", seed], whole["arm", seed]
        assert short.stop_reason == "settled"
        assert full.stop_reason == "horizon"
        num = len(short.steps)
        assert num < len(full.steps)
        np.testing.assert_array_equal(short.curves["loss"], full.curves["loss"][:num])
        assert short.inspected_steps[-1] == short.steps[-1]
        at_stop, at_end = (find_break(r.steps, r.curves["loss"], np.log(10)) for r in (short, full))
        assert at_stop.onset_step == at_end.onset_step
        assert at_stop.status == at_end.status


def test_a_run_that_learns_by_heart_is_not_stopped_early(make_pool):
    """It may yet come to what carries over to other examples."""
    arm = small_arm(dense_widths=(256, 256), control="shuffled_labels")
    runs = runs_of(arm, [0, 1], horizon=1320)
    found = drain(make_pool(arm, stop="settled"), runs, 4)
    for run in found.values():
        assert run.curves["loss"][-1] < 0.5 * np.log(10)
        assert min(run.inspected["held_out_loss"]) > 0.95 * np.log(10)
        assert run.stop_reason == "horizon"


def test_runs_of_unequal_length_share_lanes(make_pool):
    """Lanes are filled again as they become free, and nothing else changes."""
    arm = small_arm()
    runs = [run._replace(horizon=11 * (1 + 3 * (run.seed % 4))) for run in runs_of(arm, list(range(9)))]
    mixed = drain(make_pool(arm), runs, 4)
    for run in runs:
        alone = drain(make_pool(arm), [run], 4)["arm", run.seed]
        assert_same_bits(mixed["arm", run.seed], alone)
        assert mixed["arm", run.seed].steps[-1] == run.horizon


def test_arms_that_differ_in_numbers_share_a_pool(make_pool):
    slow, fast = small_arm(learning_rate=1e-4), small_arm(learning_rate=1e-2, init="normal")
    runs = [
        run._replace(arm_name=name) for name, arm in (("slow", slow), ("fast", fast)) for run in runs_of(arm, [0, 1, 2])
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
    limit = 3 * max(run.curves["loss"][0], run.batch_loss[0], np.log(10))
    is_high = run.batch_loss > limit
    if np.all(np.isfinite(run.batch_loss)):
        assert not is_high[: run.diverged_step].any()


def test_dropout_that_lifts_the_loss_from_the_start_is_no_divergence(make_pool):
    """The loss with dropout begins at many times that of the evaluation, without it, and falls."""
    arm = Arm(model="mlp", dense_widths=(64,) * 4, init="he", dropout=0.8)
    run = drain(make_pool(arm), runs_of(arm, [0], horizon=110), 4)["arm", 0]
    assert run.batch_loss[0] > 3 * max(run.curves["loss"][0], np.log(10))
    assert run.diverged_step is None
    assert np.median(run.batch_loss[-22:]) < run.batch_loss[0]


def test_the_host_keeps_no_finished_run(make_pool):
    arm = small_arm()
    pool = make_pool(arm)
    drain(pool, runs_of(arm, list(range(6))), 4)
    assert pool.num_free == 4
    assert all(history is None for history in pool._histories)
