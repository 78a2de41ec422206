"""`<workdir>/tensorboard/`: every run as an event series, and every arm as one.

The arms stand before the single runs in every list, because TensorBoard sorts names: the folders
`aggregate/<arm>` before `runs/<arm>/seed-0007`, the tags `arm/…` before `run/…`.

The file of a run is a function of the run, so it is the same however often it is written. That of
an arm is a new one each time, because a TensorBoard that is running reads each file to its end and
no further; it says that everything before is void. The ones before are emptied, not removed: one of
TensorBoard's two readers waits for ever for a file that is gone.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.observers.arms import ArmCurves, Gathering, rows_of, used_fields
from engine.observers.event_file import Extra, Series, encode_file
from engine.observers.hyperparameters import chart_of_quartiles, session_start
from engine.observers.observer import Pace, Row, Standing
from engine.outcomes import FAILED
from engine.outcomes.event import Event
from engine.store import RUN_KEY, WAITING_COLUMNS, WorkDirectory, check_folder, storage_error, write_atomically
from engine.studies.designs import is_repetition, run_name

FOLDER = "tensorboard"
_ARMS, _RUNS = "aggregate", "runs"
_FILE = "events.out.tfevents.plateau"
_NUMBERED = re.compile(r"events\.out\.tfevents\.(\d{6})\.plateau")
_SECONDS = 10.0
_LARGEST_SHARE = 0.02
_LONGEST_NAME = 60
# Earlier files of an arm that stay, empty.
_NUM_EMPTY = 9
_CURVES = {"steps": ("loss", "accuracy"), "inspected_steps": ("held_out_loss", "held_out_accuracy", "average_loss")}
_CURVE_COLUMNS = [*_CURVES, *(name for names in _CURVES.values() for name in names)]
_COLUMNS = [*RUN_KEY, "seed", "status", "is_diverged_later", *WAITING_COLUMNS, *_CURVE_COLUMNS]


class TensorBoard:
    """Writes event files beside a study.

    Args:
        directory: of the study.
    """

    def __init__(self, directory: WorkDirectory) -> None:
        identity = directory.document["identity"]
        self._directory = directory
        self._root = directory.path / FOLDER
        self._folder_of = folder_names(directory.document["arm_order"])
        self._arms = {
            name: Gathering(identity["horizons"][name], identity.get("eval_every")) for name in self._folder_of
        }
        self._waits_for = directory.document["study"]["event"]
        self._pace = Pace(_SECONDS, _LARGEST_SHARE)
        self._changed: set[str] = set()
        self._started = [_seconds(launch) for launch in directory.document["launches"]]
        self._made: set[Path] = set()

    def catch_up(self, is_all: bool = False) -> None:
        """Takes the runs that are stored; writes the files of those that have none.

        Args:
            is_all: whether to write all of them again.

        Raises:
            InputError: a part may not be read, or the place is not ours.
            StorageError: something cannot be written.
        """
        launches = self._directory.launches_of_runs()
        for table in self._directory.iterate(_COLUMNS):
            for row in rows_of(table, _CURVE_COLUMNS):
                launch = launches.get(tuple(row[name] for name in RUN_KEY))
                self._take(row, self._started[-1 if launch is None else launch], is_all)

    def on_rows(self, rows: Sequence[Row], standing: Standing) -> None:
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
        """Removes what stands for the earlier files of arms."""
        for name in self._folder_of.values():
            folder = self._root / _ARMS / name
            if not folder.is_dir():
                continue
            self._make(folder)
            for path in list(_numbered(folder).values())[:-1]:
                path.unlink(missing_ok=True)

    def _take(self, row: Row, wall_time: float, is_forced: bool) -> None:
        name = row["arm"]
        if is_repetition(row["order_seed"], row["fork_step"]):
            self._arms[name].add(row)
            self._changed.add(name)
        if row["status"] == FAILED:
            return
        path = self._root / _RUNS / self._folder_of[name] / run_folder(row) / _FILE
        if is_forced or not _size(path):
            self._write(path, encode_file(wall_time, _series(row)))

    def _write_arms(self) -> None:
        """Writes the arms that have changed, each to a new file; the earlier ones are emptied."""
        for name in sorted(self._changed):
            curves = self._arms[name].curves()
            if curves is None:
                continue
            content = self._encode_arm(name, curves)
            folder = self._root / _ARMS / self._folder_of[name]
            numbered = _numbered(folder)
            last = max(numbered, default=0)
            if last and _holds(numbered[last], content):
                continue
            self._write(folder / f"events.out.tfevents.{last + 1:06d}.plateau", content)
            earlier = list(numbered.values())
            for path in earlier[:-_NUM_EMPTY]:
                path.unlink(missing_ok=True)
            for path in earlier[-_NUM_EMPTY:]:
                if _size(path):
                    self._write(path, b"")
        self._changed.clear()

    def _encode_arm(self, name: str, curves: ArmCurves) -> bytes:
        gathering, is_hit = self._arms[name], self._waits_for[name] == Event.HIT
        share = "arm/share_with_event" if is_hit else "arm/share_left_chance"
        tags = {
            "arm/loss_lower_quartile": curves.lower,
            "arm/loss_median": curves.median,
            "arm/loss_upper_quartile": curves.upper,
            share: curves.share,
            "arm/num_runs": curves.num_trained,
        }
        rests = f"Of the first {curves.num_runs} runs in the order of seeds."
        if gathering.num_over > gathering.num_in_a_row:
            rests += (
                f" {gathering.num_over} are over; later ones are left out until those before them "
                f"are over, because quick runs end first."
            )
        quantile = f"{rests} A run that ended early keeps its last value; one that diverged counts as infinite."
        what = "had the event" if is_hit else "left chance level for good"
        words = dict.fromkeys(tags, quantile)
        words[share] = f"Share of runs that have {what} by this step (Aalen–Johansen). {rests}"
        words["arm/num_runs"] = f"Runs that were trained as far as this step. {rests}"
        extras: list[Extra] = [session_start(used_fields(self._directory.document, name), self._started[-1])]
        if name == next(iter(self._arms)):
            extras.append(chart_of_quartiles("arm/loss", share))
        return encode_file(self._started[-1], [Series(curves.steps, tags)], words, extras)

    def _write(self, path: Path, content: bytes) -> None:
        """Writes a file that can be made again."""
        try:
            self._make(path.parent)
        except OSError as error:
            raise storage_error(path, error) from error
        # Not beside the file: TensorBoard would read that too.
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


def _series(row: Row) -> list[Series]:
    """The curves of a run."""
    found = []
    for steps, names in _CURVES.items():
        values = {f"run/{name}": row[name] for name in names if row.get(name) is not None}
        if values and row.get(steps) is not None:
            found.append(Series(row[steps], values))
    return found


def _seconds(launch: Mapping[str, Any]) -> float:
    """When a launch began; 0 where it does not say so in a way that is understood."""
    try:
        return datetime.fromisoformat(str(launch.get("started"))).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _holds(path: Path, content: bytes) -> bool:
    return _size(path) == len(content) and path.read_bytes() == content


def _numbered(folder: Path) -> dict[int, Path]:
    """The files of an arm by their numbers, the oldest first."""
    matches = {path: _NUMBERED.fullmatch(path.name) for path in folder.glob("events.out.*")}
    found = {int(match[1]): path for path, match in matches.items() if match}
    return dict(sorted(found.items()))


def run_folder(row: Row) -> str:
    """The name of a run's folder inside that of its arm: `seed-0003`, `seed-0003-fork-0002`."""
    return re.sub(r"\d+", lambda number: f"{number[0]:0>4}", run_name(row)).replace(" ", "-")


def folder_names(arms: Sequence[str]) -> dict[str, str]:
    """Names of folders for arms, whatever these are called; no two of them are taken for one.

    A name that has to be changed carries a hash of the arm's.
    """
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
