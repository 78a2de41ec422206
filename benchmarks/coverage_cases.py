"""Cases of the coverage benchmark: each is simulated many times and gives rows of a table."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from engine.statistics import LEVEL, Estimate


class Row(NamedTuple):
    """How often something happened among the simulated studies.

    Attributes:
        num_runs: in each arm.
        num_studies: those that gave an answer.
        num_left_out: those in which the estimate is not defined, or the truth not reached.
        num_below, num_above: truths below and above the interval; for a test, `num_above` counts
            the rejections.
        note: why coverage above, or size below, the bounds is right.
    """

    name: str
    law: str
    num_runs: int
    num_studies: int
    num_left_out: int
    num_below: int
    num_above: int
    is_test: bool
    note: str = ""

    @property
    def share(self) -> float:
        """Coverage of the interval, or size of the test."""
        missed = (self.num_below + self.num_above) / max(self.num_studies, 1)
        return missed if self.is_test else 1.0 - missed

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of `share`, at least that of one study."""
        num = max(self.num_studies, 1)
        share = min(max(self.share, 1 / num), 1 - 1 / num)
        return math.sqrt(share * (1 - share) / num)


# The truth and the estimate of each named quantity that a study defines.
Intervals = dict[str, tuple[float, Estimate]]


class Case(NamedTuple):
    """A law, a number of runs, and a function of a generator and a number of studies that gives the rows.

    A slow case is simulated fewer times.
    """

    name: str
    law: str
    num_runs: int
    simulate: Callable[[np.random.Generator, int], list[Row]]
    is_slow: bool = False


def interval_case(
    name: str,
    law: str,
    num_runs: int,
    study: Callable[[np.random.Generator], Intervals],
    is_slow: bool = False,
    note: str = "",
) -> Case:
    """Makes a case of studies that give intervals; a study that raises ValueError is left out."""

    def simulate(generator: np.random.Generator, num_studies: int) -> list[Row]:
        missed: dict[str, list[tuple[bool, bool]]] = {}
        for _ in range(num_studies):
            try:
                found = study(generator)
            except ValueError:
                continue
            for quantity, (truth, estimate) in found.items():
                sides = truth < estimate.lower - 1e-9, truth > estimate.upper + 1e-9
                missed.setdefault(quantity, []).append(sides)
        return [
            Row(
                f"{name}{quantity}",
                law,
                num_runs,
                len(sides),
                num_studies - len(sides),
                sum(below for below, _ in sides),
                sum(above for _, above in sides),
                False,
                note,
            )
            for quantity, sides in missed.items()
        ]

    return Case(name, law, num_runs, simulate, is_slow)


def size_case(
    name: str,
    law: str,
    num_runs: int,
    study: Callable[[np.random.Generator], float],
    note: str = "",
    is_slow: bool = False,
) -> Case:
    """Makes a case of studies that give a p-value; a study that raises ValueError is left out."""

    def simulate(generator: np.random.Generator, num_studies: int) -> list[Row]:
        rejected, num_left_out = 0, 0
        for _ in range(num_studies):
            try:
                rejected += study(generator) <= LEVEL + 1e-12
            except ValueError:
                num_left_out += 1
        done = num_studies - num_left_out
        return [Row(name, law, num_runs, done, num_left_out, 0, rejected, True, note)]

    return Case(name, law, num_runs, simulate, is_slow)


def crossing(generator: np.random.Generator, shares: Iterable[float], shape: tuple[int, int]) -> np.ndarray:
    """Draws normal values `[rows, columns]` with the given variances of row, column and rest."""
    row, column, rest = (math.sqrt(share) for share in shares)
    value = row * generator.normal(size=(shape[0], 1))
    value = value + column * generator.normal(size=(1, shape[1]))
    return value + rest * generator.normal(size=shape)
