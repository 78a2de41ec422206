"""The null walk against optimisers that are fed with noise."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.studies.study import resolve_arm
from engine.training.optimization import hyperparams, make_optimizer
from engine.training.probes.displacement import noise_size, start_walk, walk_on

_NUM_PARAMS, _NUM_STEPS, _CHUNK = 20_000, 240, 24
_FIELDS = {
    "adam": {"optimizer": "adam"},
    "adam_large_epsilon": {"optimizer": "adam", "epsilon": 0.3},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.0},
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.5},
    "schedule": {"optimizer": "sgd", "schedule": "cosine", "decay_steps": 200},
}


class _StepParts(NamedTuple):
    grads: object
    state: object


class _State(NamedTuple):
    opt_state: object
    step: jax.Array


class _Snapshot(NamedTuple):
    state: _State
    hyperparams: object
    first: _StepParts


_FAST = ("adam", "nesterov", "rmsprop")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in _FAST)) for n in _FIELDS])
def test_the_walk_on_noise_is_the_one_that_is_simulated(name):
    arm = resolve_arm(Arm(learning_rate=1e-2, **_FIELDS[name]))
    numbers = {key: jnp.float32(value) for key, value in hyperparams(arm).items()}
    optimizer_at = make_optimizer(arm)
    deviation = 0.1

    def step(carry, index):
        params, opt_state = carry
        key = jax.random.fold_in(jax.random.key(0), index)
        grads = deviation * jax.random.normal(key, (_NUM_PARAMS,))
        updates, new = optimizer_at(index, numbers).update(grads, opt_state, params)
        snapshot = _Snapshot(_State(opt_state, index), numbers, _StepParts([grads], _State(new, index + 1)))
        return (params + updates, new), (jnp.sum(params**2), noise_size(arm, snapshot))

    params = jnp.zeros(_NUM_PARAMS)
    opt_state = optimizer_at(jnp.int32(0), numbers).init(params)
    steps = jnp.arange(_NUM_STEPS + 1)
    _, (squared, noise) = jax.jit(lambda c: jax.lax.scan(step, c, steps))((params, opt_state))
    walk, expected = start_walk(), []
    for first in range(0, _NUM_STEPS, _CHUNK):
        walk = walk_on(arm, walk, noise[first], jnp.int32(first), numbers, _CHUNK)
        expected.append(float(walk.displacement))
    measured = np.asarray(squared)[_CHUNK::_CHUNK]
    if name == "adam_large_epsilon":
        # The first v̂ is of one gradient. Where ε is as large as that, the first interval is short.
        expected, measured = (np.asarray(a)[1:] - a[0] for a in (expected, measured))
    # The sum of 20,000 squares of normal variables scatters by 1 %; the first steps of Adam and
    # RMSProp, whose second moment is of few gradients, add some per cent.
    np.testing.assert_allclose(expected[1:], measured[1:], rtol=0.04 if "sgd" in name else 0.08)


def test_late_adam_goes_one_rate_a_step_and_parameter():
    arm = resolve_arm(Arm(optimizer="adam", learning_rate=1e-3))
    numbers = {key: jnp.float32(value) for key, value in hyperparams(arm).items()}
    noise = jnp.float32(50.0)  # that many parameters with √v̂ ≫ ε
    walk = walk_on(arm, start_walk(), noise, jnp.int32(0), numbers, 1000)
    later = walk_on(arm, walk, noise, jnp.int32(1000), numbers, 1000)
    gained = float(later.displacement - walk.displacement)
    # The correction of the start is 1 − 0.9^1000, and gone.
    assert gained == pytest.approx(1e-6 * 50 * 1000, rel=1e-3)


def test_late_momentum_goes_further_by_its_square():
    arm = resolve_arm(Arm(optimizer="sgd", momentum=0.9, learning_rate=1e-2))
    numbers = {key: jnp.float32(value) for key, value in hyperparams(arm).items()}
    walk = walk_on(arm, start_walk(), jnp.float32(3.0), jnp.int32(0), numbers, 1000)
    later = walk_on(arm, walk, jnp.float32(3.0), jnp.int32(1000), numbers, 1000)
    gained = float(later.displacement - walk.displacement)
    assert gained == pytest.approx(1e-4 * 3.0 * 1000 / 0.1**2, rel=1e-3)
