"""A network with a mistake at its end, or none."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class Net(nn.Module):
    num_outputs: int = 10
    end: str = "plain"

    @nn.compact
    def __call__(self, x):
        if self.end == "first":
            return nn.Dense(self.num_outputs)(nn.relu(nn.Dense(48)(x[:, 0])))
        if self.end in ("bag", "series"):
            x = nn.relu(nn.Dense(48)(x))
            x = jnp.mean(x, axis=1) if self.end == "bag" else x
            return nn.Dense(self.num_outputs)(x.reshape(x.shape[0], -1))
        x = x.reshape(x.shape[0], -1)
        if self.end == "rescaled":
            x = x / 255
        if self.end == "normalised":
            x = nn.LayerNorm()(255 * x)
        if self.end == "cast":
            x = (x / 255).astype(jnp.int32).astype(jnp.float32)
        for width in (48, 32):
            x = nn.relu(nn.Dense(width)(x))
        x = nn.Dense(self.num_outputs)(x)
        if self.end == "scaled":
            return x * 1e-5 + jax.lax.stop_gradient(x * (1 - 1e-5))
        if self.end == "root":
            return x + jnp.sqrt(jnp.maximum(x - 1e6, 0))
        if self.end == "mixed":
            return x - jnp.mean(x, axis=0)
        if self.end == "summed":
            return jnp.cumsum(x, axis=0)
        if self.end == "cosine":
            return x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        if self.end == "factors":
            zeros = [self.param(name, nn.initializers.zeros, (self.num_outputs,) * 2) for name in "ab"]
            return x @ zeros[0] @ zeros[1]
        if self.end == "dead":
            return nn.Dense(self.num_outputs)(nn.relu(x - 1e6))
        if self.end in ("rescaled", "normalised", "cast"):
            return x
        ends = {"plain": lambda x: x, "relu": nn.relu, "softmax": nn.softmax, "log_softmax": nn.log_softmax}
        ends |= {"sigmoid": nn.sigmoid, "tanh": jnp.tanh}
        return ends[self.end](x)
