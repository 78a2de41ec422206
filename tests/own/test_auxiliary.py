"""Networks with several outputs: the first is evaluated, and the others are trained on too where that is asked for."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from engine import Arm, InputError
from engine.models import check_fit, make_model
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from tests.conftest import drain, runs_of
from tests.own import auxiliary

FILE = auxiliary.__file__
KEY = random_streams.root_key(0)
INPUTS = jax.random.normal(KEY, (4, 8, 8, 1))
_RATE, _STEPS, _WEIGHT = 0.1, 11, 0.3
_PACKAGES = {"torch": "torchax", "keras": "keras", "haiku": "haiku", "equinox": "equinox"}


def _arm(name: str, weight: float | None, *args: str, **fields: object) -> Arm:
    return resolve_arm(Arm(model=f"{FILE}:{name}", model_args=args, auxiliary_weight=weight, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Linen", *_PACKAGES])
def test_the_others_are_trained_on_with_their_weight(name, make_pool):
    """Against a loop of the pure functions, to rounding; what is recorded is the loss of the first alone."""
    if name in _PACKAGES and importlib.util.find_spec(_PACKAGES[name]) is None:
        pytest.skip(f"needs {_PACKAGES[name]}")
    arm = _arm(name, _WEIGHT, optimizer="sgd", learning_rate=_RATE)
    check_fit(arm, (8, 8, 1), 10)
    model = make_model(arm, (8, 8, 1), 10)
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    key = random_streams.root_key(3)
    start = model.init(key, INPUTS) if model.written is None else model.written(3)
    params, state = jax.tree.map(jnp.asarray, start)
    (outputs, [second]), _ = model.train_all(params, state, INPUTS, key)
    assert outputs.shape == second.shape == (4, 10)
    np.testing.assert_allclose(model.batch_apply(params, state, INPUTS), outputs, rtol=1e-4, atol=1e-5)
    assert not np.allclose(outputs, second, atol=1e-2)

    @jax.jit
    def step(params, x, y):
        def loss_fn(params):
            (first, [second]), _ = model.train_all(params, state, x, key)
            losses = [optax.softmax_cross_entropy_with_integer_labels(found, y).mean() for found in (first, second)]
            return losses[0] + _WEIGHT * losses[1], losses[0]

        grads, loss = jax.grad(loss_fn, has_aux=True)(params)
        return jax.tree.map(lambda p, g: p - _RATE * g, params, grads), loss

    losses = []
    for rows in task.draw(data, random_streams.stream(jnp.uint32(0), "order", 3), jnp.int32(0), _STEPS):
        params, loss = step(params, data["inputs"][rows], data["labels"][rows])
        losses.append(float(loss))
    found = drain(make_pool(arm, 1), runs_of(arm, [3], _STEPS), 1)["arm", 3]
    np.testing.assert_allclose(found.batch_loss, losses, rtol=2e-5)


def test_a_weight_of_zero_takes_the_first_alone(make_pool):
    with_weight, without = (_arm("Linen", weight) for weight in (_WEIGHT, 0.0))
    runs = [drain(make_pool(arm, 1), runs_of(arm, [0], 11), 1)["arm", 0] for arm in (with_weight, without)]
    assert runs[0].batch_loss[0] == runs[1].batch_loss[0]
    assert runs[0].batch_loss[-1] != runs[1].batch_loss[-1]


@pytest.mark.parametrize(
    ("name", "weight", "args", "words"),
    [
        ("Linen", None, (), r"returns a tuple: expected one array of outputs: --auxiliary_weight=0 takes the first"),
        ("Linen", 0.3, ("extra=1",), "auxiliary_weight=0.3 has no effect .* no further output of the same shape"),
        ("Unnamed", 0.3, (), "returns a dictionary of 'first', 'second': expected .* one called logits or outputs"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(name, weight, args, words):
    with pytest.raises(InputError, match=words) as refused:
        check_fit(_arm(name, weight, *args), (8, 8, 1), 10)
    assert "\n" not in str(refused.value)


def test_it_belongs_to_networks_of_the_users():
    with pytest.raises(InputError, match=r"auxiliary_weight=0\.3 has no effect with model=mlp"):
        resolve_arm(Arm(model="mlp", auxiliary_weight=0.3))
