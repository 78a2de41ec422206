"""Rows of the decision table for causes in the start, the units and the steps, the most specific first."""

from ..preflight import causes
from ..studies.diagnosis import AS_GIVEN
from . import conditions, finding_rules
from .conditions import FEWEST_DEAD, SHARE_DEAD
from .factors import BATCH_NORM, FINE_EPSILON, HE, LARGER_BATCH, SMALLER_BATCH
from .removals import RELU, WIDER
from .rules import RELIEVES, Rule

CAUSE_RULES = (
    Rule(
        "epsilon",
        causes.EPSILON,
        f"an epsilon of 1e-12 {RELIEVES}",
        lambda evidence: evidence.relieves(FINE_EPSILON.name),
        lambda evidence: FINE_EPSILON.name,
        meaning="The gradients have sunk below the optimiser's ε: it divides by √v̂ + ε, so that a gradient far below ε "
        "moves nothing, however many steps are taken.",
    ),
    finding_rules.ZERO_START,
    Rule(
        "dead",
        causes.DEAD,
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
    finding_rules.UNTRAINED,
    finding_rules.SATURATING,
    Rule(
        "slow_but_sure",
        causes.HARD,
        "neither neighbours nor a linear model read the targets from the inputs, but a change with which the network "
        f"learns what carries over {RELIEVES}; the start is of order one",
        conditions.is_slow_but_sure,
        conditions.soonest,
        meaning="Nothing is broken: what there is to learn does not show in any single input, and the plateau is the "
        "time that it takes to find it.",
        advice="First give it time: a longer --horizon.",
    ),
    Rule(
        "scale",
        causes.SCALE,
        f"a He start {RELIEVES}",
        lambda evidence: evidence.relieves(HE.name),
        lambda evidence: evidence.best(lambda name: name in (HE.name, BATCH_NORM.name) and evidence.relieves(name)),
    ),
    Rule(
        "saturating",
        causes.SATURATING,
        f"ReLU in place of the activation {RELIEVES}",
        lambda evidence: evidence.relieves(RELU.name),
        lambda evidence: RELU.name,
        meaning="The activation is flat far from zero and its slope is small elsewhere: through several such layers "
        "hardly any gradient is left.",
    ),
    *finding_rules.SIGNS,
    Rule(
        "small_rate",
        causes.SMALL_RATE,
        f"a higher learning rate {RELIEVES}",
        lambda evidence: conditions.higher_rate(evidence) is not None,
        conditions.higher_rate,
        meaning="The steps are too short to get anywhere by the horizon.",
    ),
    Rule(
        "small_batch",
        causes.SMALL_BATCH,
        f"a batch four times as large {RELIEVES} at the same rate, by about as much as any lower rate",
        conditions.is_noisy,
        lambda evidence: LARGER_BATCH.name,
        meaning="The gradient of so few examples is mostly noise; the steps are not too long by themselves.",
    ),
    Rule(
        "large_rate",
        causes.LARGE_RATE,
        f"a lower learning rate {RELIEVES}",
        lambda evidence: conditions.lower_rate(evidence) is not None,
        conditions.lower_rate,
        meaning="The steps are too long to get below chance level, or to stay there.",
    ),
    Rule(
        "large_batch",
        causes.LARGE_BATCH,
        f"a batch a quarter as large {RELIEVES}",
        lambda evidence: evidence.relieves(SMALLER_BATCH.name),
        lambda evidence: SMALLER_BATCH.name,
        meaning="With so large batches there are too few steps in as many epochs.",
    ),
    Rule(
        "capacity",
        causes.CAPACITY,
        f"wider layers {RELIEVES}",
        lambda evidence: evidence.relieves(WIDER.name),
        lambda evidence: WIDER.name,
        meaning="Too few units: from many starts so small a network does not find what it needs.",
    ),
)

FAINT = Rule(
    "faint",
    causes.VANISHING,
    "at the start the outputs hardly differ from example to example, and another start does not help; not even one "
    "batch is learned, while a linear model learns",
    lambda evidence: not evidence.leaves(AS_GIVEN) and conditions.is_faint(evidence),
    meaning="Hardly anything of what tells the examples apart passes all layers.",
    advice="First look at what makes the examples alike on the way: layer after layer of averages, a factor, a "
    "bottleneck; try fewer layers, or shortcuts around them.",
)
