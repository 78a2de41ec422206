"""Outputs that cannot take the values that they should.

Definition: at starts with thirty times He's weights, which drive an output without bounds far to both sides, at least a
tenth of the outputs lie at their least (or greatest) value, within a millionth of their range. In regression that is
wrong where above 5 % of the targets lie beyond it; in classification where both ends are such bounds and at most 2
apart, as of a sigmoid or tanh, or where the least is 0, as after a rectifier. It is wrong in classification, too, where
outputs at He's start lie within 2 of each other and thirty times the weights leave them there (up to a factor of 3), as
of cosines. False alarms: see docs/check.md.
"""

import numpy as np

from . import causes
from .findings import Finding
from .look import Look

_NEAR, _AT_END, _BEYOND, _NARROW, _ABOUT_AS_WIDE = 1e-6, 0.1, 0.05, 2.0, 3.0

_FREE = "leave out the non-linearity at the end of the network, or choose one whose values cover the targets"


def find(look: Look) -> Finding | None:
    """Finds a non-linearity on the outputs that keeps them from the targets."""
    outputs = look.wide_outputs[1:].ravel()
    if not np.all(np.isfinite(outputs)) or np.ptp(outputs) == 0:
        return None
    least, most = float(outputs.min()), float(outputs.max())
    is_bound = [np.mean(np.abs(outputs - end) <= _NEAR * (most - least)) >= _AT_END for end in (least, most)]
    if look.has_classes and not look.has_logits:
        return None
    # Shares are told by `softmax_inside`.
    if look.has_classes and np.allclose(look.wide_outputs.sum(axis=-1), 1, atol=1e-2):
        return None
    if look.has_classes and _are_normed(look) and not all(is_bound):
        return _finding(
            causes.MISFIT,
            f"every output lies between {least:.3g} and {most:.3g} however large the weights are, as a cosine does: "
            f"logits so close together never give a class most of the probability",
            "multiply the outputs by a factor of 10 or more, or by one that is learned",
        )
    if look.has_classes:
        if all(is_bound) and most - least <= _NARROW * (1 + _NEAR):
            return _finding(
                causes.MISFIT, f"every output lies between {least:.3g} and {most:.3g}, while logits should be free"
            )
        if is_bound[0] and least == 0:
            return _finding(causes.MISFIT, "no output is negative, as after a rectifier, while logits should be free")
        return None
    targets = np.asarray(look.training.targets, np.float64)
    for end, is_one, side, beyond in (
        (least, is_bound[0], "below", np.mean(targets < least)),
        (most, is_bound[1], "above", np.mean(targets > most)),
    ):
        if is_one and beyond > _BEYOND:
            return _finding(
                causes.UNREACHABLE, f"no output is {side} {end:.3g}, and {100 * beyond:.3g} % of the targets are"
            )
    return None


def _are_normed(look: Look) -> bool:
    """Tells whether outputs lie close together and keep their size where the weights grow."""
    plain, wide = (float(np.ptp(look.wide_outputs[starts])) for starts in (slice(0, 1), slice(1, None)))
    return wide <= _NARROW * (1 + _NEAR) and wide <= _ABOUT_AS_WIDE * plain


def _finding(cause: str, sentence: str, advice: str = _FREE) -> Finding:
    return Finding("bounded_outputs", "fault", sentence, advice, cause)
