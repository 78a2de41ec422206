"""`--wandb`: a Weights & Biases run for every arm, and for the first single runs.

While the study goes on, the run of an arm shows the share of runs that left chance level against the number of seeds;
once all seeds are over it gets the curves of the arm. A thread sends everything, so that nothing else waits for the
network. Nothing is sent but names, settings and numbers of the study.
"""

import contextlib
import dataclasses
import hashlib
import netrc
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .. import statistics, store
from ..errors import InputError, one_line
from ..outcomes import FAILED
from ..store import WAITING_COLUMNS, Row, WorkDirectory
from ..studies.designs import is_repetition, run_name
from .arm_curves import CURVE_COLUMNS, METRICS, ArmCurveBuilder, make_builders, rows_of, used_fields
from .observer import Pace, StudyProgress

_PROJECT = "plateau"
# Seconds for a connection, for the end of one of their runs, and for everything after the end of a launch.
_CONNECT, _FINISH, _GRACE = 30.0, 20.0, 30.0
# Seconds between two messages on an arm, and largest share of the time that they may take.
_SECONDS, _LARGEST_SHARE = 2.0, 0.05
_MOST_POINTS = 1000
_LONGEST_REASON = 300
_OFFLINE = ("offline", "dryrun", "disabled")
_ADDED_COLUMNS = ["steps", "loss"]
_SUMMARY = ("status", "onset_step", "half_step", "hitting_step", "end_loss", "end_accuracy")
_SEEDS = ("seed", "init_seed", "order_seed")
_IDENTITY = ("arm", *_SEEDS, "fork_step", "fork_order_seed", "is_diverged_later")
_KEPT = list(dict.fromkeys([*_IDENTITY, *WAITING_COLUMNS, *_SUMMARY]))
# Keep the package from recording the machine, the user, the command and the code.
_SETTINGS = {
    "console": "off",
    "silent": True,
    "init_timeout": _CONNECT,
    "finish_timeout": _FINISH,
    **dict.fromkeys(("save_code", "x_save_requirements"), False),
    **dict.fromkeys(("disable_code", "disable_git"), True),
    **dict.fromkeys(("x_disable_meta", "x_disable_stats", "x_disable_machine_info"), True),
}


def check_wandb() -> None:
    """Raises `InputError` if the package is missing or has no key to send anything with."""
    try:
        import wandb
    except ImportError:
        wandb = None
    # The package makes a folder of its name, which can be imported too.
    if not hasattr(wandb, "init"):
        raise InputError("wandb needs the package of that name: pip install wandb") from None
    try:
        is_usable = _can_send(wandb)
    except Exception as error:
        raise InputError(f"wandb cannot be used: {one_line(str(error))}") from None
    if not is_usable:
        raise InputError(
            "wandb has no key to send anything with: say `wandb login` first, or set "
            "WANDB_MODE=offline to keep everything here"
        )


def _can_send(wandb: Any) -> bool:
    """Tells whether nothing is to be sent or there is a key, if possible without the network."""
    settings = wandb.setup().settings
    if settings.mode in _OFFLINE or settings.api_key:
        return True
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        places = netrc.netrc(os.environ.get("NETRC"))
        if places.authenticators(urlsplit(settings.base_url).hostname or ""):
            return True
    try:
        return bool(wandb.login(prompt=False))
    except TypeError:
        # This release can only ask, and nothing may wait for an answer.
        return False


class WeightsAndBiases:
    """Hands rows to the thread that sends them; `num_single` first seeds are sent one by one."""

    def __init__(self, directory: WorkDirectory, num_single: int, notify: Callable[[str], None]) -> None:
        self._waiting: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._sender = _Sender(directory, num_single)
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
            raise RuntimeError(
                f"not done after {_GRACE:.0f} s; what it has kept in the work directory can be sent by `wandb sync`"
            )
        self._tell()

    def _tell(self) -> None:
        if self._problem is not None:
            raise RuntimeError(self._problem)
        if self._sender.place != self._told_place:
            self._told_place = self._sender.place
            self._notify(f"W&B: {self._told_place}")

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
            self._problem = f"{reason}; with WANDB_MODE=offline everything would be kept here"


@dataclasses.dataclass
class _SentArm:
    """An arm, its W&B run once there is one, and how many of its seeds were sent."""

    builder: ArmCurveBuilder
    run: Any = None
    num_sent: int = 0


class _Sender:
    """Sends rows, in one thread from the first row on; `place` says where the first W&B run is."""

    def __init__(self, directory: WorkDirectory, num_single: int) -> None:
        # Of the first W&B run, on the network or on disk.
        self.place: str | None = None
        self._directory, self._num_single = directory, num_single
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
                arm.run = arm.run or self._open(name, "arm", name, {})
                arm.num_sent = len(event)
                share = statistics.confidence_sequence(int(np.sum(event == 1)), len(event))
                limits = {"share": share.value, "share_lower": share.lower, "share_upper": share.upper}
                arm.run.log({"seeds": len(event), **limits})

    def finish(self) -> None:
        """Sends the curves of the arms whose seeds are all over, and ends everything."""
        self.update()
        planned = self._directory.document["study"]["seeds"]
        for name, arm in self._arms.items():
            if arm.run is None:
                continue
            num_over, is_whole = len(arm.builder.ended), arm.builder.prefix.length >= planned[name]
            curves = arm.builder.curves() if is_whole else None
            if curves is not None:
                columns = {f"curve/{n}": getattr(curves, n) for n in ("lower", "median", "upper", "share")}
                for i, step in enumerate(curves.steps.tolist()):
                    point = {n: float(v[i]) for n, v in columns.items() if np.isfinite(v[i])}
                    arm.run.log({"step": step, **point})
            arm.run.summary.update({"num_over": num_over, "num_planned": planned[name], "is_whole": is_whole})
            arm.run.finish()

    def _send_run(self, row: Row) -> None:
        run = self._open(f"{row['arm']} {run_name(row)}", "run", row["arm"], {name: row[name] for name in _SEEDS})
        for step, point in sorted(_points(row).items()):
            run.log(point, step=step)
        run.summary.update({name: row[name] for name in _SUMMARY if row.get(name) is not None})
        run.finish()

    def _open(self, title: str, kind: str, arm: str, seeds: Mapping[str, int]) -> Any:
        """Begins a W&B run, or goes on with that of an earlier launch."""
        import wandb

        is_offline = wandb.setup().settings.mode in _OFFLINE
        study = self._directory.document["study"]
        text = f"{self._fingerprint} {study['seeds'][arm]} {kind} {title}"
        known = type(wandb.Settings()).model_fields
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or _PROJECT,
            group=study["name"],
            job_type=kind,
            name=title,
            id=hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16],
            resume=None if is_offline else "allow",
            reinit="create_new",
            dir=str(self._directory.path),
            config={"arm": arm, **used_fields(self._directory.document, arm), **seeds},
            settings=wandb.Settings(**{n: v for n, v in _SETTINGS.items() if n in known}),
        )
        if kind == "arm":
            run.define_metric("seeds")
            run.define_metric("share*", step_metric="seeds")
            run.define_metric("step")
            run.define_metric("curve/*", step_metric="step")
        if self.place is None:
            kept = f"kept in {str(self._directory.path / 'wandb')!r}"
            self.place = kept if is_offline else run.url or kept
        return run


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
