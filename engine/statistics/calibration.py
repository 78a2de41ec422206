"""Where a method falls short of its level, as simulated: to be printed beside its numbers."""

import math

# From benchmarks/COVERAGE.md: by number of runs (in each arm), the least coverage in per cent over
# the laws that were simulated, and the largest size.
_LEAST_COVERAGE: dict[str, dict[int, float]] = {}
_LARGEST_SIZE: dict[str, dict[int, float]] = {}
LEAST_COVERAGE, LARGEST_SIZE = 93.5, 6.0


def caution(estimator: str, num_runs: int) -> str | None:
    """One line in words where an interval or a test is known to fall short at such a size.

    Short means a coverage of 95 % limits below 93.5 %, or a size of a 5 % test above 6 %, for the
    worst of the simulated laws. The numbers are those of `benchmarks/COVERAGE.md`, which
    `python -m benchmarks.coverage` prints; a test holds the two against each other. Of the sizes
    that were simulated the largest that is not above `num_runs` counts (else the least), so a
    number in between is taken for the smaller, which is worse.

    Args:
        estimator: the function's name, as in `cautioned()`: `median_time`, `log_rank`, …; with
            what is meant where it returns two things, `weibull shape`. A p-value of a permutation
            test needs no caution.
        num_runs: of the estimate, or in the smallest arm of a comparison.

    Returns:
        A sentence without a full stop, or None where nothing is short.

    Raises:
        ValueError: the estimator was not simulated, or there is no run.
    """
    if num_runs < 1:
        raise ValueError(f"num_runs must be positive, got {num_runs}")
    if estimator not in cautioned():
        raise ValueError(f"unknown estimator {estimator!r}: expected one of {cautioned()}")
    is_test = estimator in _LARGEST_SIZE
    measured = (_LARGEST_SIZE if is_test else _LEAST_COVERAGE)[estimator]
    size = max((n for n in measured if n <= num_runs), default=min(measured))
    share = measured[size]
    if is_test and share > LARGEST_SIZE:
        return (
            f"at n = {size} in each arm this test rejects up to {math.ceil(10 * share) / 10:g} % "
            "of true hypotheses in simulation, instead of 5 %"
        )
    if not is_test and share < LEAST_COVERAGE:
        return (
            f"at n = {size} this interval covers down to {math.floor(10 * share) / 10:g} % in "
            "simulation, instead of 95 %"
        )
    return None


def cautioned() -> list[str]:
    """The names that `caution` knows."""
    return [*_LEAST_COVERAGE, *_LARGEST_SIZE]
