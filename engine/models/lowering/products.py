"""Products of a layer's inputs and weights: one of two matrices for each seed, whatever axes the inputs have.

A library that writes `weights @ inputs`, or that keeps the steps of a sequence apart, leaves a product of several axes
to the compiler, which turns them before and after it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
from jax import lax

from ..jaxpr import is_variable


def find(jaxpr: Any) -> tuple[dict[Any, Any], set[Any]]:
    """Finds products whose factors change places, since the result is turned and nothing else reads it.

    It returns the product by the variable that the turned result is in, and the variables in between.
    """
    read = (*jaxpr.outvars, *(variable for eqn in jaxpr.eqns for variable in eqn.invars))
    reads = Counter(filter(is_variable, read))
    made_by = {v: eqn for eqn in jaxpr.eqns for v in eqn.outvars if eqn.primitive.name == "dot_general"}
    found, inside = {}, set()
    for eqn in jaxpr.eqns:
        variable = eqn.invars[0] if eqn.primitive.name == "transpose" and is_variable(eqn.invars[0]) else None
        if variable in made_by and reads[variable] == 1 and _is_backwards(made_by[variable], eqn.params["permutation"]):
            found[eqn.outvars[0]] = made_by[variable]
            inside.add(variable)
    return found, inside


def is_split(eqn: Any) -> bool:
    """Tells whether an equation is a product of inputs with more than two axes, the last of which is summed over."""
    if eqn.primitive.name != "dot_general":
        return False
    (over, _), (batch, _) = eqn.params["dimension_numbers"]
    return not batch and _has_rows(eqn.invars[0].aval, over)


def multiply(eqn: Any, factors: Sequence[jax.Array], is_swapped: bool = False) -> jax.Array:
    """Returns the value of a product without batch axes, or of the one in which its factors change places."""
    (a, b), ((over, over_b), _) = factors, eqn.params["dimension_numbers"]
    if is_swapped:
        a, b, over, over_b = b, a, over_b, over
    options = {name: eqn.params[name] for name in ("precision", "preferred_element_type")}
    if not _has_rows(a, over):
        return lax.dot_general(a, b, ((over, over_b), ((), ())), **options)
    out = lax.dot_general(a.reshape(math.prod(a.shape[:-1]), a.shape[-1]), b, (((1,), over_b), ((), ())), **options)
    return out.reshape(*a.shape[:-1], *out.shape[1:])


def _has_rows(inputs: Any, over: Sequence[int]) -> bool:
    return inputs.ndim > 2 and tuple(over) == (inputs.ndim - 1,)


def _is_backwards(product: Any, permutation: Sequence[int]) -> bool:
    """Tells whether what is left of the second factor comes first once the result is turned, each part in its order."""
    (over, _), (batch, _) = product.params["dimension_numbers"]
    rank, first = product.outvars[0].aval.ndim, product.invars[0].aval.ndim - len(over)
    return not batch and 0 < first < rank and tuple(permutation) == (*range(first, rank), *range(first))
