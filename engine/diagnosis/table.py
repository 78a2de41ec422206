"""The decision table: from what came of every change to a verdict. The first row that holds counts.

What is wrong with the data is wrong under every change, so it comes first; then whether there is
anything to explain at all. The causes follow from the most specific to the least: epsilon can be
held responsible only by changing epsilon, which revives no unit that was dead from the start, but
spares those that die because of it; another start also removes what epsilon held; and another rate
may carry a run over what another start would have spared it. The last rows say why nothing is
decided.
"""

from collections.abc import Callable
from typing import NamedTuple

from engine.diagnosis.evidence import (
    MOST_RUNS,
    NEARLY_ALL_RUNS,
    Evidence,
    leaves_nearly_always,
)
from engine.diagnosis.factors import AS_GIVEN
from engine.statistics import proportion

NORMAL = "normal for this set-up"
SCALE = "held by the initial scale"
EPSILON = "held by epsilon"
DEAD = "dead units"
RATE = "rate too small"
LARGE_RATE = "rate too large"
DIVERGES = "diverges"
NOTHING = "nothing to learn: check labels and inputs"
UNDECIDED = "not decided"

_RELIEVES = "makes most runs leave chance level, far more of them or in half the time"
_FINE_EPSILON = "epsilon=1e-12"
_HE = "init=he"
_NORMALISED = "batch_norm"
# Deviation of the outputs over examples, where those of a network that starts as it should are of
# order one.
_NO_SIGNAL = 0.01
_FEW_DIVERGED = 0.1
_HARDLY_ANY_DIVERGED = 0.05
# Fewer are no pattern, nor is a smaller share of all runs.
_FEWEST_DEAD, _SHARE_DEAD = 3, 0.1
# Of the one comparison that only qualifies a verdict, so that it seldom does by chance.
_STRICT_LEVEL = 0.01


class Rule(NamedTuple):
    """A row of the table.

    Attributes:
        key: of the row.
        verdict: what follows.
        condition: in words.
        holds: whether it does.
        first: the change to make first, one of the arms; `None` where it is none of them.
    """

    key: str
    verdict: str
    condition: str
    holds: Callable[[Evidence], bool]
    first: Callable[[Evidence], str | None] = lambda evidence: None


class Decision(NamedTuple):
    """What follows from the evidence.

    Attributes:
        verdict: of the table.
        row: key of the row that held.
        condition: of that row, in words.
        first: the arm with the change to make first, or `None`.
        waits_for: what the plateau is due to, where most runs have one and leave it by themselves;
            else `None`.
    """

    verdict: str
    row: str
    condition: str
    first: str | None
    waits_for: str | None


def decide(evidence: Evidence) -> Decision:
    """The verdict, by the first row of `RULES` that holds."""
    rule = next(rule for rule in RULES if rule.holds(evidence))
    waits_for = None
    given = evidence.given
    if rule.verdict == NORMAL and given.num_waited >= MOST_RUNS * given.num_runs:
        # Any wait grows shorter with a higher rate, so that this tells no cause.
        held = (cause for cause in (_EPSILON, _SCALE) if cause.holds(evidence))
        waits_for = next((cause.verdict for cause in held), None)
    return Decision(rule.verdict, rule.key, rule.condition, rule.first(evidence), waits_for)


def _is_too_little(evidence: Evidence) -> bool:
    number = evidence.given.num_runs
    return evidence.num_missing > 0 or proportion(number, number).lower < MOST_RUNS


def _learns_by_heart(evidence: Evidence) -> bool:
    """Whether training examples are learned, and nothing that carries over, whatever is changed."""
    learned = [
        name
        for name, arm in evidence.arms.items()
        if arm.kind != "control" and evidence.leaves(name)
    ]
    is_probe_blind = not evidence.carries_over("linear_probe")
    return (
        bool(learned)
        and all(evidence.carries_over(name) is False for name in learned)
        and is_probe_blind
    )


def _is_sooner_than_shuffled(evidence: Evidence) -> bool:
    """Whether the given labels are learned sooner than shuffled ones, by heart or not."""
    shuffled = evidence.arms.get("shuffled_labels")
    if shuffled is None or shuffled.difference is None or shuffled.p_value is None:
        return False
    return shuffled.p_value < _STRICT_LEVEL and shuffled.difference.lower > 0


def _is_normal(evidence: Evidence) -> bool:
    given = evidence.given
    return (
        leaves_nearly_always(given)
        and given.diverged < _FEW_DIVERGED
        and evidence.carries_over(AS_GIVEN) is not False
    )


def _learns_the_wrong_thing(evidence: Evidence) -> bool:
    return evidence.given.left >= NEARLY_ALL_RUNS and evidence.carries_over(AS_GIVEN) is False


def _carrying(evidence: Evidence) -> str | None:
    """Of the changes with which most runs learn what carries over, the one that does it best."""
    found = {
        name: arm.held_out
        for name, arm in evidence.arms.items()
        if arm.kind == "remedy" and evidence.leaves(name) and evidence.carries_over(name)
    }
    return max(found, key=lambda name: found[name] or 0.0) if found else None


def _diverges(evidence: Evidence) -> bool:
    given = evidence.given
    return given.diverged >= _FEW_DIVERGED and given.num_diverged >= given.num_stuck


def _steadier(evidence: Evidence) -> str | None:
    """What to try against a divergence.

    That is the highest lower rate that learns with hardly any divergence; or else whatever helps
    most; or else the highest lower rate without much divergence.
    """
    arms = evidence.arms
    tame = [name for name in _lower_rates(evidence) if arms[name].diverged <= _HARDLY_ANY_DIVERGED]
    learning = [name for name in tame if evidence.leaves(name)]
    return next(iter(learning), None) or evidence.best() or next(iter(tame), None)


def _is_held_by_epsilon(evidence: Evidence) -> bool:
    return evidence.relieves(_FINE_EPSILON)


def _is_dead(evidence: Evidence) -> bool:
    signs, given = evidence.signs, evidence.given
    dead, born = signs.num_dead or 0, signs.num_born_dead or 0
    is_pattern = dead >= max(_FEWEST_DEAD, _SHARE_DEAD * given.num_runs)
    # What a lower rate spares has died of the rate.
    has_died_of_rate = born < MOST_RUNS * dead and _lower_rate(evidence) is not None
    return is_pattern and dead >= MOST_RUNS * given.num_stuck and not has_died_of_rate


def _is_held_by_scale(evidence: Evidence) -> bool:
    """Whether another start relieves; or normalisation, which replaces it, where no signal is."""
    spread = evidence.signs.output_spread
    has_no_signal = spread is not None and spread < _NO_SIGNAL
    return evidence.relieves(_HE) or (has_no_signal and evidence.relieves(_NORMALISED))


def _higher_rate(evidence: Evidence) -> str | None:
    """Of the higher rates that help, the lowest with which nearly all runs leave, or most."""
    rates, arms = evidence.rates, evidence.arms
    helping = [name for name, rate in rates.items() if rate > 1 and evidence.relieves(name)]
    helping.sort(key=lambda name: rates[name])
    full = [name for name in helping if arms[name].left >= NEARLY_ALL_RUNS]
    return next(iter([*full, *helping]), None)


def _lower_rates(evidence: Evidence) -> list[str]:
    """All lower rates, the highest first."""
    rates = evidence.rates
    return sorted((name for name, rate in rates.items() if rate < 1), key=lambda n: -rates[n])


def _lower_rate(evidence: Evidence) -> str | None:
    """The highest of the lower rates that help."""
    return next(filter(evidence.relieves, _lower_rates(evidence)), None)


def _is_slow(evidence: Evidence) -> bool:
    given = evidence.given
    is_falling = given.num_stuck > 0 and given.num_falling >= MOST_RUNS * given.num_stuck
    return is_falling or bool(evidence.carries_over(AS_GIVEN))


def _tells_nothing_easy(evidence: Evidence) -> bool:
    """Whether one batch is learned, but neither all examples nor what a linear model can read."""
    return (
        evidence.leaves("one_batch")
        and not evidence.leaves(AS_GIVEN)
        and evidence.carries_over("linear_probe") is False
    )


_EPSILON = Rule(
    "epsilon",
    EPSILON,
    f"an epsilon of 1e-12 {_RELIEVES}",
    _is_held_by_epsilon,
    lambda evidence: _FINE_EPSILON,
)
_SCALE = Rule(
    "scale",
    SCALE,
    f"a He start {_RELIEVES}; or normalisation does, and at the start the outputs are the same for "
    f"all examples, within {_NO_SIGNAL:g}",
    _is_held_by_scale,
    lambda evidence: evidence.best(lambda name: name in (_HE, _NORMALISED)),
)
RULES = (
    Rule(
        "constant_inputs",
        NOTHING,
        "the inputs are the same for all examples",
        lambda evidence: bool(evidence.has_constant_inputs),
    ),
    Rule(
        "too_little",
        UNDECIDED,
        "runs are still to come, or there are too few of the configuration to say anything of most "
        "such runs",
        _is_too_little,
    ),
    Rule(
        "by_heart",
        NOTHING,
        "what learns the training examples learns nothing that carries over to others, whatever "
        "is changed, and is no sooner than with shuffled labels; nor does a linear model",
        lambda evidence: _learns_by_heart(evidence) and not _is_sooner_than_shuffled(evidence),
    ),
    Rule(
        "by_heart_sooner",
        UNDECIDED,
        "nothing that is learned carries over by the horizon, but the labels are learned sooner "
        "than shuffled ones",
        _learns_by_heart,
    ),
    Rule(
        "normal",
        NORMAL,
        "nearly all runs leave chance level by themselves, and what they learn carries over",
        _is_normal,
        lambda evidence: evidence.best(),
    ),
    Rule(
        "diverges",
        DIVERGES,
        "at least as many runs diverge as stay at chance",
        _diverges,
        _steadier,
    ),
    Rule(
        "only_by_heart",
        UNDECIDED,
        "nearly all runs leave chance level, but what they learn does not carry over, although "
        "there is something that does",
        _learns_the_wrong_thing,
        _carrying,
    ),
    _EPSILON,
    Rule(
        "dead",
        DEAD,
        "in most of the runs at chance a whole layer gives the same for every example, so that no "
        "gradient passes, and they have not died of a rate that is too large",
        _is_dead,
        lambda evidence: evidence.best(),
    ),
    _SCALE,
    Rule(
        "small_rate",
        RATE,
        f"a higher learning rate {_RELIEVES}, and another start does not",
        lambda evidence: _higher_rate(evidence) is not None,
        _higher_rate,
    ),
    Rule(
        "large_rate",
        LARGE_RATE,
        f"a lower learning rate {_RELIEVES}",
        lambda evidence: _lower_rate(evidence) is not None,
        _lower_rate,
    ),
    Rule(
        "another_change",
        UNDECIDED,
        f"a change {_RELIEVES}, but none that tells a cause",
        lambda evidence: evidence.best() is not None,
        lambda evidence: evidence.best(),
    ),
    Rule(
        "slow",
        UNDECIDED,
        "nothing that was changed helps by enough, but the loss of most runs at chance had begun "
        "to fall, or what they learn carries over",
        _is_slow,
    ),
    Rule(
        "hard",
        UNDECIDED,
        "nothing that was changed helps by enough; one batch can be learned, and a linear model "
        "reads nothing from the inputs",
        _tells_nothing_easy,
    ),
    Rule(
        "nothing_helps",
        UNDECIDED,
        "nothing that was changed helps by enough",
        lambda evidence: True,
    ),
)
