"""The network in Haiku."""

import haiku as hk
import jax


class Net(hk.Module):
    """Starts as Haiku's layers do."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps images `[batch, 8, 8, 1]` to logits."""
        for i, width in enumerate((16, 16, 32, 32, 32)):
            x = jax.nn.relu(hk.Conv2D(width, 3)(x))
            if i in (1, 3):
                x = hk.max_pool(x, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return hk.nets.MLP([128, 64, 10])(hk.Flatten()(x))
