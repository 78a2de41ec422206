"""What the evidence of a diagnosis amounts to: conditions of the decision table, and its advice.

Advice is the name of an arm, or `None`.
"""

from typing import Literal

from engine.diagnosis.budget import FEWEST_SEEDS
from engine.diagnosis.evidence import FEWEST_RUNS, HARDLY_ANY_DIVERGED, MOST_RUNS, NEARLY_ALL_RUNS, Evidence
from engine.statistics import proportion
from engine.studies.diagnosis_kinds import AS_GIVEN

FINE_EPSILON, HE, LEAKY = "epsilon=1e-12", "init=he", "leaky_relu"
# Of a configuration of which 95 % of the runs leave, 0.6 % of the studies of 24 runs show fewer.
NORMAL_RUNS = 0.8
FEW_DIVERGED = 0.1
# Deviation of the outputs over examples at the start, of a network that starts far too small, or
# far too large.
_SMALL_START, _LARGE_START = 0.1, 10.0
# A rate that is advised takes away this share of what the best one does.
_SHARE_OF_BEST = 0.9
# Fewer are no pattern, nor is a smaller share of all runs.
FEWEST_DEAD, SHARE_DEAD = 3, 0.1
# The labels are shuffled once for all seeds: the wait under one shuffle is another than under the
# next, by a tenth.
_FAR_SOONER = 0.5
_STRICT_LEVEL = 0.01


def is_too_little(evidence: Evidence) -> bool:
    """Whether runs are still to come, or there are too few to say anything of most such runs."""
    return evidence.num_missing > 0 or evidence.given.num_runs < FEWEST_RUNS


def has_constant_inputs(evidence: Evidence) -> bool:
    """Whether no input tells one example from another, and nothing is learned of them."""
    return bool(evidence.has_constant_inputs) and not evidence.leaves(AS_GIVEN)


def learns_by_heart(evidence: Evidence) -> bool:
    """Whether training examples are learned, and nothing that carries over, whatever is changed.

    It must be so as given: what is learned by heart in another arm only says that there are labels.
    """
    controls = ("linear_probe", "shuffled_labels")
    if not evidence.leaves(AS_GIVEN) or not all(name in evidence.arms for name in controls):
        return False
    learned = [name for name, arm in evidence.arms.items() if arm.kind != "control" and evidence.leaves(name)]
    return all(evidence.carries_over(name) is False for name in (*learned, "linear_probe"))


def is_sooner_than_shuffled(evidence: Evidence) -> bool:
    """Whether the given labels are learned far sooner than shuffled ones, by heart or not."""
    shuffled = evidence.arms["shuffled_labels"]
    if shuffled.difference is None or shuffled.p_value is None:
        return False
    is_far = shuffled.difference.lower >= _FAR_SOONER * evidence.given.mean_wait
    return shuffled.p_value < _STRICT_LEVEL and is_far


def is_normal(evidence: Evidence) -> bool:
    """Whether runs leave by themselves, hardly any diverge, and what they learn carries over."""
    given = evidence.given
    lower = proportion(given.num_left, given.num_runs).lower
    return (
        given.left >= NORMAL_RUNS
        and lower >= MOST_RUNS
        and given.diverged < FEW_DIVERGED
        and evidence.carries_over(AS_GIVEN) is not False
    )


def learns_the_wrong_thing(evidence: Evidence) -> bool:
    """Whether most runs leave chance level without learning what carries over."""
    return evidence.leaves(AS_GIVEN) and evidence.carries_over(AS_GIVEN) is False


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
    arms, given = evidence.arms, evidence.given
    tame = [name for name in _lower_rates(evidence) if arms[name].diverged <= HARDLY_ANY_DIVERGED]
    learning = [n for n in tame if evidence.leaves(n) and arms[n].left >= given.left]
    return next(iter(learning), None) or evidence.best() or next(iter(tame), None)


def has_too_few_seeds(evidence: Evidence) -> bool:
    """Whether no change could be told from chance."""
    return evidence.given.num_runs < FEWEST_SEEDS


def is_held_by_epsilon(evidence: Evidence) -> bool:
    """Whether a finer epsilon relieves."""
    return evidence.relieves(FINE_EPSILON)


def is_dead(evidence: Evidence) -> bool:
    """Whether most runs at chance have a dead layer, as a pattern, and because of nothing else."""
    signs, given = evidence.signs, evidence.given
    dead = signs.num_dead or 0
    is_pattern = dead >= max(FEWEST_DEAD, SHARE_DEAD * given.num_runs)
    is_of_most = is_pattern and dead >= MOST_RUNS * given.num_stuck
    return is_of_most and not (dies_on_the_way(evidence) and _has_died_of_another_cause(evidence))


def dies_on_the_way(evidence: Evidence) -> bool:
    """Whether most of the runs with a dead layer had none at the start."""
    signs = evidence.signs
    return (signs.num_born_dead or 0) < MOST_RUNS * (signs.num_dead or 0)


def _has_died_of_another_cause(evidence: Evidence) -> bool:
    """Whether runs die of the rate, or of the start.

    What a lower rate spares has died of the rate. What another start spares, and a leak does not,
    has died while it was held: a unit that nothing moves dies of the first unlucky step. Where no
    leak could be tried, the start must be seen to be small, or large.
    """
    is_of_start = not evidence.leaves(LEAKY) if LEAKY in evidence.arms else size_of_start(evidence) is not None
    return lower_rate(evidence) is not None or (evidence.relieves(HE) and is_of_start)


def size_of_start(evidence: Evidence) -> Literal["small", "large"] | None:
    """What the outputs at the start show of it; `None` where they are of order one, or unknown."""
    spread = evidence.signs.output_spread
    if spread is None or _SMALL_START <= spread <= _LARGE_START:
        return None
    return "small" if spread < _SMALL_START else "large"


def is_held_by_scale(evidence: Evidence) -> bool:
    """Whether a He start relieves."""
    return evidence.relieves(HE)


def higher_rate(evidence: Evidence) -> str | None:
    """Of the higher rates that help, the lowest that is about as good as the best.

    That is one with which nearly all runs leave, and about as early; without one, the lowest that
    helps. One that makes something else worse only where there is no other.
    """
    rates, arms = evidence.rates, evidence.arms
    helping = [name for name, rate in rates.items() if rate > 1 and evidence.relieves(name)]
    helping.sort(key=lambda name: (not evidence.is_advisable(name), rates[name]))
    full = [name for name in helping if arms[name].left >= NEARLY_ALL_RUNS and evidence.is_advisable(name)]
    best = max(map(evidence.gain, full), default=0.0)
    near = [name for name in full if evidence.gain(name) >= _SHARE_OF_BEST * best]
    return next(iter([*near, *helping]), None)


def lower_rate(evidence: Evidence) -> str | None:
    """The highest of the lower rates that help."""
    return next(filter(evidence.relieves, _lower_rates(evidence)), None)


def _lower_rates(evidence: Evidence) -> list[str]:
    """All lower rates, the highest first."""
    rates = evidence.rates
    return sorted((name for name, rate in rates.items() if rate < 1), key=lambda n: -rates[n])


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
