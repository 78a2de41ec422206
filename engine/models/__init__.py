"""Networks: those named in `MODELS`, and the user's, which references name (see `engine.user_code`)."""

from .. import user_code
from ..arms.arm import Arm
from ..registry import fingerprint_sources
from ..user_code import is_reference
from . import initial, layers
from .building import refusing_own_failures
from .making import check_fit, choose_network, has_own_dropout, make_model, takes_tokens
from .model import Model
from .registry import MODELS, SCHEMES

__all__ = [
    "MODELS",
    "SCHEMES",
    "Model",
    "check_fit",
    "choose_network",
    "has_own_dropout",
    "make_model",
    "refusing_own_failures",
    "source_fingerprint",
    "takes_tokens",
]


def source_fingerprint(arm: Arm) -> str:
    """Returns the SHA-256 of the sources of the arm's model, which are part of a study's identity."""
    if arm.trainer is not None:
        return user_code.fingerprint(arm.trainer, "trainer")
    if is_reference(arm.model):
        return user_code.fingerprint(arm.model, "model")
    return fingerprint_sources(MODELS.load(arm.model), layers, initial, SCHEMES.load(arm.init or "normal"))
