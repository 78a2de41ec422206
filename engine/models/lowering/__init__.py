"""Rewrites a traced network so that its operations stay fast under a seed axis.

`vmap` over inputs and kernels turns a convolution into a grouped one, which XLA runs slowly. A network's trace is
evaluated with other rules for convolutions, poolings and, in the form `direct`, products and normalisations.
"""

from ...registry import fingerprint_sources
from .. import jaxpr
from . import affine, blocks, convolutions, direct, geometry, interpreter, pooling, products, turned
from .convolutions import FORMS, default_form
from .interpreter import has_convolutions, lower

__all__ = ["FORMS", "default_form", "has_convolutions", "lower", "source_fingerprint"]


def source_fingerprint() -> str:
    """Returns the SHA-256 of the rules by which networks are rewritten."""
    rules = (affine, blocks, convolutions, direct, geometry, pooling, products, turned)
    return fingerprint_sources(*rules, interpreter, jaxpr)
