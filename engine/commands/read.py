"""`read`: outcomes, statistics and report of curves that others logged."""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import store
from ..arms.options import owned, with_changes
from ..errors import InputError, counted, one_line, unknown_name
from ..logs import LoggedRuns, ReadOptions, read_curves, to_rows
from ..logs.formats import FORMATS
from ..logs.next_step import find_next_step
from ..logs.signs import find_signs
from ..outcomes import DetectorSettings
from ..outcomes.chance import find_chance_loss, suggest_classes
from ..user_code import Place, as_path

_QUESTION = "Is this plateau, and when does it end?"
_ALL_RUNS = "all runs"
_MAX_ARMS = 1000
_SHOWN_NOTES = 3
_MOST_SIGNS = 12
# What is done about each kind of note, in words.
_DONE = {
    "restart": ": what follows takes the place of what was there (else: --restarts=separate)",
    "separate": ": a run begins there",
    "sorted": ": they are put in the order of steps",
    "skipped": ": left out",
    "no step": ": left out",
}


def read(
    curves: Place | Sequence[Place],
    workdir: Place | None = None,
    options: ReadOptions | None = None,
    *,
    has_report: bool = True,
    **changes: Any,
) -> dict[str, Any]:
    """Reads curves from logs, and prints what came of them. The chance loss must be given in one of three ways.

    Args:
        curves: files, folders or glob patterns, each with `NAME=` before it for a group of runs.
        workdir: where rows and report go; by default nothing is written.
        options: what is known about the logs; the rest is guessed, and printed.
        changes: single options by the names of their flags, as in `classes=10`, also of a format.

    Returns:
        The content of `summary.json`; empty if only rows are written.

    Raises:
        InputError: something that was given is not usable, with file and row; nothing was written.
        StorageError: the disk is full or fails.
    """
    of_formats = {name: changes.pop(name) for name in owned(FORMATS) if name in changes}
    options = with_changes(options or ReadOptions(), changes)
    options = dataclasses.replace(options, format_options={**options.format_options, **of_formats})
    path = None if workdir is None else as_path(workdir)
    known = find_chance_loss(options.classes, options.class_counts, options.chance_loss)
    patterns = [os.fspath(place) for place in ([curves] if isinstance(curves, (str, os.PathLike)) else curves)]
    logs = read_curves(patterns, options)
    arms = to_rows.arms_of(logs.curves, _unnamed(patterns))
    _check_arms(arms, options.baseline)
    _print_reading(logs, len(arms), known)
    if known is None:
        raise _no_chance_loss(logs)
    signs = _find_signs(logs, arms, known)
    if options.average > 1:
        arms = {name: [to_rows.with_averages(run, options.average) for run in runs] for name, runs in arms.items()}
    settings = to_rows.LookSettings(known, options.average, DetectorSettings())
    found = to_rows.detect(arms, known, settings.detector)
    baseline = options.baseline or next(iter(arms))
    signs += find_next_step(arms[baseline], [row for row in found.rows if row["arm"] == baseline])
    study = {
        "name": _unnamed(patterns),
        "question": _QUESTION,
        "baseline": baseline,
        "signs": signs,
        "sources": sorted(Path(pattern).name or pattern for pattern in patterns),
    }
    document = to_rows.make_study_json(logs, arms, found.rows, settings, study)
    if path is not None:
        summary = _write(path, document, found, has_report)
    else:
        with tempfile.TemporaryDirectory() as folder:
            summary = _print(_filled(store.create_or_resume(Path(folder), document), found))
    _print_end(signs, found, options, is_page=path is not None)
    return summary


def _unnamed(patterns: Sequence[str]) -> str:
    """Returns the name of the group of runs that nothing groups."""
    name = Path(patterns[0]).name.split(".")[0]
    return _ALL_RUNS if len(patterns) > 1 or not name or any(sign in name for sign in "*?[") else name


def _check_arms(arms: to_rows.ArmsOfLogs, baseline: str | None) -> None:
    if len(arms) > _MAX_ARMS:
        raise InputError(
            f"{len(arms)} groups of runs, expected at most {_MAX_ARMS}: --arm_column names what "
            f"groups them, --run_column what tells runs apart"
        )
    if baseline is not None and baseline not in arms:
        raise unknown_name("arm", baseline, arms)


def _find_signs(logs: LoggedRuns, arms: to_rows.ArmsOfLogs, chance_loss: float) -> list[str]:
    signs = find_signs(arms, chance_loss, logs.steps_per_epoch)
    more = [f"… and {len(signs) - _MOST_SIGNS} more of this kind"] if len(signs) > _MOST_SIGNS else []
    return signs[:_MOST_SIGNS] + more


def _no_chance_loss(logs: LoggedRuns) -> InputError:
    loss = to_rows.first_loss(logs.curves)
    classes = suggest_classes(loss)
    hint = f", about ln {classes}: perhaps --classes={classes}" if classes is not None else ""
    return InputError(
        f"what does guessing cost? Give --classes=N for N equally frequent classes, --class_counts=50,30,20 for "
        f"others, or --chance_loss=H; the first losses are {loss:.4g}{hint}"
    )


def _print_reading(logs: LoggedRuns, num_arms: int, chance_loss: float | None) -> None:
    """Prints what was guessed, and what was done to the logs."""
    runs = counted(len(logs.curves), "run")
    arms = f" in {num_arms} arms" if num_arms > 1 else ""
    files = counted(logs.num_files, "file")
    chance = f"; chance loss {chance_loss:.4g}" if chance_loss is not None else ""
    print(one_line(f"{runs}{arms} from {files}. {logs.guesses[0]}{chance}"))
    for guess in logs.guesses[1:_SHOWN_NOTES]:
        print(one_line(f"also {guess}"))
    if len(logs.guesses) > _SHOWN_NOTES:
        print(f"and {counted(len(logs.guesses) - _SHOWN_NOTES, 'other kind')} of log")
    notes_of: dict[str, list[str]] = {}
    for kind, note in logs.notes:
        notes_of.setdefault(kind, []).append(note)
    for kind, notes in notes_of.items():
        for note in notes[:_SHOWN_NOTES]:
            _note(note + _DONE.get(kind, ""))
        if len(notes) > _SHOWN_NOTES:
            _note(f"… and {len(notes) - _SHOWN_NOTES} more of this kind")


def _print_end(signs: Sequence[str], found: to_rows.DetectedRows, options: ReadOptions, is_page: bool) -> None:
    """Prints what the logs show by themselves, and what may be asked for next."""
    for sign in signs:
        print(f"\n{one_line(sign)}")
    if not is_page:
        print("\nfor figures, intervals and limits as a page: --workdir=DIR")
    if found.is_noisy:
        _note(
            f"the losses jump by {100 * found.noise:.0f} % of the chance loss from point to point: "
            f"--average={8 * options.average} makes plateaus surer to tell"
        )


def _note(line: str) -> None:
    print(f"note: {one_line(line)}", file=sys.stderr)


def _filled(directory: store.WorkDirectory, found: to_rows.DetectedRows) -> store.WorkDirectory:
    """Adds the rows that a work directory does not have yet."""
    there = directory.finished_keys()
    directory.append([row for row in found.rows if tuple(row.get(name) for name in store.RUN_KEY) not in there])
    return directory


def _write(path: Path, document: dict[str, Any], found: to_rows.DetectedRows, has_report: bool) -> dict[str, Any]:
    from .report import report

    with store.hold(path, _note):
        directory = store.create_or_replace(path, document, _note)
        directory.inspect(_note)
        _filled(directory, found)
        return report(path) if has_report else {}


def _print(directory: store.WorkDirectory) -> dict[str, Any]:
    from ..report.arm_table import make_table, to_text
    from ..report.log_answers import ASSUMED
    from ..report.summary import summarise
    from ..report.summary_json import to_document
    from ..report.verdict import make_verdict
    from ..store.run_table import RunTable

    summary = summarise(RunTable(directory))
    verdict = make_verdict(summary, {})
    if not summary.is_of_one_log:
        print(f"\n{to_text(*make_table(summary))}")
    print(f"\n{one_line(verdict.headline)}\n")
    for question, answer in verdict.answers.items():
        print(one_line(f"{question} {answer}"))
    if not summary.is_of_one_log:
        print(f"What is assumed? {ASSUMED}")
    return to_document(summary, verdict._asdict())
