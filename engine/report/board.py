"""Several studies on one page: what was asked, what came out, when and by what, a row for each."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import markupsafe
import numpy as np

from .. import statistics, store
from ..errors import InputError, counted, one_line
from ..statistics import Estimate
from ..store import WorkDirectory, study_file
from ..store.run_table import RunTable
from .arm_runs import finished_prefix, of_study
from .canvas import few_of
from .findings import find
from .page import environment
from .phrases import number, percent, percent_interval

_SCRIPT = Path(__file__).with_name("board.js")
# Headings, and what each means.
_COLUMNS = {
    "study": "the work directory, with a link to its report",
    "question": "what the study asks, or its name",
    "verdict": "the first sentence of its report",
    "share by time": "share of the baseline's runs that left chance level by each time, up to the horizon",
    "left": "share of the baseline's runs that left chance level, or had their task's event, with its 95 % interval",
    "when": "median onset of the baseline, or time of the event of its task",
    "earlier by": "the change with which it kicks in earlier, where one was found",
    "runs": "repetitions that are over, of all arms",
    "last launch": "day of the last launch",
}
_WIDTH, _HEIGHT = 120, 28
# Of a summary, which a study of a thousand arms fills to a tenth.
_MOST_BYTES = 2**25


class BoardRow(NamedTuple):
    """A study on the board; `curve` is the share of the baseline's runs that left, by time: `[x, y]`, in the unit.

    Attributes:
        place: path below the folder.
        page: address of its report, relative to the folder; None where there is none.
        problem: why nothing else is known; None where all is well.
        num_runs: repetitions that are over, of all arms.
        left, when: for the eye and, as numbers, to sort by.
    """

    place: str
    name: str = ""
    question: str = ""
    page: str | None = None
    problem: str | None = None
    headline: str = ""
    num_runs: int = 0
    left: tuple[str, float] = ("–", -1.0)
    when: tuple[str, float] = ("–", math.inf)
    remedy: str = "–"
    last: str = ""
    unit: str = ""
    curve: tuple[list[float], list[float]] = ([], [])

    @property
    def sparkline(self) -> str:
        """The curve as the points of an SVG polyline."""
        x, y = self.curve
        end = x[-1] if x and x[-1] > 0 else 1.0
        points: list[str] = []
        for i, time in enumerate(x):
            place = f"{_WIDTH * time / end:.1f}"
            if i:
                points.append(f"{place},{_HEIGHT - 2 - (_HEIGHT - 4) * y[i - 1]:.1f}")
            points.append(f"{place},{_HEIGHT - 2 - (_HEIGHT - 4) * y[i]:.1f}")
        return " ".join(points)

    @property
    def json(self) -> str:
        """What the script compares two rows by."""
        named = {name: getattr(self, name) for name in ("place", "name", "headline", "remedy", "unit", "curve")}
        return json.dumps({**named, "left": self.left[0], "when": self.when[0]}, allow_nan=False)


def find_studies(folder: Path) -> list[Path]:
    """Returns the work directories in a folder, however deep, in order of their paths; none inside of another.

    Raises:
        InputError: there is no such folder, or it may not be read.
    """
    try:
        os.listdir(folder)
    except OSError as error:
        raise InputError(f"cannot read folder {str(folder)!r}: {error.strerror}") from error
    return list(_walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if set(study_file.OF_A_LAUNCH) & set(files):
            folders.clear()
            yield Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def read_row(folder: Path, path: Path) -> BoardRow:
    """Reads what the board says of a study; what cannot be read becomes its `problem`."""
    row = BoardRow(_shown(path.relative_to(folder)))
    try:
        directory = store.open_existing(path, notify=lambda _: None)
        study, launches = directory.document["study"], directory.document["launches"]
        page = path / store.PAGE
        row = row._replace(
            name=study["name"],
            question=study["question"],
            page=quote(os.fsencode(page.relative_to(folder))) if page.exists() else None,
            last=launches[-1]["started"][:10],
        )
        with of_study(directory):
            return _with_outcome(row, directory)
    except InputError as error:
        return row._replace(problem=one_line(str(error)))


def _shown(path: Path) -> str:
    return os.fsencode(path).decode(errors="backslashreplace")


def _with_outcome(row: BoardRow, directory: WorkDirectory) -> BoardRow:
    table = RunTable(directory)
    try:
        found = _from_summary(row, table, _written_summary(table))
        json.loads(found.json)
        return found
    # There is none, it is of other runs, or somebody else wrote it.
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _from_summary(row, table, find(table).document)


def _written_summary(table: RunTable) -> dict[str, Any]:
    """Returns the content of `summary.json`; raises `ValueError` where it is not of as many runs."""
    content = store.read_bounded(table.directory.path / "summary.json", _MOST_BYTES)
    document: dict[str, Any] = json.loads(content, parse_constant=_refuse_constant)
    for name in table.directory.document["arm_order"]:
        stored = document["arms"][name]["num_stored"] if name in document["arms"] else 0
        if stored != int(np.sum(table.is_of(name) & table.is_repetition)):
            raise ValueError("of other runs")
    return document


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number of a summary")


def _from_summary(row: BoardRow, table: RunTable, document: dict[str, Any]) -> BoardRow:
    baseline, unit = document["baseline"], document["unit"]
    arm = document["arms"][baseline]
    fraction, median = (_estimate(arm[name]) for name in ("fraction", "median_onset"))
    steps = arm["steps_per_epoch"] if unit == "epochs" else 1
    end, x, y = arm["horizon_steps"] / steps, [0.0], [0.0]
    rows = finished_prefix(table, baseline)
    rows = rows[table.has_outcome[rows]]
    left = statistics.aalen_johansen(table.waiting_time[rows] / steps, table.event[rows])
    drawn = few_of(len(left.time))
    x += left.time[drawn].tolist()
    y += left.value[drawn].tolist()
    is_reached = median.value <= end
    remedy = document.get("remedy")
    return row._replace(
        headline=document["verdict"]["headline"],
        num_runs=sum(one["num_stored"] for one in document["arms"].values()),
        left=(f"{percent(fraction.value)} ({percent_interval(fraction)})", fraction.value),
        when=(f"{'' if is_reached else '> '}{number(median.value if is_reached else end, unit)} {unit}", median.value),
        remedy="–" if remedy is None else remedy["change"] or remedy["arm"],
        unit=unit,
        curve=([*x, end], [*y, y[-1]]),
    )


def _estimate(written: dict[str, float | None]) -> Estimate:
    return Estimate(*(math.inf if (value := written[name]) is None else value for name in Estimate._fields[:3]))


def make_board(folder: Path, rows: Iterable[BoardRow]) -> str:
    """Makes the page of the studies in a folder."""
    return (
        environment()
        .get_template("board.html")
        .render(
            title=f"Studies in {_shown(Path(folder.resolve().name or folder))}",
            rows=list(rows),
            columns=_COLUMNS,
            counted=counted,
            script=markupsafe.Markup(_SCRIPT.read_text(encoding="utf-8")),
            width=_WIDTH,
            height=_HEIGHT,
        )
    )
