"""Optimisers that the user writes: what they do, what is part of a study, and what is refused in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from engine import Arm, InputError, Study, run
from engine.models import make_model
from engine.store import open_existing
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.training.optimization import hyperparams, make_optimizer
from engine.training.optimizers.own import check_optimizer
from engine.training.trainer import Keys, Trainer
from tests.conftest import small_arm

FILE = "tests/training/own_optimizers.py"


def _arm(name: str, **fields: object) -> Arm:
    return resolve_arm(small_arm(optimizer=f"{FILE}:{name}", **fields))


def test_a_chain_does_what_optax_does():
    arm = _arm("chained", optimizer_args=("every=2", "size=0.5"), learning_rate=0.01)
    assert arm.optimizer_args == ("every=2", "size=0.5")
    make, numbers = make_optimizer(arm), hyperparams(arm)
    steps = optax.chain(optax.clip_by_global_norm(0.5), optax.add_decayed_weights(0.01), optax.adam(0.01))
    theirs = optax.MultiSteps(steps, 2)
    params = other = {"w": jnp.asarray([1.0, -2.0])}
    state, other_state = make(jnp.int32(0), numbers).init(params), theirs.init(params)
    for step in range(4):
        grads = jax.tree.map(lambda p: 3 * p, params)
        updates, state = make(jnp.int32(step), numbers).update(grads, state, params)
        params = optax.apply_updates(params, updates)
        updates, other_state = theirs.update(jax.tree.map(lambda p: 3 * p, other), other_state, other)
        other = optax.apply_updates(other, updates)
        np.testing.assert_allclose(params["w"], other["w"], rtol=1e-6)


def test_what_follows_the_loss_may_be_inside_of_something_else():
    arm = _arm("patient_in_twos")
    check_optimizer(arm, make_optimizer(arm), hyperparams(arm))


def test_what_follows_the_loss_is_given_that_of_the_batch():
    """At rate 0 the loss of one batch stays where it is, so the rate is halved again and again."""
    arm = _arm("patient", learning_rate=0.0, control="one_batch")
    check_optimizer(arm, make_optimizer(arm), hyperparams(arm))
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    trainer = Trainer(arm, task, make_model(arm, task.example_shape, task.num_outputs), "native")
    key, numbers = random_streams.root_key(0), {"learning_rate": jnp.float32(0)}
    state = trainer.init(Keys(key, key, key), jnp.asarray(trainer.laws(str(arm.init), arm.options)), numbers)
    draw = jax.tree.map(lambda leaf: leaf[0], trainer.draw(state, data, 1))
    for _ in range(7):
        parts = trainer.step(state, numbers, data, draw)
        state = parts.state
    waiting = state.opt_state[1]
    assert float(waiting.best_value) == float(parts.info.batch_loss)
    assert float(waiting.scale) == 0.125


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("no_transformation", {}, "expected an optax transformation, with init and update"),
        ("deciding", {}, r"decides by the value of the learning rate.*\(own_optimizers.py, line \d+\)"),
        ("raising", {}, r"fails: KeyError: 'pear' \(own_optimizers.py, line \d+\)"),
        ("chained", {"optimizer_args": ("sise=3",)}, "fails: TypeError.*sise"),
        ("chained", {"optimizer_args": ("size",)}, "optimizer_arg='size': expected name=value"),
        ("number", {}, "is no function"),
        ("chaind", {}, "did you mean 'chained'"),
    ],
)
def test_what_is_not_usable_is_refused_in_one_line(name, fields, words):
    def check() -> None:
        arm = _arm(name, **fields)
        check_optimizer(arm, make_optimizer(arm), hyperparams(arm))

    with pytest.raises(InputError, match=words) as refused:
        check()
    assert "\n" not in str(refused.value)


def test_arguments_need_an_optimiser_that_takes_them():
    with pytest.raises(InputError, match="has no effect with optimizer=adam"):
        resolve_arm(small_arm(optimizer_args=("size=3",)))
    # Another optimiser has other arguments.
    assert _arm("chained", optimizer_args=("size=3",)).replace(optimizer="adam").optimizer_args == ()


def test_its_source_is_part_of_the_study(tmp_path, data_dir, cache_dir):
    arms = {"own": _arm("chained", learning_rate=1e-2)}
    study = Study(name="own", question="?", arms=arms, seeds=2, horizon=44)
    run(study, tmp_path, workers=0, quiet=True, has_report=False, data_dir=data_dir, compilation_cache=cache_dir)
    identity = open_existing(tmp_path).document["identity"]
    assert len(identity["optimizer_source"]["own"]) == 64
