"""What half precision takes from a network and its gradient, against the same network in single precision."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..models.jaxpr import Read, bind, equations, inner_programs
from .traced import through

_HALVES = (jnp.dtype(jnp.float16), jnp.dtype(jnp.bfloat16))
# Bits of single precision.
_EXPONENT, _MANTISSA = 8, 23


def is_half(value: Any) -> bool:
    """Tells whether an array, a shape or a variable is of half precision."""
    return getattr(value, "dtype", None) in _HALVES


def has_halves(program: Any) -> bool:
    """Tells whether anything in a traced program is of half precision, or is rounded to it."""
    return any(_rounds(eqn) or any(is_half(v.aval) for v in eqn.outvars) for eqn in equations(program))


def _rounds(eqn: Any) -> bool:
    """Tells whether an equation rounds single precision to a format of fewer bits and keeps its type."""
    bits = eqn.params.get("exponent_bits", _EXPONENT), eqn.params.get("mantissa_bits", _MANTISSA)
    return eqn.primitive.name == "reduce_precision" and (bits[0] < _EXPONENT or bits[1] < _MANTISSA)


def trace_gradient(apply: Callable[..., Any], loss: Callable[[Any], jax.Array], params: Any, *rest: Any) -> Any:
    """Traces loss, outputs `[B, K]` and gradient of the weights of a network, whose arguments may be shapes.

    `loss` goes from outputs to a number. What a rule for derivatives of the user's rounds is in the program as well.
    """

    def gradient(params: Any, *rest: Any) -> list[jax.Array]:
        def value(params: Any) -> tuple[jax.Array, jax.Array]:
            outputs = apply(params, *rest).astype(jnp.float32)
            return loss(outputs), outputs

        (value_now, outputs), found = jax.value_and_grad(value, has_aux=True)(params)
        return [value_now, outputs, *(leaf for leaf in jax.tree.leaves(found) if leaf.ndim > 1)]

    return jax.make_jaxpr(gradient)(params, *rest)


def rounded_away(program: Any, *args: Any) -> tuple[jax.Array, jax.Array]:
    """Returns what half precision does to a gradient and to outputs, of a program of `trace_gradient`.

    The first is the share of the weights whose gradient is exactly 0, and is not in single precision; NaN where the
    gradient, or the loss, is not finite, and is in single precision. The second is the distance of the outputs from
    those in single precision, as a root mean square, over that of one example from the mean of all. Both are 0 where
    the program has halves inside of loops, which are not judged.
    """
    if any(has_halves(inner) for eqn in _flat(program) for inner in inner_programs(eqn)):
        return jnp.zeros(()), jnp.zeros(())
    half, rounded, *halves = _evaluate(program, jax.tree.leaves(args), widen=False)
    single, outputs, *singles = _evaluate(program, jax.tree.leaves(args), widen=True)
    lost = sum(jnp.sum((a == 0) & (b != 0)) for a, b in zip(halves, singles, strict=True))
    share = lost / max(1, sum(leaf.size for leaf in singles))
    spread = jnp.mean(jnp.square(outputs - jnp.mean(outputs, axis=0)))
    distance = jnp.sqrt(jnp.mean(jnp.square(rounded - outputs)) / spread)
    return jnp.where(_are_finite([half, *halves]) | ~_are_finite([single, *singles]), share, jnp.nan), distance


def _flat(program: Any) -> list[Any]:
    """Returns the equations of a program, and of those that it calls, without those of its loops."""
    found: list[Any] = []

    def rule(eqn: Any, _: Read) -> Sequence[Any]:
        found.append(eqn)
        return [None] * len(eqn.outvars)

    through(program, [None] * len(program.jaxpr.invars), rule, lambda _: None)
    return found


def _evaluate(program: Any, args: Sequence[Any], widen: bool) -> list[Any]:
    change = _wide if widen else lambda value: value

    def rule(eqn: Any, read: Read) -> Sequence[Any]:
        inputs = [read(atom) for atom in eqn.invars]
        if widen and _rounds(eqn):
            return inputs
        params = {name: _single(value) for name, value in eqn.params.items()} if widen else eqn.params
        return bind(eqn.replace(params=params), inputs)

    return through(program, [change(arg) for arg in args], rule, change)


def _wide(value: Any) -> Any:
    return jnp.asarray(value).astype(jnp.float32) if is_half(value) else value


def _single(value: Any) -> Any:
    """Returns single precision in place of a half type among the parameters of an equation."""
    return jnp.dtype(jnp.float32) if isinstance(value, jnp.dtype) and value in _HALVES else value


def _are_finite(leaves: Sequence[jax.Array]) -> jax.Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))
