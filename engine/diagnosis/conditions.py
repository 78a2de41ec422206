"""What the evidence of a diagnosis amounts to: conditions of the decision table, and its advice, an arm or `None`."""

from typing import Literal

from ..preflight import causes
from ..statistics import proportion
from ..studies.diagnosis import AS_GIVEN
from .budget import FEWEST_SEEDS
from .evidence import HARDLY_ANY_DIVERGED, MOST_RUNS, NEARLY_ALL_RUNS, Evidence
from .factors import HE, LARGER_BATCH, LEAKY_RELU, LINEAR_PROBE, ONE_BATCH, SHUFFLED_LABELS
from .removals import REMOVES, SCALED_BOTH

# Where 95 % of all runs leave, 0.6 % of the studies of 24 runs show a smaller share.
NORMAL_RUNS = 0.8
FEW_DIVERGED = 0.1
# A network starts far too small, or far too large, if its outputs differ over examples by less, or more.
_SMALL_START, _LARGE_START = 0.1, 10.0
# So little of a signal is lost in what else moves the outputs.
_FAINT = 0.02
# An advised rate reduces the wait by at least this share of what the best rate does.
_SHARE_OF_BEST = 0.9
# Shares of runs, or scaled losses, that are about the same.
_ABOUT = 0.1
_HALF = 0.5
# Fewer dead runs, or a smaller share of all runs, are no pattern.
FEWEST_DEAD, SHARE_DEAD = 3, 0.1
# The labels are shuffled once for all seeds, and the waits under two shuffles differ by a tenth.
_FAR_SOONER = 0.5
_STRICT_LEVEL = 0.01
_BOTH = SCALED_BOTH.name
# The finding that neither neighbours nor a linear model read the targets from the inputs.
_UNREAD = "unrelated_labels"


def removals(evidence: Evidence) -> list[str]:
    """Returns the changes that relieve by taking away what the configuration adds, the one that does most first.

    What does less than half as much as another change is no cause: a rate too small is relieved a little by all. Where
    a fault was found before training, it is enough that taking it away halves the mean wait.
    """
    if evidence.given.num_runs < FEWEST_SEEDS:
        return []
    most = max(map(evidence.gain, filter(evidence.relieves, evidence.changes)), default=0.0)

    def is_meant(name: str) -> bool:
        is_fault = any(one.strength == "fault" for one in evidence.findings if one.cause == REMOVES.get(name))
        is_enough = evidence.relieves(name) or (is_fault and evidence.shortens(name))
        return name in REMOVES and is_enough and evidence.gain(name) >= _HALF * most

    found = filter(is_meant, evidence.changes)
    return sorted(found, key=lambda name: (not evidence.is_advisable(name), name == _BOTH, -evidence.gain(name)))


def learns_by_heart(evidence: Evidence) -> bool:
    """Whether training examples are learned by heart, as given or changed, and nothing carries over, whatever is.

    Of classes that hardly any held-out example has, nobody can see what carries over.
    """
    if not {LINEAR_PROBE.name, SHUFFLED_LABELS.name} <= evidence.arms.keys() or evidence.found(causes.HARD):
        return False
    if evidence.found(causes.IMBALANCE) or (not evidence.leaves(AS_GIVEN) and not _is_unread(evidence)):
        return False
    learned = [name for name, arm in evidence.arms.items() if arm.kind != "control" and evidence.leaves(name)]
    return bool(learned) and all(evidence.carries_over(name) is False for name in (*learned, LINEAR_PROBE.name))


def _is_unread(evidence: Evidence) -> bool:
    return any(one.name == _UNREAD for one in evidence.findings)


def is_sooner_than_shuffled(evidence: Evidence) -> bool:
    """Whether the given labels are learned far sooner than shuffled ones, by heart or not."""
    shuffled = evidence.arms[SHUFFLED_LABELS.name]
    if not evidence.leaves(AS_GIVEN):
        return False
    if shuffled.difference is None or shuffled.p_value is None:
        return False
    is_far = shuffled.difference.lower >= _FAR_SOONER * evidence.given.mean_wait
    return shuffled.p_value < _STRICT_LEVEL and is_far


def is_normal(evidence: Evidence) -> bool:
    """Whether runs leave by themselves, hardly any diverge, and what they learn carries over."""
    given = evidence.given
    do_leave = given.left >= NORMAL_RUNS and proportion(given.num_left, given.num_runs).lower >= MOST_RUNS
    return do_leave and given.diverged < FEW_DIVERGED and evidence.carries_over(AS_GIVEN) is not False


def carrying(evidence: Evidence) -> str | None:
    """Returns the change with which most runs learn what carries over, and do so best."""
    arms = evidence.arms
    remedies = [name for name in arms if arms[name].kind == "remedy" and evidence.leaves(name)]
    found = filter(evidence.carries_over, remedies)
    return max(found, key=lambda name: arms[name].held_out or 0.0, default=None)


def diverges(evidence: Evidence) -> bool:
    """Whether runs diverge, and no fewer than stay at chance."""
    given = evidence.given
    return given.diverged >= FEW_DIVERGED and given.num_diverged >= given.num_stuck


def blows_up(evidence: Evidence) -> bool:
    """Whether runs diverge, and a lower rate alone brings them to learn, unless a large start is what throws them."""
    if not diverges(evidence) or (evidence.relieves(HE.name) and size_of_start(evidence) == "large"):
        return False
    name = steadier(evidence)
    return name in _lower_rates(evidence) and evidence.leaves(name) and _is_tame(evidence, name)


def is_thrown_by_start(evidence: Evidence) -> bool:
    """Whether runs diverge, and He's start alone brings them to learn."""
    return diverges(evidence) and evidence.relieves(HE.name) and _is_tame(evidence, HE.name)


def steadier(evidence: Evidence) -> str | None:
    """Returns what to try against a divergence: the highest lower rate that learns with hardly any divergence.

    Else whatever helps most; else the highest lower rate with hardly any divergence.
    """
    arms, given = evidence.arms, evidence.given
    tame = [name for name in _lower_rates(evidence) if _is_tame(evidence, name)]
    learning = [name for name in tame if evidence.leaves(name) and arms[name].left >= given.left]
    return next(iter([*learning, *filter(None, [evidence.best()]), *tame]), None)


def _is_tame(evidence: Evidence, name: str) -> bool:
    return evidence.arms[name].diverged <= HARDLY_ANY_DIVERGED


def is_dead(evidence: Evidence) -> bool:
    """Whether most runs at chance have a dead layer, as a pattern that nothing else explains.

    Sigmoids and tanh that are far from zero give the same for every example, too, and are alive.
    """
    if evidence.found(causes.SATURATING):
        return False
    given, dead = evidence.given, evidence.symptoms.num_dead or 0
    is_pattern = dead >= max(FEWEST_DEAD, SHARE_DEAD * given.num_runs, MOST_RUNS * given.num_stuck)
    return is_pattern and not (dies_on_the_way(evidence) and _has_died_of_another_cause(evidence))


def dies_on_the_way(evidence: Evidence) -> bool:
    """Whether most of the runs with a dead layer had none at the start."""
    symptoms = evidence.symptoms
    return (symptoms.num_born_dead or 0) < MOST_RUNS * (symptoms.num_dead or 0)


def _has_died_of_another_cause(evidence: Evidence) -> bool:
    """Whether units die because of the rate, which a lower one shows, or of the start.

    The start is the cause if another one spares them and a leak does not: a unit that nothing moves dies of the first
    unlucky step. Where no leak could be tried, the start must be seen to be small or large.
    """
    is_of_start = size_of_start(evidence) is not None
    if LEAKY_RELU.name in evidence.arms:
        is_of_start = not evidence.leaves(LEAKY_RELU.name)
    return lower_rate(evidence) is not None or (evidence.relieves(HE.name) and is_of_start)


def size_of_start(evidence: Evidence) -> Literal["small", "large"] | None:
    """Returns the size of the start by its outputs; `None` where they are of order one, or unknown."""
    spread = evidence.symptoms.output_spread
    if spread is None or _SMALL_START <= spread <= _LARGE_START:
        return None
    return "small" if spread < _SMALL_START else "large"


def higher_rate(evidence: Evidence) -> str | None:
    """Returns the lowest of the higher rates with which nearly all runs leave about as early as with the best.

    Where there is none, the lowest that helps; one that makes something else worse only where there is no other.
    """
    rates, arms = evidence.rates, evidence.arms
    helping = [name for name, rate in rates.items() if rate > 1 and evidence.relieves(name)]
    helping.sort(key=lambda name: (not evidence.is_advisable(name), rates[name]))
    full = [name for name in helping if arms[name].left >= NEARLY_ALL_RUNS and evidence.is_advisable(name)]
    best = max(map(evidence.gain, full), default=0.0)
    near = [name for name in full if evidence.gain(name) >= _SHARE_OF_BEST * best]
    return next(iter([*near, *helping]), None)


def lower_rate(evidence: Evidence) -> str | None:
    """Returns the highest of the lower rates that do about as well as the best; where none helps, `None`.

    As well means: about as many runs leave, and what they learn carries over about as far.
    """
    helping, arms = list(filter(evidence.relieves, _lower_rates(evidence))), evidence.arms
    most = max((arms[name].left for name in helping), default=0.0)
    furthest = max((arms[name].held_out or 0.0 for name in helping), default=0.0)
    best = [
        name
        for name in helping
        if arms[name].left >= most - _ABOUT and (arms[name].held_out or 0.0) >= furthest - _ABOUT
    ]
    return next(iter([*best, *helping]), None)


def is_noisy(evidence: Evidence) -> bool:
    """Whether a larger batch relieves at the same rate, by about as much as any lower rate that relieves."""
    larger = LARGER_BATCH.name
    if not evidence.relieves(larger):
        return False
    lower = filter(evidence.relieves, _lower_rates(evidence))
    return evidence.gain(larger) >= _SHARE_OF_BEST * max(map(evidence.gain, lower), default=0.0)


def _lower_rates(evidence: Evidence) -> list[str]:
    """Returns all lower rates, the highest first."""
    lower = {name: rate for name, rate in evidence.rates.items() if rate < 1}
    return sorted(lower, key=lambda name: -lower[name])


def is_slow_but_sure(evidence: Evidence) -> bool:
    """Whether the targets are hard to read, and a change lets the network learn what carries over."""
    if evidence.leaves(AS_GIVEN):
        return False
    has_another = evidence.found(causes.SMALL_RATE) or lower_rate(evidence) is not None
    if not _is_unread(evidence) or has_another or size_of_start(evidence) is not None:
        return False
    return any(evidence.relieves(name) and evidence.carries_over(name) for name in evidence.changes)


def leaves_later(evidence: Evidence) -> bool:
    """Whether most runs as given leave chance level far beyond the horizon, with what carries over."""
    later = evidence.followed.get(AS_GIVEN)
    if later is None or later.num_kept < NORMAL_RUNS * later.num_runs or evidence.leaves(AS_GIVEN):
        return False
    return evidence.carries_over_later(AS_GIVEN) is not False


def soonest(evidence: Evidence) -> str | None:
    """Returns the change that helps most of those with which what is learned carries over."""
    return evidence.best(lambda name: evidence.relieves(name) and evidence.carries_over(name) is not False)


def is_slow(evidence: Evidence) -> bool:
    """Whether the network learns as given, only slowly or not by much."""
    given = evidence.given
    is_falling = given.num_stuck > 0 and given.num_falling >= MOST_RUNS * given.num_stuck
    return is_falling or bool(evidence.carries_over(AS_GIVEN))


def is_unrelated(evidence: Evidence) -> bool:
    """Whether nothing reads the labels: neither neighbours nor a linear model, nor the network by any change."""
    if evidence.leaves(AS_GIVEN) or not _is_unread(evidence) or evidence.found(causes.HARD):
        return False
    return not carries_over_somehow(evidence)


def is_faint(evidence: Evidence) -> bool:
    """Whether the outputs hardly differ at the start, not even one batch is learned, and a linear model learns."""
    is_one_batch_stuck = ONE_BATCH.name in evidence.arms and not evidence.leaves(ONE_BATCH.name)
    is_readable = LINEAR_PROBE.name in evidence.arms and evidence.leaves(LINEAR_PROBE.name)
    spread = evidence.symptoms.output_spread
    return spread is not None and spread < _FAINT and is_one_batch_stuck and is_readable


def carries_over_somehow(evidence: Evidence) -> bool:
    """Whether the network learns something, as given or with a change, and not by heart as far as is known."""
    arms = (AS_GIVEN, *evidence.changes)
    return any(evidence.leaves(name) and evidence.carries_over(name) is not False for name in arms)


def tells_nothing_easy(evidence: Evidence) -> bool:
    """Whether one batch is learned, but neither all examples nor what a linear model can read."""
    reads_nothing = evidence.carries_over(LINEAR_PROBE.name) is False
    return evidence.leaves(ONE_BATCH.name) and not evidence.leaves(AS_GIVEN) and reads_nothing
