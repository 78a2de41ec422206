"""The findings, and what one says."""

from typing import Literal, NamedTuple

from ..registry import Registry
from .look import Look

# In the order in which they are said: what is wrong in the data comes before the network, and that before the numbers.
_NAMES = (
    "constant_inputs",
    "lost_inputs",
    "input_scale",
    "rescaled_inputs",
    "uneven_inputs",
    "constant_features",
    "target_scale",
    "classes_as_values",
    "rare_classes",
    "contradicting_labels",
    "unrelated_labels",
    "held_out_labels",
    "sorted_examples",
    "other_mixture",
    "no_loss",
    "no_gradient",
    "softmax_inside",
    "log_softmax_inside",
    "bounded_outputs",
    "constant_outputs",
    "mixed_examples",
    "narrow_layer",
    "linear_layers",
    "blind_to_order",
    "unseen_positions",
    "initial_loss",
    "broken_gradient",
    "unreached_parameters",
    "altered_gradient",
    "saturating_layers",
    "gradient_by_depth",
    "below_epsilon",
    "low_precision",
    "strong_dropout",
    "strong_decay",
    "warm_up",
    "step_size",
    "one_batch",
)
# With these nothing can be trained, and nothing else about the network is worth saying, but what takes its loss away.
BLOCKING = ("no_loss", "no_gradient")
# They are about the numbers of a configuration rather than the network or the data.
OF_SETTINGS = ("below_epsilon", "strong_decay", "strong_dropout", "warm_up", "step_size", "one_batch")
# They read targets as classes or values, and say nothing of tokens.
_OF_TARGETS = (
    *("target_scale", "classes_as_values", "unrelated_labels", "held_out_labels", "other_mixture"),
    "bounded_outputs",
)
FINDINGS = Registry("finding", {name: f".preflight.{name}" for name in _NAMES})
# What a finding says of a set-up: something in it is wrong; it may hold the training back; it is worth knowing.
Strength = Literal["fault", "sign", "note"]


class Finding(NamedTuple):
    """Something that was found: its name in `FINDINGS`, a sentence with the numbers, and what to try.

    `cause` is the name in `causes` of what it speaks for, empty where it may be several.
    """

    name: str
    strength: Strength
    sentence: str
    advice: str
    cause: str = ""


def find_all(look: Look) -> list[Finding]:
    """Returns everything that is found, faults first."""
    found: list[Finding] = []
    is_blocked = False
    for name in (name for name in FINDINGS if not (look.predicts_tokens and name in _OF_TARGETS)):
        one: Finding | None = FINDINGS.load(name).find(look) if not is_blocked or name == "low_precision" else None
        if one is not None:
            found.append(one)
            is_blocked |= name in BLOCKING
    return sorted(found, key=lambda finding: ("fault", "sign", "note").index(finding.strength))


def is_fault(found: Finding | None) -> bool:
    """Tells whether something was found that is wrong whatever else holds."""
    return found is not None and found.strength == "fault"


def amount(value: float) -> str:
    """Writes a number to three digits, without an exponent where it is not tiny or huge."""
    return f"{float(f'{value:.3g}'):,.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"
