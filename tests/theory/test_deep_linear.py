"""Chains that the engine trains against what is known of them, and what nothing is known of."""

import dataclasses

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.lanes.runs import Run
from engine.studies.study import resolve_arm
from engine.theory.comparison import Prediction
from engine.theory.deep_linear import predict
from tests.conftest import drain, runs_of
from tests.theory.measuring import measured

SLOPE = 2.0
CHANCE = SLOPE**2 / 2


def _arm(**fields: object) -> Arm:
    return resolve_arm(
        Arm(
            **{
                "dataset": "line", "slope": SLOPE, "model": "chain", "batch_size": 2, "depth": 3,
                "init": "constant", "init_scale": 0.3, "optimizer": "sgd", "learning_rate": 1e-3,
                **fields,
            }  # type: ignore[arg-type]
        )
    )  # fmt: skip


def _checks(prediction: Prediction) -> dict[str, float]:
    return {check.quantity: check.deviation for check in prediction.checks}


@pytest.fixture(scope="module")
def balanced(make_pool):
    """One start at three step sizes, by learning rate."""
    rates = (4e-3, 2e-3, 1e-3)
    arms = {rate: _arm(learning_rate=rate) for rate in rates}
    runs = [Run(str(rate), arms[rate], 0, 0, 0, 0, round(2.2 / rate)) for rate in rates]
    done = drain(make_pool(arms[1e-3], eval_every=2), runs, 4)
    return {rate: measured([done[str(rate), 0]], CHANCE) for rate in rates}


def test_what_is_left_is_the_step_size(balanced):
    """Every deviation from gradient flow halves with the learning rate, up to a tenth."""
    found = [_checks(predict({"a": balanced[rate]})) for rate in balanced]
    for quantity in ("half time", "whole curve, largest distance"):
        first, second, third = (one[quantity] for one in found)
        assert 0 < third < 0.003
        assert first / second == pytest.approx(2.0, abs=0.2)
        assert second / third == pytest.approx(2.0, abs=0.2)


def test_runs_of_another_clock_are_found_out(balanced):
    """A hundredth more or less of learning rate than was said, and nothing agrees."""
    runs = balanced[1e-3]
    assert all(check.is_met for check in predict({"a": runs}).checks)
    for factor in (0.99, 1.01):
        arm = dataclasses.replace(runs.arm, learning_rate=factor * 1e-3)
        wrong = predict({"a": runs._replace(arm=arm)}).checks
        assert not any(check.is_met for check in wrong if "slope" not in check.quantity)


@pytest.mark.parametrize(
    ("optimizer", "rate", "depth", "deviation", "horizon"), [("sgd", 1e-3, 2, 0.3, 1980), ("adam", 1e-3, 4, 0.4, 1100)]
)
def test_every_random_start_is_followed(make_pool, optimizer, rate, depth, deviation, horizon):
    arm = _arm(optimizer=optimizer, learning_rate=rate, depth=depth, init="normal", init_scale=deviation)
    done = drain(make_pool(arm, width=16, block=16), runs_of(arm, list(range(16)), horizon), 16)
    prediction = predict({"a": measured(list(done.values()), CHANCE)})
    assert all(check.is_met for check in prediction.checks)
    (curve,) = prediction.curves
    assert curve.values.shape[0] == 16
    # Half of the products start below zero, where the loss begins above chance.
    assert 0 < np.count_nonzero(curve.values[:, 0] > CHANCE) < 16
    assert any("furthest off" in check.quantity for check in prediction.checks)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"momentum": 0.9}, "momentum=0.9"),
        ({"optimizer": "lion", "momentum": None}, "optimizer=lion"),
        ({"schedule": "warmup"}, "schedule=warmup"),
        ({"init": "he", "init_scale": None}, "init=he"),
        ({"precision": "bfloat16"}, "precision=bfloat16"),
        ({"model": "mlp", "depth": None}, "model=mlp"),
    ],
)
def test_what_nothing_is_known_of_is_said(balanced, fields, words):
    runs = balanced[1e-3]
    other = runs._replace(arm=resolve_arm(dataclasses.replace(_arm(), **fields)))
    prediction = predict({"known": runs, "other": other})
    assert {check.arm for check in prediction.checks} == {"known"}
    (note,) = prediction.notes
    assert "“other”" in note
    assert words in note


def test_a_run_that_diverged_is_no_agreement(balanced):
    runs = balanced[1e-3]
    values = runs.loss.values.copy()
    values[:, 5:] = np.nan
    lost = runs._replace(curves={"loss": runs.loss._replace(values=values)})
    by_quantity = {check.quantity: check for check in predict({"a": lost}).checks}
    assert not by_quantity["half time"].is_met


def test_a_median_without_an_end_is_not_compared(make_pool):
    arm = _arm(depth=2, init="normal", init_scale=0.3)
    done = drain(make_pool(arm, width=16, block=16), runs_of(arm, [0, 1, 2], 198), 16)
    prediction = predict({"a": measured(list(done.values()), CHANCE)})
    assert not any("median" in check.quantity for check in prediction.checks)
    assert any("median half time of “a” is not compared" in note for note in prediction.notes)


def test_a_horizon_before_the_half_time_is_said(balanced):
    runs = balanced[1e-3]
    short = runs.loss._replace(steps=runs.loss.steps[:50], values=runs.loss.values[:, :50])
    prediction = predict({"a": runs._replace(curves={"loss": short}, horizon=98)})
    assert any("no half time" in note for note in prediction.notes)
    assert all(check.is_met for check in prediction.checks)
