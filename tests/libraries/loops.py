"""Training loops of the libraries themselves: losses of some steps from the start with a seed, by plain SGD.

Each goes from (name, batches of images `[batch, 8, 8, 1]` and labels, seed, rate) to the losses, dropout off.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def _cross_entropy(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def torch_loop(name: str, batches: Any, seed: int, rate: float) -> list[float]:
    import torch

    from tests.libraries import torch_networks

    torch.manual_seed(seed)
    module = getattr(torch_networks, name)()
    optimizer, losses = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], rate), []
    module.train()
    for inputs, labels in batches:
        images = torch.tensor(np.moveaxis(np.asarray(inputs), -1, 1))
        loss = torch.nn.functional.cross_entropy(module(images), torch.tensor(np.asarray(labels), dtype=torch.int64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def keras_loop(name: str, batches: Any, seed: int, rate: float) -> list[float]:
    import keras

    from tests.libraries import keras_networks

    keras.utils.set_random_seed(seed)
    model = getattr(keras_networks, name)()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss)
    losses = []
    for inputs, labels in batches:
        model.reset_metrics()
        # Keras reports the loss with what layers add to it.
        images = np.asarray(inputs)
        model(images, training=True)
        added = sum(map(float, model.losses))
        losses.append(float(model.train_on_batch(images, np.asarray(labels))) - added)
    return losses


def haiku_loop(name: str, batches: Any, seed: int, rate: float) -> list[float]:
    import haiku as hk

    from tests.libraries import haiku_networks

    named = getattr(haiku_networks, name)
    switch = {"is_training": True} if name in ("CNN", "resnet") else {}
    if isinstance(named, type):
        named = hk.transform_with_state(lambda x, **values: getattr(haiku_networks, name)()(x, **values))
    elif name == "transformer":
        named = hk.with_empty_state(named())
    params, state = named.init(jax.random.PRNGKey(seed), jnp.zeros((1, 8, 8, 1)), **switch)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any) -> Any:
        def loss_fn(params: Any) -> Any:
            logits, new = named.apply(params, state, jax.random.PRNGKey(0), x, **switch)
            return _cross_entropy(logits, y), new

        (loss, state_), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
        return jax.tree.map(lambda p, g: p - rate * g, params, grads), state_, loss

    losses = []
    for x, y in batches:
        params, state, loss = step(params, state, x, y)
        losses.append(float(loss))
    return losses


def equinox_loop(name: str, batches: Any, seed: int, rate: float) -> list[float]:
    import equinox as eqx

    from tests.libraries import equinox_networks

    model, state = eqx.nn.make_with_state(getattr(equinox_networks, name))(key=jax.random.PRNGKey(seed))
    has_state, has_key = name in ("CNN", "ResNet"), name == "CNN"

    @eqx.filter_jit
    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        def loss_fn(model: Any) -> Any:
            key = {"key": jax.random.PRNGKey(0)} if has_key else {}
            images = jnp.moveaxis(x, -1, 1)
            if not has_state:
                return _cross_entropy(jax.vmap(model)(images), y), state
            call = jax.vmap(lambda image: model(image, state, **key), axis_name="batch", out_axes=(0, None))
            logits, new = call(images)
            return _cross_entropy(logits, y), new

        (loss, new), grads = eqx.filter_value_and_grad(loss_fn, has_aux=True)(model)
        return eqx.apply_updates(model, jax.tree.map(lambda g: -rate * g, grads)), new, loss

    losses = []
    for x, y in batches:
        model, state, loss = step(model, state, x, y)
        losses.append(float(loss))
    return losses
