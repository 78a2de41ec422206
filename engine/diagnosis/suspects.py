"""The causes that come into question, the likeliest first, each with what speaks for it and what against."""

from collections.abc import Iterator
from typing import NamedTuple

from ..preflight import causes
from ..studies.diagnosis import AS_GIVEN
from . import conditions, table
from .evidence import Evidence
from .factors import FINE_EPSILON, HE, LARGER_BATCH, LEAKY_RELU, LINEAR_PROBE, ONE_BATCH, SMALLER_BATCH
from .removals import CLIPPING, RELU, REMOVES, WIDER

MOST_NAMED = 4
# The cause that a change takes away, by the name of the change; of rates see `changes_against`.
TAKES_AWAY = {
    **REMOVES,
    FINE_EPSILON.name: causes.EPSILON,
    LEAKY_RELU.name: causes.DEAD,
    RELU.name: causes.SATURATING,
    HE.name: causes.SCALE,
    WIDER.name: causes.CAPACITY,
    CLIPPING.name: causes.EXPLODING,
    LARGER_BATCH.name: causes.SMALL_BATCH,
    SMALLER_BATCH.name: causes.LARGE_BATCH,
}
_STATES = (table.NORMAL, table.DIVERGES, table.UNDECIDED)


class Suspect(NamedTuple):
    """A cause that comes into question.

    Attributes:
        cause: a name of `engine.preflight.causes`.
        findings: sentences of the look before training that speak for it.
        relieving: changes against it with which the runs leave chance level; they speak for it.
        idle: changes against it that were tried and do not relieve; they speak against it.
        change: the change against it that does most, or `None` where none relieves.
        advice: what the look before training says to try, or `None`.
    """

    cause: str
    findings: list[str]
    relieving: list[str]
    idle: list[str]
    change: str | None
    advice: str | None = None


def rank(evidence: Evidence, decision: table.Decision) -> list[Suspect]:
    """Returns the causes that come into question, the likeliest first, at most four.

    The verdict comes first, then what the other rows that hold would say, then what the look before training has found,
    faults before signs, and what is taken away by changes that help some runs; where nothing is decided, at least two.
    """
    names = list(dict.fromkeys(_candidates(evidence, decision)))
    return [_suspect(evidence, name) for name in names[:MOST_NAMED]]


def _candidates(evidence: Evidence, decision: table.Decision) -> Iterator[str]:
    is_normal = decision.verdict == table.NORMAL
    if decision.verdict not in _STATES:
        yield decision.verdict
    if decision.waits_for is not None:
        yield decision.waits_for
    if decision.row not in ("too_little", "constant_inputs"):
        yield from (rule.verdict for rule in table.RULES if rule.verdict not in _STATES and rule.holds(evidence))
    strengths = ("fault", "note") if is_normal else ("fault", "sign")
    yield from (
        one.cause for strength in strengths for one in evidence.findings if one.strength == strength and one.cause
    )
    if decision.verdict == table.DIVERGES:
        yield causes.LARGE_RATE
    if not evidence.leaves(AS_GIVEN):
        easing = sorted(filter(evidence.eases, evidence.changes), key=lambda name: -evidence.gain(name))
        yield from filter(None, (takes_away(evidence, name) for name in easing))
        if evidence.carries_over(LINEAR_PROBE.name) is False:
            yield causes.HARD
    if decision.verdict == table.UNDECIDED and decision.row != "too_little":
        yield from _by_default(evidence)


def _by_default(evidence: Evidence) -> Iterator[str]:
    """Names what is left where nothing was found."""
    reads = evidence.carries_over(LINEAR_PROBE.name)
    if evidence.leaves(AS_GIVEN):
        yield from (causes.LABELS, causes.MIXTURE)
        return
    is_one_batch_stuck = ONE_BATCH.name in evidence.arms and not evidence.leaves(ONE_BATCH.name)
    if is_one_batch_stuck and evidence.leaves(LINEAR_PROBE.name):
        # What a linear model reads the network cannot even learn of one batch, whatever is changed.
        yield from (causes.MISFIT, causes.ALTERED)
    elif is_one_batch_stuck and reads is False:
        # Nothing that sees the inputs tells the examples of one batch apart.
        yield from (causes.CONSTANT, causes.CAPACITY)
    if conditions.learns_by_heart(evidence):
        yield from (causes.LABELS, causes.HARD)
    elif reads is False:
        yield from (causes.HARD, causes.LABELS)
    else:
        yield from (causes.SMALL_RATE, causes.SCALE if reads else causes.HARD)


def _suspect(evidence: Evidence, cause: str) -> Suspect:
    changes = [name for name in evidence.changes if takes_away(evidence, name) == cause]
    relieving = [name for name in changes if evidence.relieves(name) or evidence.shortens(name)]
    relieving.sort(key=lambda name: -evidence.gain(name))
    # Other rates say nothing against one that helps.
    rates = evidence.rates if relieving else {}
    return Suspect(
        cause,
        [one.sentence for one in evidence.found(cause)],
        relieving,
        [] if evidence.leaves(AS_GIVEN) else [name for name in changes if name not in (*relieving, *rates)],
        next(iter(relieving), None),
        next((one.advice for one in evidence.found(cause)), None),
    )


def takes_away(evidence: Evidence, name: str) -> str | None:
    """Returns the cause that a change takes away, or `None`: it is none of one cause."""
    if name in evidence.rates:
        return causes.SMALL_RATE if evidence.rates[name] > 1 else causes.LARGE_RATE
    return TAKES_AWAY.get(name)
