"""Losses, one file each, with `OPTIONS` and `make(targets, options)`, which returns a `Loss`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.options import Option
from ..errors import InputError

Options = Mapping[str, Any]

MARGIN = Option("margin", float, 1.0, "distance beyond which the loss is 0", is_positive=True, maximum=1e6)


def are_tokens(targets: np.ndarray | jax.Array) -> bool:
    """Tells whether targets are a token at each position: rows of whole numbers."""
    return targets.ndim > 1 and bool(jnp.issubdtype(targets.dtype, jnp.integer))


class Targets(NamedTuple):
    """Training targets: numbers of classes `[num]`, tokens `[num, positions]`, or values `[num, num_outputs]`.

    Tokens are whole numbers, of which those below 0 are padding.
    """

    array: np.ndarray
    num_outputs: int

    @property
    def are_classes(self) -> bool:
        """Whether they are numbers of classes."""
        return self.array.ndim == 1

    @property
    def are_tokens(self) -> bool:
        """Whether they are a token at each position."""
        return are_tokens(self.array)

    @property
    def shares(self) -> np.ndarray:
        """Share of each class, or of each token among those that are no padding, `[num_outputs]`."""
        counts = np.bincount(self.array[self.array >= 0], minlength=self.num_outputs)
        return counts / counts.sum()

    def shapes(self, number: int, num_outputs: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Returns the shapes of outputs and targets of a number of examples, for functions of the user's."""
        positions = self.array.shape[1:] if self.are_tokens else ()
        outputs = jax.ShapeDtypeStruct((number, *positions, num_outputs), jnp.float32)
        dtype = jnp.int32 if self.are_classes or self.are_tokens else jnp.float32
        return outputs, jax.ShapeDtypeStruct((number, *self.array.shape[1:]), dtype)


class Loss(NamedTuple):
    """A loss.

    Attributes:
        of_examples: from (outputs `[batch, num_outputs]`, of tokens `[batch, positions, num_outputs]`, targets) to the
            loss of each example, `[batch]`.
        num_outputs: of the network, at each position.
        correct: from the same to whether, or how far, each example is right; `None` where no such thing is known.
        chance: mean loss of constant outputs where it follows from no single example; `None` where it is searched for.
    """

    of_examples: Callable[[jax.Array, jax.Array], jax.Array]
    num_outputs: int
    correct: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    chance: float | None = None


def most_likely_is_right(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Tells whether the largest output of each example is that of its class."""
    return jnp.argmax(outputs, axis=-1) == targets


def require_classes(name: str, targets: Targets) -> None:
    """Raises InputError where targets are tokens or values, and a loss needs classes."""
    _refuse_tokens(targets)
    if not targets.are_classes:
        raise InputError(f"loss={name} needs classes, and these targets are values: expected squared, absolute, …")


def require_tokens(name: str, targets: Targets) -> None:
    """Raises InputError where targets are no tokens, and a loss needs them."""
    if not targets.are_tokens:
        kind = "classes" if targets.are_classes else "values"
        raise InputError(
            f"loss={name} needs a whole number at each position, and these targets are {kind}: give "
            "--target_kind=tokens with rows of whole numbers, or --dataset=text"
        )


def _refuse_tokens(targets: Targets) -> None:
    if targets.are_tokens:
        raise InputError("this loss has no use for a token at each position: expected --loss=next_token, or your own")


def of_values(each: Callable[[jax.Array, jax.Array], jax.Array], targets: Targets) -> Loss:
    """Makes a loss of outputs and values, `[batch, num_outputs]`, meaned over outputs; a class is 1 among zeros.

    Raises InputError where the targets are tokens.
    """
    _refuse_tokens(targets)
    if not targets.are_classes:
        return Loss(lambda outputs, values: jnp.mean(each(outputs, values), axis=-1), targets.num_outputs)

    def of_classes(outputs: jax.Array, labels: jax.Array) -> jax.Array:
        return jnp.mean(each(outputs, jax.nn.one_hot(labels, targets.num_outputs, dtype=outputs.dtype)), axis=-1)

    return Loss(of_classes, targets.num_outputs, most_likely_is_right)
