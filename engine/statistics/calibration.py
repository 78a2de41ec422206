"""Cautions for methods that fall short of their level in simulation."""

import math

# From benchmarks/COVERAGE.md: worst coverage and size in per cent of all simulated laws, by runs in each arm.
_LEAST_COVERAGE: dict[str, dict[int, float]] = {
    "proportion": {10: 98.12, 30: 96.34, 100: 95.73},
    "proportion, wilson": {10: 94.37, 30: 94.35, 100: 95.95},
    "kaplan_meier": {10: 96.15, 30: 95.23, 100: 94.14},
    "aalen_johansen": {10: 97.23, 30: 95.41, 100: 94.18},
    "median_time": {10: 94.2, 30: 95.26, 100: 94.92},
    "restricted_mean": {10: 92.6, 30: 94.46, 100: 94.72},
    "restricted_mean_difference": {10: 95.75, 30: 95.27, 100: 94.79},
    "paired_difference": {10: 94.62, 30: 94.61, 100: 94.68},
    "turnbull": {10: 95.85, 30: 94.5, 100: 93.8},
    "weibull shape": {10: 92.2, 30: 94.0, 100: 93.95},
    "weibull scale": {10: 92.2, 30: 93.45, 100: 93.85},
    "crossed_components": {100: 93.9},
    "fork_prediction": {30: 93.7, 100: 93.95},
    "confidence_sequence": {10: 97.83, 30: 97.51, 100: 96.74, 1000: 96.18},
}
_LARGEST_SIZE: dict[str, dict[int, float]] = {
    "log_rank": {10: 7.28, 30: 5.94, 100: 5.76},
    "gray_test": {10: 7.48, 30: 5.99, 100: 6.31},
    "weibull, shape 1": {10: 5.45, 30: 5.04, 100: 5.12},
    "fork_prediction": {10: 4.81, 30: 5.0, 100: 4.77},
    "early_luck": {10: 3.29, 30: 2.71, 100: 3.93},
    "holm": {10: 6.19, 30: 4.96, 100: 4.9},
    "safe_log_rank": {10: 0.0, 30: 0.84, 100: 3.51},
}
LEAST_COVERAGE, LARGEST_SIZE = 93.5, 6.0


def caution(estimator: str, num_runs: int) -> str | None:
    """Returns a clause about an interval or a test of `cautioned()` that falls short at this number of runs, else None.

    Short means that for the worst simulated law 95 % limits cover below 93.5 %, or a 5 % test rejects above 6 %. A
    number of runs, in the smallest arm, that was not simulated counts as the next smaller one, which is worse.
    """
    if num_runs < 1:
        raise ValueError(f"num_runs must be positive, got {num_runs}")
    if estimator not in cautioned():
        raise ValueError(f"unknown estimator {estimator!r}: expected one of {cautioned()}")
    found = []
    size, share = _nearest(_LEAST_COVERAGE, estimator, num_runs)
    if share < LEAST_COVERAGE:
        covered = math.floor(10 * share) / 10
        found.append(f"at n = {size} this interval covers down to {covered:g} % in simulation, instead of 95 %")
    size, share = _nearest(_LARGEST_SIZE, estimator, num_runs)
    if share > LARGEST_SIZE:
        found.append(
            f"at n = {size} in each arm this test rejects up to {math.ceil(10 * share) / 10:g} % of true hypotheses "
            f"in simulation, instead of 5 %"
        )
    return "; ".join(found) or None


def _nearest(table: dict[str, dict[int, float]], estimator: str, num_runs: int) -> tuple[int, float]:
    """Returns the simulated number of runs that counts and its share, NaN where there is none."""
    measured = table.get(estimator, {0: math.nan})
    size = max((n for n in measured if n <= num_runs), default=min(measured))
    return size, measured[size]


def cautioned() -> list[str]:
    """Lists the names that `caution` knows."""
    return [*(_LEAST_COVERAGE | _LARGEST_SIZE)]
