"""Number formats of a network's arithmetic. Parameters are float32, or what a network of the user's says."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

PRECISIONS: dict[str, str] = {
    "float32": "products in full float32",
    "tf32": "products in TF32, sums in float32; on NVIDIA GPUs",
    "bfloat16": "activations and products in bfloat16, parameters in float32",
}
_PRODUCTS = {"float32": "float32", "tf32": "tensorfloat32", "bfloat16": "default"}


def is_available(precision: str, platform: str) -> bool:
    """Tells whether a kind of device computes in a number format."""
    return precision != "tf32" or platform in ("gpu", "cuda")


def compute_in(apply: Callable[..., Any], precision: str, are_whole: bool = False) -> Callable[..., Any]:
    """Returns `apply` (params, model state, inputs, …) computing in one of `PRECISIONS`; float32 goes in and out.

    Inputs that `are_whole`, or partly so, stay as they are: half precision rounds whole numbers above 256.
    """

    def computed(params: Any, state: Any, inputs: Any, *rest: Any) -> Any:
        with jax.default_matmul_precision(_PRODUCTS[precision]):
            if precision == "bfloat16":
                params = _cast(params, jnp.bfloat16)
                inputs = inputs if are_whole else _cast(inputs, jnp.bfloat16)
            outputs = apply(params, state, inputs, *rest)
        # A network of the user's may compute in half precision by itself.
        return _cast(outputs, jnp.float32)

    return computed


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree)
