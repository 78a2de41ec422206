"""The decision table: from what came of every change to a verdict. The first row that holds counts.

The controls come first, because what is wrong with the data is wrong under every change. Then
comes whether there is anything to explain at all. The causes follow from the most specific to the
least: epsilon can be held responsible only by changing epsilon, which revives no unit that was dead
from the start, but spares those that die because of it; another start also removes what epsilon
held; and another rate may carry a run over what another start would have spared it.
"""

from collections.abc import Callable
from typing import NamedTuple

from engine.diagnosis.evidence import LOW, MOST, NEARLY_ALL, Evidence

NORMAL = "normal for this set-up"
SCALE = "held by the initial scale"
EPSILON = "held by epsilon"
DEAD = "dead units"
RATE = "rate too small"
DIVERGES = "diverges"
NOTHING = "nothing to learn: check labels and inputs"
UNDECIDED = "not decided"

_RELIEVES = "makes most runs leave chance level, far more of them or in half the time"
_STARTS = ("init=he", "batch_norm")
_FINE_EPSILON = "epsilon=1e-12"
# Relative to their size, in single precision.
_NO_SPREAD = 1e-6
_FEW_DIVERGED = 0.1


class Rule(NamedTuple):
    """A row of the table.

    Attributes:
        verdict: what follows.
        condition: in words.
        holds: whether it does.
        first: the change to make first, one of the arms; `None` where it is none of them.
    """

    verdict: str
    condition: str
    holds: Callable[[Evidence], bool]
    first: Callable[[Evidence], str | None]


class Decision(NamedTuple):
    """What follows from the evidence.

    Attributes:
        verdict: of the table.
        condition: the row that held, in words.
        first: the arm with the change to make first, or `None`.
        waits_for: what the plateau is due to, where most runs have one and leave it by themselves;
            else `None`.
    """

    verdict: str
    condition: str
    first: str | None
    waits_for: str | None


def decide(evidence: Evidence) -> Decision:
    """The verdict, by the first row of `RULES` that holds."""
    rule = next(rule for rule in RULES if rule.holds(evidence))
    waits_for = None
    given = evidence.given
    if rule.verdict == NORMAL and given.num_waited >= MOST * given.num_runs:
        held = (cause for cause in _CAUSES if cause.holds(evidence))
        waits_for = next((cause.verdict for cause in held), None)
    return Decision(rule.verdict, rule.condition, rule.first(evidence), waits_for)


def _has_constant_inputs(evidence: Evidence) -> bool:
    spread = evidence.signs.input_spread
    return spread is not None and spread <= _NO_SPREAD


def _learns_by_heart(evidence: Evidence) -> bool:
    """Whether training examples are learned, and nothing that carries over, whatever is changed."""
    arms = evidence.arms.values()
    learned = [arm for arm in arms if arm.kind != "control" and arm.left >= MOST]
    probe = evidence.arms.get("linear_probe")
    judged = [*learned, *([] if probe is None else [probe])]
    return bool(learned) and all(a.held_out is not None and a.held_out < LOW for a in judged)


def _is_normal(evidence: Evidence) -> bool:
    return evidence.given.left >= NEARLY_ALL


def _diverges(evidence: Evidence) -> bool:
    given = evidence.given
    stuck = 1.0 - given.left - given.diverged
    return given.diverged >= _FEW_DIVERGED and given.diverged >= stuck


def _is_dead(evidence: Evidence) -> bool:
    return evidence.signs.dead is not None and evidence.signs.dead >= MOST


def _is_held_by_epsilon(evidence: Evidence) -> bool:
    return evidence.relieves(_FINE_EPSILON)


def _is_held_by_scale(evidence: Evidence) -> bool:
    return any(map(evidence.relieves, _STARTS))


def _higher_rates(evidence: Evidence) -> list[str]:
    """Higher rates that help, the lowest first."""
    rates = evidence.rates
    helping = [name for name, rate in rates.items() if rate > 1 and evidence.relieves(name)]
    return sorted(helping, key=lambda name: rates[name])


def _higher_rate(evidence: Evidence) -> str | None:
    """The lowest rate with which nearly all runs leave, or else most."""
    helping = _higher_rates(evidence)
    full = [name for name in helping if evidence.arms[name].left >= NEARLY_ALL]
    return next(iter([*full, *helping]), None)


def _lower_rate(evidence: Evidence) -> str | None:
    """The highest lower rate with which no run diverges, of those that learn if there are some."""
    rates, arms = evidence.rates, evidence.arms
    lower = [name for name, rate in rates.items() if rate < 1 and not arms[name].num_diverged]
    lower.sort(key=lambda name: -rates[name])
    learning = [name for name in lower if arms[name].left >= MOST]
    return next(iter([*learning, *lower]), None)


_EPSILON = Rule(
    EPSILON,
    f"an epsilon of 1e-12 {_RELIEVES}",
    _is_held_by_epsilon,
    lambda evidence: _FINE_EPSILON,
)
_SCALE = Rule(
    SCALE,
    f"another start, or normalisation, {_RELIEVES}",
    _is_held_by_scale,
    lambda evidence: evidence.best(_STARTS),
)
_RATE = Rule(
    RATE,
    f"a higher learning rate {_RELIEVES}, and another start does not",
    lambda evidence: bool(_higher_rates(evidence)),
    _higher_rate,
)
_CAUSES = (_EPSILON, _SCALE, _RATE)
RULES = (
    Rule(
        NOTHING,
        "the inputs are the same for all examples",
        _has_constant_inputs,
        lambda evidence: None,
    ),
    Rule(
        NOTHING,
        "what learns the training examples learns nothing that carries over to others, whatever "
        "is changed, and neither does a linear model",
        _learns_by_heart,
        lambda evidence: None,
    ),
    Rule(
        NORMAL,
        "nearly all runs leave chance level by themselves",
        _is_normal,
        lambda evidence: evidence.best(),
    ),
    Rule(
        DIVERGES,
        "more runs diverge than stay at chance",
        _diverges,
        _lower_rate,
    ),
    _EPSILON,
    Rule(
        DEAD,
        "in most of the runs at chance a whole layer gives the same for every example, so that no "
        "gradient passes",
        _is_dead,
        lambda evidence: evidence.best(),
    ),
    _SCALE,
    _RATE,
    Rule(
        UNDECIDED,
        f"nothing that was changed {_RELIEVES}",
        lambda evidence: True,
        lambda evidence: evidence.best(),
    ),
)
