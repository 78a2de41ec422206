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

from engine.diagnosis import conditions
from engine.diagnosis.budget import FEWEST_SEEDS
from engine.diagnosis.conditions import FEW_DIVERGED, FEWEST_DEAD, FINE_EPSILON, HE, NORMAL_RUNS, SHARE_DEAD
from engine.diagnosis.evidence import FEWEST_RUNS, MOST_RUNS, Evidence

NORMAL = "normal for this set-up"
SCALE = "held by the initial scale"
EPSILON = "held by epsilon"
DEAD = "dead units"
RATE = "rate too small"
LARGE_RATE = "rate too large"
DIVERGES = "diverges"
NOTHING = "nothing to learn: check labels and inputs"
UNDECIDED = "not decided"
# What a plateau may be due to, the more specific first, and the change that takes it away. Any wait
# grows shorter with a higher rate, so that this tells no cause.
CAUSES = {EPSILON: FINE_EPSILON, SCALE: HE}

_RELIEVES = (
    "makes most runs leave chance level, a fifth more of all than as given, or in half the time "
    "where most as given do not"
)


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
        waits_for = next((c for c, name in CAUSES.items() if evidence.shortens(name)), None)
    return Decision(rule.verdict, rule.key, rule.condition, rule.first(evidence), waits_for)


RULES = (
    Rule(
        "constant_inputs",
        NOTHING,
        "the inputs are the same for all examples, and most runs stay at chance",
        conditions.has_constant_inputs,
    ),
    Rule(
        "too_little",
        UNDECIDED,
        f"runs are still to come, or there are fewer than {FEWEST_RUNS} of the configuration, too "
        f"few to say anything of most such runs",
        conditions.is_too_little,
    ),
    Rule(
        "by_heart",
        NOTHING,
        "most runs learn their training examples, but nothing that carries over to others, "
        "whatever is changed, and not in half the time of shuffled labels; nor does a linear model",
        lambda evidence: conditions.learns_by_heart(evidence) and not conditions.is_sooner_than_shuffled(evidence),
    ),
    Rule(
        "by_heart_sooner",
        UNDECIDED,
        "nothing that is learned carries over by the horizon, but the labels are learned in half "
        "the time of shuffled ones",
        conditions.learns_by_heart,
    ),
    Rule(
        "normal",
        NORMAL,
        f"at least {100 * NORMAL_RUNS:.0f} % of the runs leave chance level by themselves, fewer "
        f"than {100 * FEW_DIVERGED:.0f} % diverge, and what they learn carries over",
        conditions.is_normal,
        lambda evidence: evidence.best(lambda name: evidence.shortens(name) and evidence.is_advisable(name)),
    ),
    Rule(
        "diverges",
        DIVERGES,
        f"at least {100 * FEW_DIVERGED:.0f} % of the runs diverge, no fewer than stay at chance",
        conditions.diverges,
        conditions.steadier,
    ),
    Rule(
        "only_by_heart",
        UNDECIDED,
        "most runs leave chance level, but what they learn does not carry over",
        conditions.learns_the_wrong_thing,
        conditions.carrying,
    ),
    Rule(
        "too_few_seeds",
        UNDECIDED,
        f"there are fewer than {FEWEST_SEEDS} seeds: no change could be told from chance",
        conditions.has_too_few_seeds,
    ),
    Rule(
        "epsilon",
        EPSILON,
        f"an epsilon of 1e-12 {_RELIEVES}",
        conditions.is_held_by_epsilon,
        lambda evidence: FINE_EPSILON,
    ),
    Rule(
        "dead",
        DEAD,
        f"in most of the runs at chance, in at least {FEWEST_DEAD} and {100 * SHARE_DEAD:.0f} % of "
        f"all runs, a whole layer gives the same for every example, so that no gradient passes; "
        f"and where layers died on the way, no lower rate spares them, nor does a He start alone, "
        f"without leaky ReLU",
        conditions.is_dead,
        lambda evidence: evidence.best(),
    ),
    Rule(
        "scale",
        SCALE,
        f"a He start {_RELIEVES}",
        conditions.is_held_by_scale,
        lambda evidence: evidence.best(lambda name: name in (HE, "batch_norm") and evidence.relieves(name)),
    ),
    Rule(
        "small_rate",
        RATE,
        f"a higher learning rate {_RELIEVES}",
        lambda evidence: conditions.higher_rate(evidence) is not None,
        conditions.higher_rate,
    ),
    Rule(
        "large_rate",
        LARGE_RATE,
        f"a lower learning rate {_RELIEVES}",
        lambda evidence: conditions.lower_rate(evidence) is not None,
        conditions.lower_rate,
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
        conditions.is_slow,
    ),
    Rule(
        "hard",
        UNDECIDED,
        "nothing that was changed helps by enough; one batch can be learned, and a linear model "
        "reads nothing from the inputs",
        conditions.tells_nothing_easy,
    ),
    Rule("nothing_helps", UNDECIDED, "nothing that was changed helps by enough", lambda evidence: True),
)
