"""`<workdir>/tensorboard/`: every run as an event series, and every arm as one.

TensorBoard sorts names, so `aggregate/<arm>` comes before `runs/<arm>/seed-0007`. An arm gets a new file each time,
because a TensorBoard that is running reads each file once; the file says that everything before is void. Earlier files
are emptied rather than removed, because one of TensorBoard's two readers waits for ever for a file that is gone.
"""

import hashlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import counted
from ..outcomes import FAILED
from ..outcomes.event import Event
from ..store import RUN_KEY, WAITING_COLUMNS, Row, WorkDirectory, check_folder, remove, write_atomically, writing
from ..studies.designs import is_repetition, run_name
from .arm_curves import CURVE_COLUMNS, METRICS, ArmCurveBuilder, make_builders, rows_of, used_fields
from .event_file import EventSeries, chart_of_quartiles, encode_file, session_start
from .observer import Pace, StudyProgress

FOLDER = "tensorboard"
_ARMS, _RUNS = "aggregate", "runs"
_FILE = "events.out.tfevents.plateau"
_NUMBERED = re.compile(r"events\.out\.tfevents\.(\d{6})\.plateau")
_SECONDS = 10.0
_LARGEST_SHARE = 0.02
_LONGEST_NAME = 60
# Earlier files of an arm that stay, empty.
_NUM_EMPTY = 9
_COLUMNS = [*RUN_KEY, "seed", "status", "is_diverged_later", *WAITING_COLUMNS, *CURVE_COLUMNS]


class TensorBoard:
    """Writes event files beside a study; see `check_tensorboardx` for what that needs."""

    def __init__(self, directory: WorkDirectory) -> None:
        document = directory.document
        self._directory = directory
        self._root = directory.path / FOLDER
        self._folder_of = folder_names(document["arm_order"])
        self._builders = make_builders(document)
        self._pace = Pace(_SECONDS, _LARGEST_SHARE)
        self._changed: set[str] = set()
        self._started = [_seconds(launch) for launch in document["launches"]]
        self._made: set[Path] = set()

    def catch_up(self, is_all: bool = False) -> None:
        """Takes the runs that are stored, and writes the files of those that have none, or of all."""
        launches = self._directory.launches_of_runs()
        for table in self._directory.iterate(_COLUMNS):
            for row in rows_of(table, CURVE_COLUMNS):
                launch = launches.get(tuple(row[name] for name in RUN_KEY))
                self._take(row, self._started[-1 if launch is None else launch], is_all)

    def on_rows(self, rows: Sequence[Row], progress: StudyProgress) -> None:
        """Writes the runs that are over, and from time to time the arms."""
        for row in rows:
            self._take(row, self._started[-1], is_forced=True)
        if self._changed and self._pace.is_due():
            started = time.perf_counter()
            self._write_arms()
            self._pace.restart(time.perf_counter() - started)

    def on_end(self) -> None:
        """Writes the arms a last time."""
        self._write_arms()

    def forget_earlier(self) -> None:
        """Removes the emptied files of arms, for when no TensorBoard is running."""
        for name in self._folder_of.values():
            folder = self._root / _ARMS / name
            if folder.is_dir():
                self._make(folder)
                for path in list(_numbered(folder).values())[:-1]:
                    remove(path)

    def _take(self, row: Row, wall_time: float, is_forced: bool) -> None:
        arm = row["arm"]
        if is_repetition(row["order_seed"], row["fork_step"]):
            self._builders[arm].add(row)
            self._changed.add(arm)
        path = self._root / _RUNS / self._folder_of[arm] / run_folder(row) / _FILE
        if row["status"] != FAILED and (is_forced or not _size(path)):
            self._write(path, encode_file(wall_time, _series_of(row)))

    def _write_arms(self) -> None:
        """Writes each arm that has changed to a new file, and empties the earlier ones."""
        for name in sorted(self._changed):
            content = self._encode_arm(name)
            folder = self._root / _ARMS / self._folder_of[name]
            numbered = _numbered(folder)
            last = max(numbered, default=0)
            is_same = last and _size(numbered[last]) == len(content) and numbered[last].read_bytes() == content
            if is_same or not content:
                continue
            self._write(folder / f"events.out.tfevents.{last + 1:06d}.plateau", content)
            earlier = list(numbered.values())
            for path in earlier[:-_NUM_EMPTY]:
                remove(path)
            for path in filter(_size, earlier[-_NUM_EMPTY:]):
                self._write(path, b"")
        self._changed.clear()

    def _encode_arm(self, name: str) -> bytes:
        """Returns the file of an arm; nothing while no run of it can be used."""
        curves = self._builders[name].curves()
        if curves is None:
            return b""
        document, started = self._directory.document, self._started[-1]
        is_hit = document["study"]["event"][name] == Event.HIT
        share = "arm/share_with_event" if is_hit else "arm/share_left_chance"
        what = "had the event" if is_hit else "left chance level for good"
        runs = _describe_runs(self._builders[name], curves.num_runs)
        quartile = f"{runs} A run that ended early keeps its last value; one that diverged counts as infinite."
        tags = {
            "arm/loss_lower_quartile": (curves.lower, quartile),
            "arm/loss_median": (curves.median, quartile),
            "arm/loss_upper_quartile": (curves.upper, quartile),
            share: (curves.share, f"Share of runs that have {what} by this step (Aalen–Johansen). {runs}"),
            "arm/num_runs": (curves.num_trained, f"Runs that were trained as far as this step. {runs}"),
        }
        summaries = [session_start(used_fields(document, name), started)]
        if name == document["arm_order"][0]:
            summaries.append(chart_of_quartiles("arm/loss", share))
        series = EventSeries(curves.steps, {tag: values for tag, (values, _) in tags.items()})
        return encode_file(started, [series], {tag: words for tag, (_, words) in tags.items()}, summaries)

    def _write(self, path: Path, content: bytes) -> None:
        with writing(path):
            self._make(path.parent)
        # Beside the file, TensorBoard would read the unfinished one too.
        write_atomically(path, content, stand_in=self._root / "part", is_flushed=False)

    def _make(self, folder: Path) -> None:
        """Makes a folder and those above it up to the study's; none of them may lead elsewhere."""
        if folder in self._made:
            return
        if folder != self._root:
            self._make(folder.parent)
        check_folder(folder)
        folder.mkdir(exist_ok=True)
        self._made.add(folder)


def _describe_runs(builder: ArmCurveBuilder, num_used: int) -> str:
    words, num_over = f"Of the first {counted(num_used, 'run')} in the order of seeds.", len(builder.ended)
    if num_over == builder.prefix.length:
        return words
    later = "later ones are left out until those before them are over, because quick runs end first"
    return f"{words} {counted(num_over, 'is', 'are')} over; {later}."


def _series_of(row: Row) -> list[EventSeries]:
    found = []
    for steps, names in METRICS.items():
        values = {f"run/{name}": row[name] for name in names if row.get(name) is not None}
        if values and row.get(steps) is not None:
            found.append(EventSeries(row[steps], values))
    return found


def _seconds(launch: Mapping[str, Any]) -> float:
    """Returns when a launch began, in seconds since 1970; 0 if that is not known."""
    try:
        return datetime.fromisoformat(str(launch.get("started"))).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _size(path: Path) -> int:
    return path.lstat().st_size if os.path.lexists(path) else 0


def _numbered(folder: Path) -> dict[int, Path]:
    """Returns the files of an arm by their numbers, the oldest first."""
    matches = ((_NUMBERED.fullmatch(path.name), path) for path in folder.glob("events.out.*"))
    return dict(sorted((int(match[1]), path) for match, path in matches if match))


def run_folder(row: Row) -> str:
    """Returns the name of a run's folder inside that of its arm: `seed-0003`, `seed-0003-fork-0002`."""
    return re.sub(r"\d+", lambda number: f"{number[0]:0>4}", run_name(row)).replace(" ", "-")


def folder_names(arms: Sequence[str]) -> dict[str, str]:
    """Returns a safe folder name for each arm, with a hash where it is not the arm's; case alone tells none apart."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for arm in arms:
        name = re.sub(r"[^\w.=,+-]", "_", arm)[:_LONGEST_NAME]
        if not name or name != arm or name.startswith(".") or name.casefold() in taken:
            mark = hashlib.sha256(arm.encode(errors="surrogatepass")).hexdigest()[:8]
            name = f"{name.lstrip('.') or 'arm'}-{mark}"
        taken.add(name.casefold())
        found[arm] = name
    return found
