"""Rows of the decision table for what a configuration adds to a plain training, or does not bring to order one."""

from ..preflight import causes
from . import conditions
from .changes import Change
from .removals import (
    CONSTANT_RATE,
    NO_AUGMENTATION,
    NO_CLIPPING,
    NO_DECAY,
    NO_DROPOUT,
    SCALED_BOTH,
    SCALED_INPUTS,
    SCALED_TARGETS,
    SINGLE_PRECISION,
)
from .rules import RELIEVES, Rule


def _rule(key: str, verdict: str, change: Change, what: str, meaning: str) -> Rule:
    return Rule(
        key,
        verdict,
        f"{what} {RELIEVES} (or halves the mean wait, and a fault of this kind was found before training); no other "
        "change of this kind does more, and no other change at all twice as much",
        lambda evidence: next(iter(conditions.removals(evidence)), None) == change.name,
        lambda evidence: change.name,
        meaning,
    )


REMOVAL_RULES = (
    _rule(
        "inputs",
        causes.INPUTS,
        SCALED_INPUTS,
        "scaling the inputs to mean 0 and deviation 1",
        "Networks, initial schemes and learning rates are made for inputs of order one. Larger inputs make outputs and "
        "gradients larger in proportion, smaller ones smaller, and inputs of different sizes are learned at different "
        "rates.",
    ),
    _rule(
        "targets",
        causes.TARGETS,
        SCALED_TARGETS,
        "scaling the targets to mean 0 and deviation 1",
        "A network starts with outputs of order one, and has to grow to the size of the targets before anything else "
        "can be learned. Predictions are scaled back by the mean and the deviation of the training targets.",
    ),
    _rule(
        "decay",
        causes.DECAY,
        NO_DECAY,
        "training without weight decay",
        "The decay shrinks the weights faster than the gradient of the loss can make them grow.",
    ),
    _rule(
        "dropout",
        causes.DROPOUT,
        NO_DROPOUT,
        "training without dropout",
        "Dropout leaves too little of the signal for the network to learn from.",
    ),
    _rule(
        "schedule",
        causes.SCHEDULE,
        CONSTANT_RATE,
        "a constant learning rate at the peak of the schedule",
        "Over the steps that were run, the schedule keeps the learning rate too far below its peak: a warm-up is too "
        "long for them, or a decay too short.",
    ),
    _rule(
        "augmentation",
        causes.AUGMENTATION,
        NO_AUGMENTATION,
        "training without augmentation",
        "The random changes of the training images hide what tells the classes apart.",
    ),
    _rule(
        "clipping",
        causes.ALTERED,
        NO_CLIPPING,
        "training without clipping of gradients",
        "Gradients are cut to so small a norm that steps are too short.",
    ),
    _rule(
        "precision",
        causes.PRECISION,
        SINGLE_PRECISION,
        "single precision",
        "Small numbers are lost in the arithmetic before they can add up.",
    ),
    _rule(
        "both_scales",
        causes.TARGETS,
        SCALED_BOTH,
        "scaling inputs and targets to mean 0 and deviation 1",
        "Neither inputs nor targets are of order one, and one of them alone is not enough.",
    ),
)
