"""The weights from which runs start, drawn from their seeds by the public initial scheme."""

from typing import Any

import numpy as np

from engine.arms.arm import Arm


def starts_of(arm: Arm, root_seed: int, init_seeds: np.ndarray, num_inputs: int) -> list[Any]:
    """Returns the initial parameter leaves of some runs in double precision, each `[num_runs, …]`.

    The network of the arm must have one output and an initial scheme.
    """
    import jax
    import jax.numpy as jnp

    from engine.models import make_model
    from engine.models.initial import draw_params, leaf_laws
    from engine.tasks import random_streams

    key = jax.eval_shape(lambda: random_streams.root_key(0))
    example = jax.ShapeDtypeStruct((1, num_inputs), np.float32)
    shapes, _ = jax.eval_shape(make_model(arm, 1).init, key, example)
    laws = leaf_laws(shapes, str(arm.init), arm.options)

    def start(seed: jax.Array) -> list[jax.Array]:
        params = draw_params(random_streams.stream(root_seed, "init", seed), shapes, jnp.asarray(laws))
        return jax.tree.leaves(params)

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        drawn = jax.vmap(start)(jnp.asarray(init_seeds, jnp.uint32))
    return [np.asarray(leaf, np.float64) for leaf in drawn]
