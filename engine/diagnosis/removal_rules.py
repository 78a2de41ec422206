"""Rows of the decision table for what a configuration adds to a plain training, or does not bring to order one."""

from engine.diagnosis import conditions
from engine.diagnosis.changes import Change
from engine.diagnosis.removals import (
    CONSTANT_RATE,
    NO_AUGMENTATION,
    NO_DECAY,
    NO_DROPOUT,
    SCALED_INPUTS,
    SCALED_TARGETS,
)
from engine.diagnosis.rules import RELIEVES, Rule

INPUTS = "inputs not scaled"
TARGETS = "targets not scaled"
DECAY = "weight decay too strong"
DROPOUT = "dropout too strong"
SCHEDULE = "held by the learning-rate schedule"
AUGMENTATION = "augmentation too strong"


def _rule(key: str, verdict: str, change: Change, what: str, meaning: str) -> Rule:
    return Rule(
        key,
        verdict,
        f"{what} {RELIEVES}; no other change of this kind does more, and no other change at all twice as much",
        lambda evidence: next(iter(conditions.removals(evidence)), None) == change.name,
        lambda evidence: change.name,
        meaning,
    )


REMOVAL_RULES = (
    _rule(
        "inputs",
        INPUTS,
        SCALED_INPUTS,
        "scaling the inputs to mean 0 and deviation 1",
        "Networks, initial schemes and learning rates are made for inputs of order one. Larger inputs make outputs and "
        "gradients larger in proportion, smaller ones smaller, and inputs of different sizes are learned at different "
        "rates.",
    ),
    _rule(
        "targets",
        TARGETS,
        SCALED_TARGETS,
        "scaling the targets to mean 0 and deviation 1",
        "A network starts with outputs of order one, and has to grow to the size of the targets before anything else "
        "can be learned. Predictions are scaled back by the mean and the deviation of the training targets.",
    ),
    _rule(
        "decay",
        DECAY,
        NO_DECAY,
        "training without weight decay",
        "The decay shrinks the weights faster than the gradient of the loss can make them grow.",
    ),
    _rule(
        "dropout",
        DROPOUT,
        NO_DROPOUT,
        "training without dropout",
        "Dropout leaves too little of the signal for the network to learn from.",
    ),
    _rule(
        "schedule",
        SCHEDULE,
        CONSTANT_RATE,
        "a constant learning rate at the peak of the schedule",
        "Over the steps that were run, the schedule keeps the learning rate too far below its peak: a warm-up is too "
        "long for them, or a decay too short.",
    ),
    _rule(
        "augmentation",
        AUGMENTATION,
        NO_AUGMENTATION,
        "training without augmentation",
        "The random changes of the training images hide what tells the classes apart.",
    ),
)
