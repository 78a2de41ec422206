"""Networks: those named in `MODELS`, and the user's, which references name (see `engine.user_code`)."""

from engine import user_code
from engine.arms.arm import Arm
from engine.models import initial, layers
from engine.models.making import check_fit, choose_network, has_own_dropout, make_model
from engine.models.model import Model
from engine.models.registry import MODELS, SCHEMES
from engine.registry import fingerprint_sources
from engine.user_code import is_reference

__all__ = [
    "MODELS",
    "SCHEMES",
    "Model",
    "check_fit",
    "choose_network",
    "has_own_dropout",
    "make_model",
    "source_fingerprint",
]


def source_fingerprint(arm: Arm) -> str:
    """Returns the SHA-256 of the sources of the arm's model, which are part of a study's identity."""
    if is_reference(arm.model):
        return user_code.fingerprint(arm.model, "model")
    return fingerprint_sources(MODELS.load(arm.model), layers, initial, SCHEMES.load(arm.init or "normal"))
