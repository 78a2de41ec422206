"""The same network written in other libraries: each under the engine, and in the library's own loop."""

import functools
import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads import LEARNING_RATE, STEPS, WORKLOADS, Prepared, Row, Workload, examples

TITLES = {"torch": "PyTorch", "keras": "Keras", "haiku": "Haiku", "equinox": "Equinox"}


def _name(workload: Workload, library: str) -> str:
    """Returns the name of a workload's network in the file of a library."""
    if workload != WORKLOADS["cnn8"] and workload.shared is None:
        raise RuntimeError("its networks are written for cnn8, residual, attention and recurrent")
    name = workload.shared or "net"
    return name if library == "keras" else name.capitalize()


def _network(workload: Workload, library: str) -> Any:
    """Returns the class or function of a workload's network."""
    return getattr(importlib.import_module(f"benchmarks.libraries.in_{library}"), _name(workload, library))


def _under_engine(workload: Workload, library: str) -> Prepared:
    from benchmarks.rows import prepare_engine, width_on_cpu

    place = Path(__file__).parent / "libraries" / f"in_{library}.py"
    return prepare_engine(workload, width_on_cpu(workload), model=f"{place}:{_name(workload, library)}")


def _batches(workload: Workload) -> list[tuple[np.ndarray, np.ndarray]]:
    images, labels = examples(workload)
    rows = np.arange(STEPS * workload.batch_size).reshape(STEPS, -1)
    return [(images[of], labels[of]) for of in rows]


def _keras(workload: Workload, is_fit: bool) -> Prepared:
    """One seed by Keras' own loops."""
    import os

    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    model = _network(workload, "keras")()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    started = time.perf_counter()
    model.compile(keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8), loss)
    batches = _batches(workload)
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))

    def advance() -> None:
        if is_fit:
            model.fit(images, labels, batch_size=workload.batch_size, shuffle=False, verbose=0)
        else:
            for x, y in batches:
                model.train_on_batch(x, y)

    advance()
    return Prepared(advance, STEPS, time.perf_counter() - started)


def _steps(step: Callable[..., Any], state: Any, workload: Workload) -> Prepared:
    """One seed by a compiled step that is called batch by batch, as in the tutorials."""
    import jax

    batches = jax.device_put(_batches(workload))
    held = [state]

    def advance() -> None:
        for x, y in batches:
            held[0] = step(held[0], x, y)
        jax.block_until_ready(jax.tree.leaves(held[0])[0])

    started = time.perf_counter()
    advance()
    return Prepared(advance, STEPS, time.perf_counter() - started)


def _haiku(workload: Workload) -> Prepared:
    import haiku as hk
    import jax
    import optax

    kind = _network(workload, "haiku")
    switch = {"is_training": True} if workload.shared == "residual" else {}
    network: Any = hk.without_apply_rng(hk.transform_with_state(lambda x: kind()(x, **switch)))
    optimizer = optax.adam(LEARNING_RATE)
    params, averages = network.init(jax.random.PRNGKey(0), examples(workload)[0][:1])

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        params, averages, moments = state

        def loss(params: Any) -> Any:
            logits, new = network.apply(params, averages, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new

        grads, averages = jax.grad(loss, has_aux=True)(params)
        updates, moments = optimizer.update(grads, moments)
        return optax.apply_updates(params, updates), averages, moments

    return _steps(step, (params, averages, optimizer.init(params)), workload)


def _equinox(workload: Workload) -> Prepared:
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    network, averages = eqx.nn.make_with_state(_network(workload, "equinox"))(key=jax.random.PRNGKey(0))
    optimizer, has_state = optax.adam(LEARNING_RATE), workload.shared == "residual"

    @eqx.filter_jit
    def step(state: Any, x: Any, y: Any) -> Any:
        network, averages, moments = state

        def loss(network: Any) -> Any:
            images = jnp.moveaxis(x, -1, 1)
            if has_state:
                logits, new = jax.vmap(network, (0, None), (0, None), axis_name="batch")(images, averages)
            else:
                logits, new = jax.vmap(network)(images), averages
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new

        grads, averages = eqx.filter_grad(loss, has_aux=True)(network)
        updates, moments = optimizer.update(grads, moments)
        return eqx.apply_updates(network, updates), averages, moments

    return _steps(step, (network, averages, optimizer.init(eqx.filter(network, eqx.is_inexact_array))), workload)


def library_rows() -> dict[str, Row]:
    """Rows by name; those of PyTorch's own loop are in `benchmarks.torch_rows`."""
    under = {
        f"the engine, a network of {title}, one worker per core": Row(
            functools.partial(_under_engine, library=name), True
        )
        for name, title in TITLES.items()
    }
    return {
        **under,
        "Keras, fit, one process per core": Row(lambda w: _keras(w, True), True),
        "Keras, train_on_batch, one process per core": Row(lambda w: _keras(w, False), True),
        "Haiku, a jitted step, one process per core": Row(_haiku, True),
        "Equinox, a jitted step, one process per core": Row(_equinox, True),
    }
