"""`decoder`: a transformer that reads tokens and predicts the next one at every position.

Tokens and positions are embedded; each block adds attention to what came before, and then, where `block_width` is not
0, two dense layers. With `layer_norm` each of these reads a normalised copy, and so do the outputs. There are as many
outputs as there are tokens. Attention has no biases. Without dense layers and normalisation it is the attention-only
transformer in which induction heads were found.

Source: Vaswani et al. (2017), "Attention is all you need"; Elhage et al. (2021), "A Mathematical Framework for
Transformer Circuits"; Olsson et al. (2022).
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

from ..arms.arm import Arm
from ..arms.options import Option
from .layers import ACTIVATION, size
from .model import ACTIVATIONS
from .transformer import HEADS_AND_WIDTH, check_heads

OPTIONS = (
    *HEADS_AND_WIDTH,
    size("num_blocks", 2, "blocks of attention and dense layers"),
    Option("block_width", int, 0, "hidden units of the dense layers of a block; 0: none", minimum=0, maximum=10**6),
    Option("layer_norm", bool, False, "normalise what a block reads, over its numbers"),
    ACTIVATION,
)
TAKES_TOKENS = True


class Decoder(nn.Module):
    """Computes all blocks; `embedding_width` is a multiple of `attention_heads`."""

    embedding_width: int
    attention_heads: int
    num_blocks: int
    block_width: int
    has_layer_norm: bool
    activation: str
    num_outputs: int

    @nn.compact
    def __call__(self, inputs: jax.Array, use_running_average: bool, is_deterministic: bool) -> jax.Array:
        """Maps tokens `[batch, positions]` to `[batch, positions, num_outputs]`."""
        positions = inputs.shape[1]
        stream = nn.Embed(self.num_outputs, self.embedding_width, name="tokens")(inputs)
        stream += nn.Embed(positions, self.embedding_width, name="positions")(jnp.arange(positions))
        mask = nn.make_causal_mask(inputs)
        for _ in range(self.num_blocks):
            attention = nn.MultiHeadDotProductAttention(self.attention_heads, use_bias=False)
            stream += attention(self._read(stream), mask=mask)
            if self.block_width:
                hidden = ACTIVATIONS[self.activation](nn.Dense(self.block_width)(self._read(stream)))
                stream += nn.Dense(self.embedding_width)(hidden)
        return nn.Dense(self.num_outputs, use_bias=False, name="unembedding")(self._read(stream))

    def _read(self, stream: jax.Array) -> jax.Array:
        return nn.LayerNorm()(stream) if self.has_layer_norm else stream


def build(arm: Arm, num_outputs: int) -> nn.Module:
    """Builds the module of an arm; raises InputError if the heads cannot share the width evenly."""
    check_heads(arm)
    return Decoder(
        arm.embedding_width,
        arm.attention_heads,
        arm.num_blocks,
        arm.block_width,
        arm.layer_norm,
        arm.activation,
        num_outputs,
    )
