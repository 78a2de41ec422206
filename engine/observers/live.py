"""`--live`: `report.html` is built again from time to time while a study runs.

A process of its own builds it, at low priority, so that neither the workers nor the process that
answers them wait. It reads what is finished, as `report` does, and writes nothing but the page.
"""

import contextlib
import logging
import os
import signal
import time
import warnings
from collections.abc import Sequence
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine import store
from engine.errors import InputError
from engine.observers.observer import Pace, Row, Standing
from engine.workers.interruption import SIGNALS

if TYPE_CHECKING:
    from engine.workers import Worker

PAGE = "report.html"
# The interval is stretched so that building takes at most this part of one core's time.
_LARGEST_SHARE = 0.05
_NICENESS = 5
# Seconds in which a page that is being built may be finished once the launch is over.
_GRACE = 3.0
_MOST_BYTES = 2**28


class _Order(NamedTuple):
    """A page that is wanted: how far the study is, and when the next one is due."""

    standing: Standing
    interval: float


class _Answer(NamedTuple):
    """What became of it: seconds of processor time, or in words what went wrong."""

    cost: float
    problem: str | None


class LivePage:
    """Keeps the page of a study up to date while its launch goes on.

    Args:
        path: of the work directory.
        every: seconds between two pages, at least.
    """

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._pace = Pace(every, _LARGEST_SHARE)
        self._is_busy = False
        self._builder: Worker | None = None

    def on_rows(self, rows: Sequence[Row], standing: Standing) -> None:
        """Has the page built again where that is due."""
        connection = (self._builder or self._start()).connection
        try:
            if self._is_busy and connection.poll():
                self._take(connection.recv())
            if not self._is_busy and self._pace.is_due():
                connection.send(_Order(standing, self._pace.interval))
                self._is_busy = True
        except (EOFError, OSError):
            raise RuntimeError("its process has ended") from None

    def _start(self) -> "Worker":
        # Not above: the process that builds pages needs nothing of what workers do.
        from engine.workers import spawn

        self._builder = spawn({}, _serve, self._path)
        return self._builder

    def _take(self, answer: _Answer) -> None:
        if answer.problem is not None:
            raise RuntimeError(answer.problem)
        self._pace.restart(answer.cost)
        self._is_busy = False

    def on_end(self) -> None:
        """Ends the process; the page that it is building may be finished."""
        if self._builder is None:
            return
        process, connection = self._builder
        connection.close()
        process.join(_GRACE)
        if process.is_alive():
            process.kill()
            process.join()


def close_page(path: Path) -> None:
    """Says on a page that is still live that the launch is over, and keeps it from loading again.

    Args:
        path: of the work directory.

    Raises:
        StorageError: it cannot be written.
    """
    from engine.report.live_page import end_live

    page = path / PAGE
    try:
        content = store.read_bounded(page, _MOST_BYTES).decode()
    except (OSError, ValueError):
        return
    ended = end_live(content, datetime.now().astimezone())
    if ended is not None:
        store.write_atomically(page, ended.encode())


def _serve(connection: Connection, path: Path) -> None:
    """Builds what is ordered until the other end of the pipe closes.

    What a signal to the whole group of processes means, the parent decides.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICENESS)
    logging.disable()
    warnings.simplefilter("ignore")
    builder = _Builder(path)
    while True:
        try:
            order = connection.recv()
            connection.send(builder.build(order))
        except (EOFError, OSError):
            return


class _Builder:
    """Builds the page of a study, and remembers what has not changed since.

    Args:
        path: of the work directory.
    """

    def __init__(self, path: Path) -> None:
        # Loaded beforehand, so that what a page costs is what the next one will cost.

        self._path = path
        self._seen: object = None
        self._page = ""

    def build(self, order: _Order) -> _Answer:
        """Builds one page."""
        from engine.report.live_page import Banner, make_live

        started = time.process_time()
        try:
            standing = order.standing
            parts = frozenset(path.name for path in (self._path / "parts").glob("*.parquet"))
            if self._seen != (parts, standing.num_over, standing.num_runs):
                self._page = self._make(standing)
                self._seen = (parts, standing.num_over, standing.num_runs)
            banner = Banner(datetime.now().astimezone(), order.interval, *standing)
            page = make_live(self._page, banner)
            store.write_atomically(self._path / PAGE, page.encode())
        except Exception as error:
            return _Answer(0.0, str(error) or type(error).__name__)
        return _Answer(time.process_time() - started, None)

    def _make(self, standing: Standing) -> str:
        from engine.report.findings import find
        from engine.report.live_page import make_waiting_page
        from engine.report.page import lay_out
        from engine.report.summary import UnderWay
        from engine.store.run_table import RunTable

        directory = store.open_existing(self._path, lambda line: None)
        under_way = UnderWay(standing.num_over, standing.num_runs)
        try:
            return lay_out(find(RunTable(directory), under_way)).html
        except InputError:
            about = directory.document["study"]
            return make_waiting_page(about["name"], about["question"], standing.num_over)
