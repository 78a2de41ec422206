"""Does `diagnose` name what the thread of a public report found, and does what it advises work?

Every case of `benchmarks/field/cases` is diagnosed as a person would from the command line, its healthy twin is
checked, and the change that is advised first is followed with other seeds, for four times as long. Every case keeps
its folder, so that the same command goes on; what was refused or failed is tried again. With `--table` nothing is run.
Verdicts are those of the engine as it is now.

    python -m benchmarks.field --part=tuning --minutes=1 --output=runs/field
    python -m benchmarks.field --checks --output=runs/checks
"""

import argparse
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from benchmarks.field import cases
from benchmarks.field.case import Case
from benchmarks.field.rows import ABOUT, follow, is_diagnosed, read_row, show_rows, typed_study
from engine.commands.check import only_arm
from engine.errors import InputError
from engine.preflight.checking import check_here
from engine.preflight.findings import Finding
from engine.studies.expand import expand

_ROOT = Path(__file__).parent.parent.parent
_FIRST = "known"
# Modules of cases that are kept aside: nobody looks at them while the engine is written.
_KEPT = ("fourth_data", "fourth_more", "fourth_networks")


class _Entry(NamedTuple):
    """A case, the part of the collection that it is in, and its folder."""

    case: Case
    part: str
    folder: Path


def _collect(output: Path) -> list[_Entry]:
    """Returns all cases, those that were known first in front; raises `SystemExit` where two share a folder."""
    names = sorted(
        (found.name for found in pkgutil.iter_modules(cases.__path__)), key=lambda name: (name != _FIRST, name)
    )
    entries = []
    for name in names:
        for case in importlib.import_module(f"{cases.__name__}.{name}").CASES:
            folder = output / re.sub(r"\W+", "-", case.name).strip("-").lower()
            entries.append(_Entry(case, "kept" if name in _KEPT else "tuning", folder))
    folders = [entry.folder for entry in entries]
    same = {entry.case.name for entry in entries if folders.count(entry.folder) > 1}
    if same:
        raise SystemExit(f"several cases are called alike: {', '.join(sorted(same))}")
    return entries


def _check(flags: Sequence[str]) -> list[Finding]:
    """Returns what `check` finds in the set-up that some flags describe."""
    study = typed_study(flags)
    name = study.baseline or next(iter(study.arms))
    plan = expand(only_arm(study, name), "cpu")
    return check_here(plan.programs[0].spec, plan.arms[name], plan.horizons[name])


def _alarms(case: Case, folder: Path) -> list[str]:
    """Returns the faults that are claimed of the twin; that it is refused is one, too."""
    try:
        return [found.name for found in _check(case.resolved(True, folder)) if found.strength == "fault"]
    except InputError as error:
        return [f"refused: {error}"]


def _diagnose(case: Case, minutes: float, seeds: int, folder: Path) -> None:
    """One diagnosis from the command line, in a folder of its own, and a look at the twin.

    Where a case gives its horizon, so many seeds reach it, however long that takes.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    case.save(folder)
    flags = case.resolved(False, folder)
    is_fixed = any(flag.startswith("--horizon=") for flag in flags)
    size = f"--seeds={seeds}" if is_fixed else f"--minutes={minutes:g}"
    command = [sys.executable, "launch.py", "diagnose", f"--workdir={folder / 'study'}", size, *flags]
    began = time.monotonic()
    made = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
    about = {
        "seconds": round(time.monotonic() - began, 1),
        "exit": made.returncode,
        "error": (made.stderr.strip().splitlines() or [""])[-1] if made.returncode else "",
        "alarms": _alarms(case, folder),
    }
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False))


def _show_checks(entries: Sequence[_Entry]) -> None:
    """Prints what `check` finds in every set-up and its twin, line by line, and how often it claims a fault."""
    num_faults = [0, 0]
    print("| case | part | cause | found | found in the twin |\n|---|---|---|---|---|")
    for case, part, folder in entries:
        folder.mkdir(parents=True, exist_ok=True)
        case.save(folder)
        words = []
        for is_healthy in (False, True):
            try:
                found = _check(case.resolved(is_healthy, folder))
            except InputError as error:
                words.append(f"refused: {error}")
                continue
            num_faults[is_healthy] += any(finding.strength == "fault" for finding in found)
            words.append(", ".join(f"{finding.name} ({finding.strength})" for finding in found) or "nothing")
        print(f"| {case.name} | {part} | {case.cause} | {' | '.join(words)} |", flush=True)
    print(f"\na fault is claimed in {num_faults[0]} of {len(entries)} set-ups and in {num_faults[1]} of their twins")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("tuning", "kept", "all"), default="all")
    parser.add_argument("--cases", nargs="*", help="the first letters of some names")
    parser.add_argument("--output", type=Path, required=True, help="folder for the cases")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each diagnosis")
    parser.add_argument("--seeds", type=int, default=12, help="of a diagnosis of a case that gives its horizon")
    parser.add_argument("--checks", action="store_true", help="only check set-ups and twins, which is fast")
    parser.add_argument("--table", action="store_true", help="run nothing, print what is there")
    return parser.parse_args()


def main() -> None:
    """Diagnoses what is missing, and prints the table of what there is."""
    given = _parse()
    jax.config.update("jax_platforms", "cpu")
    parts = ("tuning", "kept") if given.part == "all" else (given.part,)
    asked = [
        entry
        for entry in _collect(given.output.resolve())
        if entry.part in parts and (not given.cases or entry.case.name.startswith(tuple(given.cases)))
    ]
    if given.checks:
        _show_checks(asked)
        return
    for case, _, folder in asked if not given.table else ():
        if not is_diagnosed(folder):
            _diagnose(case, given.minutes, given.seeds, folder)
        follow(case, folder)
        print(json.dumps(read_row(case, folder), ensure_ascii=False), flush=True)
    rows = [{**read_row(case, folder), "part": part} for case, part, folder in asked if (folder / ABOUT).exists()]
    show_rows(rows, parts)


if __name__ == "__main__":
    main()
