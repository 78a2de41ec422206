"""The runs of a study as its report uses them, arm by arm."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine.errors import InputError, one_line
from engine.outcomes import FAILED
from engine.outcomes.event import Event
from engine.outcomes.prefix import FinishedPrefix
from engine.store import OUTCOME_SCHEMA, WorkDirectory, is_of_logs, waiting_times
from engine.studies.designs import FIRST_FORK_SEED, FIRST_GRID_SEED, MAX_FORKS, is_repetition

# Curves are only drawn, and more would hide each other.
MAX_CURVES = 200


class LossCurve(NamedTuple):
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
        num_failed: runs of those starts without an outcome, which are left out.
    """

    init_seed: np.ndarray
    order: np.ndarray
    time: np.ndarray
    event: np.ndarray
    num_missing: int
    num_failed: int = 0


class ForkRuns(NamedTuple):
    """The forks of an arm, up to the first parent that is incomplete; arrays `[num_forks]`.

    Attributes:
        step: at which they part from their parents.
        parent: seed of the parent.
        time_left: steps from there to the event, or to the horizon where there is none.
        event: as for `ArmRuns`.
        num_missing: parents after those, whose forks are not complete.
        num_failed: forks of those parents without an outcome, which are left out.
    """

    step: int
    parent: np.ndarray
    time_left: np.ndarray
    event: np.ndarray
    num_missing: int
    num_failed: int = 0


class ArmRuns(NamedTuple):
    """The repetitions of one arm that the statistics use: those of the longest complete prefix.

    A failed run is over, but has no outcome: it is in `failed` and nowhere else.

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
        failed: columns like `rows`, of the runs of the prefix that failed.
    """

    name: str
    seed: np.ndarray
    init_seed: np.ndarray
    order_seed: np.ndarray
    status: list[str]
    event: np.ndarray
    time: np.ndarray
    rows: dict[str, list[Any]]
    curves: list[LossCurve]
    grid: GridRuns | None
    forks: ForkRuns | None
    has_forks_asked: bool
    num_stored: int
    num_planned: int
    horizon: int
    steps_per_epoch: int | None
    chance_loss: float
    waits_for: Event
    failed: dict[str, list[Any]]

    @property
    def num_failed(self) -> int:
        """Runs of the prefix without an outcome."""
        return len(self.failed["seed"])


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
        raise InputError(f"the runs in {str(directory.path)!r} cannot be summarised: {one_line(str(error))}") from error


def read_runs(directory: WorkDirectory) -> dict[str, ArmRuns]:
    """The runs of every arm that has an outcome in its first seeds, in the order of the study."""
    return {name: runs for name, runs in read_all_runs(directory).items() if len(runs.seed)}


def read_all_runs(directory: WorkDirectory) -> dict[str, ArmRuns]:
    """The same with the arms of which all runs so far failed, and there is no outcome."""
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
    is_own = np.array([*map(is_repetition, rows["order_seed"], rows["fork_step"])], bool)
    own = _rows_at(rows, np.flatnonzero(is_own))
    stored = own["seed"]
    num_used = FinishedPrefix(stored).length
    if num_used == 0:
        return None
    failed, own = _split(_rows_at(own, np.arange(num_used)))
    study, horizon = document["study"], document["identity"]["horizons"][name]
    time, event = waiting_times(own), np.asarray(own["event"], int)
    if is_of_logs(document):
        horizon = _followed(time, event, horizon)
    runs = ArmRuns(
        name=name,
        seed=np.asarray(own["seed"], int),
        init_seed=np.asarray(own["init_seed"], int),
        order_seed=np.asarray(own["order_seed"], int),
        status=own["status"],
        event=event,
        time=time,
        rows=own,
        curves=[],
        grid=None,
        forks=None,
        has_forks_asked=study["forks"] is not None,
        num_stored=len(stored),
        num_planned=max(study["seeds"][name], len(stored)),
        horizon=horizon,
        steps_per_epoch=study["steps_per_epoch"][name],
        chance_loss=study["chance_loss"][name],
        waits_for=Event(study["event"][name]),
        failed=failed,
    )
    crossed, forked = (_rows_at(rows, np.flatnonzero(chosen)) for chosen in (~is_own & ~is_fork, is_fork))
    return runs._replace(
        grid=_grid_runs(runs, crossed, document["identity"].get("order_seeds")),
        forks=_fork_runs(runs, forked, study["forks"]),
    )


def _followed(time: np.ndarray, event: np.ndarray, horizon: int) -> int:
    """How far all of some runs, which may end at different steps, say what became of them."""
    if not len(time) or np.any(event[time == time.max()] != 0):
        return horizon
    return int(time.max())


def _rows_at(rows: dict[str, list[Any]], index: np.ndarray) -> dict[str, list[Any]]:
    return {name: [values[i] for i in index] for name, values in rows.items()}


def _split(rows: dict[str, list[Any]]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Rows of the runs that failed, and of those that have an outcome."""
    has_failed = np.array([status == FAILED for status in rows["status"]], bool)
    failed, others = (_rows_at(rows, np.flatnonzero(of)) for of in (has_failed, ~has_failed))
    return failed, others


def _until_incomplete(wanted: np.ndarray, rows: dict[str, list[Any]], number: int) -> tuple[dict[str, list[Any]], int]:
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


def _grid_runs(runs: ArmRuns, rows: dict[str, list[Any]], order_seeds: int | None) -> GridRuns | None:
    if order_seeds is None:
        return None
    wanted = np.sort(np.concatenate([runs.seed, np.asarray(runs.failed["seed"], int)]))
    rows, num_missing = _until_incomplete(wanted, rows, order_seeds)
    failed, rows = _split(rows)
    if not rows["seed"]:
        return None
    return GridRuns(
        init_seed=np.asarray(rows["init_seed"]),
        order=np.asarray(rows["order_seed"]) - FIRST_GRID_SEED,
        time=waiting_times(rows),
        event=np.asarray(rows["event"]),
        num_missing=num_missing,
        num_failed=len(failed["seed"]),
    )


def _fork_runs(runs: ArmRuns, rows: dict[str, list[Any]], num_forks: int | None) -> ForkRuns | None:
    if num_forks is None or not rows["seed"]:
        return None
    step = rows["fork_step"][0]
    first = FIRST_FORK_SEED + np.asarray(rows["seed"], int) * MAX_FORKS
    is_asked = np.asarray(rows["fork_order_seed"], int) - first < num_forks
    rows = _rows_at(rows, np.flatnonzero(is_asked))
    rows, num_missing = _until_incomplete(runs.seed[runs.time > step], rows, num_forks)
    failed, rows = _split(rows)
    if not rows["seed"]:
        return None
    event = np.asarray(rows["event"])
    # A run that diverged never has the event; all are watched equally long, to the horizon.
    time = np.where(event == 2, runs.horizon, waiting_times(rows))
    left, num_failed = time - step, len(failed["seed"])
    return ForkRuns(step, np.asarray(rows["seed"]), left, event, num_missing, num_failed)


def repetition_curves(directory: WorkDirectory) -> Iterator[tuple[str, int, LossCurve]]:
    """Arm, seed and curve of every repetition with an outcome, part by part."""
    names = ("arm", "seed", "order_seed", "fork_step", "status")
    for table in directory.iterate([*names, "steps", "loss"]):
        keys = zip(*(table[name].to_pylist() for name in names), strict=True)
        for i, (arm, seed, order, fork_step, status) in enumerate(keys):
            if is_repetition(order, fork_step) and status != FAILED:
                steps, loss = (table[c][i].values.to_numpy() for c in ("steps", "loss"))
                yield arm, seed, LossCurve(steps, loss.astype(np.float64))


def _read_curves(directory: WorkDirectory, runs: dict[str, ArmRuns]) -> dict[str, list[LossCurve]]:
    """The curves of the first runs of every arm."""
    found: dict[str, dict[int, LossCurve]] = {name: {} for name in runs}
    drawn = {name: set(arm.seed[:MAX_CURVES].tolist()) for name, arm in runs.items()}
    for arm, seed, curve in repetition_curves(directory):
        if seed in drawn.get(arm, ()):
            found[arm][seed] = curve
    return {name: [curves[seed] for seed in sorted(curves)] for name, curves in found.items()}
