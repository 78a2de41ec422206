"""`--track`: what services that keep records of training are told of a study: every arm, and the first single runs.

While the study goes on, the record of an arm shows the share of runs that left chance level against the number of
seeds; once all seeds are over it gets the curves of the arm. A thread sends everything, so that nothing else waits for
the network. Nothing is sent but names, settings and numbers of the study.
"""

import dataclasses
import hashlib
import importlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import statistics, store
from ..errors import InputError, one_line
from ..outcomes import FAILED
from ..registry import Registry
from ..store import WAITING_COLUMNS, Row, WorkDirectory
from ..studies.designs import is_repetition, run_name
from .arm_curves import CURVE_COLUMNS, METRICS, ArmCurveBuilder, make_builders, rows_of, used_fields
from .observer import Pace, StudyProgress

# Each module has a class `Tracker`.
TRACKERS = Registry("tracker", {name: f".observers.{name}" for name in ("mlflow", "trackio", "wandb")})
# Seconds for everything after the end of a launch.
_GRACE = 30.0
# Seconds between two messages on an arm, and largest share of the time that they may take.
_SECONDS, _LARGEST_SHARE = 2.0, 0.05
_MOST_POINTS = 1000
_LONGEST_REASON = 300
_ADDED_COLUMNS = ["steps", "loss"]
_SUMMARY = ("status", "onset_step", "half_step", "hitting_step", "end_loss", "end_accuracy", "end_metric")
_SEEDS = ("seed", "init_seed", "order_seed")
_IDENTITY = ("arm", *_SEEDS, "fork_step", "fork_order_seed", "is_diverged_later")
_KEPT = list(dict.fromkeys([*_IDENTITY, *WAITING_COLUMNS, *_SUMMARY]))


class About(NamedTuple):
    """What a record is of.

    Attributes:
        title: name of the arm, or of the arm and its run.
        kind: `arm` or `run`.
        study: name of the study.
        key: 16 hexadecimal digits, the same for the same record of a later launch.
        config: settings and seeds.
        path: the work directory.
    """

    title: str
    kind: str
    study: str
    key: str
    config: dict[str, Any]
    path: Path


class Record(Protocol):
    """One record of a service: of an arm, or of a run."""

    def log(self, point: Mapping[str, float], step: int) -> None:
        """Adds some values at a step."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Adds what came out, and ends the record."""


class Tracker(Protocol):
    """A service; made without touching it."""

    title: str
    # What helps where it fails.
    advice: str
    # Of the first record, on the network or on disk, once there is one.
    place: str | None

    def check(self) -> None:
        """Raises `InputError` where its package is missing, or it has no key to send anything with."""

    def begin(self, about: About) -> Record:
        """Begins a record, or goes on with that of an earlier launch where the service can."""


def find_package(name: str, attribute: str, to_install: str) -> None:
    """Raises `InputError` where a package is missing; a folder of its name, which can be imported too, is none."""
    try:
        package: Any = importlib.import_module(name)
    except ImportError:
        package = None
    if not hasattr(package, attribute):
        raise InputError(f"{name} needs the package of that name: pip install {to_install}")


def make_tracker(name: str) -> Tracker:
    """Returns the tracker of a name."""
    made: Tracker = TRACKERS.load(name).Tracker()
    return made


class Tracking:
    """Hands rows to the thread that sends them; `num_single` first seeds are sent one by one."""

    def __init__(
        self, tracker: Tracker, directory: WorkDirectory, num_single: int, notify: Callable[[str], None]
    ) -> None:
        self._waiting: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._tracker = tracker
        self._sender = _Sender(tracker, directory, num_single)
        self._notify = notify
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._told_place: str | None = None

    def catch_up(self) -> None:
        """Takes the runs of earlier launches, which are not sent again."""
        self._sender.catch_up()

    def on_rows(self, rows: Sequence[Row], progress: StudyProgress) -> None:
        """Hands on the rows of the runs that are over."""
        if rows and self._thread.ident is None:
            self._thread.start()
        for row in rows:
            self._waiting.put({name: row.get(name) for name in (*_KEPT, *CURVE_COLUMNS)})
        self._tell()

    def on_end(self) -> None:
        """Waits for a while until everything is sent."""
        if self._thread.ident is None:
            return
        self._waiting.put(None)
        self._thread.join(_GRACE)
        if self._thread.is_alive():
            raise RuntimeError(f"not done after {_GRACE:.0f} s; {self._tracker.advice}")
        self._tell()

    def _tell(self) -> None:
        if self._problem is not None:
            raise RuntimeError(self._problem)
        if self._tracker.place != self._told_place:
            self._told_place = self._tracker.place
            self._notify(f"{self._tracker.title}: {self._told_place}")

    def _work(self) -> None:
        pace = Pace(_SECONDS, _LARGEST_SHARE)
        try:
            while (row := self._waiting.get()) is not None:
                self._sender.take(row)
                if self._waiting.empty() and pace.is_due():
                    started = time.perf_counter()
                    self._sender.update()
                    pace.restart(time.perf_counter() - started)
            self._sender.finish()
        except Exception as error:
            reason = (one_line(str(error)) or type(error).__name__)[:_LONGEST_REASON]
            self._problem = f"{reason}; {self._tracker.advice}"


@dataclasses.dataclass
class _SentArm:
    """An arm, its record once there is one, and how many of its seeds were sent."""

    builder: ArmCurveBuilder
    record: Record | None = None
    num_sent: int = 0


class _Sender:
    """Sends rows, in one thread from the first row on."""

    def __init__(self, tracker: Tracker, directory: WorkDirectory, num_single: int) -> None:
        self._tracker, self._directory, self._num_single = tracker, directory, num_single
        self._names = list(directory.document["arm_order"])
        self._fingerprint = store.fingerprint(directory.document["identity"])
        self._arms = {name: _SentArm(builder) for name, builder in make_builders(directory.document).items()}

    def catch_up(self) -> None:
        for table in self._directory.iterate([*_KEPT, *_ADDED_COLUMNS]):
            for row in rows_of(table, _ADDED_COLUMNS):
                if is_repetition(row["order_seed"], row["fork_step"]):
                    self._arms[row["arm"]].builder.add(row)
        for arm in self._arms.values():
            arm.num_sent = len(arm.builder.waited()[1])

    def take(self, row: Row) -> None:
        """Adds a run that is over, and sends it if it is one of the first."""
        if not is_repetition(row["order_seed"], row["fork_step"]):
            return
        name = row["arm"]
        self._arms[name].builder.add(row)
        rank = row["seed"] * len(self._names) + self._names.index(name)
        if rank < self._num_single and row["status"] != FAILED:
            self._send_run(row)

    def update(self) -> None:
        """Sends the share of runs with the event, with limits that hold at every look, of each arm that has grown."""
        for name, arm in self._arms.items():
            _, event = arm.builder.waited()
            if len(event) > arm.num_sent:
                arm.record = arm.record or self._begin(name, "arm", name, {})
                arm.num_sent = len(event)
                share = statistics.confidence_sequence(int(np.sum(event == 1)), len(event))
                limits = {"share": share.value, "share_lower": share.lower, "share_upper": share.upper}
                arm.record.log(limits, len(event))

    def finish(self) -> None:
        """Sends the curves of the arms whose seeds are all over, and ends everything."""
        self.update()
        planned = self._directory.document["study"]["seeds"]
        for name, arm in self._arms.items():
            if arm.record is None:
                continue
            num_over, is_whole = len(arm.builder.ended), arm.builder.prefix.length >= planned[name]
            curves = arm.builder.curves() if is_whole else None
            if curves is not None:
                columns = {f"curve/{n}": getattr(curves, n) for n in ("lower", "median", "upper", "share")}
                for i, step in enumerate(curves.steps.tolist()):
                    arm.record.log({n: float(v[i]) for n, v in columns.items() if np.isfinite(v[i])}, step)
            arm.record.finish({"num_over": num_over, "num_planned": planned[name], "is_whole": is_whole})

    def _send_run(self, row: Row) -> None:
        record = self._begin(f"{row['arm']} {run_name(row)}", "run", row["arm"], {name: row[name] for name in _SEEDS})
        for step, point in sorted(_points(row).items()):
            record.log(point, step)
        record.finish({name: row[name] for name in _SUMMARY if row.get(name) is not None})

    def _begin(self, title: str, kind: str, arm: str, seeds: Mapping[str, int]) -> Record:
        study = self._directory.document["study"]
        text = f"{self._fingerprint} {study['seeds'][arm]} {kind} {title}"
        key = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
        config = {"arm": arm, **used_fields(self._directory.document, arm), **seeds}
        return self._tracker.begin(About(title, kind, study["name"], key, config, self._directory.path))


def _points(row: Row) -> dict[int, dict[str, float]]:
    """Returns the metrics of a run by step, at most `_MOST_POINTS` each; what is not finite is left out."""
    found: dict[int, dict[str, float]] = {}
    for axis, names in METRICS.items():
        if row[axis] is None:
            continue
        num_points = len(row[axis])
        chosen = np.linspace(0, num_points - 1, min(num_points, _MOST_POINTS)).round().astype(int)
        for name in names:
            for i in chosen if row[name] is not None else ():
                if np.isfinite(row[name][i]):
                    found.setdefault(int(row[axis][i]), {})[name] = float(row[name][i])
    return found
