"""`--live`: keeps `report.html` up to date while a study runs, in a process of its own that writes nothing else."""

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
from typing import TYPE_CHECKING

from .. import store
from ..errors import InputError
from ..store import Row
from ..workers.interruption import SIGNALS
from .observer import Pace, StudyProgress

if TYPE_CHECKING:
    from ..workers.processes import Worker

# The interval is stretched so that building takes at most this part of one core's time.
_LARGEST_SHARE = 0.05
_NICENESS = 5
# Seconds in which a page that is being built may be finished once the launch is over.
_GRACE = 3.0
_MOST_BYTES = 2**28


class LivePage:
    """Keeps the page of a work directory up to date while a launch goes on, at most once in `every` seconds."""

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._pace = Pace(every, _LARGEST_SHARE)
        self._is_busy = False
        self._builder: Worker | None = None

    def on_rows(self, rows: Sequence[Row], progress: StudyProgress) -> None:
        """Orders the next page if it is due."""
        if self._builder is None:
            # The process that builds pages does not need to import what workers do.
            from ..workers.processes import spawn

            self._builder = spawn({}, _serve, self._path)
        connection = self._builder.connection
        try:
            if self._is_busy and connection.poll():
                cpu_seconds, problem = connection.recv()
                if problem is not None:
                    raise RuntimeError(problem)
                self._pace.restart(cpu_seconds)
                self._is_busy = False
            if not self._is_busy and self._pace.is_due():
                connection.send((progress, self._pace.interval))
                self._is_busy = True
        except (EOFError, OSError):
            raise RuntimeError("its process has ended") from None

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
    """Says on the page of a work directory, if it is live, that the launch is over, and keeps it from loading again."""
    from ..report.page import end_live

    page = path / store.PAGE
    try:
        content = store.read_bounded(page, _MOST_BYTES).decode()
    except (OSError, ValueError):
        return
    ended = end_live(content, datetime.now().astimezone())
    if ended is not None:
        store.write_atomically(page, ended.encode())


def _serve(connection: Connection, path: Path) -> None:
    """Builds pages on order until the other end of the pipe closes."""
    # A signal goes to the whole group of processes, and the parent decides what it means.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(_NICENESS)
    logging.disable()
    warnings.simplefilter("ignore")
    builder = _Builder(path)
    while True:
        try:
            connection.send(builder.build(*connection.recv()))
        except (EOFError, OSError):
            return


class _Builder:
    """Builds the page of a work directory, and remembers it while nothing changes."""

    def __init__(self, path: Path) -> None:
        # Imported beforehand, so that one page costs what the next one will cost.
        from ..report import page  # noqa: F401

        self._path = path
        self._state: object = None
        self._page = ""

    def build(self, progress: StudyProgress, seconds_to_next: float) -> tuple[float, str | None]:
        """Writes a page, and returns how many seconds of a core that took, and what went wrong if something did."""
        from ..report.page import make_live

        started = time.process_time()
        try:
            state = (store.part_names(self._path), progress.num_over, progress.num_runs)
            if self._state != state:
                self._page, self._state = self._make(progress), state
            page = make_live(self._page, datetime.now().astimezone(), seconds_to_next, progress)
            store.write_atomically(self._path / store.PAGE, page.encode())
        except Exception as error:
            return 0.0, str(error) or type(error).__name__
        return time.process_time() - started, None

    def _make(self, progress: StudyProgress) -> str:
        from ..report.findings import find
        from ..report.page import lay_out, make_waiting_page
        from ..store.run_table import RunTable

        directory = store.open_existing(self._path, lambda line: None)
        try:
            return lay_out(find(RunTable(directory), (progress.num_over, progress.num_runs))).html
        except InputError:
            about = directory.document["study"]
            return make_waiting_page(about["name"], about["question"], progress.num_over)
