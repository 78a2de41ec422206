"""The positive control: SGD in a double well against the scheme that it is, and its known mean."""

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from engine.arms.arm import Arm
from engine.lanes.to_row import outcome_row
from engine.outcomes import DetectorSettings
from engine.studies.expand import expand
from engine.studies.study import resolve_arm
from engine.tasks import build_task
from tests.conftest import drain, runs_of, small_study

STEP, TEMPERATURE = 0.01, 0.1


def _arm(step: float = STEP, temperature: float = TEMPERATURE, **fields: object) -> Arm:
    return Arm(
        **{
            "dataset": "double_well", "model": "position", "init": "normal", "init_scale": 0.0,
            "optimizer": "sgd", "learning_rate": step, "batch_size": 1,
            "gradient_noise": (2 * temperature / step) ** 0.5, **fields,
        }  # type: ignore[arg-type]
    )  # fmt: skip


def mean_wait(temperature: float) -> float:
    """`(1/T) ∫ e^{U(y)/T} ∫_{−∞}^y e^{−U(z)/T} dz dy`, y from −1 to 1, on a fine grid."""
    x = np.linspace(-4.0, 1.0, 200_001)
    potential = x**4 / 4 - x**2 / 2
    inner = cumulative_trapezoid(np.exp(-potential / temperature), x, initial=0.0)
    outer = np.exp(potential / temperature) * inner
    return float(np.trapezoid(outer[x >= -1], x[x >= -1]) / temperature)


def test_the_reference_mean_is_the_published_one():
    assert mean_wait(0.1) == pytest.approx(66.27, abs=0.005)


def test_training_is_the_euler_maruyama_scheme(make_pool):
    """The same noise through the recursion `x += h(x − x³) + √(2Th) z` in double precision."""
    arm = resolve_arm(_arm(temperature=0.5))
    pool = make_pool(arm)
    done = drain(pool, runs_of(arm, [0, 1, 2, 3], horizon=660), 4)
    task = build_task(arm, pool.spec.data)
    from engine.tasks import random_streams

    for seed in range(4):
        key = random_streams.stream(0, "order", seed)
        z = np.asarray(task.draw(pool.spec.data, key, np.int32(0), 660), np.float64)[:, 0]
        x = np.empty(661)
        x[0] = -1.0
        for i in range(660):
            x[i + 1] = x[i] + STEP * (x[i] - x[i] ** 3) + np.sqrt(2 * 0.5 * STEP) * z[i]
        hits = np.flatnonzero(x[:660] >= 1)
        run = done["arm", seed]
        assert run.hitting_step == (hits[0] if len(hits) else None)
        # Rounding to float32 grows by at most e^{h·1} a step where the well is unstable.
        np.testing.assert_allclose(run.curves["loss"], 1 - x[run.steps], atol=1e-3)


def test_a_run_is_over_when_it_hits(make_pool):
    arm = resolve_arm(_arm(temperature=1.0))
    done = drain(make_pool(arm), runs_of(arm, list(range(8)), horizon=4400), 4)
    assert {run.stop_reason for run in done.values()} == {"hit"}
    for run in done.values():
        assert run.hitting_step < run.steps[-1] <= run.hitting_step + 8 * 11 + 11
        row = outcome_row(run, 2.0, DetectorSettings(), "hit")
        assert (row["status"], row["event"]) == ("broke", 1)
        assert row["hitting_step"] == row["steps_run"] == run.hitting_step
        assert row.get("onset_step") is None


def test_a_run_that_never_hits_is_censored_at_its_horizon(make_pool):
    arm = resolve_arm(_arm(temperature=1e-6))
    (run,) = drain(make_pool(arm), runs_of(arm, [0], horizon=44), 4).values()
    row = outcome_row(run, 2.0, DetectorSettings(), "hit")
    assert (row["status"], row["event"], row["stop_reason"]) == ("stuck", 0, "horizon")
    assert (row["steps_run"], row.get("hitting_step")) == (44, None)


def test_what_comes_first_counts_on_any_grid(make_pool):
    """At a time step of 5 every run swings over the barrier, and a few steps later blows up."""
    arm = resolve_arm(_arm(step=5.0, temperature=10.0))
    found = []
    for eval_every in (1, 11):
        pool = make_pool(arm, eval_every=eval_every)
        done = drain(pool, runs_of(arm, list(range(8)), horizon=440), 4)
        rows = [outcome_row(done["arm", i], 2.0, DetectorSettings(), "hit") for i in range(8)]
        found.append([(row["status"], row.get("hitting_step")) for row in rows])
    assert found[0] == found[1]
    for run, row in zip(done.values(), rows, strict=True):
        assert (row["status"], row["event"], row["is_diverged_later"]) == ("broke", 1, True)
        # Beyond |x| = 1 the cubic term multiplies by 4 and more a step: a few steps to overflow.
        assert row["steps_run"] < run.diverged_step < 20


def test_a_run_that_waits_for_a_hit_is_never_settled(data_dir):
    """Its curve passes half of its way before the event, and says nothing of when that will be."""
    study = small_study(arms={"a": _arm()}, baseline=None, stop="settled", horizon=110)
    (group,) = expand(study, "cpu", data_dir=data_dir).programs
    assert (group.event, group.spec.stop) == ("hit", "horizon")


def test_noise_on_the_loss_is_no_divergence(make_pool):
    """Five losses in a row above their limit are nothing special at a fine time step."""
    arm = resolve_arm(_arm(step=1e-5))
    pool = make_pool(arm, detector=DetectorSettings(divergence_steps=5))
    for run in drain(pool, runs_of(arm, list(range(8)), horizon=4400), 4).values():
        high = run.batch_loss > 6.0
        assert np.any(np.convolve(high, np.ones(5), "valid") == 5)
        assert run.stop_reason == "horizon"


@pytest.mark.slow
def test_the_mean_wait_is_the_known_one(make_pool):
    """1,024 waits: the mean lies within 3 standard errors and 3 % of the scheme's own error."""
    arm = resolve_arm(_arm())
    pool = make_pool(arm, width=64, block=64, eval_every=100)
    done = drain(pool, runs_of(arm, list(range(1024)), horizon=66_300), 64)
    time = STEP * np.array([run.hitting_step for run in done.values()])
    exact = mean_wait(TEMPERATURE)
    error = time.std(ddof=1) / np.sqrt(len(time))
    assert abs(time.mean() - exact) < 3 * error + 0.03 * exact
    # Memoryless: the standard deviation of the wait is its mean.
    assert time.std() / time.mean() == pytest.approx(1.0, abs=0.15)
