"""The runs of a study as its report uses them, arm by arm."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, one_line
from ..outcomes.chance import ChanceOf
from ..outcomes.event import Event
from ..outcomes.prefix import FinishedPrefix
from ..store import WorkDirectory, is_of_logs
from ..store.run_table import RunTable
from ..studies.designs import FIRST_FORK_SEED, FIRST_GRID_SEED, MAX_FORKS

# Curves are only drawn, and more would hide each other.
MAX_CURVES = 200

_Rows = dict[str, list[Any]]


class LossCurve(NamedTuple):
    """Loss of one run on the evaluation set: steps and losses, each `[num_points]`."""

    steps: np.ndarray
    loss: np.ndarray


class GridRuns(NamedTuple):
    """The crossed grid of an arm up to the first start that is incomplete; arrays `[num_runs]`.

    Attributes:
        num_missing: later starts, some of whose runs are missing.
        num_failed: runs of the complete starts without an outcome, which are left out.
    """

    init_seed: np.ndarray
    order: np.ndarray
    time: np.ndarray
    event: np.ndarray
    num_missing: int
    num_failed: int = 0


class ForkRuns(NamedTuple):
    """The forks of an arm up to the first parent that is incomplete; arrays `[num_forks]`.

    Attributes:
        step: at which they part from their parents, whose seeds are `parent`.
        time_left: steps from there to the event, or to the horizon where there is none.
    """

    step: int
    parent: np.ndarray
    time_left: np.ndarray
    event: np.ndarray
    num_missing: int
    num_failed: int = 0


class ArmRuns(NamedTuple):
    """The repetitions of an arm that statistics use, those of the longest finished prefix; arrays `[num_runs]`.

    Attributes:
        event: 0 censored, 1 the event, 2 diverged.
        time: step of the event, or of the end of the run where there is none.
        rows, failed: outcome columns of the runs with an outcome, and of those without, which are nowhere else.
        curves: of the first `MAX_CURVES` runs.
        num_stored, num_planned: repetitions that are over, and that the last launch asked for.
        horizon: in steps.
        chance_loss: in nats for classification.
        chance_of: whose loss that is.
    """

    name: str
    seed: np.ndarray
    init_seed: np.ndarray
    status: list[str]
    event: np.ndarray
    time: np.ndarray
    rows: _Rows
    curves: list[LossCurve]
    grid: GridRuns | None
    forks: ForkRuns | None
    has_forks_asked: bool
    num_stored: int
    num_planned: int
    horizon: int
    steps_per_epoch: int | None
    chance_loss: float
    chance_of: ChanceOf
    waits_for: Event
    failed: _Rows

    @property
    def num_failed(self) -> int:
        """Runs of the prefix without an outcome."""
        return len(self.failed["seed"])


@contextlib.contextmanager
def of_study(directory: WorkDirectory) -> Iterator[None]:
    """Turns an error of the statistics into one that names the study."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"the runs in {str(directory.path)!r} cannot be summarised: {one_line(str(error))}") from error


def read_runs(table: RunTable) -> dict[str, ArmRuns]:
    """Returns the runs of every arm that has an outcome in its first seeds, in the order of the study."""
    return {name: runs for name, runs in read_all_runs(table).items() if len(runs.seed)}


def read_all_runs(table: RunTable) -> dict[str, ArmRuns]:
    """Returns the same with the arms whose runs all failed so far."""
    prefixes, drawn = {}, np.zeros(len(table), bool)
    for name in table.directory.document["arm_order"]:
        prefixes[name] = rows = finished_prefix(table, name)
        drawn[rows[table.has_outcome[rows]][:MAX_CURVES]] = True
    curves = read_losses(table, drawn)
    return {name: _make_runs(table, name, rows, curves) for name, rows in prefixes.items() if len(rows)}


def finished_prefix(table: RunTable, name: str) -> np.ndarray:
    """Returns the rows of an arm's first repetitions, up to the first that is not over: those that statistics use."""
    rows = np.flatnonzero(table.is_of(name) & table.is_repetition)
    return rows[: FinishedPrefix(table.seed[rows].tolist()).length]


def read_losses(table: RunTable, chosen: np.ndarray) -> dict[int, LossCurve]:
    """Reads the loss curves of the chosen runs (a mask), by number of the run in the table."""
    found = table.curves("loss", chosen)
    return {curve.row: LossCurve(curve.steps, curve.values.astype(np.float64)) for curve in found}


def _make_runs(table: RunTable, name: str, prefix: np.ndarray, curves: Mapping[int, LossCurve]) -> ArmRuns:
    document = table.directory.document
    study, num_stored = document["study"], int(np.sum(table.is_of(name) & table.is_repetition))
    rows = prefix[table.has_outcome[prefix]]
    own, time, event = table.columns(rows), table.waiting_time[rows], table.event[rows]
    horizon = document["identity"]["horizons"][name]
    if is_of_logs(document) and len(time) and not np.any(event[time == time.max()]):
        # Logs may end at different steps, and statistics reach as far as some run is still watched.
        horizon = int(time.max())
    return ArmRuns(
        name=name,
        seed=table.seed[rows],
        init_seed=np.asarray(own["init_seed"], int),
        status=own["status"],
        event=event,
        time=time,
        rows=own,
        curves=[curves[row] for row in rows.tolist() if row in curves],
        grid=_make_grid(table, name, table.seed[prefix]),
        forks=_make_forks(table, name, rows, horizon),
        has_forks_asked=study["forks"] is not None,
        num_stored=num_stored,
        num_planned=max(study["seeds"][name], num_stored),
        horizon=horizon,
        steps_per_epoch=study["steps_per_epoch"][name],
        chance_loss=study["chance_loss"][name],
        chance_of=ChanceOf(study.get("chance_of", {}).get(name, ChanceOf.CONSTANT)),
        waits_for=Event(study["event"][name]),
        failed=table.columns(prefix[~table.has_outcome[prefix]]),
    )


def _make_grid(table: RunTable, name: str, starts: np.ndarray) -> GridRuns | None:
    """Returns the grid of some starts, whether their repetitions have an outcome or not."""
    num_orders = table.directory.document["identity"].get("order_seeds")
    if num_orders is None:
        return None
    is_fork = table.outcomes["fork_step"].is_valid().to_numpy()
    rows = np.flatnonzero(table.is_of(name) & ~table.is_repetition & ~is_fork)
    rows, num_missing, num_failed = _of_complete(table, rows, starts, num_orders)
    if not len(rows):
        return None
    columns = table.columns(rows)
    init_seed, order = np.asarray(columns["init_seed"]), np.asarray(columns["order_seed"]) - FIRST_GRID_SEED
    return GridRuns(init_seed, order, table.waiting_time[rows], table.event[rows], num_missing, num_failed)


def _make_forks(table: RunTable, name: str, parents: np.ndarray, horizon: int) -> ForkRuns | None:
    """Returns the forks of those parents (rows of the table) that still waited at the step of the fork."""
    num_forks = table.directory.document["study"]["forks"]
    rows = np.flatnonzero(table.is_of(name) & table.outcomes["fork_step"].is_valid().to_numpy())
    if num_forks is None or not len(rows):
        return None
    columns = table.columns(rows)
    step, first = columns["fork_step"][0], FIRST_FORK_SEED + table.seed[rows] * MAX_FORKS
    rows = rows[np.asarray(columns["fork_order_seed"]) - first < num_forks]
    still_waiting = table.seed[parents[table.waiting_time[parents] > step]]
    rows, num_missing, num_failed = _of_complete(table, rows, still_waiting, num_forks)
    if not len(rows):
        return None
    # A run that diverged never has the event; all are watched equally long, to the horizon.
    time = np.where(table.event[rows] == 2, horizon, table.waiting_time[rows])
    return ForkRuns(step, table.seed[rows], time - step, table.event[rows], num_missing, num_failed)


def _of_complete(table: RunTable, rows: np.ndarray, wanted: np.ndarray, number: int) -> tuple[np.ndarray, int, int]:
    """Keeps the longest prefix of the wanted seeds that have all their `number` runs.

    Returns those of their rows that have an outcome, how many seeds are left out, and how many kept runs failed.
    """
    counts = np.bincount(table.seed[rows], minlength=int(wanted.max(initial=-1)) + 1)[wanted]
    num_used = int(np.argmax([*(counts < number), True]))
    kept = rows[np.isin(table.seed[rows], wanted[:num_used])]
    has_outcome = table.has_outcome[kept]
    return kept[has_outcome], len(wanted) - num_used, int(np.sum(~has_outcome))
