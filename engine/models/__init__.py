"""Networks. A model is one module with `USED` and `build`, and one line in `MODELS`."""

from engine.models.initial import SCHEMES
from engine.models.model import (
    ACTIVATIONS,
    Model,
    check_fit,
    make_model,
    resolve,
    source_fingerprint,
)
from engine.models.registry import MODELS

__all__ = [
    "ACTIVATIONS",
    "MODELS",
    "SCHEMES",
    "Model",
    "check_fit",
    "make_model",
    "resolve",
    "source_fingerprint",
]
