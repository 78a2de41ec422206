"""Networks that are born dead: the exact share, and that the runs it counts are the dead ones."""

import dataclasses

import jax
import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.models import make_model
from engine.models.initial import draw_params, leaf_laws
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.theory.dead_relu import bias_alone, born_dead, predict
from tests.conftest import drain, runs_of
from tests.theory.measuring import measured

NUM_RUNS = 64
INPUTS = np.linspace(1 / 32, 1, 32)


def _arm(**fields: object) -> Arm:
    return resolve_arm(
        Arm(
            **{
                "dataset": "ramp", "model": "mlp", "dense_widths": (2, 3), "init": "he",
                "optimizer": "sgd", "learning_rate": 0.05, "batch_size": 32, **fields,
            }  # type: ignore[arg-type]
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(make_pool):
    arm = _arm()
    pool = make_pool(arm, width=NUM_RUNS, block=NUM_RUNS)
    done = drain(pool, runs_of(arm, list(range(NUM_RUNS)), 440), NUM_RUNS)
    chance = build_task(arm, load_data(arm, 0, None)).chance_loss
    found = measured([done["arm", seed] for seed in range(NUM_RUNS)], chance)
    is_stuck = found.loss.values[:, -1] > 0.8 * chance
    return found._replace(status=["stuck" if stuck else "no_plateau" for stuck in is_stuck])


def _is_dead_at_start(arm: Arm) -> np.ndarray:
    """Whether a run's last hidden layer is off for every input, from its own weights."""
    example = jax.ShapeDtypeStruct((1, 1), np.float32)
    shapes, _ = jax.eval_shape(make_model(arm, (8, 8, 1), 1).init, random_streams.root_key(0), example)
    laws = leaf_laws(shapes, str(arm.init), {})
    found = []
    for seed in range(NUM_RUNS):
        params = draw_params(random_streams.stream(0, "init", seed), shapes, laws)
        hidden = INPUTS[:, None]
        for i in range(len(arm.dense_widths)):
            hidden = np.maximum(hidden @ np.asarray(params[f"Dense_{i}"]["kernel"], np.float64), 0)
        found.append(not hidden.any())
    return np.array(found)


@pytest.mark.parametrize(
    ("widths", "exact"), [((1,), 1 / 2), ((2,), 1 / 4), ((2, 2), 7 / 16), ((3, 1), 9 / 16), ((2, 3, 4), 197 / 512)]
)
def test_the_share_is_exact(widths, exact):
    assert born_dead(widths) == pytest.approx(exact, rel=1e-15)


def test_the_share_is_that_of_drawn_networks():
    """Uniform weights, as any symmetric law will do; four standard errors of 20,000 networks."""
    generator, number = np.random.default_rng(0), 20_000
    hidden = np.ones((number, 1, 1))
    for width in (3, 2, 4):
        weights = generator.uniform(-1, 1, (number, hidden.shape[2], width))
        hidden = np.maximum(hidden @ weights, 0.0)
    share, exact = np.mean(~hidden.any(axis=(1, 2))), born_dead((3, 2, 4))
    assert share == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / number))


def test_a_bias_alone_goes_to_chance_from_the_mean_square():
    loss = bias_alone(np.arange(0, 3001, 1), 0.05)
    assert loss[0] == pytest.approx(0.5 * np.mean(INPUTS**2), rel=1e-14)
    assert loss[-1] == pytest.approx(0.5 * np.var(INPUTS), rel=1e-12)
    bias = 0.0
    for step in range(50):
        assert loss[step] == pytest.approx(0.5 * np.mean((INPUTS - bias) ** 2), rel=1e-12)
        bias -= 0.05 * (bias - INPUTS.mean())


def test_the_runs_that_count_as_born_dead_are_those(runs):
    is_dead = _is_dead_at_start(runs.arm)
    assert 10 < is_dead.sum() < 40
    prediction = predict({"a": runs})
    (check,) = prediction.checks
    assert check.measured.value == is_dead.mean()
    assert check.is_met
    (curve,) = prediction.curves
    gaps = np.abs(runs.loss.values - curve.values).max(axis=1)
    # Rounding of 440 steps of a bias on one side, what a living network does on the other.
    assert gaps[is_dead].max() < 1e-6
    assert gaps[~is_dead].min() > 1e-3


def test_those_that_die_later_are_told_apart(runs):
    note = predict({"a": runs}).notes[0]
    num_stuck = sum(status == "stuck" for status in runs.status)
    num_dead = int(_is_dead_at_start(runs.arm).sum())
    assert num_stuck > num_dead
    assert f"{num_dead} were born dead" in note
    assert f"{num_stuck} stuck" in note
    assert "died in training" in note


def test_another_share_is_found_out(runs):
    """The same runs, said to be wider than they are."""
    wider = runs._replace(arm=dataclasses.replace(runs.arm, dense_widths=(8, 8)))
    (check,) = predict({"a": wider}).checks
    assert not check.is_met


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"activation": "leaky_relu"}, "activation=leaky_relu"),
        ({"batch_norm": True}, "batch_norm=True"),
        ({"init": "normal", "init_scale": 1.0}, "init=normal"),
        ({"optimizer": "adam", "momentum": None}, "optimizer=adam"),
        ({"dataset": "line", "slope": 1.0}, "dataset=line"),
    ],
)
def test_what_nothing_is_known_of_is_said(runs, fields, words):
    arm = resolve_arm(dataclasses.replace(_arm(momentum=0.0), **fields))
    prediction = predict({"other": runs._replace(arm=arm)})
    assert not prediction.checks
    (note,) = prediction.notes
    assert words in note


@pytest.mark.parametrize(("dataset", "batch_size", "words"), [("ramp", 64, "expected 32"), ("line", 3, "even number")])
def test_a_batch_that_is_not_the_whole_is_refused(dataset, batch_size, words):
    arm = resolve_arm(Arm(dataset=dataset, model="mlp", batch_size=batch_size))
    with pytest.raises(InputError, match=words) as caught:
        build_task(arm, load_data(arm, 0, None))
    assert f"batch_size={batch_size}" in str(caught.value)
