"""The same network written in other libraries: each under the engine, and in the library's own loop."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workloads import LEARNING_RATE, STEPS, WORKLOADS, Prepared, Row, Workload, examples

# Library, name of its network, and title.
NETWORKS = {
    "torch": ("Net", "PyTorch"),
    "keras": ("net", "Keras"),
    "haiku": ("Net", "Haiku"),
    "equinox": ("Net", "Equinox"),
}


def reference_to(library: str) -> str:
    """Returns the reference to a library's network."""
    return f"{Path(__file__).parent / 'libraries' / f'in_{library}.py'}:{NETWORKS[library][0]}"


def _only_cnn8(workload: Workload) -> None:
    if workload != WORKLOADS["cnn8"]:
        raise RuntimeError("its network is written for cnn8 alone")


def _under_engine(workload: Workload, library: str) -> Prepared:
    from benchmarks.rows import prepare_engine

    _only_cnn8(workload)
    return prepare_engine(workload, 1, model=reference_to(library))


def _batches(workload: Workload) -> list[tuple[np.ndarray, np.ndarray]]:
    images, labels = examples(workload)
    rows = np.arange(STEPS * workload.batch_size).reshape(STEPS, -1)
    return [(images[of], labels[of]) for of in rows]


def _keras(workload: Workload, is_fit: bool) -> Prepared:
    """One seed by Keras' own loops."""
    import os

    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    from benchmarks.libraries.in_keras import net

    _only_cnn8(workload)
    model = net()
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

    from benchmarks.libraries.in_haiku import Net

    _only_cnn8(workload)
    network: Any = hk.without_apply_rng(hk.transform(lambda x: Net()(x)))
    optimizer = optax.adam(LEARNING_RATE)
    params = network.init(jax.random.PRNGKey(0), examples(workload)[0][:1])

    @jax.jit
    def step(state: Any, x: Any, y: Any) -> Any:
        def loss(params: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(network.apply(params, x), y).mean()

        params, moments = state
        updates, moments = optimizer.update(jax.grad(loss)(params), moments)
        return optax.apply_updates(params, updates), moments

    return _steps(step, (params, optimizer.init(params)), workload)


def _equinox(workload: Workload) -> Prepared:
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax

    from benchmarks.libraries.in_equinox import Net

    _only_cnn8(workload)
    network, optimizer = Net(key=jax.random.PRNGKey(0)), optax.adam(LEARNING_RATE)

    @eqx.filter_jit
    def step(state: Any, x: Any, y: Any) -> Any:
        @eqx.filter_grad
        def gradient(network: Any) -> Any:
            logits = jax.vmap(network)(jnp.moveaxis(x, -1, 1))
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        network, moments = state
        updates, moments = optimizer.update(gradient(network), moments)
        return eqx.apply_updates(network, updates), moments

    return _steps(step, (network, optimizer.init(eqx.filter(network, eqx.is_array))), workload)


def library_rows() -> dict[str, Row]:
    """Rows by name; those of PyTorch's own loop are in `benchmarks.torch_rows`."""
    under = {
        f"the engine, a network of {title}, one worker per core": Row(
            functools.partial(_under_engine, library=name), True
        )
        for name, (_, title) in NETWORKS.items()
    }
    return {
        **under,
        "Keras, fit, one process per core": Row(lambda w: _keras(w, True), True),
        "Keras, train_on_batch, one process per core": Row(lambda w: _keras(w, False), True),
        "Haiku, a jitted step, one process per core": Row(_haiku, True),
        "Equinox, a jitted step, one process per core": Row(_equinox, True),
    }
