"""The engine's training against the loop that anybody would write by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from engine.arms.arm import Arm
from engine.models import MODELS, make_model
from engine.models.initial import leaf_laws
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.training.optimization import hyperparams
from engine.training.trainer import Keys, Trainer
from tests.conftest import drain, runs_of, small_arm

CASES = {
    "mlp": small_arm(learning_rate=1e-3),
    "mlp_norm": small_arm(batch_norm=True),
    "cnn8": Arm(conv_widths=(4, 4), pool_after=(1, 2), dense_widths=(8,), init="he"),
    "cnn8_norm": Arm(conv_widths=(4, 4), pool_after=(2,), dense_widths=(8,), init="he", batch_norm=True),
}


def _by_hand(arm: Arm, data: dict, seed: int, num_steps: int) -> list[float]:
    """One seed, native operations, the textbook's loop; the batches are those of the task."""
    arm = resolve_arm(arm)
    task = build_task(arm, data)
    module: nn.Module = MODELS.load(arm.model).build(arm, 10)
    trainer = Trainer(arm, task, make_model(arm, (8, 8, 1), 10), "native")
    keys = Keys(*(random_streams.stream(0, role, seed) for role in Keys._fields))
    laws = leaf_laws(trainer.param_shapes, arm.init, arm.options)
    start = trainer.init(keys, laws, hyperparams(arm))
    params, state = start.params, start.model_state
    optimizer = optax.adam(arm.learning_rate)
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params, state, opt_state, x, y):
        def loss_fn(params):
            logits, new = module.apply({"params": params, **state}, x, False, True, mutable=list(state))
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new

        (loss, new_state), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state)
        return optax.apply_updates(params, updates), dict(new_state), opt_state, loss

    losses = []
    order = np.asarray(task.draw(data, keys.order, jnp.int32(0), num_steps))
    for rows in order:
        batch = data["inputs"][rows], data["labels"][rows]
        params, state, opt_state, loss = step(params, state, opt_state, *batch)
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize(
    "case", [pytest.param(n, marks=pytest.mark.long) if n.startswith("cnn8") else n for n in CASES]
)
def test_agrees_with_a_loop_by_hand(case, make_pool, data_dir):
    arm = CASES[case]
    data = load_data(resolve_arm(arm), 0, data_dir)
    finished = drain(make_pool(arm), runs_of(arm, [0, 5]), 4)
    for seed in (0, 5):
        ours = finished["arm", seed].batch_loss
        # Rounding of 1e-7 a step grows with the steps; 1e-4 after 44 leaves room for that only.
        np.testing.assert_allclose(ours, _by_hand(arm, data, seed, 44), rtol=1e-4, atol=1e-5)


def test_running_averages_lag_and_have_a_curve_of_their_own(make_pool):
    arm = small_arm(batch_norm=True)
    run = drain(make_pool(arm), runs_of(arm, [0]), 4)["arm", 0]
    assert set(run.curves) == {"loss", "accuracy"}
    assert set(run.inspected) == {"average_loss", "held_out_loss", "held_out_accuracy"}
    np.testing.assert_array_equal(run.inspected_steps, [0, 44])
    assert run.inspected["average_loss"][1] > run.curves["loss"][-1]
    without = small_arm()
    run = drain(make_pool(without), runs_of(without, [0]), 4)["arm", 0]
    assert "average_loss" not in run.inspected


def test_fresh_examples_and_squared_error(make_pool):
    arm = small_arm(dataset="teacher", learning_rate=1e-2)
    run = drain(make_pool(arm), runs_of(arm, [0], horizon=220), 4)["arm", 0]
    assert "accuracy" not in run.curves
    assert run.curves["loss"][-1] < 0.5 * run.curves["loss"][0]


def test_curves_have_a_point_at_every_evaluation(make_pool):
    arm = small_arm()
    run = drain(make_pool(arm, eval_every=11), runs_of(arm, [0], horizon=121), 4)["arm", 0]
    np.testing.assert_array_equal(run.steps, np.arange(0, 122, 11))
    assert all(curve.shape == (12,) for curve in run.curves.values())
    np.testing.assert_array_equal(run.inspected_steps, [0, 88, 121])
    assert all(curve.shape == (3,) for curve in run.inspected.values())
    assert run.batch_loss.shape == (121,)


def test_the_seed_roles_can_be_held_fixed_one_by_one(make_pool):
    """With one init seed the loss at step 0 is shared; with one order seed the batches are."""
    arm = small_arm()
    base = runs_of(arm, [0])[0]
    others = [
        base._replace(seed=1, order_seed=9),
        base._replace(seed=2, init_seed=9),
        base._replace(seed=3, noise_seed=9),
    ]
    done = drain(make_pool(arm), [base, *others], 4)
    curves = [done["arm", seed].curves["loss"] for seed in range(4)]
    assert curves[1][0] == curves[0][0]
    assert curves[1][1] != curves[0][1]
    assert curves[2][0] != curves[0][0]
    # Without dropout nothing is drawn from the noise stream.
    np.testing.assert_array_equal(curves[3], curves[0])
