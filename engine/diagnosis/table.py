"""The decision table: from what came of every change to a verdict. The first row that holds counts.

What is wrong with the data is wrong under every change, so it comes first; then whether there is anything to explain.
What the configuration adds to a plain training comes before all other causes, because taking it away changes nothing
else. Those follow from the most specific to the least: only changing epsilon shows that epsilon is the cause, and a
finer one revives no unit that was dead from the start, but spares those that die because of it; another start also
removes what epsilon held; and another rate may carry a run over what another start would have spared it.
"""

from typing import NamedTuple

from ..preflight import causes
from ..preflight.findings import Finding
from ..studies.diagnosis import AS_GIVEN
from . import conditions, finding_rules
from .budget import FEWEST_SEEDS
from .cause_rules import CAUSE_RULES, FAINT
from .changes import Change
from .conditions import FEW_DIVERGED, NORMAL_RUNS
from .evidence import FEWEST_RUNS, MOST_RUNS, Evidence
from .factors import FINE_EPSILON, HE
from .removal_rules import REMOVAL_RULES
from .rules import LOOK_LONGER, RELIEVES, Rule

NORMAL = "normal for this set-up"
DIVERGES = "diverges"
UNDECIDED = "not decided"
# Keys of rows after which nothing is followed, and of those whose verdict a longer look may change.
_TOO_FEW = ("too_little", "too_few_seeds")
_MAY_BE_SLOW = ("unrelated",)


class Cause(NamedTuple):
    """What a plateau may be due to where most runs leave it by themselves: the change takes it away."""

    verdict: str
    change: Change
    meaning: str


# The more specific first. Any wait grows shorter with a higher rate, so that a rate tells no cause.
CAUSES = (
    Cause(
        causes.EPSILON,
        FINE_EPSILON,
        "During the plateau gradients are near the optimiser's ε or below, so that steps are shorter than the learning "
        "rate says.",
    ),
    Cause(causes.SCALE, HE, "The plateau goes away with another start."),
)


class Decision(NamedTuple):
    """The row that holds, the arm with the change to make first, and the cause of a plateau that most runs leave.

    `refuted` are the changes that would be advised, had they stayed away from chance level when they were followed.
    """

    rule: Rule
    first: str | None
    cause: Cause | None
    finding: Finding | None = None
    refuted: tuple[str, ...] = ()

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

    @property
    def advice(self) -> str:
        """What to do first where no change is known to help, a sentence."""
        if self.refuted:
            return (
                f"What helped by the horizon did not stay away from chance level in all runs when it was followed "
                f"({', '.join(self.refuted)}), so that no change is advised."
            )
        has_own = self.rule.advice != LOOK_LONGER
        return self.rule.advice if self.finding is None or has_own else f"First {self.finding.advice}."


def decide(evidence: Evidence) -> Decision:
    """Returns the verdict by the first row of `RULES` that holds; what was followed and fell back is not advised."""
    rule = _holding(evidence)
    cause, given = None, evidence.given
    if rule.verdict == NORMAL and given.num_waited >= MOST_RUNS * given.num_runs:
        cause = next((cause for cause in CAUSES if evidence.shortens(cause.change.name)), None)
    candidates = advisable(evidence, rule)
    refuted = [name for name in candidates if name in evidence.followed and not evidence.keeps(name)]
    # After one that did not stay away only such are advised that were followed and did.
    advised = [name for name in candidates if evidence.keeps(name)] if refuted else candidates
    return Decision(rule, next(iter(advised), None), cause, rule.finding(evidence), tuple(refuted))


def _holding(evidence: Evidence) -> Rule:
    return next(rule for rule in RULES if rule.holds(evidence))


def advisable(evidence: Evidence, rule: Rule) -> list[str]:
    """Returns the changes that a row may advise, the best first.

    Besides what the row says these are all that relieve the runs, those with which most leave first.
    """
    first = rule.first(evidence)
    if first is None or rule.verdict == NORMAL:
        return [] if first is None else [first]
    others = [n for n in evidence.changes if n != first and evidence.relieves(n) and evidence.is_advisable(n)]
    # Far rates come last, as in `Evidence.best`.
    arms = evidence.arms
    others.sort(key=lambda name: (arms[name].kind == "far", -arms[name].left, -evidence.gain(name)))
    return [first, *others]


def next_to_follow(evidence: Evidence) -> str | None:
    """Returns the arm that is to be followed beyond the horizon next, or `None`: what to advise is known.

    Where nothing is decided, the configuration itself comes first: what is only slow leaves chance level by then.
    """
    rule = _holding(evidence)
    if rule.key in _TOO_FEW:
        return None
    is_open = rule.verdict == UNDECIDED or rule.key in _MAY_BE_SLOW
    if is_open and not evidence.leaves(AS_GIVEN) and AS_GIVEN not in evidence.followed:
        return AS_GIVEN
    for name in filter(evidence.leaves, advisable(evidence, rule)):
        if name not in evidence.followed:
            return name
        if evidence.keeps(name):
            return None
    return None


RULES = (
    Rule(
        "constant_inputs",
        causes.CONSTANT,
        "the inputs are the same for all examples, or the network makes them so before its first weights, and most "
        "runs do not leave chance level",
        lambda evidence: bool(evidence.found(causes.CONSTANT, "fault")) and not evidence.leaves(AS_GIVEN),
        meaning="No network can tell one example from another by numbers that are alike.",
        finding=lambda evidence: evidence.found(causes.CONSTANT, "fault")[0],
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
    *finding_rules.MISTAKES,
    Rule(
        "mixture",
        causes.MIXTURE,
        "most runs learn their training examples, nothing carries over to the held-out ones, and the look at the data "
        "before training finds these to be of another kind",
        lambda evidence: conditions.learns_by_heart(evidence) and bool(evidence.found(causes.MIXTURE)),
        meaning="What is learned in training does not hold on the held-out examples, because they are unlike it.",
        finding=lambda evidence: evidence.found(causes.MIXTURE)[0],
    ),
    finding_rules.BLIND,
    finding_rules.UNSEEN,
    Rule(
        "by_heart",
        causes.LABELS,
        "most runs learn their training examples, as given or after a change, but nothing that carries over to others, "
        "whatever is changed, and not in half the time of shuffled labels; nor does a linear model",
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
    *REMOVAL_RULES,
    Rule(
        "normal",
        NORMAL,
        f"at least {100 * NORMAL_RUNS:.0f} % of the runs leave chance level by themselves, fewer than "
        f"{100 * FEW_DIVERGED:.0f} % diverge, and what they learn carries over",
        conditions.is_normal,
        lambda evidence: evidence.best(lambda name: evidence.shortens(name) and evidence.is_advisable(name)),
    ),
    *finding_rules.UNRELIEVED,
    Rule(
        "blows_up",
        causes.LARGE_RATE,
        f"at least {100 * FEW_DIVERGED:.0f} % of the runs diverge, and no fewer than are stuck; with a lower rate most "
        f"runs leave and hardly any diverges",
        conditions.blows_up,
        conditions.steadier,
        meaning="The steps are too long: the loss blows up.",
    ),
    Rule(
        "thrown_by_start",
        causes.SCALE,
        f"at least {100 * FEW_DIVERGED:.0f} % of the runs diverge, and no fewer than are stuck; with a He start most "
        f"leave and hardly any diverges",
        conditions.is_thrown_by_start,
        lambda evidence: HE.name,
        meaning="The start throws the runs: its outputs, and so its first gradients, are far too large.",
    ),
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
    *CAUSE_RULES,
    Rule(
        "later",
        causes.HARD,
        "no change that tells a cause helps by enough, and most runs as given have left chance level when they are "
        "followed far beyond the horizon",
        conditions.leaves_later,
        lambda evidence: evidence.best(),
        meaning="Nothing is broken: the plateau is longer than the horizon.",
        advice="First give it time: a longer --horizon.",
    ),
    Rule(
        "another_change",
        UNDECIDED,
        f"a change {RELIEVES}, but none that tells a cause",
        lambda evidence: evidence.best() is not None,
        lambda evidence: evidence.best(),
    ),
    FAINT,
    Rule(
        "unrelated",
        causes.LABELS,
        "neither a linear model nor the nearest neighbours read the labels from the inputs, and the network learns "
        "nothing that carries over, whatever is changed",
        conditions.is_unrelated,
        meaning="Labels that do not belong to their inputs look like this. So does a rule that is hard to find.",
        finding=lambda evidence: next(iter(evidence.found(causes.LABELS)), None),
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
