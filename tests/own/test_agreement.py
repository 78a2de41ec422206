"""A network by the book under the seed axis against its own training loop, one seed at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from engine import Arm
from engine.studies.study import resolve_arm
from engine.tasks import Task, build_task, load_data, random_streams
from tests.conftest import drain, runs_of
from tests.own import networks

FILE = networks.__file__
_RATE, _STEPS, _SEEDS = 1e-2, 11, [0, 3]


def _batches(task: Task, data: Any, seed: int) -> Iterator[tuple[jax.Array, jax.Array]]:
    draws = task.draw(data, random_streams.stream(jnp.uint32(0), "order", seed), jnp.int32(0), _STEPS)
    for rows in draws:
        yield data["inputs"][rows], data["labels"][rows]


def _noise(seed: int, step: int) -> jax.Array:
    return jax.random.fold_in(random_streams.stream(jnp.uint32(0), "noise", seed), step)


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def _linen_loop(module: Any, switch: dict[str, bool], batches: Any, key: jax.Array, seed: int) -> list[float]:
    example = jnp.zeros((1, 8, 8, 1))
    off = {name: not value for name, value in switch.items()}
    variables = module.init(key, example, **off)
    params, stats = variables["params"], variables.get("batch_stats", {})
    optimizer = optax.sgd(_RATE)
    state = optimizer.init(params)

    @jax.jit
    def step(params: Any, stats: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            logits, new = module.apply(
                {"params": params, "batch_stats": stats}, x, **switch, mutable=["batch_stats"], rngs={"dropout": key}
            )
            return _cross_entropy(logits, y), new.get("batch_stats", {})

        (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), stats, state, loss

    losses = []
    for i, (x, y) in enumerate(batches):
        params, stats, state, loss = step(params, stats, state, x, y, _noise(seed, i))
        losses.append(float(loss))
    return losses


def _resnet(batches: Any, key: jax.Array, seed: int) -> list[float]:
    return _linen_loop(networks.ResNet(10, (4,)), {"train": True}, batches, key, seed)


def _transformer(batches: Any, key: jax.Array, seed: int) -> list[float]:
    module = networks.VisionTransformer(n_classes=10)
    return _linen_loop(module, {"deterministic": False}, batches, key, seed)


def _nnx(batches: Any, key: jax.Array, seed: int) -> list[float]:
    model = networks.CNN(10, rngs=nnx.Rngs(key))
    optimizer = nnx.Optimizer(model, optax.sgd(_RATE), wrt=nnx.Param)
    model.train()

    @nnx.jit
    def step(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
        loss, grads = nnx.value_and_grad(lambda m: _cross_entropy(m(x), y))(model)
        optimizer.update(model, grads)
        return loss

    return [float(step(model, optimizer, x, y)) for x, y in batches]


def _functions(batches: Any, key: jax.Array, seed: int) -> list[float]:
    params = networks.init(key, jnp.zeros((1, 8, 8, 1)))
    losses = []
    loss_fn = jax.jit(jax.value_and_grad(lambda p, x, y: _cross_entropy(networks.apply(p, x), y)))
    for x, y in batches:
        loss, grads = loss_fn(params, x, y)
        params = jax.tree.map(lambda p, g: p - _RATE * g, params, grads)
        losses.append(float(loss))
    return losses


LOOPS: dict[str, Callable[..., list[float]]] = {
    "ResNet4": _resnet,
    "VisionTransformer": _transformer,
    "CNN": _nnx,
    "mlp": _functions,
}


@pytest.mark.long
@pytest.mark.parametrize("name", LOOPS)
def test_it_trains_as_its_own_loop_does(name, make_pool, data_dir):
    """Losses of some steps, to rounding: 2^-24 a step, times what a step's sums add up."""
    arm = Arm(
        model=f"{FILE}:{name}", init="as_written", optimizer="sgd", learning_rate=_RATE,
        batch_size=16,
    )  # fmt: skip
    found = drain(make_pool(arm, width=2, block=2), runs_of(arm, _SEEDS, _STEPS), 2)
    data = load_data(resolve_arm(arm), 0, data_dir)
    task = build_task(resolve_arm(arm), data)
    for seed in _SEEDS:
        key = jax.random.key(seed)
        own = LOOPS[name](_batches(task, data, seed), key, seed)
        ours = found["arm", seed].batch_loss
        np.testing.assert_allclose(ours[0], own[0], rtol=2e-6)
        np.testing.assert_allclose(ours, own, rtol=2e-5)
        assert abs(own[-1] - own[0]) > 1e-3
