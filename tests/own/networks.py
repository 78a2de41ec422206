"""Networks as their libraries' own guides write them; nothing here knows of the engine."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax.example_libraries import stax


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    filters: int
    norm: Callable[..., Any]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.Conv(self.filters, (3, 3), use_bias=False)(x)
        y = nn.relu(self.norm()(y))
        y = nn.Conv(self.filters, (3, 3), use_bias=False)(y)
        y = self.norm(scale_init=nn.initializers.zeros_init())(y)
        if x.shape != y.shape:
            x = nn.Conv(self.filters, (1, 1), use_bias=False)(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A residual network with batch normalisation."""

    num_classes: int
    widths: tuple[int, ...] = (8, 16)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        x = nn.relu(norm()(nn.Conv(self.widths[0], (3, 3), use_bias=False)(x)))
        for filters in self.widths:
            x = Block(filters, norm)(x)
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


ResNet4 = partial(ResNet, widths=(4,))


class VisionTransformer(nn.Module):
    """One block over patches, with dropout inside and outside of the attention."""

    n_classes: int
    dim: int = 8

    @nn.compact
    def __call__(self, x: jax.Array, *, deterministic: bool) -> jax.Array:
        x = nn.Conv(self.dim, (2, 2), strides=(2, 2))(x).reshape(x.shape[0], -1, self.dim)
        shape = (1, x.shape[1], self.dim)
        x = x + self.param("position", nn.initializers.normal(0.02), shape)
        y = nn.LayerNorm()(x)
        attention = nn.MultiHeadDotProductAttention(num_heads=2, dropout_rate=0.1)
        x = x + attention(y, y, deterministic=deterministic)
        y = nn.gelu(nn.Dense(16)(nn.LayerNorm()(x)))
        x = x + nn.Dense(self.dim)(nn.Dropout(0.1)(y, deterministic=deterministic))
        return nn.Dense(self.n_classes)(x.mean(1))


class CNN(nnx.Module):
    """A convolution with batch normalisation in NNX."""

    def __init__(self, num_classes: int, dropout: float = 0.0, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(64, 16, rngs=rngs)])
        self.head = nnx.Linear(16, num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.avg_pool(nnx.relu(self.norm(self.conv(x))), (2, 2), (2, 2))
        x = self.dropout(x.reshape(x.shape[0], -1))
        for block in self.blocks:
            x = nnx.relu(block(x))
        return self.head(x)


def init(key: jax.Array, inputs: jax.Array) -> dict[str, jax.Array]:
    """Parameters of two dense layers."""
    first, second = jax.random.split(key)
    return {
        "w1": 0.1 * jax.random.normal(first, (inputs[0].size, 16)),
        "b1": jnp.zeros(16),
        "w2": 0.2 * jax.random.normal(second, (16, 10)),
        "b2": jnp.zeros(10),
        "temperature": jnp.full((), 2.0),
    }


def apply(params: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
    """Two dense layers."""
    hidden = jax.nn.relu(inputs.reshape(len(inputs), -1) @ params["w1"] + params["b1"])
    return (hidden @ params["w2"] + params["b2"]) * params["temperature"]


mlp = (init, apply)


def init_counting(key: jax.Array, inputs: jax.Array) -> tuple[Any, Any]:
    """Parameters, and a count of calls as a state."""
    return init(key, inputs), {"calls": jnp.zeros((), jnp.int32)}


def apply_counting(
    params: Any, state: Any, rng: jax.Array, inputs: jax.Array, is_training: bool
) -> tuple[jax.Array, Any]:
    """The same with noise on the outputs in training, and the parameters in another order."""
    noise = 0.1 * jax.random.normal(rng, (len(inputs), 10)) if is_training else 0.0
    return apply(params, inputs) + noise, {"calls": state["calls"] + 1}


counting = (init_counting, apply_counting)


def make(num_classes: int, kind: str = "linen") -> Any:
    """A function that makes networks of several kinds."""
    return {"linen": ResNet(num_classes, (4,)), "pair": mlp}[kind]


class OldStyle(nn.Module):
    """Training or not is an argument of the constructor."""

    num_classes: int
    train: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(8)(x.reshape(x.shape[0], -1))
        x = nn.BatchNorm(use_running_average=not self.train)(x)
        return nn.Dense(self.num_classes)(nn.Dropout(0.5, deterministic=not self.train)(x))


instance = ResNet(10, (4,))
nnx_instance = CNN(10, rngs=nnx.Rngs(0))


class WrongShape(nn.Module):
    """Seven outputs, whatever is asked for."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(7)(x.reshape(x.shape[0], -1))


class Nothing(nn.Module):
    """No parameters."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.reshape(x.shape[0], -1)[:, :10]


class Needs(nn.Module):
    """An argument without a default, and a line that fails."""

    num_classes: int
    depth: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(7)(x.reshape(x.shape[0], -1)) @ jnp.ones((3, 3))


class NotANumber(nn.Module):
    """A loss that is not a number."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.sqrt(-1 - nn.Dense(self.num_classes)(x.reshape(x.shape[0], -1)) ** 2)


class Unreached(nn.Module):
    """A layer behind a stop of the gradient, a parameter that nothing reads, and a zero head."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        self.param("unread", nn.initializers.ones, (3,))
        x = jax.lax.stop_gradient(nn.Dense(8, name="frozen")(x.reshape(x.shape[0], -1)))
        x = nn.relu(nn.Dense(8, name="hidden")(x))
        return nn.Dense(self.num_classes, name="head", kernel_init=nn.initializers.zeros)(x)


class Dead(nn.Module):
    """Units that no example reaches."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        far_below = nn.initializers.constant(-100.0)
        x = nn.Dense(8, name="hidden", bias_init=far_below)(x.reshape(x.shape[0], -1))
        return nn.Dense(self.num_classes, name="out")(nn.relu(x))


class Scaled(nn.Module):
    """Outputs that are made small."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(8)(x.reshape(x.shape[0], -1)))
        return 1e-6 * nn.Dense(self.num_classes)(x)


class Softmax(nn.Module):
    """Shares in the place of logits."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.softmax(nn.Dense(self.num_classes)(x.reshape(x.shape[0], -1)))


class AllStopped(nn.Module):
    """No gradient at all."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.lax.stop_gradient(nn.Dense(self.num_classes)(x.reshape(x.shape[0], -1)))


class Pair(nn.Module):
    """Two outputs."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = nn.Dense(self.num_classes)(x.reshape(x.shape[0], -1))
        return x, x


of_key_alone = (lambda key: {"w": jnp.ones((64, 10))}, apply)


class TensorFlow:
    """As of a class of TensorFlow's own."""

    __module__ = "tensorflow.python.module"


number = 3


class Enormous(nn.Module):
    """More parameters than any machine has room for."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(self.num_classes)(nn.Dense(10**7)(nn.Dense(10**7)(x.reshape(x.shape[0], -1))))


class InHalves(nn.Module):
    """Parameters, arithmetic and outputs in half precision."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        halves = {"dtype": jnp.bfloat16, "param_dtype": jnp.bfloat16}
        x = nn.relu(nn.Dense(32, **halves)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.num_classes, **halves)(x)


class Sows(nn.Module):
    """Sows something beside the outputs, of two layers."""

    into: str = "losses"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(2):
            x = nn.Dense(10)(x.reshape(x.shape[0], -1))
            self.sow(self.into, "size", jnp.mean(x**2))
        return x


class OfDevices(nn.Module):
    """Normalises over an axis of devices."""

    axis: str | None = "batch"

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        x = nn.Dense(16)(x.reshape(x.shape[0], -1))
        return nn.Dense(10)(nn.BatchNorm(use_running_average=not train, axis_name=self.axis)(x))


class TalksToDevices(nn.Module):
    """Takes a mean over devices by itself."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.lax.pmean(nn.Dense(10)(x.reshape(x.shape[0], -1)), "devices")


stax_pair = stax.serial(stax.Flatten, stax.Dense(16), stax.Relu, stax.Dense(10))
