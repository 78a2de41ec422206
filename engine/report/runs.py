"""The runs of a study as its report uses them, arm by arm."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine.designs import FIRST_FORK_SEED, FIRST_GRID_SEED, MAX_FORKS, is_of_grid
from engine.errors import InputError, one_line
from engine.store import OUTCOME_SCHEMA, WorkDirectory, waiting_times

# Curves are only drawn, and more would hide each other.
MAX_CURVES = 200


class Curve(NamedTuple):
    """Loss of one run on the evaluation set: steps and losses, each `[num_points]`."""

    steps: np.ndarray
    loss: np.ndarray


class GridRuns(NamedTuple):
    """The crossed grid of an arm, up to the first start that is incomplete; arrays `[num_runs]`.

    Attributes:
        init_seed: of the start.
        order: number of the common data order.
        time, event: as for `ArmRuns`.
        num_missing: starts after those, whose row is not complete.
    """

    init_seed: np.ndarray
    order: np.ndarray
    time: np.ndarray
    event: np.ndarray
    num_missing: int


class ForkRuns(NamedTuple):
    """The forks of an arm, up to the first parent that is incomplete; arrays `[num_forks]`.

    Attributes:
        step: at which they part from their parents.
        parent: seed of the parent.
        time_left: steps from there to the event, or to the horizon where there is none.
        event: as for `ArmRuns`.
        num_missing: parents after those, whose forks are not complete.
    """

    step: int
    parent: np.ndarray
    time_left: np.ndarray
    event: np.ndarray
    num_missing: int


class ArmRuns(NamedTuple):
    """The repetitions of one arm that the statistics use: the longest complete prefix.

    Attributes:
        name: of the arm.
        seed, init_seed, order_seed: each `[num_runs]`.
        status: shape `[num_runs]`.
        event: shape `[num_runs]`.
        time: of the event, or of the end of the run where there is none, in steps, `[num_runs]`.
        rows: outcome columns of the store, as lists of length num_runs.
        curves: of the first `MAX_CURVES` runs.
        grid: of those starts, or `None`.
        forks: of those runs, or `None`.
        has_forks_asked: whether there should be some.
        num_stored: repetitions that are over.
        num_planned: repetitions that the last launch asked for.
        horizon: steps.
        steps_per_epoch: or `None`.
        chance_loss: in nats for classification.
        waits_for: `break` of the loss curve, or `hit` for a task's own event.
    """

    name: str
    seed: np.ndarray
    init_seed: np.ndarray
    order_seed: np.ndarray
    status: list[str]
    event: np.ndarray
    time: np.ndarray
    rows: dict[str, list[Any]]
    curves: list[Curve]
    grid: GridRuns | None
    forks: ForkRuns | None
    has_forks_asked: bool
    num_stored: int
    num_planned: int
    horizon: int
    steps_per_epoch: int | None
    chance_loss: float
    waits_for: str


@contextlib.contextmanager
def of_study(directory: WorkDirectory) -> Iterator[None]:
    """Turns what statistics cannot be made of into an error of the study that holds it.

    Raises:
        InputError: a number does not exist, as no runs of ours would have it.
    """
    try:
        yield
    except InputError:
        raise
    except (ValueError, ArithmeticError) as error:
        raise InputError(
            f"the runs in {str(directory.path)!r} cannot be summarised: {one_line(str(error))}"
        ) from error


def read_runs(directory: WorkDirectory) -> dict[str, ArmRuns]:
    """The runs of every arm whose first seed is over, in the order of the study."""
    table = directory.read(columns=OUTCOME_SCHEMA.names)
    found = {}
    for name in directory.document["arm_order"]:
        rows = table.filter(pa.compute.equal(table["arm"], name)).to_pydict()
        runs = _arm_runs(rows, directory.document, name)
        if runs is not None:
            found[name] = runs
    curves = _read_curves(directory, found)
    return {name: runs._replace(curves=curves[name]) for name, runs in found.items()}


def _arm_runs(rows: dict[str, list[Any]], document: dict[str, Any], name: str) -> ArmRuns | None:
    is_fork = np.array([step is not None for step in rows["fork_step"]], bool)
    is_grid = np.array([is_of_grid(order) for order in rows["order_seed"]], bool)
    own = _rows_at(rows, np.flatnonzero(~is_fork & ~is_grid))
    stored = own["seed"]
    num_used = next((i for i, seed in enumerate(stored) if seed != i), len(stored))
    if num_used == 0:
        return None
    own = _rows_at(own, np.arange(num_used))
    study = document["study"]
    runs = ArmRuns(
        name=name,
        seed=np.asarray(own["seed"]),
        init_seed=np.asarray(own["init_seed"]),
        order_seed=np.asarray(own["order_seed"]),
        status=own["status"],
        event=np.asarray(own["event"]),
        time=waiting_times(own),
        rows=own,
        curves=[],
        grid=None,
        forks=None,
        has_forks_asked=study["forks"] is not None,
        num_stored=len(stored),
        num_planned=max(study["seeds"][name], len(stored)),
        horizon=document["identity"]["horizons"][name],
        steps_per_epoch=study["steps_per_epoch"][name],
        chance_loss=study["chance_loss"][name],
        waits_for=study["event"][name],
    )
    crossed, forked = (_rows_at(rows, np.flatnonzero(chosen)) for chosen in (is_grid, is_fork))
    return runs._replace(
        grid=_grid_runs(runs, crossed, document["identity"]["order_seeds"]),
        forks=_fork_runs(runs, forked, study["forks"]),
    )


def _rows_at(rows: dict[str, list[Any]], index: np.ndarray) -> dict[str, list[Any]]:
    return {name: [values[i] for i in index] for name, values in rows.items()}


def _until_incomplete(
    wanted: np.ndarray, rows: dict[str, list[Any]], number: int
) -> tuple[dict[str, list[Any]], int]:
    """Rows of the longest prefix of some repetitions that have all of theirs; how many are left.

    Args:
        wanted: seeds of the repetitions, in order.
        rows: of the store.
        number: of rows that each of them has once it is complete.
    """
    seeds = np.asarray(rows["seed"], int)
    counts = np.bincount(seeds, minlength=int(wanted.max(initial=-1)) + 1)[wanted]
    is_short = counts < number
    used = wanted[: int(np.argmax(is_short))] if is_short.any() else wanted
    return _rows_at(rows, np.flatnonzero(np.isin(seeds, used))), len(wanted) - len(used)


def _grid_runs(
    runs: ArmRuns, rows: dict[str, list[Any]], order_seeds: int | None
) -> GridRuns | None:
    if order_seeds is None:
        return None
    rows, num_missing = _until_incomplete(runs.seed, rows, order_seeds)
    if not rows["seed"]:
        return None
    return GridRuns(
        init_seed=np.asarray(rows["init_seed"]),
        order=np.asarray(rows["order_seed"]) - FIRST_GRID_SEED,
        time=waiting_times(rows),
        event=np.asarray(rows["event"]),
        num_missing=num_missing,
    )


def _fork_runs(runs: ArmRuns, rows: dict[str, list[Any]], num_forks: int | None) -> ForkRuns | None:
    if num_forks is None or not rows["seed"]:
        return None
    step = rows["fork_step"][0]
    first = FIRST_FORK_SEED + np.asarray(rows["seed"], int) * MAX_FORKS
    is_asked = np.asarray(rows["fork_order_seed"], int) - first < num_forks
    rows = _rows_at(rows, np.flatnonzero(is_asked))
    rows, num_missing = _until_incomplete(runs.seed[runs.time > step], rows, num_forks)
    if not rows["seed"]:
        return None
    event = np.asarray(rows["event"])
    # A run that diverged never has the event; all are watched equally long, to the horizon.
    time = np.where(event == 2, runs.horizon, waiting_times(rows))
    return ForkRuns(step, np.asarray(rows["seed"]), time - step, event, num_missing)


def repetition_curves(directory: WorkDirectory) -> Iterator[tuple[str, int, Curve]]:
    """Arm, seed and curve of every repetition that is stored, part by part.

    A run that failed has an empty one, and one that was stored twice comes twice.
    """
    for table in directory.iterate(["arm", "seed", "order_seed", "fork_step", "steps", "loss"]):
        names = ("arm", "seed", "order_seed", "fork_step")
        keys = zip(*(table[name].to_pylist() for name in names), strict=True)
        for i, (arm, seed, order, fork_step) in enumerate(keys):
            if fork_step is None and not is_of_grid(order):
                lists = (table[name][i].values for name in ("steps", "loss"))
                steps, loss = (np.zeros(0) if v is None else v.to_numpy() for v in lists)
                yield arm, seed, Curve(steps, loss.astype(np.float64))


def _read_curves(directory: WorkDirectory, runs: dict[str, ArmRuns]) -> dict[str, list[Curve]]:
    """The curves of the first runs of every arm."""
    found: dict[str, dict[int, Curve]] = {name: {} for name in runs}
    for arm, seed, curve in repetition_curves(directory):
        is_used = arm in runs and seed < min(MAX_CURVES, len(runs[arm].seed))
        if is_used and (len(curve.steps) or seed not in found[arm]):
            found[arm][seed] = curve
    return {name: [curves[seed] for seed in sorted(curves)] for name, curves in found.items()}
