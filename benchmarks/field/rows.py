"""What came of the diagnosis of a case: named or not, and whether what it advises works."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import engine
from benchmarks.field.case import Case
from engine import Study, store
from engine.commands.flags import make_flags
from engine.commands.verbs import read_study
from engine.diagnosis.section import make_section
from engine.diagnosis.table import NORMAL, UNDECIDED
from engine.errors import InputError, WorkerFailedError
from engine.preflight.causes import HARD, MIXTURE, ORDER
from engine.report.summary import summarise
from engine.store.run_table import RunTable
from engine.studies.diagnosis import AS_GIVEN

# In the folder of a case: of a diagnosis that is finished, and of an advice that was followed.
ABOUT, _FOLLOWED = "about.json", "followed.json"
_TWIN = "the thread's remedy"
_NUM_SEEDS, _TIMES_AS_LONG = 16, 4
# An advice works where at least this share of the runs leaves chance level by more than this, and stays away.
_MOST, _ABOVE_CHANCE = 0.95, 0.05
# In these a plateau is not what is wrong, so that "normal" is true as well.
_TRAIN = (ORDER, MIXTURE, HARD)
_HEADER = ("case", "part", "cause", "verdict", "second", "right", "advised", "followed", "twin's alarms", "seconds")


def typed_study(flags: Sequence[str]) -> Study:
    """Returns the study that somebody types as flags of `diagnose`."""
    values = make_flags("diagnose")
    values(["diagnose", *flags])
    return read_study(values, "single")


def is_diagnosed(folder: Path) -> bool:
    """Tells whether there is a diagnosis of a case that was neither refused nor failed."""
    return (folder / ABOUT).exists() and not json.loads((folder / ABOUT).read_text())["exit"]


def _document(folder: Path) -> dict[str, Any] | None:
    """Returns the diagnosis by the engine as it is now, or `None` where there is none."""
    if not is_diagnosed(folder):
        return None
    table = RunTable(store.open_existing(folder / "study"))
    section = make_section(table, summarise(table))
    return None if section is None else section.document


def _advised(case: Case, document: dict[str, Any] | None) -> str | None:
    """Returns the arm to change first, `_TWIN` where a right verdict names none, or `None`."""
    if document is None:
        return None
    first: str | None = document.get("first")
    verdict = document["verdict"]
    is_right = verdict in (case.cause, *case.also) and verdict not in (NORMAL, HARD)
    return first or (_TWIN if is_right else None)


def follow(case: Case, folder: Path) -> None:
    """Trains by the advice with other seeds for longer, unless that was done."""
    advised, path = _advised(case, _document(folder)), folder / "followed"
    if advised is None or _followed(folder).get("advised") == advised:
        return
    given = engine.open(folder / "study").study
    shutil.rmtree(path, ignore_errors=True)
    if advised == _TWIN:
        study = typed_study(case.resolved(True, folder))
        arm = next(iter(study.arms.values()))
    else:
        arm = given.arms[advised]
    horizon = given.horizons_by_arm[AS_GIVEN]
    assert horizon is not None
    study = Study(
        name="followed",
        arms={"followed": arm},
        seeds=_NUM_SEEDS,
        horizon=_TIMES_AS_LONG * horizon,
        root_seed=given.root_seed + 1,
        stop="horizon",
    )
    try:
        rows = engine.run(study, path, is_quiet=True, has_report=False).outcomes.to_pylist()
    except (InputError, WorkerFailedError) as error:
        print(f"{case.name}: {advised}: {error}", file=sys.stderr)
        rows = []
    about = {"advised": advised, "away": sum(map(_is_away, rows)), "runs": _NUM_SEEDS}
    (folder / _FOLLOWED).write_text(json.dumps(about, ensure_ascii=False))


def _is_away(row: dict[str, Any]) -> bool:
    """Tells whether a run left chance level and is not back there at its end."""
    if row["event"] != 1 or row["is_diverged_later"] or row["end_loss"] is None:
        return False
    return bool(1 - row["end_loss"] / row["chance_loss"] > _ABOVE_CHANCE)


def _followed(folder: Path) -> dict[str, Any]:
    path = folder / _FOLLOWED
    return json.loads(path.read_text()) if path.exists() else {}


def _judged(case: Case, named: Sequence[str]) -> str:
    """Says where the right cause is among those named, the first of which is the verdict."""
    verdict, right = named[0], (case.cause, *case.also)
    if verdict in right:
        return "first"
    causes = list(dict.fromkeys(name for name in named if name != UNDECIDED))
    is_among = any(name in right for name in causes[:2])
    if verdict == NORMAL and case.cause in _TRAIN and is_among:
        return "second"
    return ("undecided" if verdict == UNDECIDED else "wrong") + (", among two" if is_among else "")


def read_row(case: Case, folder: Path) -> dict[str, Any]:
    """Returns what came of a case whose diagnosis is finished."""
    about, document = json.loads((folder / ABOUT).read_text()), _document(folder)
    row = {"case": case.name, "cause": case.cause, "seconds": about["seconds"], "alarms": about["alarms"]}
    if document is None:
        return {**row, "verdict": about["error"] or "failed", "judged": "failed"}
    named = [document["verdict"], *(cause["verdict"] for cause in document.get("causes") or ())]
    others = [name for name in dict.fromkeys(named) if name not in (UNDECIDED, named[0])]
    return {
        **row,
        "verdict": named[0],
        "second": others[0] if others and named[0] != UNDECIDED else " or ".join(others[:2]),
        "judged": _judged(case, named),
        **_advice(case, document, folder),
    }


def _advice(case: Case, document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Returns what is advised, and what came of it: without `works` there is nothing to follow, or it was not yet."""
    advised, followed = _advised(case, document), _followed(folder)
    if advised is None:
        is_wrong = document["verdict"] not in (NORMAL, HARD, UNDECIDED, case.cause, *case.also)
        is_by_hand = any(cause.get("advice") for cause in (document.get("causes") or ())[:1])
        return {"advised": "by hand", "works": False} if is_wrong and is_by_hand else {}
    if followed.get("advised") != advised:
        return {"advised": advised, "followed": "not yet"}
    words = f"{followed['away']} of {followed['runs']}"
    return {"advised": advised, "followed": words, "works": followed["away"] >= _MOST * followed["runs"]}


def show_rows(rows: Sequence[dict[str, Any]], parts: Sequence[str]) -> None:
    """Prints the table, and a summary of each part."""
    print(f"\n| {' | '.join(_HEADER)} |\n|{'---|' * len(_HEADER)}")
    for row in rows:
        works = {True: "works", False: "fails"}[row["works"]] if "works" in row else ""
        cells = [row["case"], row["part"], row["cause"], row["verdict"], row.get("second"), row["judged"]]
        cells += [row.get("advised"), f"{row.get('followed', '')} {works}".strip()]
        cells += [", ".join(row["alarms"]), f"{row['seconds']:.0f}"]
        print(f"| {' | '.join(cell or '–' for cell in cells)} |")
    for part in parts:
        own = [row for row in rows if row["part"] == part]
        if own:
            _show_summary(part, own)


def _show_summary(part: str, rows: Sequence[dict[str, Any]]) -> None:
    judged = [row["judged"].split(", ") for row in rows]
    first, second, wrong, undecided, failed = (
        sum(words[0] == kind for words in judged) for kind in ("first", "second", "wrong", "undecided", "failed")
    )
    among = first + second + sum("among two" in words for words in judged)
    followed = [row["works"] for row in rows if "works" in row]
    seconds = [row["seconds"] for row in rows]
    print(f"\n{part}: named first {first} of {len(rows)}, among the first two {among}, wrong {wrong}, ", end="")
    print(f"undecided {undecided}, refused or failed {failed}")
    print(f"twins with a fault claimed: {sum(bool(row['alarms']) for row in rows)} of {len(rows)}")
    print(f"advice that works: {sum(followed)} of {len(followed)}")
    print(f"seconds: median {np.median(seconds):.0f}, longest {max(seconds):.0f}")
