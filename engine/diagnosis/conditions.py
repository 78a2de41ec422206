"""What the evidence of a diagnosis amounts to: conditions of the decision table, and its advice.

Advice is the name of an arm, or `None`.
"""

from engine.diagnosis.evidence import (
    MOST_RUNS,
    NEARLY_ALL_RUNS,
    Evidence,
    leaves_nearly_always,
)
from engine.diagnosis.kinds import AS_GIVEN

FINE_EPSILON, HE, NORMALISED = "epsilon=1e-12", "init=he", "batch_norm"
# Deviation of the outputs over examples, where those of a network that starts as it should are of
# order one.
NO_SIGNAL = 0.01
FEW_DIVERGED = 0.1
# Fewer are no pattern, nor is a smaller share of all runs.
FEWEST_DEAD, SHARE_DEAD = 3, 0.1
# With fewer runs of the configuration, even if all of them agree, most such runs may do otherwise.
FEWEST_RUNS = 6
_HARDLY_ANY_DIVERGED = 0.05
# Of the one comparison that only qualifies a verdict, so that it seldom does by chance.
_STRICT_LEVEL = 0.01


def is_too_little(evidence: Evidence) -> bool:
    """Whether runs are still to come, or there are too few to say anything of most such runs."""
    return evidence.num_missing > 0 or evidence.given.num_runs < FEWEST_RUNS


def learns_by_heart(evidence: Evidence) -> bool:
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


def is_sooner_than_shuffled(evidence: Evidence) -> bool:
    """Whether the given labels are learned sooner than shuffled ones, by heart or not."""
    shuffled = evidence.arms.get("shuffled_labels")
    if shuffled is None or shuffled.difference is None or shuffled.p_value is None:
        return False
    return shuffled.p_value < _STRICT_LEVEL and shuffled.difference.lower > 0


def is_normal(evidence: Evidence) -> bool:
    """Whether nearly all runs leave by themselves, hardly any diverge, and it carries over."""
    given = evidence.given
    return (
        leaves_nearly_always(given)
        and given.diverged < FEW_DIVERGED
        and evidence.carries_over(AS_GIVEN) is not False
    )


def learns_the_wrong_thing(evidence: Evidence) -> bool:
    """Whether nearly all runs leave chance level without learning what carries over."""
    return evidence.given.left >= NEARLY_ALL_RUNS and evidence.carries_over(AS_GIVEN) is False


def carrying(evidence: Evidence) -> str | None:
    """Of the changes with which most runs learn what carries over, the one that does it best."""
    found = {
        name: arm.held_out
        for name, arm in evidence.arms.items()
        if arm.kind == "remedy" and evidence.leaves(name) and evidence.carries_over(name)
    }
    return max(found, key=lambda name: found[name] or 0.0) if found else None


def diverges(evidence: Evidence) -> bool:
    """Whether runs diverge, and no fewer than stay at chance."""
    given = evidence.given
    return given.diverged >= FEW_DIVERGED and given.num_diverged >= given.num_stuck


def steadier(evidence: Evidence) -> str | None:
    """What to try against a divergence.

    That is the highest lower rate that learns with hardly any divergence; or else whatever helps
    most; or else the highest lower rate without much divergence.
    """
    arms = evidence.arms
    tame = [name for name in _lower_rates(evidence) if arms[name].diverged <= _HARDLY_ANY_DIVERGED]
    learning = [name for name in tame if evidence.leaves(name)]
    return next(iter(learning), None) or evidence.best() or next(iter(tame), None)


def is_held_by_epsilon(evidence: Evidence) -> bool:
    """Whether a finer epsilon relieves."""
    return evidence.relieves(FINE_EPSILON)


def is_dead(evidence: Evidence) -> bool:
    """Whether most runs at chance have a dead layer, as a pattern, and not because of the rate."""
    signs, given = evidence.signs, evidence.given
    dead, born = signs.num_dead or 0, signs.num_born_dead or 0
    is_pattern = dead >= max(FEWEST_DEAD, SHARE_DEAD * given.num_runs)
    # What a lower rate spares has died of the rate.
    has_died_of_rate = born < MOST_RUNS * dead and lower_rate(evidence) is not None
    return is_pattern and dead >= MOST_RUNS * given.num_stuck and not has_died_of_rate


def is_held_by_scale(evidence: Evidence) -> bool:
    """Whether another start relieves; or normalisation, which replaces it, where no signal is."""
    spread = evidence.signs.output_spread
    has_no_signal = spread is not None and spread < NO_SIGNAL
    return evidence.relieves(HE) or (has_no_signal and evidence.relieves(NORMALISED))


def higher_rate(evidence: Evidence) -> str | None:
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


def lower_rate(evidence: Evidence) -> str | None:
    """The highest of the lower rates that help."""
    return next(filter(evidence.relieves, _lower_rates(evidence)), None)


def is_slow(evidence: Evidence) -> bool:
    """Whether it learns as given, only slowly or not by much."""
    given = evidence.given
    is_falling = given.num_stuck > 0 and given.num_falling >= MOST_RUNS * given.num_stuck
    return is_falling or bool(evidence.carries_over(AS_GIVEN))


def tells_nothing_easy(evidence: Evidence) -> bool:
    """Whether one batch is learned, but neither all examples nor what a linear model can read."""
    return (
        evidence.leaves("one_batch")
        and not evidence.leaves(AS_GIVEN)
        and evidence.carries_over("linear_probe") is False
    )
