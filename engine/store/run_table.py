"""The outcomes of a study's finished runs, read once and shared by everything that reports on them."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..errors import unknown_name
from ..outcomes import FAILED, DetectorSettings
from ..outcomes.curve_columns import MEASURED, detect_again
from ..outcomes.event import Event
from ..outcomes.row import CURVE_STEPS, OUTCOME_SCHEMA, RUN_KEY, WAITING_COLUMNS, waiting_times
from ..studies.designs import is_repetition
from .provenance import code_digest
from .study_file import part_names
from .workdir import LAUNCH, WorkDirectory, keys_of

_LOOKED_AT = ("steps", "loss", *MEASURED)


class RunCurve(NamedTuple):
    """A metric of the run in a row of the table: steps (of `batch_loss` mini-batches), float32; `[num_points]`."""

    row: int
    steps: np.ndarray
    values: np.ndarray


class RunTable:
    """The finished runs of a study as they were when the table was made.

    All arrays have one entry per run, in the order of `outcomes`. Masks of runs combine with `&`:
    `table.is_of(arm) & table.is_repetition & table.has_outcome`.

    Attributes:
        outcomes: the columns of `OUTCOME_SCHEMA`, a row per run, by arm and then by seeds.
        launches: index of the launch that made each run; None where that is unknown.
        part_names: the files that were there when it was made.
        num_looked_at: runs that other code of the engine made, so that their curves were looked at again.
        changed: numbers of those whose outcome is another one by the present detector, which is what counts.

    Raises:
        InputError: a part may not be read, or is larger than the memory.
    """

    def __init__(self, directory: WorkDirectory) -> None:
        self.directory = directory
        self.part_names = part_names(directory.path)
        table = directory.read([*OUTCOME_SCHEMA.names, LAUNCH])
        self.outcomes = table.select(OUTCOME_SCHEMA.names)
        self.launches: list[int | None] = table[LAUNCH].to_pylist()
        of_others = ~self._is_made_by(code_digest())
        self.num_looked_at, self.changed = int(of_others.sum()), self._look_again(of_others)

    def _is_made_by(self, code: str) -> np.ndarray:
        """Tells which runs were made by launches of some code of the engine."""
        digests = [launch["code"].get("digest") for launch in self.directory.document["launches"]]
        return np.asarray([launch is not None and digests[launch] == code for launch in self.launches], bool)

    def _look_again(self, chosen: np.ndarray) -> list[int]:
        """Replaces outcomes of runs in a mask by those that the present detector finds; returns which changed."""
        identity, events = self.directory.document["identity"], self.directory.document["study"]["event"]
        settings, replaced = DetectorSettings(**identity["detector"]), {}
        for rows, part in self.iterate(_LOOKED_AT, chosen):
            outcomes = self.outcomes.take(pa.array(rows)).to_pylist()
            for i, (row, outcome) in enumerate(zip(rows.tolist(), outcomes, strict=True)):
                curves = {name: _array(part[name][i]) for name in _LOOKED_AT}
                arm = outcome["arm"]
                # A curve that no detector takes, which somebody else may have written, stays what it was.
                with contextlib.suppress(ValueError):
                    row_now = {**outcome, **curves}
                    found = detect_again(row_now, Event(events[arm]), identity["horizons"][arm], settings)
                    if found:
                        replaced[row] = {**outcome, **found}
        if replaced:
            kept = self.outcomes.to_pylist()
            self.outcomes = pa.Table.from_pylist([replaced.get(i, row) for i, row in enumerate(kept)], OUTCOME_SCHEMA)
        return sorted(replaced)

    def __len__(self) -> int:
        return len(self.outcomes)

    @functools.cached_property
    def keys(self) -> list[tuple[Any, ...]]:
        """The `RUN_KEY` of each run."""
        return keys_of(self.outcomes)

    @functools.cached_property
    def arm(self) -> np.ndarray:
        """Name of the arm."""
        return np.asarray(self.outcomes["arm"].to_pylist(), object)

    @functools.cached_property
    def _arms(self) -> dict[str, int]:
        """The arms of the study by name, with their places in it."""
        return {name: i for i, name in enumerate(self.directory.document["arm_order"])}

    @functools.cached_property
    def _of_arm(self) -> np.ndarray:
        """Place of the arm of each run."""
        return np.asarray([self._arms[name] for name in self.arm], np.int64)

    @functools.cached_property
    def seed(self) -> np.ndarray:
        """Seed of the repetition that the run is, or shares its start with."""
        return np.asarray(self.outcomes["seed"], np.int64)

    @functools.cached_property
    def event(self) -> np.ndarray:
        """0 censored, 1 the event, 2 diverged."""
        return np.asarray(self.outcomes["event"], np.int64)

    @functools.cached_property
    def waiting_time(self) -> np.ndarray:
        """Step of the event, or the last step where there was none, float64."""
        return waiting_times(self.outcomes.select(WAITING_COLUMNS).to_pydict())

    @functools.cached_property
    def has_outcome(self) -> np.ndarray:
        """Whether the run came to an end, rather than failed."""
        return np.asarray([status != FAILED for status in self.outcomes["status"].to_pylist()], bool)

    @functools.cached_property
    def is_repetition(self) -> np.ndarray:
        """Whether the run is an independent repetition, see `engine.studies.designs`."""
        seeds = (self.outcomes[name].to_pylist() for name in ("order_seed", "fork_step"))
        return np.asarray([*map(is_repetition, *seeds)], bool)

    def is_of(self, arm: str) -> np.ndarray:
        """Tells which runs are those of an arm; raises `InputError` if the study has none of that name."""
        if arm not in self._arms:
            raise unknown_name("arm", arm, list(self._arms))
        return np.equal(self._of_arm, self._arms[arm])

    def columns(self, chosen: np.ndarray) -> dict[str, list[Any]]:
        """Returns the outcome columns of some runs, by a mask or by their numbers in order, as lists."""
        rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        columns: dict[str, list[Any]] = self.outcomes.take(pa.array(rows, pa.int64())).to_pydict()
        return columns

    def iterate(self, columns: Sequence[str], chosen: np.ndarray) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """Reads further columns of the runs in a mask, part by part, so that not all of them are in memory.

        Yields:
            The numbers of some of these runs in the table, and their columns; each run once.
        """
        numbers = {(self.keys[row], bool(self.has_outcome[row])): row for row in np.flatnonzero(chosen)}
        if not numbers:
            return
        for part in self.directory.iterate([*RUN_KEY, "status", *columns]):
            has_outcome = (status != FAILED for status in part["status"].to_pylist())
            rows = np.asarray([numbers.pop(k, -1) for k in zip(keys_of(part), has_outcome, strict=True)], np.int64)
            there = np.flatnonzero(rows >= 0)
            if len(there):
                yield rows[there], part.select(columns).take(pa.array(there))

    def curves(self, metric: str, chosen: np.ndarray) -> Iterator[RunCurve]:
        """Reads a metric of those runs in a mask that have it, part by part, in no particular order.

        Raises:
            InputError: the metric is none of `CURVE_STEPS`.
        """
        if metric not in CURVE_STEPS:
            raise unknown_name("metric", metric, CURVE_STEPS)
        of_steps = CURVE_STEPS[metric]
        columns = [metric] if of_steps is None else [metric, of_steps]
        for rows, part in self.iterate(columns, chosen):
            for i, row in enumerate(rows.tolist()):
                values = part[metric][i].values
                if values is None:
                    continue
                points = values.to_numpy()
                steps = np.arange(len(points)) if of_steps is None else part[of_steps][i].values.to_numpy()
                yield RunCurve(row, steps, points)


def _array(values: pa.ListScalar) -> np.ndarray | None:
    return None if values.values is None else values.values.to_numpy()
