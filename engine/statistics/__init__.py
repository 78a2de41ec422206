"""From outcomes to numbers: how often, when, compared with what. Every estimate has an interval.

Times and events are arrays of shape `[num_runs]`. Events are 0 for a censored run, 1 for the event
and 2 for a competing one.
"""

from engine.statistics.comparison import holm, log_rank, restricted_mean_difference
from engine.statistics.gray import gray_test
from engine.statistics.incidence import (
    aalen_johansen,
    first_reached,
    kaplan_meier,
    median_time,
    restricted_mean,
)
from engine.statistics.proportions import proportion
from engine.statistics.results import Estimate, ProbabilityCurve, TestResult

__all__ = [
    "Estimate",
    "ProbabilityCurve",
    "TestResult",
    "aalen_johansen",
    "first_reached",
    "gray_test",
    "holm",
    "kaplan_meier",
    "log_rank",
    "median_time",
    "proportion",
    "restricted_mean",
    "restricted_mean_difference",
]
