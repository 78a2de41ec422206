"""Networks of other libraries under the seed axis, against the libraries' own loops, one seed at a time."""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine import Arm
from engine.models import make_model
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from tests.conftest import drain, runs_of
from tests.libraries import loops

_RATE, _STEPS, _SEEDS = 3e-2, 22, [0, 3]
NETWORKS = [
    *(("torch", name) for name in ("CNN", "ResNet", "Transformer", "LSTM", "Frozen", "Subclassed", "Making")),
    *(
        ("keras", name)
        for name in ("cnn", "resnet", "Transformer", "lstm", "gru", "frozen", "Plain", "with_penalty", "with_activity")
    ),
    *(("haiku", name) for name in ("CNN", "resnet", "transformer", "LSTM")),
    *(("equinox", name) for name in ("CNN", "ResNet", "Transformer", "GRU", "mlp")),
]
NORMALISED = [("torch", "CNN"), ("keras", "cnn"), ("haiku", "CNN"), ("equinox", "CNN")]
OTHERS_WITH_DROPOUT = [("torch", "Transformer"), ("keras", "Transformer"), ("keras", "Plain")]
_NEEDED = {"torch": "torch", "keras": "keras", "haiku": "haiku", "equinox": "equinox"}


def arm_of(library: str, name: str, **fields: Any) -> Arm:
    """Returns an arm of one of the networks beside this file, which is skipped where its library is missing."""
    if importlib.util.find_spec(_NEEDED[library]) is None:
        pytest.skip(f"{_NEEDED[library]} is not installed")
    place = f"tests/libraries/{library}_networks.py:{name}"
    return resolve_arm(Arm(model=place, **{"init": "as_written", **fields}))


@pytest.mark.bits
@pytest.mark.parametrize(("library", "name"), NETWORKS)
def test_it_trains_as_its_library_does(library, name, make_pool, data_dir):
    """From the same start, on the same batches: to rounding, which a step of SGD multiplies by little."""
    arm = arm_of(library, name, optimizer="sgd", learning_rate=_RATE, batch_size=16)
    found = drain(make_pool(arm, width=2, block=2), runs_of(arm, _SEEDS, _STEPS), 2)
    data = load_data(arm, 0, data_dir)
    task = build_task(arm, data)
    for seed in _SEEDS:
        draws = task.draw(data, random_streams.stream(jnp.uint32(0), "order", seed), jnp.int32(0), _STEPS)
        batches = [(data["inputs"][rows], data["labels"][rows]) for rows in np.asarray(draws)]
        own = getattr(loops, f"{library}_loop")(name, batches, seed, _RATE)
        np.testing.assert_allclose(found["arm", seed].batch_loss, own, rtol=1e-4)
        assert abs(own[-1] - own[0]) > 5e-4


def _starts(library: str, name: str, seed: int) -> list[np.ndarray]:
    """Returns what the library itself starts from, in its own order."""
    module = importlib.import_module(f"tests.libraries.{library}_networks")
    named, key = getattr(module, name), jax.random.PRNGKey(seed)
    if library == "torch":
        import torch

        torch.manual_seed(seed)
        return [p.detach().numpy() for p in named().parameters() if p.requires_grad]
    if library == "keras":
        import keras

        keras.utils.set_random_seed(seed)
        model = named()
        model(np.zeros((1, 8, 8, 1), np.float32))
        return [np.asarray(v) for v in model.trainable_variables]
    if library == "haiku":
        import haiku as hk

        example = jnp.zeros((1, 8, 8, 1))
        if isinstance(named, type):
            network = hk.transform_with_state(lambda x, **values: named()(x, **values))
            switch = {"is_training": True} if name == "CNN" else {}
            return jax.tree.leaves(network.init(key, example, **switch)[0])
        if name == "resnet":
            return jax.tree.leaves(named.init(key, example, is_training=True)[0])
        return jax.tree.leaves(named().init(key, example))
    import equinox as eqx

    return jax.tree.leaves(eqx.filter(eqx.nn.make_with_state(named)(key=key)[0], eqx.is_inexact_array))


@pytest.mark.bits
@pytest.mark.parametrize(("library", "name"), NETWORKS)
def test_seed_by_seed_it_starts_where_its_library_does(library, name, make_pool):
    arm = arm_of(library, name, optimizer="sgd", learning_rate=_RATE, batch_size=16)
    pool = make_pool(arm, width=2, block=2)
    pool.fill(runs_of(arm, [2, 5], 11))
    for lane, seed in enumerate((2, 5)):
        held = jax.tree.leaves(jax.device_get(pool._lanes.train.params))
        for ours, own in zip(held, _starts(library, name, seed), strict=True):
            np.testing.assert_array_equal(ours[lane].ravel(), np.asarray(own).ravel())


@pytest.mark.parametrize(("library", "name"), [*NORMALISED, *OTHERS_WITH_DROPOUT])
def test_dropout_is_drawn_in_training_alone(library, name):
    arm = arm_of(library, name, model_args=("dropout=0.5",), init="he")
    model = make_model(arm, (8, 8, 1), 10)
    inputs = jax.random.normal(jax.random.key(1), (6, 8, 8, 1))
    keys = jax.random.split(jax.random.key(0), 2)
    params, state = model.init(keys[0], inputs)
    first, second = (np.asarray(model.train_apply(params, state, inputs, key)[0]) for key in keys)
    assert not np.allclose(first, second)
    quiet, new = model.quiet_apply(params, state, inputs, keys[0])
    np.testing.assert_allclose(quiet, model.batch_apply(params, state, inputs), atol=1e-5)
    assert jax.tree.structure(new) == jax.tree.structure(state)


@pytest.mark.parametrize(("library", "name"), NORMALISED)
def test_evaluation_normalises_by_the_batch_or_by_running_averages(library, name):
    model = make_model(arm_of(library, name, init="he"), (8, 8, 1), 10)
    inputs, key = 3 + jax.random.normal(jax.random.key(1), (6, 8, 8, 1)), jax.random.key(0)
    params, state = model.init(key, jnp.zeros((1, 8, 8, 1)))
    trained, new = model.train_apply(params, state, inputs, key)
    by_batch = model.batch_apply(params, state, inputs)
    np.testing.assert_allclose(by_batch, trained, rtol=1e-4, atol=1e-4)
    assert not np.allclose(model.average_apply(params, state, inputs), by_batch, atol=1e-2)
    # After many batches alike, running averages are those of the batch: 0.99 to the power of 700 is 1e-3.
    step = lambda _, state: model.train_apply(params, state, inputs, key)[1]  # noqa: E731
    new = jax.jit(lambda state: jax.lax.fori_loop(0, 700, step, state))(new)
    np.testing.assert_allclose(model.average_apply(params, new, inputs), by_batch, rtol=1e-2, atol=1e-2)


def test_what_is_computed_without_gradient_has_none():
    model = make_model(arm_of("torch", "Backbone", init="he"), (8, 8, 1), 10)
    inputs = jax.random.normal(jax.random.key(1), (6, 8, 8, 1))
    params, state = model.init(jax.random.key(0), inputs)
    slopes = jax.grad(lambda p: jnp.sum(model.train_apply(p, state, inputs, jax.random.key(0))[0] ** 2))(params)
    assert not np.any(slopes["first"]["weight"])
    assert np.all(np.any(np.asarray(slopes["head"]["weight"]) != 0, axis=1))


def test_a_function_that_makes_a_module_of_haiku_is_called_where_haiku_can():
    inputs, key = jax.random.normal(jax.random.key(1), (6, 8, 8, 1)), jax.random.key(0)
    by_class, by_function = (make_model(arm_of("haiku", name), (8, 8, 1), 10) for name in ("CNN", "made_inside"))
    found, expected = (m.train_apply(*m.init(key, inputs), inputs, key)[0] for m in (by_function, by_class))
    np.testing.assert_array_equal(found, expected)
