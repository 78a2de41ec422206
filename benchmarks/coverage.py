"""Simulates how often intervals cover the truth, and how often tests reject a true hypothesis.

`python -m benchmarks.coverage` draws thousands of small studies from known laws
(`benchmarks/laws.py`) and prints two tables. 95 % intervals should cover in 93.5 to 97 % of the
studies, more only where a method is conservative by construction; 5 % tests should reject in 4 to
6 %, less only where exactness or repeated looks cost it. Each number has its Monte-Carlo standard
error; for intervals the table also counts truths below and above them. Seeds are fixed, one per
case, so `--only` prints the same rows as the whole run.
"""

import time
import zlib
from collections.abc import Iterator

import numpy as np
from absl import app, flags

from benchmarks.coverage_cases import Case, Row

_STUDIES = flags.DEFINE_integer("studies", 2000, "studies of the slow intervals", lower_bound=1)
_SIMULATIONS = flags.DEFINE_integer(
    "simulations", 10_000, "studies of the tests and of the fast intervals", lower_bound=1
)
_ONLY = flags.DEFINE_list("only", None, "only cases whose name, law or size contains one of these")

COVERAGE_BOUNDS = 0.935, 0.97
SIZE_BOUNDS = 0.04, 0.06
# Below this number of runs the bounds need not hold.
_FEW = 30


def simulate(case: Case, num_studies: int) -> list[Row]:
    """Returns the rows of a case. Its random numbers depend on its name alone."""
    name = f"{case.name} {case.law} {case.num_runs}"
    return case.simulate(np.random.default_rng(zlib.crc32(name.encode())), num_studies)


def remark(row: Row) -> str:
    """Says what is out of bounds, without Monte-Carlo allowance, or why it may be; else nothing."""
    low, high = SIZE_BOUNDS if row.is_test else COVERAGE_BOUNDS
    if low <= row.share <= high:
        return ""
    if (row.share < low) != row.is_test:
        found = "rejects too often" if row.is_test else "too short"
    elif row.note:
        return row.note
    else:
        found = "cautious"
    return found if row.num_runs >= _FEW else f"{found} (few runs)"


def line(row: Row) -> str:
    """Formats a row of the table, numbers in per cent."""
    share = f"{100 * row.share:.2f} ± {100 * row.error:.2f}"
    start = f"| {row.name} | {row.law} | {row.num_runs} | {share} |"
    num = max(row.num_studies, 1)
    left_out = f" {row.num_left_out} |" if row.num_left_out else " |"
    if row.is_test:
        return f"{start}{left_out} {remark(row)} |"
    sides = f" {100 * row.num_below / num:.2f} | {100 * row.num_above / num:.2f} |"
    return f"{start}{sides}{left_out} {remark(row)} |"


def _is_wanted(case: Case) -> bool:
    words = f"{case.name} | {case.law} | {case.num_runs}"
    return not _ONLY.value or any(word in words for word in _ONLY.value)


def _print(cases: Iterator[Case], header: str) -> None:
    wanted = [case for case in cases if _is_wanted(case)]
    if not wanted:
        return
    print(f"\n{header}\n|{'---|' * header.count(' |')}", flush=True)
    for case in wanted:
        for row in simulate(case, (_STUDIES if case.is_slow else _SIMULATIONS).value):
            print(line(row), flush=True)


def _main(argv: list[str]) -> None:
    from benchmarks.coverage_intervals import interval_cases
    from benchmarks.coverage_sizes import size_cases

    started = time.process_time()
    _print(interval_cases(), "| interval | law | runs | coverage % | below % | above % | left out | remark |")
    _print(size_cases(), "| test | law | runs per arm | size % | left out | remark |")
    print(f"\n{(time.process_time() - started) / 60:.1f} minutes of one core.")


if __name__ == "__main__":
    app.run(_main)
