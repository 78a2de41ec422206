"""`--wandb`: a Weights & Biases run for every arm, and for the first single runs.

One run of theirs for each of ours would be a thousand. An arm's is in a group named after the
study, and shows while the study goes on how the share that left chance level settles, against the
number of seeds; once all seeds are over it gets the curves of the arm against the step.

Everything happens in a thread of its own, because whoever waits for a network must not be the one
who answers the workers. Nothing is sent but names, settings and numbers of the study.
"""

import contextlib
import hashlib
import netrc
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from engine import statistics, store
from engine.errors import InputError, one_line
from engine.observers.arms import Gathering, rows_of, used_fields
from engine.observers.observer import Pace, Row, Standing
from engine.outcomes import FAILED
from engine.store import WAITING_COLUMNS, WorkDirectory
from engine.studies.designs import is_repetition, run_name

_PROJECT = "plateau"
# Seconds for a connection, for the end of a run of theirs, and after the end of a launch for all
# that is left.
_CONNECT, _FINISH, _GRACE = 30.0, 20.0, 30.0
# Seconds between two words on an arm, and the largest part of the time that they may take.
_SECONDS, _LARGEST_SHARE = 2.0, 0.05
_MOST_POINTS = 1000
_LONGEST_REASON = 300
_OFFLINE = ("offline", "dryrun", "disabled")
_CURVES = {"steps": ("loss", "accuracy"), "inspected_steps": ("held_out_loss", "held_out_accuracy")}
_CURVE_COLUMNS = ("steps", "loss")
_SUMMARY = ("status", "onset_step", "half_step", "hitting_step", "end_loss", "end_accuracy")
_SEEDS = ("arm", "seed", "init_seed", "order_seed", "fork_step", "fork_order_seed")
_KEPT = [*_SEEDS, "is_diverged_later", *WAITING_COLUMNS, *_SUMMARY]
# What their package would record besides: of the machine, the user, the command and the code.
_SETTINGS = {
    "console": "off",
    "silent": True,
    "init_timeout": _CONNECT,
    "finish_timeout": _FINISH,
    "save_code": False,
    "disable_code": True,
    "disable_git": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}


def check_package() -> None:
    """Checks that the package is there, and that it knows where to send things.

    Raises:
        InputError: it is not, or does not.
    """
    try:
        import wandb
    except ImportError:
        wandb = None
    # A folder of that name, which their package makes, can be imported too.
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
    """Whether nothing is to be sent, or there is a key; the network is left alone if there is."""
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
        # Releases that can only ask: nothing may wait for an answer.
        return False


class WeightsAndBiases:
    """Hands what is over to the thread that sends it.

    Args:
        directory: of the study.
        num_single: runs that are sent one by one, the first seeds of every arm.
        notify: called with a line where there is something to say.
    """

    def __init__(self, directory: WorkDirectory, num_single: int, notify: Callable[[str], None]) -> None:
        self._waiting: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._sender = _Sender(directory, num_single)
        self._notify = notify
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._is_told = False

    def catch_up(self) -> None:
        """Takes what earlier launches have stored; it is not sent again.

        Raises:
            InputError: a part may not be read.
        """
        self._sender.catch_up()

    def on_rows(self, rows: Sequence[Row], standing: Standing) -> None:
        """Hands on the rows of the runs that are over."""
        if rows and self._thread.ident is None:
            self._thread.start()
        names = [*_KEPT, *(n for steps, of in _CURVES.items() for n in (steps, *of))]
        for row in rows:
            self._waiting.put({name: row.get(name) for name in names})
        self._tell()

    def on_end(self) -> None:
        """Waits for what is left to be sent, but not for long."""
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
        if self._sender.place is not None and not self._is_told:
            self._notify(f"W&B: {self._sender.place}")
            self._is_told = True

    def _work(self) -> None:
        """Body of the thread."""
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


class _Arm(NamedTuple):
    """One arm as it is sent: its runs, theirs for it, and how many seeds it has told of."""

    gathering: Gathering
    run: Any
    num_told: int


class _Sender:
    """Sends rows; from the first one on it lives in one thread.

    Attributes:
        place: of the first run, on the network or on disk.
    """

    def __init__(self, directory: WorkDirectory, num_single: int) -> None:
        self.place: str | None = None
        self._directory, self._num_single = directory, num_single
        self._names = list(directory.document["arm_order"])
        identity = directory.document["identity"]
        self._fingerprint = store.fingerprint(identity)
        self._arms = {
            name: _Arm(Gathering(identity["horizons"][name], identity.get("eval_every")), None, 0)
            for name in self._names
        }

    def catch_up(self) -> None:
        """Takes what is stored already."""
        columns = [*_KEPT, *_CURVE_COLUMNS]
        for table in self._directory.iterate(list(dict.fromkeys(columns))):
            for row in rows_of(table, _CURVE_COLUMNS):
                if is_repetition(row["order_seed"], row["fork_step"]):
                    self._arms[row["arm"]].gathering.add(row)
        for name, arm in self._arms.items():
            self._arms[name] = arm._replace(num_told=arm.gathering.num_used)

    def take(self, row: Row) -> None:
        """Notes a run that is over, and sends it where it is one of the first."""
        if not is_repetition(row["order_seed"], row["fork_step"]):
            return
        name = row["arm"]
        self._arms[name].gathering.add(row)
        rank = row["seed"] * len(self._names) + self._names.index(name)
        if rank < self._num_single and row["status"] != FAILED:
            self._send_run(row)

    def update(self) -> None:
        """Says of every arm how far it is, where that has changed."""
        for name, arm in self._arms.items():
            num_used = arm.gathering.num_used
            if num_used <= arm.num_told:
                continue
            run = arm.run or self._open(name, "arm", name, used_fields(self._directory.document, name))
            self._arms[name] = arm._replace(run=run, num_told=num_used)
            share = self._share(name)
            run.log({"seeds": num_used, **share})

    def finish(self) -> None:
        """Sends the curves of the arms whose seeds are all over, and ends everything."""
        self.update()
        planned = self._directory.document["study"]["seeds"]
        for name, (gathering, run, _) in self._arms.items():
            if run is None:
                continue
            is_whole = gathering.num_in_a_row >= planned[name]
            curves = gathering.curves() if is_whole else None
            if curves is not None:
                columns = {f"curve/{n}": getattr(curves, n) for n in ("lower", "median", "upper")}
                columns["curve/share"] = curves.share
                for i, step in enumerate(curves.steps.tolist()):
                    point = {n: float(v[i]) for n, v in columns.items() if np.isfinite(v[i])}
                    run.log({"step": step, **point})
            run.summary.update({"num_over": gathering.num_over, "num_planned": planned[name], "is_whole": is_whole})
            run.finish()

    def _share(self, name: str) -> dict[str, float]:
        """The share of runs with the event, with limits that hold at every look."""
        _, event = self._arms[name].gathering.waited()
        share = statistics.confidence_sequence(int(np.sum(event == 1)), len(event))
        return {"share": share.value, "share_lower": share.lower, "share_upper": share.upper}

    def _send_run(self, row: Row) -> None:
        names = ("seed", "init_seed", "order_seed")
        fields = {**used_fields(self._directory.document, row["arm"]), **{name: row[name] for name in names}}
        run = self._open(f"{row['arm']} {run_name(row)}", "run", row["arm"], fields)
        for step, point in sorted(_points(row).items()):
            run.log(point, step=step)
        run.summary.update({name: row[name] for name in _SUMMARY if row.get(name) is not None})
        run.finish()

    def _open(self, title: str, kind: str, arm: str, fields: Mapping[str, Any]) -> Any:
        """A run of theirs; the same one, where it goes on in a later launch."""
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
            config={"arm": arm, **fields},
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
    """What was measured of a run, by step; what is not finite is left out."""
    found: dict[int, dict[str, float]] = {}
    for axis, names in _CURVES.items():
        steps = np.asarray(row[axis] if row[axis] is not None else [])
        chosen = np.arange(len(steps))
        if len(steps) > _MOST_POINTS:
            chosen = np.linspace(0, len(steps) - 1, _MOST_POINTS).round().astype(int)
        for name in names:
            if row[name] is None:
                continue
            for i in chosen:
                if np.isfinite(row[name][i]):
                    found.setdefault(int(steps[i]), {})[name] = float(row[name][i])
    return found
