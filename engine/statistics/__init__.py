"""Turns outcomes into numbers: how often, when, compared with what. Every estimate has an interval.

Usable alone. Everywhere `time` (in any unit), `event` and `group` (labels) are arrays `[num_runs]`; an event is 0 for a
censored run, 1 for the event and 2 for a competing one; `confidence` is two-sided, and pointwise for curves; `seed` is
that of a generator. What is no data raises ValueError. When to use what:

How often
    proportion: share of runs, from a fixed number of runs.  confidence_sequence: looked at while runs are added.
    paired_share_difference: for arms that share their seeds.
    most_unseen: how many unlike runs may remain after checking some of a finite number.
When
    kaplan_meier: survival over time.  aalen_johansen: probability of the event, with competing events.
    turnbull: the same for times known only to lie in an interval, as on a coarse evaluation grid.
    median_time, restricted_mean: one number for a waiting time; the mean counts up to a horizon.
    first_reached: when a curve of probability first reaches a share.
    weibull: whether the hazard rises or falls with time, and a test that it is constant.
Compared with what
    log_rank: same hazard in all arms?  gray_test: same incidence, where runs also end otherwise?
    restricted_mean_difference: how much later, for independent arms; paired_difference: in pairs.
    safe_log_rank: same hazard, looked at while runs are added.  holm: adjusts the p-values of several tests.
    equivalent_means, equivalent_shares: is a paired difference small enough not to matter?
Why
    crossed_components: shares of the variance that belong to start and data order, from a grid.
    fork_prediction: does the state at a fork predict the remaining time?
    early_luck: do some runs end as early as a memoryless wait would let them?
Before and after
    seeds_needed: how many runs a question needs.  caution: where simulated intervals or tests fall short.
"""

from .comparison import gray_test, holm, log_rank
from .components import CrossedComponents, ForkPrediction, crossed_components, fork_prediction
from .equivalence import Equivalence, Margin, equivalent_means, equivalent_shares
from .incidence import aalen_johansen, first_reached, kaplan_meier, median_time
from .memoryless import EarlyLuck, WeibullFit, early_luck, weibull
from .planning import (
    ComparisonQuestion,
    FailureQuestion,
    FractionQuestion,
    MedianQuestion,
    SeedsNeeded,
    caution,
    seeds_needed,
)
from .proportions import most_unseen, paired_share_difference, proportion
from .restricted_means import paired_difference, restricted_mean, restricted_mean_difference
from .results import LEVEL, Estimate, ProbabilityCurve, TestResult
from .sequential import SafeTest, confidence_sequence, safe_log_rank
from .turnbull import IntervalEstimate, turnbull
