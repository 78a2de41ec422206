"""The decision table: from what came of every change to a verdict. The first row that holds counts.

What is wrong with the data is wrong under every change, so it comes first; then whether there is anything to explain.
What the configuration adds to a plain training comes before all other causes, because taking it away changes nothing
else. Those follow from the most specific to the least: only changing epsilon shows that epsilon is the cause, and a
finer one revives no unit that was dead from the start, but spares those that die because of it; another start also
removes what epsilon held; and another rate may carry a run over what another start would have spared it.
"""

from typing import NamedTuple

from engine.diagnosis import conditions
from engine.diagnosis.budget import FEWEST_SEEDS
from engine.diagnosis.changes import Change
from engine.diagnosis.conditions import FEW_DIVERGED, FEWEST_DEAD, NORMAL_RUNS, SHARE_DEAD
from engine.diagnosis.evidence import FEWEST_RUNS, MOST_RUNS, Evidence
from engine.diagnosis.factors import BATCH_NORM, FINE_EPSILON, HE, LARGER_BATCH, SMALLER_BATCH
from engine.diagnosis.removal_rules import REMOVAL_RULES
from engine.diagnosis.removals import RELU
from engine.diagnosis.rules import RELIEVES, Rule
from engine.studies.diagnosis import AS_GIVEN

NORMAL = "normal for this set-up"
SCALE = "held by the initial scale"
EPSILON = "held by epsilon"
DEAD = "dead units"
SATURATING = "saturating activation"
RATE = "rate too small"
LARGE_RATE = "rate too large"
SMALL_BATCH = "batch too small"
LARGE_BATCH = "batch too large"
DIVERGES = "diverges"
NOTHING = "nothing to learn: check labels and inputs"
UNDECIDED = "not decided"


class Cause(NamedTuple):
    """What a plateau may be due to where most runs leave it by themselves: the change takes it away."""

    verdict: str
    change: Change
    meaning: str


# The more specific first. Any wait grows shorter with a higher rate, so that a rate tells no cause.
CAUSES = (
    Cause(
        EPSILON,
        FINE_EPSILON,
        "During the plateau gradients are near the optimiser's ε or below, so that steps are shorter than the learning "
        "rate says.",
    ),
    Cause(SCALE, HE, "The plateau goes away with another start."),
)


class Decision(NamedTuple):
    """The row that holds, the arm with the change to make first, and the cause of a plateau that most runs leave."""

    rule: Rule
    first: str | None
    cause: Cause | None

    @property
    def verdict(self) -> str:
        """Verdict of the row that holds."""
        return self.rule.verdict

    @property
    def row(self) -> str:
        """Key of the row that holds."""
        return self.rule.key

    @property
    def waits_for(self) -> str | None:
        """The cause of the plateau, as a verdict, or `None`."""
        return None if self.cause is None else self.cause.verdict


def decide(evidence: Evidence) -> Decision:
    """Returns the verdict by the first row of `RULES` that holds."""
    rule = next(rule for rule in RULES if rule.holds(evidence))
    cause, given = None, evidence.given
    if rule.verdict == NORMAL and given.num_waited >= MOST_RUNS * given.num_runs:
        cause = next((cause for cause in CAUSES if evidence.shortens(cause.change.name)), None)
    return Decision(rule, rule.first(evidence), cause)


RULES = (
    Rule(
        "constant_inputs",
        NOTHING,
        "the inputs are the same for all examples, and most runs do not leave chance level",
        lambda evidence: bool(evidence.has_constant_inputs) and not evidence.leaves(AS_GIVEN),
        meaning="No network can tell one example from another.",
        advice="First look at how the inputs are loaded and scaled: do they reach the network?",
    ),
    Rule(
        "too_little",
        UNDECIDED,
        f"runs are still to come, or there are fewer than {FEWEST_RUNS} of the configuration, too few to say anything "
        f"of most such runs",
        lambda evidence: evidence.num_missing > 0 or evidence.given.num_runs < FEWEST_RUNS,
        advice=f"First let the runs come to their end, or give more --seeds: with {FEWEST_RUNS} there is a verdict, "
        f"with {FEWEST_SEEDS} a cause can be told from chance.",
    ),
    Rule(
        "by_heart",
        NOTHING,
        "most runs learn their training examples, but nothing that carries over to others, whatever is changed, and "
        "not in half the time of shuffled labels; nor does a linear model",
        lambda evidence: conditions.learns_by_heart(evidence) and not conditions.is_sooner_than_shuffled(evidence),
        meaning="Labels that do not belong to their inputs look like this. So do too few examples of a rule that this "
        "network has not found by the horizon; only a look at the data tells these apart.",
        advice="First look at the data: do labels and inputs still belong to each other after loading, shuffling and "
        "augmentation, and do the inputs reach the network?",
    ),
    Rule(
        "by_heart_sooner",
        UNDECIDED,
        "nothing that is learned carries over by the horizon, but the labels are learned in half the time of shuffled "
        "ones",
        conditions.learns_by_heart,
        meaning="That suggests that the labels do belong to the inputs, and that by the horizon the network has only "
        "learned examples by heart.",
        advice="First look longer, with a longer --horizon: what carries over may come late. More examples help as "
        "well.",
    ),
    Rule(
        "normal",
        NORMAL,
        f"at least {100 * NORMAL_RUNS:.0f} % of the runs leave chance level by themselves, fewer than "
        f"{100 * FEW_DIVERGED:.0f} % diverge, and what they learn carries over",
        conditions.is_normal,
        lambda evidence: evidence.best(lambda name: evidence.shortens(name) and evidence.is_advisable(name)),
    ),
    *REMOVAL_RULES,
    Rule(
        "diverges",
        DIVERGES,
        f"at least {100 * FEW_DIVERGED:.0f} % of the runs diverge, and no fewer than are stuck",
        conditions.diverges,
        conditions.steadier,
        meaning="The steps are too long: the loss blows up.",
        advice="No lower rate that was tried keeps the runs from diverging: first look for numbers that are not "
        "finite, or enormous, in the inputs.",
    ),
    Rule(
        "only_by_heart",
        UNDECIDED,
        "most runs leave chance level, but what they learn does not carry over",
        lambda evidence: evidence.leaves(AS_GIVEN) and evidence.carries_over(AS_GIVEN) is False,
        conditions.carrying,
        meaning="The network learns its training examples by heart.",
        advice="First look at how many examples there are for a network of this size.",
    ),
    Rule(
        "too_few_seeds",
        UNDECIDED,
        f"there are fewer than {FEWEST_SEEDS} seeds: no change could be told from chance",
        lambda evidence: evidence.given.num_runs < FEWEST_SEEDS,
        advice=f"First give more --seeds, {FEWEST_SEEDS} or more, or leave the number to --minutes.",
    ),
    Rule(
        "epsilon",
        EPSILON,
        f"an epsilon of 1e-12 {RELIEVES}",
        lambda evidence: evidence.relieves(FINE_EPSILON.name),
        lambda evidence: FINE_EPSILON.name,
        meaning="The gradients have sunk below the optimiser's ε: it divides by √v̂ + ε, so that a gradient far below ε "
        "moves nothing, however many steps are taken.",
    ),
    Rule(
        "dead",
        DEAD,
        f"in most of the runs that are stuck, in at least {FEWEST_DEAD} and {100 * SHARE_DEAD:.0f} % of all runs, a "
        f"whole layer gives the same for every example, so that no gradient passes; and where layers died on the way, "
        f"no lower rate spares them, nor does a He start alone, without leaky ReLU",
        conditions.is_dead,
        lambda evidence: evidence.best(),
        meaning="A whole layer gives the same for every example, and no gradient passes it.",
        advice="No change that was tried revives the runs. First make the start one in which units are alive: zero "
        "biases (init=he leaves those of a network of your own as they are), an initial scheme for ReLU, or an "
        "activation with a slope below zero.",
    ),
    Rule(
        "scale",
        SCALE,
        f"a He start {RELIEVES}",
        lambda evidence: evidence.relieves(HE.name),
        lambda evidence: evidence.best(lambda name: name in (HE.name, BATCH_NORM.name) and evidence.relieves(name)),
    ),
    Rule(
        "saturating",
        SATURATING,
        f"ReLU in place of the activation {RELIEVES}",
        lambda evidence: evidence.relieves(RELU.name),
        lambda evidence: RELU.name,
        meaning="The activation is flat far from zero and its slope is small elsewhere: through several such layers "
        "hardly any gradient is left.",
    ),
    Rule(
        "small_rate",
        RATE,
        f"a higher learning rate {RELIEVES}",
        lambda evidence: conditions.higher_rate(evidence) is not None,
        conditions.higher_rate,
        meaning="The steps are too short to get anywhere by the horizon.",
    ),
    Rule(
        "large_rate",
        LARGE_RATE,
        f"a lower learning rate {RELIEVES}",
        lambda evidence: conditions.lower_rate(evidence) is not None,
        conditions.lower_rate,
        meaning="The steps are too long to get below chance level, or to stay there.",
    ),
    Rule(
        "small_batch",
        SMALL_BATCH,
        f"a batch four times as large {RELIEVES}",
        lambda evidence: evidence.relieves(LARGER_BATCH.name),
        lambda evidence: LARGER_BATCH.name,
        meaning="The gradient of so few examples is mostly noise.",
    ),
    Rule(
        "large_batch",
        LARGE_BATCH,
        f"a batch a quarter as large {RELIEVES}",
        lambda evidence: evidence.relieves(SMALLER_BATCH.name),
        lambda evidence: SMALLER_BATCH.name,
        meaning="With so large batches there are too few steps in as many epochs.",
    ),
    Rule(
        "another_change",
        UNDECIDED,
        f"a change {RELIEVES}, but none that tells a cause",
        lambda evidence: evidence.best() is not None,
        lambda evidence: evidence.best(),
    ),
    Rule(
        "slow",
        UNDECIDED,
        "nothing that was changed helps by enough, but the loss of most runs that are stuck had begun to fall, or what "
        "they learn carries over",
        conditions.is_slow,
        meaning="It is learning, slowly, or as far as the data allow: what a network can learn of noisy labels may lie "
        "below what counts as having left chance level.",
        advice="First look longer, with a longer --horizon.",
    ),
    Rule(
        "hard",
        UNDECIDED,
        "nothing that was changed helps by enough; one batch can be learned, and a linear model reads nothing from the "
        "inputs",
        conditions.tells_nothing_easy,
        meaning="Wrong labels look like this, and so does a rule that is hard to find: neither says anything to a "
        "linear model.",
        advice="First check that labels and inputs belong to each other; if they do, look longer: give a longer "
        "--horizon, or more --minutes.",
    ),
    Rule("nothing_helps", UNDECIDED, "nothing that was changed helps by enough", lambda evidence: True),
)
