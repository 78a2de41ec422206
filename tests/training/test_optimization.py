"""One table over all optimisers: traced numbers do what optax does with plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from engine.arms.arm import Arm, fill_in, identity_fields, structure
from engine.errors import InputError
from engine.training.optimization import hyperparams, make_optimizer
from engine.training.registry import OPTIMIZERS, SCHEDULES

NATIVE = {
    "sgd": (Arm(optimizer="sgd", momentum=0.8, nesterov=True), lambda r: optax.sgd(r, 0.8, True)),
    "adam": (Arm(optimizer="adam", epsilon=1e-6), lambda r: optax.adam(r, eps=1e-6)),
    "adamw": (
        Arm(optimizer="adamw", beta2=0.99, weight_decay=0.1),
        lambda r: optax.adamw(r, b2=0.99, weight_decay=0.1),
    ),
    "rmsprop": (
        Arm(optimizer="rmsprop", momentum=0.5),
        lambda r: optax.rmsprop(r, 0.9, 1e-8, eps_in_sqrt=False, momentum=0.5),
    ),
    "lion": (Arm(optimizer="lion", beta1=0.95), lambda r: optax.lion(r, 0.95)),
    "adabelief": (Arm(optimizer="adabelief", epsilon=1e-12), lambda r: optax.adabelief(r, eps=1e-12)),
    "adadelta": (Arm(optimizer="adadelta", beta2=0.8), lambda r: optax.adadelta(r, 0.8)),
    "adagrad": (Arm(optimizer="adagrad", initial_accumulator_value=0.3), lambda r: optax.adagrad(r, 0.3)),
    "adamax": (Arm(optimizer="adamax", beta1=0.8), lambda r: optax.adamax(r, 0.8)),
    "adan": (Arm(optimizer="adan", beta3=0.9, weight_decay=0.1), lambda r: optax.adan(r, b3=0.9, weight_decay=0.1)),
    "amsgrad": (Arm(optimizer="amsgrad", beta2=0.9), lambda r: optax.amsgrad(r, b2=0.9)),
    "adafactor": (Arm(optimizer="adafactor"), lambda r: optax.adafactor(r)),
    "muon": (
        Arm(optimizer="muon", momentum=0.9, weight_decay=0.1),
        lambda r: optax.contrib.muon(r, beta=0.9, weight_decay=0.1),
    ),
    "lamb": (Arm(optimizer="lamb", weight_decay=0.1), lambda r: optax.lamb(r, weight_decay=0.1)),
    "lars": (
        Arm(optimizer="lars", trust_coefficient=0.01, momentum=0.5),
        lambda r: optax.lars(r, trust_coefficient=0.01, momentum=0.5),
    ),
    "nadam": (Arm(optimizer="nadam", epsilon=1e-6), lambda r: optax.nadam(r, eps=1e-6)),
    "nadamw": (Arm(optimizer="nadamw", weight_decay=0.1), lambda r: optax.nadamw(r, weight_decay=0.1)),
    "novograd": (Arm(optimizer="novograd", beta2=0.5), lambda r: optax.novograd(r, b2=0.5)),
    "radam": (Arm(optimizer="radam", beta2=0.9), lambda r: optax.radam(r, b2=0.9)),
    "rprop": (Arm(optimizer="rprop"), optax.rprop),
    "sign_sgd": (Arm(optimizer="sign_sgd"), optax.sign_sgd),
    "sm3": (Arm(optimizer="sm3", momentum=0.5), lambda r: optax.sm3(r, 0.5)),
    "yogi": (Arm(optimizer="yogi", epsilon=1e-2), lambda r: optax.yogi(r, eps=1e-2)),
}


def _trajectory(optimizer_at, numbers):
    params = {"w": jnp.array([[1.0, -2.0], [3.0, 0.3]]), "b": jnp.array([0.5])}
    state = optimizer_at(jnp.int32(0), numbers).init(params)
    for step in range(6):
        grads = jax.tree.map(lambda p: jnp.sin(3 * p), params)
        updates, state = optimizer_at(jnp.int32(step), numbers).update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


def test_the_table_is_complete():
    assert set(NATIVE) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", list(NATIVE))
def test_traced_numbers_do_what_optax_does(name):
    arm, native = NATIVE[name]
    arm = fill_in(arm.replace(init="he"))
    num_traces = 0

    def ours(numbers):
        nonlocal num_traces
        num_traces += 1
        return _trajectory(make_optimizer(arm), numbers)

    compiled = jax.jit(ours)
    theirs = jax.jit(lambda: _trajectory(lambda step, _: native(1e-3), None))()
    for key, value in compiled(hyperparams(arm)).items():
        np.testing.assert_allclose(value, theirs[key], rtol=2e-6)
    compiled({name: value * 0.5 for name, value in hyperparams(arm).items()})
    assert num_traces == 1


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad", "yogi"])
def test_decay_is_a_part_of_the_gradient(name):
    arm, native = NATIVE[name]
    arm = fill_in(arm.replace(init="he", weight_decay=0.3))
    theirs = optax.chain(optax.add_decayed_weights(0.3), native(1e-3))
    found = _trajectory(make_optimizer(arm), hyperparams(arm))
    expected = _trajectory(lambda step, _: theirs, None)
    plain = _trajectory(lambda step, _: native(1e-3), None)
    for key, value in found.items():
        np.testing.assert_allclose(value, expected[key], rtol=2e-6)
        assert (value != plain[key]).any()


def test_an_optimiser_without_decay_has_the_program_that_it_had():
    plain, decayed = (fill_in(Arm(optimizer="sgd", init="he", weight_decay=decay)) for decay in (None, 0.0))
    assert "weight_decay" not in {**hyperparams(plain), **identity_fields(plain)}
    assert structure(plain) != structure(decayed), "one takes a number more"


@pytest.mark.parametrize(
    ("arm", "native"),
    [
        (Arm(), optax.constant_schedule(1.0)),
        (Arm(schedule="warmup", warmup_steps=10), optax.linear_schedule(0.0, 1.0, 10)),
        (Arm(schedule="warmup"), optax.constant_schedule(1.0)),
        (
            Arm(schedule="cosine", warmup_steps=10, decay_steps=30, end_fraction=0.1),
            optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 40, 0.1),
        ),
        (Arm(schedule="cosine", decay_steps=30), optax.cosine_decay_schedule(1.0, 30)),
        (Arm(schedule="exponential", transition_steps=7, decay_rate=0.3), optax.exponential_decay(1.0, 7, 0.3)),
        (
            Arm(schedule="step", transition_steps=7, decay_rate=0.3),
            optax.exponential_decay(1.0, 7, 0.3, staircase=True),
        ),
        (Arm(schedule="linear", decay_steps=30, end_fraction=0.2), optax.linear_schedule(1.0, 0.2, 30)),
        (
            Arm(schedule="linear", warmup_steps=10, decay_steps=30),
            optax.join_schedules([optax.linear_schedule(0.0, 1.0, 10), optax.linear_schedule(1.0, 0.0, 30)], [10]),
        ),
        (Arm(schedule="one_cycle", cycle_steps=50, end_fraction=4e-6), optax.cosine_onecycle_schedule(50, 1.0)),
        (
            Arm(schedule="restarts", decay_steps=20, end_fraction=0.1),
            optax.join_schedules([optax.cosine_decay_schedule(1.0, 20, 0.1)] * 3, [20, 40]),
        ),
    ],
)
def test_schedules_do_what_optax_does(arm, native):
    arm = fill_in(arm.replace(init="he"))
    factor = jax.jit(SCHEDULES.load(arm.schedule).factor)
    for step in range(0, 60, 3):
        found = float(factor(jnp.float32(step), hyperparams(arm)))
        # Single precision: a cosine near its zero is right to 1e-7 of its peak.
        assert found == pytest.approx(float(native(step)), abs=3e-7)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"optimizer": "sgd", "beta1": 0.9}, "beta1=0.9 has no effect with optimizer=sgd"),
        ({"optimizer": "adam", "nesterov": True}, "no effect"),
        ({"optimizer": "lion", "epsilon": 0.1}, "no effect"),
        ({"schedule": "cosine"}, "needs decay_steps"),
        ({"warmup_steps": 5}, "no effect with schedule=constant"),
        ({"schedule": "step"}, "needs transition_steps"),
        ({"schedule": "expnential"}, "did you mean 'exponential'"),
    ],
)
def test_what_has_no_effect_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        fill_in(Arm(**fields))
