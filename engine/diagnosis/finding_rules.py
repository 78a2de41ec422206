"""Rows of the decision table that rest on what was found before training, where no change takes it away."""

from collections.abc import Callable
from typing import Literal

from ..preflight import causes
from ..preflight.findings import Finding
from ..studies.diagnosis import AS_GIVEN
from . import conditions
from .changes import Change
from .evidence import Evidence
from .factors import FINE_EPSILON, HE, LARGER_BATCH, LINEAR_PROBE, SMALLER_BATCH
from .removals import CLIPPING, RELU, REMOVES, SINGLE_PRECISION, WIDER
from .rules import Rule

_SOME = 0.1
_FOUND = "the look at data and network before training finds a fault of this kind"
_SEEN = (
    "most runs do not leave chance level, and the look at data and network before training has a sign of this; the "
    "change against it, where one was tried, takes it away"
)


def _never(evidence: Evidence) -> bool:
    return False


# Each takes away one thing and touches nothing else: with it a fault elsewhere would still hold the runs. Rates, other
# optimisers and another start may carry runs over a fault.
_DECIDING = {**REMOVES, LARGER_BATCH.name: causes.SMALL_BATCH, SMALLER_BATCH.name: causes.LARGE_BATCH}


def _is_of_another_cause(evidence: Evidence, cause: str) -> bool:
    """Whether the runs are relieved by taking away something else than a fault that was found."""
    return any(_DECIDING.get(name, cause) != cause and evidence.relieves(name) for name in evidence.changes)


def _first_found(cause: str, *strengths: str) -> Callable[[Evidence], Finding | None]:
    return lambda evidence: next(iter(evidence.found(cause, *strengths)), None)


def _named(name: str) -> Callable[[Evidence], Finding | None]:
    return lambda evidence: next((one for one in evidence.findings if one.name == name), None)


def _fault(
    key: str,
    cause: str,
    meaning: str,
    yields_to: Literal["nothing", "normal runs", "experiments"] = "experiments",
    change: Change | None = None,
    finding: Callable[[Evidence], Finding | None] | None = None,
) -> Rule:
    """Makes a row for a fault, or for a `finding`; a `change` is advised where it relieves.

    Normal runs show that a fault does no harm, if it yields to anything; and an experiment that takes away something
    else and relieves shows that it is not what holds the runs, if it yields to these.
    """

    found = finding or _first_found(cause, "fault")

    def first(evidence: Evidence) -> str | None:
        is_relief = change is not None and change.name in evidence.changes and evidence.relieves(change.name)
        return change.name if change is not None and is_relief else None

    def holds(evidence: Evidence) -> bool:
        is_harmless = yields_to != "nothing" and conditions.is_normal(evidence)
        is_refuted = yields_to == "experiments" and _is_of_another_cause(evidence, cause)
        return found(evidence) is not None and not is_harmless and not is_refuted

    words = {
        "nothing": "",
        "normal runs": ", and the runs are not normal",
        "experiments": ", the runs are not normal, and nothing else that is taken away relieves them",
    }[yields_to]
    return Rule(key, cause, f"{_FOUND}{words}", holds, first=first, meaning=meaning, finding=found)


def _sign(
    key: str, cause: str, meaning: str, change: Change | None = None, is_refuted: Callable[[Evidence], bool] = _never
) -> Rule:
    """Makes a row for a sign; a `change` that takes it away and was tried without relief speaks against it."""

    def holds(evidence: Evidence) -> bool:
        is_idle = change is not None and change.name in evidence.arms and not evidence.relieves(change.name)
        is_seen = finding(evidence) is not None and not evidence.leaves(AS_GIVEN)
        return is_seen and not is_idle and not is_refuted(evidence)

    finding = _first_found(cause, "fault", "sign")

    def first(evidence: Evidence) -> str | None:
        return change.name if change is not None and evidence.leaves(change.name) else evidence.best()

    return Rule(key, cause, _SEEN, holds, first, meaning, finding=finding)


# Mistakes in code: whatever the runs do, what they learn is not what was meant.
MISTAKES = (
    _fault(
        "wrong_in_halves",
        causes.PRECISION,
        "In half precision this network is another function, or none.",
        yields_to="normal runs",
        change=SINGLE_PRECISION,
    ),
    _fault(
        "mixed",
        causes.MIXED,
        "What the network says of an example depends on which others happen to be in its batch.",
        yields_to="nothing",
    ),
    _fault(
        "misfit",
        causes.MISFIT,
        "The loss expects outputs of another kind: part of what it could teach never reaches the network.",
        yields_to="nothing",
    ),
    _fault(
        "unreachable",
        causes.UNREACHABLE,
        "However long it trains, no parameters make these outputs equal to the targets.",
        yields_to="nothing",
    ),
    _fault("contradicting", causes.LABELS, "No rule that could be learned fits all of these labels."),
    _fault(
        "rescaled",
        causes.INPUTS,
        "The network changes the scale of its inputs, which are of order one already.",
        finding=_named("rescaled_inputs"),
    ),
    _fault(
        "not_finite", causes.NOT_FINITE, "A step along a gradient that is not a number makes the parameters such, too."
    ),
    _fault(
        "altered",
        causes.ALTERED,
        "The optimiser is not given the gradient of the loss, whatever the start: clipping, a factor, or a stopped "
        "gradient lies between them.",
    ),
)


def _unrelieved(key: str, cause: str, meaning: str) -> Rule:
    """Makes a row for a fault that no change takes away, nor any other what holds the runs."""

    finding = _first_found(cause, "fault")
    return Rule(
        key,
        cause,
        f"{_FOUND}, most runs do not leave chance level, and no change that was tried helps by enough",
        lambda e: finding(e) is not None and not e.leaves(AS_GIVEN) and e.best() is None,
        meaning=meaning,
        advice="First look at that in the data and in the code: no change that was tried was enough.",
        finding=finding,
    )


def _unseeing(key: str, cause: str, name: str, what: str, meaning: str) -> Rule:
    """Makes a row for something that the network does not see: a cause where nothing that is learned carries over."""
    finding = _named(name)
    return Rule(
        key,
        cause,
        f"{what}, and the network learns nothing that carries over, whatever is changed",
        lambda evidence: finding(evidence) is not None and not conditions.carries_over_somehow(evidence),
        meaning=meaning,
        finding=finding,
    )


ZERO_START = _fault(
    "zero_start", causes.SCALE, "Weights that are all 0, or all alike, have no gradient to tell them apart.", change=HE
)
UNRELIEVED = (
    _unrelieved("inputs_seen", causes.INPUTS, "The inputs are far from order one."),
    _unrelieved("targets_seen", causes.TARGETS, "The targets are far from order one."),
    _unrelieved("dropout_seen", causes.DROPOUT, "Dropout leaves too little of the signal."),
    _unrelieved("decay_seen", causes.DECAY, "The decay shrinks the weights faster than the loss can make them grow."),
    _unrelieved("schedule_seen", causes.SCHEDULE, "The schedule keeps the learning rate far below its peak."),
    _unrelieved("rate_seen", causes.LARGE_RATE, "The first steps are longer than the weights."),
)
BLIND = _unseeing(
    "blind",
    causes.CAPACITY,
    "blind_to_order",
    "the outputs are the same whatever the order of the positions of an example",
    "What depends on the order, this network cannot tell.",
)
UNSEEN = _unseeing(
    "unseen",
    causes.CONSTANT,
    "unseen_positions",
    "the outputs do not depend on some positions of an example",
    "What stands at these positions, this network cannot tell.",
)
UNTRAINED = _fault(
    "untrained",
    causes.UNTRAINED,
    "Part of the network stays where it started, so that only the rest can learn.",
    finding=_first_found(causes.UNTRAINED, "fault", "sign"),
)
# The network's own units, which no change of the configuration can replace where the network is the user's.
SATURATING = _sign(
    "saturating_units",
    causes.SATURATING,
    "The activation is flat far from zero and its slope is small elsewhere: through several such layers hardly any "
    "gradient is left.",
    RELU,
)


def _is_epsilon_idle(evidence: Evidence) -> bool:
    """Whether a finer epsilon was tried and takes away less than a tenth of the wait."""
    is_tried = FINE_EPSILON.name in evidence.arms
    return is_tried and evidence.gain(FINE_EPSILON.name) < _SOME * evidence.given.mean_wait


EPSILON_SEEN = _sign(
    "epsilon_seen",
    causes.EPSILON,
    "The gradients are below the optimiser's ε: it divides by √v̂ + ε, so that steps are shorter than the learning rate "
    "says.",
    is_refuted=_is_epsilon_idle,
)


def _is_linear_enough(evidence: Evidence) -> bool:
    """Whether the network is linear, and a linear model learns."""
    is_linear = all(one.name != "narrow_layer" for one in evidence.found(causes.CAPACITY))
    return is_linear and evidence.leaves(LINEAR_PROBE.name)


SIGNS = (
    EPSILON_SEEN,
    _sign(
        "narrow", causes.CAPACITY, "What the network can do is less than the targets ask for.", WIDER, _is_linear_enough
    ),
    _sign(
        "imprecise",
        causes.PRECISION,
        "Small numbers are lost in the arithmetic before they can add up.",
        SINGLE_PRECISION,
    ),
    _sign("vanishing", causes.VANISHING, "Hardly anything of the signal, or of its gradient, passes all layers."),
    _sign("exploding", causes.EXPLODING, "The signal, or its gradient, grows from layer to layer.", CLIPPING),
    _sign(
        "imbalance",
        causes.IMBALANCE,
        "To answer the most frequent class is right so often that little is left to gain.",
    ),
)
