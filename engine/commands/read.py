"""`read`: outcomes, statistics and report of curves that somebody else logged."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import store
from engine.errors import InputError, one_line, unknown_name
from engine.logs import Curve, Reading, ReadOptions, find_chance_loss, read_curves, suggest_classes
from engine.logs.to_rows import Detected, arms_of, detect, first_loss, is_noisy, make_document, with_averages
from engine.outcomes import DetectorSettings
from engine.store import WorkDirectory
from engine.user_code import as_path

_QUESTION = "Is this plateau, and when does it end?"
_ALL_RUNS = "all runs"
_MAX_AVERAGE = 10_000
_MAX_ARMS = 1000
_SHOWN_NOTES = 3
# What is done about a kind of note, in words.
_DONE = {
    "restart": "what follows takes the place of what was there (else: --restarts=separate)",
    "separate": "a run begins there",
    "sorted": "they are put in the order of steps",
    "skipped": "left out",
    "no step": "left out",
}


def read(
    curves: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    classes: int | None = None,
    class_counts: Sequence[float] | None = None,
    chance_loss: float | None = None,
    options: ReadOptions | None = None,
    average: int = 1,
    baseline: str | None = None,
    workdir: str | os.PathLike[str] | None = None,
    has_report: bool = True,
) -> dict[str, Any]:
    """Reads curves from logs, and prints what came of them.

    Args:
        curves: files, folders or glob patterns, each with `NAME=` before it for a group of runs.
        classes: number of equally frequent classes, whose logarithm is the chance loss; or
        class_counts: of the training examples of every class; or
        chance_loss: the loss of the best constant prediction, in the unit of the curves.
        options: what is known of the logs; the rest is guessed, and said.
        average: consecutive points that are averaged before anything else.
        baseline: the group that others are compared with; the first one by default.
        workdir: where rows and report go; by default nothing is written.
        has_report: whether to write the report there.

    Returns:
        The content of `summary.json`; empty where only rows are written.

    Raises:
        InputError: something that was given is not usable, with file and row; nothing was written.
        StorageError: the disk is full or fails.
    """
    if isinstance(average, bool) or not 1 <= average <= _MAX_AVERAGE:
        raise InputError(f"average={average}: expected a whole number from 1 to {_MAX_AVERAGE}")
    path = None if workdir is None else as_path(workdir)
    known = find_chance_loss(classes, class_counts, chance_loss)
    places = [curves] if isinstance(curves, (str, os.PathLike)) else curves
    patterns = [os.fspath(place) for place in places]
    reading = read_curves(patterns, options)
    arms = arms_of(reading.curves, _unnamed(patterns))
    _check_arms(arms, baseline)
    _tell_reading(reading, arms, known)
    if known is None:
        raise _no_chance(reading)
    detector = DetectorSettings()
    if average > 1:
        arms = {name: [with_averages(curve, average) for curve in of] for name, of in arms.items()}
    found = detect(arms, known, detector)
    study = {
        "name": _unnamed(patterns) if len(patterns) == 1 else _ALL_RUNS,
        "question": _QUESTION,
        "baseline": baseline or next(iter(arms)),
        "sources": sorted(Path(pattern).name or pattern for pattern in patterns),
    }
    document = make_document(reading, arms, found.rows, (known, average, detector), study)
    if path is not None:
        summary = _store(path, document, found, has_report)
    else:
        with tempfile.TemporaryDirectory() as folder:
            summary = _show(_filled(store.create_or_resume(Path(folder), document), found))
    _tell_noise(found, average)
    return summary


def _unnamed(patterns: Sequence[str]) -> str:
    """What runs are called together that nothing groups."""
    if len(patterns) > 1:
        return _ALL_RUNS
    name = Path(patterns[0]).name.split(".")[0]
    is_pattern = any(sign in name for sign in "*?[") or not name
    return _ALL_RUNS if is_pattern else name


def _check_arms(arms: Mapping[str, Sequence[Curve]], baseline: str | None) -> None:
    if len(arms) > _MAX_ARMS:
        raise InputError(
            f"{len(arms)} groups of runs, expected at most {_MAX_ARMS}: --arm_column names what "
            f"groups them, --run_column what tells runs apart"
        )
    if baseline is not None and baseline not in arms:
        raise unknown_name("arm", baseline, arms)


def _no_chance(reading: Reading) -> InputError:
    loss = first_loss(reading.curves)
    classes = suggest_classes(loss)
    hint = f"; the first losses are {loss:.4g}"
    if classes is not None:
        hint += f", about ln {classes}: perhaps --classes={classes}"
    return InputError(
        f"what does guessing cost? Give --classes=N for N equally frequent classes, "
        f"--class_counts=50,30,20 for others, or --chance_loss=H{hint}"
    )


def _tell_reading(reading: Reading, arms: Mapping[str, Sequence[Curve]], chance_loss: float | None) -> None:
    """Says what was guessed, and what was done to the logs."""
    num_runs, files = len(reading.curves), "file" if reading.num_files == 1 else "files"
    grouped = f" in {len(arms)} arms" if len(arms) > 1 else ""
    words = f"{num_runs} run{'s' * (num_runs != 1)}{grouped} from {reading.num_files} {files}"
    chance = f"; chance loss {chance_loss:.4g}" if chance_loss is not None else ""
    print(one_line(f"{words}. {reading.guesses[0]}{chance}"))
    for guess in reading.guesses[1:_SHOWN_NOTES]:
        print(one_line(f"also {guess}"))
    if len(reading.guesses) > _SHOWN_NOTES:
        print(f"and {len(reading.guesses) - _SHOWN_NOTES} other kinds of log")
    by_kind: dict[str, list[str]] = {}
    for kind, note in reading.notes:
        by_kind.setdefault(kind, []).append(note)
    for kind, notes in by_kind.items():
        done = f": {_DONE[kind]}" if kind in _DONE else ""
        for note in notes[:_SHOWN_NOTES]:
            _note(f"{note}{done}")
        if len(notes) > _SHOWN_NOTES:
            _note(f"… and {len(notes) - _SHOWN_NOTES} more of this kind")


def _tell_noise(found: Detected, average: int) -> None:
    if is_noisy(found.noise):
        _note(
            f"the losses jump by {100 * found.noise:.0f} % of the chance loss from point to point: "
            f"--average={8 * average} makes plateaus surer to tell"
        )


def _note(line: str) -> None:
    print(f"note: {one_line(line)}", file=sys.stderr)


def _filled(directory: WorkDirectory, found: Detected) -> WorkDirectory:
    """A work directory with the rows that it does not have yet."""
    there = directory.finished_keys()
    missing = [r for r in found.rows if tuple(r.get(n) for n in store.RUN_KEY) not in there]
    directory.append(missing)
    return directory


def _store(path: Path, document: dict[str, Any], found: Detected, has_report: bool) -> dict[str, Any]:
    """Writes rows, and the report."""
    from engine.commands.report import report

    with store.hold(path, _note):
        directory = store.create_or_replace(path, document, _note)
        directory.inspect(_note)
        _filled(directory, found)
        return report(path) if has_report else {}


def _show(directory: WorkDirectory) -> dict[str, Any]:
    """Prints table and verdict."""
    from engine.report.arm_table import make_table, to_text
    from engine.report.log_answers import ASSUMED
    from engine.report.summary import summarise, to_document
    from engine.report.verdict import make_verdict
    from engine.store.run_table import RunTable

    summary = summarise(RunTable(directory))
    verdict = make_verdict(summary, {})
    print(f"\n{to_text(*make_table(summary))}\n\n{one_line(verdict.headline)}\n")
    for question, answer in verdict.answers.items():
        print(one_line(f"{question} {answer}"))
    if len(summary.runs) > 1 or summary.arms[summary.baseline].num_runs > 1:
        print(f"What is assumed? {ASSUMED}")
    print("\nfor figures, intervals and limits as a page: --workdir=DIR")
    return to_document(summary, verdict._asdict())
