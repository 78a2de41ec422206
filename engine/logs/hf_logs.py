"""The `trainer_state.json` of the HuggingFace Trainer, whose `log_history` mixes rows of several kinds.

Rows of training hold `loss`, rows of an evaluation `eval_loss` and its metrics. The row that ends a training holds the
mean loss of the whole training as `train_loss`, which is no point of the curve: that row is left out.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..report.phrases import counted
from .json_logs import as_text, columns_of_rows, parse, reason
from .log_files import LogFile
from .log_table import LogTable, NoCurveError, shown
from .options import ReadOptions

_NAME = "trainer_state.json"
_HISTORY = "log_history"
_AT_THE_END = "train_runtime"
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,18})")
_OF_LINES = (".jsonl", ".ndjson")
_HOW_OFTEN = "logging_steps of TrainingArguments says how often the Trainer logs its loss"


def matches(name: str, start: bytes) -> bool:
    """Tells by a file's name in lower case, without `.gz`, or by its first bytes whether the Trainer wrote it."""
    is_object = start[:1] == b"{" and not name.endswith(_OF_LINES)
    return name == _NAME or (is_object and f'"{_HISTORY}"'.encode() in start)


def read(file: LogFile, content: bytes, options: ReadOptions) -> LogTable:
    """Reads the rows of training and of evaluations; the number of a row is that in `log_history`."""
    path = file.path
    text, notes = as_text(path, content)
    try:
        state = parse(text)
    except ValueError as error:
        is_cut = not text.rstrip().endswith(b"}")
        hint = ": it ends in the middle; every checkpoint of the Trainer has one of its own" if is_cut else ""
        raise InputError(f"{path}: no JSON ({reason(error)}){hint}") from None
    history = state.get(_HISTORY) if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise NoCurveError(f"{path}: no list {_HISTORY!r} in it: expected a {_NAME} of the HuggingFace Trainer")
    wrong = next((i for i, row in enumerate(history) if not isinstance(row, dict)), None)
    if wrong is not None:
        raise InputError(f"{path}, row {wrong + 1}: {shown(str(history[wrong]))} in {_HISTORY!r}: expected an object")
    # A row that is left out is empty, so that the others keep their numbers.
    columns = columns_of_rows(path, [{} if _is_summary(row) else row for row in history])
    if options.loss_column is None and not any(name.endswith("loss") for name in columns):
        raise NoCurveError(f"{path}: no row in {_HISTORY!r} holds a loss: {_HOW_OFTEN}")
    return LogTable(file, "HuggingFace Trainer", columns, notes=notes)


def _is_summary(row: dict[str, Any]) -> bool:
    return _AT_THE_END in row and "loss" not in row


def without_earlier(files: Sequence[LogFile]) -> tuple[list[LogFile], list[str]]:
    """Leaves out what the Trainer wrote besides the last state of each training.

    The state of a checkpoint begins with all that earlier ones hold, so it is no other run. Other JSON beside a state
    is no log, and is read only if the user named the file.

    Returns:
        The files that remain, a state under the name of its training's folder; and a note for each training of which
        states are left out.
    """
    trainings: dict[tuple[Path, str | None], dict[float, LogFile]] = {}
    for file in files:
        if file.plain_name == _NAME:
            folder = file.path.parent
            found = _CHECKPOINT.fullmatch(folder.name)
            place, number = (folder.parent, float(found[1])) if found else (folder, math.inf)
            trainings.setdefault((place, file.arm), {})[number] = file._replace(place=place.as_posix())
    last = {own[max(own)].path: own[max(own)] for own in trainings.values()}
    states = {file.path for own in trainings.values() for file in own.values()}
    folders = {path.parent for path in states}
    left = []
    for file in files:
        is_beside = file.path.parent in folders and file.plain_name.endswith(".json")
        if file.path in last or (file.path not in states and (file.is_named or not is_beside)):
            left.append(last.get(file.path, file))
    notes = [
        f"{place}: {counted(len(own) - 1, 'state')} of earlier checkpoints"
        for (place, _), own in trainings.items()
        if len(own) > 1
    ]
    return left, notes
