"""`transformer`: one block of attention and dense layers, read at a position of its own.

The second axis of the input counts positions. One matrix embeds what stands there, flattened, beside the position as a
one-hot vector. One position more stands empty: it attends to all, and the outputs are read there. Neither a
normalisation nor a mask; attention and both embeddings have no biases.

Source: Vaswani et al. (2017), "Attention is all you need"; in this form Nanda, Chan, Lieberum, Smith and Steinhardt
(2023), "Progress measures for grokking via mechanistic interpretability".
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from ..arms.arm import Arm
from ..errors import InputError
from .layers import ACTIVATION, DENSE_WIDTHS, size
from .model import ACTIVATIONS

HEADS_AND_WIDTH = (
    size("embedding_width", 128, "numbers at each position"),
    size("attention_heads", 4, "heads of the attention, which share the embedding's width"),
)
OPTIONS = (*HEADS_AND_WIDTH, DENSE_WIDTHS, ACTIVATION)


class Transformer(nn.Module):
    """Computes one block at the one position that is read; `embedding_width` is a multiple of `attention_heads`."""

    embedding_width: int
    attention_heads: int
    widths: tuple[int, ...]
    num_outputs: int
    activation: str

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps inputs `[batch, positions, …]` to `[batch, num_outputs]`."""
        batch, positions = inputs.shape[:2]
        contents = jnp.pad(inputs.reshape(batch, positions, -1), ((0, 0), (0, 1), (0, 0)))
        places = jnp.broadcast_to(jnp.eye(positions + 1), (batch, positions + 1, positions + 1))
        embedded = nn.Dense(self.embedding_width, use_bias=False, name="embedding")(
            jnp.concatenate([contents, places], axis=-1)
        )
        read = embedded[:, -1:]
        attention = nn.MultiHeadDotProductAttention(self.attention_heads, use_bias=False, name="attention")
        read = (read + attention(read, embedded))[:, 0]
        hidden = read
        for width in self.widths:
            hidden = ACTIVATIONS[self.activation](nn.Dense(width)(hidden))
        read += nn.Dense(self.embedding_width)(hidden)
        return nn.Dense(self.num_outputs, use_bias=False, name="unembedding")(read)


def check_heads(arm: Arm) -> None:
    """Raises InputError if the heads of an arm cannot share the width evenly."""
    if arm.embedding_width % arm.attention_heads:
        raise InputError(
            f"embedding_width={arm.embedding_width}, attention_heads={arm.attention_heads}: "
            f"expected a width that the heads share evenly"
        )


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of an arm; raises InputError if the heads cannot share the width evenly."""
    check_heads(arm)
    return Transformer(arm.embedding_width, arm.attention_heads, arm.dense_widths, num_outputs, arm.activation)
