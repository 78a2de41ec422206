"""Chooses the finished runs that are done again: a random sample in which every arm has its share."""

import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..lanes.runs import Run, run_key
from ..outcomes import FAILED
from ..store import ROW_SCHEMA, RUN_KEY, WAITING_COLUMNS, WorkDirectory
from ..studies.designs import is_repetition
from ..studies.expand import ExpandedStudy, run_of
from .comparison import waits_up_to


class Finished(NamedTuple):
    """The finished runs of a study, without those that failed.

    `foreign` are keys of rows that belong to no run of this study; `mean_wait` is the restricted mean of the wait of
    the repetitions by arm, in steps.
    """

    runs: list[Run]
    num_failed: int
    foreign: list[str]
    mean_wait: dict[str, float]


class Sample(NamedTuple):
    """Runs that are to be done again, drawn with a seed, with the number drawn from each stratum and in it."""

    runs: list[Run]
    seed: int
    num_drawn: list[int]
    num_all: list[int]


def find_finished(directory: WorkDirectory, plan: ExpandedStudy) -> Finished:
    """Reads which runs of a study are finished."""
    waits: dict[str, list[dict[str, Any]]] = {name: [] for name in plan.arms}
    runs, foreign, num_failed = [], [], 0
    for row in directory.read(columns=["status", *WAITING_COLUMNS]).to_pylist():
        run = None
        if row["arm"] is not None and row["noise_seed"] is not None:
            run = run_of(plan, row["arm"], row["noise_seed"], row["fork_order_seed"])
        if run is None or run_key(run) != tuple(row[name] for name in RUN_KEY):
            foreign.append(" ".join(f"{name}={row[name]!r}" for name in RUN_KEY))
        elif row["status"] == FAILED:
            num_failed += 1
        else:
            runs.append(run)
            if is_repetition(run.order_seed, run.fork_step):
                waits[run.arm_name].append(row)
    means = {name: float(np.mean(waits_up_to(rows, plan.horizons[name]))) for name, rows in waits.items() if rows}
    return Finished(runs, num_failed, foreign, means)


def draw_sample(runs: Sequence[Run], number: int, seed: int) -> Sample:
    """Draws runs without replacement: every arm in proportion to its runs, but at least one of each.

    Where there are fewer draws than arms, all runs are one stratum. The choice is by hash: it depends on no generator's
    version, and a larger sample with the same seed and strata contains the smaller one.
    """
    has_strata = number >= len({run.arm_name for run in runs})
    strata: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: hashlib.sha256(json.dumps([seed, *run_key(run)]).encode()).digest()):
        strata.setdefault(run.arm_name if has_strata else "", []).append(run)
    # Sorted by name, so that the order in which arms come up does not matter.
    members = [strata[name] for name in sorted(strata)]
    sizes, drawn = list(map(len, members)), [0] * len(members)
    for _ in range(min(number, len(runs))):
        # A stratum that is exhausted has a share of 1.
        drawn[min(range(len(members)), key=lambda h: (drawn[h] / sizes[h], h))] += 1
    chosen = {run_key(run) for of, num in zip(members, drawn, strict=True) for run in of[:num]}
    return Sample([run for run in runs if run_key(run) in chosen], seed, drawn, sizes)


def stored_rows(directory: WorkDirectory, keys: Collection[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[pa.Table]]:
    """Reads the rows of runs by `RUN_KEY`, as tables of one row; a run that is stored twice has two."""
    found: dict[tuple[Any, ...], list[pa.Table]] = {key: [] for key in keys}
    for part in directory.iterate(ROW_SCHEMA.names):
        for i, key in enumerate(zip(*(part[name].to_pylist() for name in RUN_KEY), strict=True)):
            if key in found:
                # Taken, not sliced: a slice would keep the whole part in memory.
                found[key].append(part.take([i]))
    return found
