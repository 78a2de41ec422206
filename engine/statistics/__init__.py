"""From outcomes to numbers: how often, when, compared with what. Every estimate has an interval.

Times and events are arrays of shape `[num_runs]`. Events are 0 for a censored run, 1 for the event
and 2 for a competing one.
"""

from engine.statistics.calibration import caution
from engine.statistics.comparison import holm, log_rank
from engine.statistics.components import CrossedComponents, ForkPrediction, crossed_components, fork_prediction
from engine.statistics.equivalence import Equivalence, Margin, equivalent_means, equivalent_shares
from engine.statistics.gray import gray_test
from engine.statistics.incidence import aalen_johansen, first_reached, kaplan_meier, median_time
from engine.statistics.luck import EarlyLuck, early_luck
from engine.statistics.planning import (
    ComparisonQuestion,
    FailureQuestion,
    FractionQuestion,
    MedianQuestion,
    SeedsNeeded,
    seeds_needed,
)
from engine.statistics.proportions import most_unseen, paired_share_difference, proportion
from engine.statistics.restricted_means import paired_difference, restricted_mean, restricted_mean_difference
from engine.statistics.results import LEVEL, Estimate, ProbabilityCurve, TestResult
from engine.statistics.sequential import SafeTest, confidence_sequence, safe_log_rank
from engine.statistics.turnbull import IntervalEstimate, turnbull
from engine.statistics.weibull import WeibullFit, weibull

__all__ = [
    "LEVEL",
    "ComparisonQuestion",
    "CrossedComponents",
    "EarlyLuck",
    "Equivalence",
    "Estimate",
    "FailureQuestion",
    "ForkPrediction",
    "FractionQuestion",
    "IntervalEstimate",
    "Margin",
    "MedianQuestion",
    "ProbabilityCurve",
    "SafeTest",
    "SeedsNeeded",
    "TestResult",
    "WeibullFit",
    "aalen_johansen",
    "caution",
    "confidence_sequence",
    "crossed_components",
    "early_luck",
    "equivalent_means",
    "equivalent_shares",
    "first_reached",
    "fork_prediction",
    "gray_test",
    "holm",
    "kaplan_meier",
    "log_rank",
    "median_time",
    "most_unseen",
    "paired_difference",
    "paired_share_difference",
    "proportion",
    "restricted_mean",
    "restricted_mean_difference",
    "safe_log_rank",
    "seeds_needed",
    "turnbull",
    "weibull",
]
