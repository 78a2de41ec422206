"""Which finished runs are done again: a random sample in which every arm has its share."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.lanes.runs import Run, run_key
from engine.outcomes import FAILED
from engine.store import ROW_SCHEMA, RUN_KEY, WAITING_COLUMNS, WorkDirectory
from engine.studies.designs import is_repetition
from engine.studies.expand import ExpandedStudy, run_of
from engine.verification.agreement import StoredRow
from engine.verification.outcomes import waits_up_to

# Columns that came after the first release whose rows can be read.
_LATER = (
    "hitting_step",
    "onset_accuracy",
    "end_held_out_accuracy",
    "stairs",
    "is_coarse",
    "diagnostics_steps",
    "diagnostics",
)


class Finished(NamedTuple):
    """The finished runs of a study.

    Attributes:
        runs: each once, by arm and seeds.
        num_failed: rows of runs that never came to an end, which are not among them.
        foreign: rows that are no runs of this study, in words; they are not among them either.
        mean_wait: by arm, the restricted mean of the wait of its repetitions, in steps.
    """

    runs: list[Run]
    num_failed: int
    foreign: list[str]
    mean_wait: dict[str, float]


class Sample(NamedTuple):
    """Runs that are to be done again.

    Attributes:
        runs: by arm and seeds.
        seed: of the drawing.
        num_drawn, num_all: of every stratum from which they were drawn.
    """

    runs: list[Run]
    seed: int
    num_drawn: list[int]
    num_all: list[int]


def find_finished(directory: WorkDirectory, plan: ExpandedStudy) -> Finished:
    """Reads which runs are finished.

    Args:
        directory: of the study.
        plan: of the study, see `engine.store.study_json.plan_of`.
    """
    rows = directory.read(columns=["status", *WAITING_COLUMNS]).to_pylist()
    waits: dict[str, list[dict[str, Any]]] = {name: [] for name in plan.arms}
    runs, foreign, num_failed = [], [], 0
    for row in rows:
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
    means = {name: float(np.mean(waits_up_to(of_arm, plan.horizons[name]))) for name, of_arm in waits.items() if of_arm}
    return Finished(runs, num_failed, foreign, means)


def draw_sample(runs: Sequence[Run], number: int, seed: int) -> Sample:
    """Draws runs without replacement, every arm in proportion to its runs but at least one of each.

    Where there are fewer draws than arms, all runs are one stratum. Choices are by hash, so no
    generator's version matters, and a larger sample of the same seed contains the smaller one as
    long as it is drawn from the same strata.

    Args:
        runs: to draw from, at least one.
        number: of draws; all runs where there are no more.
        seed: of the sample.
    """
    sizes = Counter(run.arm_name for run in runs)
    has_strata = number >= len(sizes)
    strata: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: _rank(seed, run)):
        strata.setdefault(run.arm_name if has_strata else "", []).append(run)
    # By name, so that an order in which arms happen to come up does not matter.
    all_of = [strata[name] for name in sorted(strata)]
    drawn = [0] * len(all_of)
    for _ in range(min(number, len(runs))):
        left = [h for h, of in enumerate(all_of) if drawn[h] < len(of)]
        drawn[min(left, key=lambda h: (drawn[h] / len(all_of[h]), h))] += 1
    chosen = {run_key(run) for of, n in zip(all_of, drawn, strict=True) for run in of[:n]}
    ordered = [run for run in runs if run_key(run) in chosen]
    return Sample(ordered, seed, drawn, [len(of) for of in all_of])


def _rank(seed: int, run: Run) -> bytes:
    return hashlib.sha256(json.dumps([seed, *run_key(run)]).encode()).digest()


def stored_rows(directory: WorkDirectory, keys: Collection[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[StoredRow]]:
    """The rows of some runs with their curves; a run that is stored twice has two.

    Args:
        directory: of the study.
        keys: `RUN_KEY` of the runs.
    """
    found: dict[tuple[Any, ...], list[StoredRow]] = {key: [] for key in keys}
    for part in directory.iterate(ROW_SCHEMA.names):
        absent = frozenset(name for name in _LATER if part[name].null_count == len(part))
        of_part = zip(*(part[name].to_pylist() for name in RUN_KEY), strict=True)
        for i, key in enumerate(of_part):
            if key in found:
                # Taken, not sliced: a slice would keep the whole part in memory.
                found[key].append(StoredRow(part.take([i]), absent))
    return found
