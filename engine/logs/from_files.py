"""From files, folders and patterns to curves: files are found, read and made into curves with unique names."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import InputError
from .column_roles import ColumnRoles, find_roles
from .event_logs import read_event_table
from .formats import check_effect, format_of, read_text
from .framing import starts_with_record
from .hf_logs import without_earlier
from .log_files import LogFile, NoTextError, find_files, read_content, short_names
from .log_table import LogTable, NoCurveError
from .logged_curves import LoggedCurve, make_curves
from .options import ReadOptions

# Folders beside those of training, whose losses are on held-out examples.
_HELD_OUT_FOLDERS = ("validation", "val", "valid", "eval", "test")
_TRAIN_FOLDERS = ("train", "training")


class LoggedRuns(NamedTuple):
    """What was read from logs.

    Attributes:
        curves: of all runs; group and name together are unique.
        guesses: what formats, columns and steps were taken for, the most frequent first.
        steps_per_epoch: 1 where a step is an epoch; `None` where nothing is known of epochs.
        notes: what was unusual, each with a word for its kind.
    """

    curves: list[LoggedCurve]
    guesses: list[str]
    steps_per_epoch: int | None
    notes: list[tuple[str, str]]
    num_files: int


def read_curves(patterns: Sequence[str], options: ReadOptions | None = None) -> LoggedRuns:
    """Reads the curves in files, folders or glob patterns, each with `NAME=` before it for a group.

    Raises:
        InputError: a log cannot be read, with the file and the row, or holds no curve.
    """
    options = options or ReadOptions()
    files, earlier = without_earlier(find_files(patterns))
    curves: list[LoggedCurve] = []
    notes = [("skipped", note) for note in earlier]
    guesses: Counter[str] = Counter()
    epochs: dict[int | None, str] = {}
    skipped: list[tuple[LogFile, InputError]] = []
    formats: set[str] = set()
    num_files = 0
    for members in _by_run(files):
        try:
            table = _read_table(members, options, formats)
            roles = find_roles(list(table.columns), options, table.source)
            found = make_curves(table, roles, options)
        except (NoCurveError, NoTextError) as error:
            if members[0].is_named or len(files) == 1:
                raise
            skipped.append((members[0], error))
            continue
        num_files += len(members)
        curves += found.curves
        notes += [("file", note) for note in table.notes] + found.notes
        guesses[_guess(table, roles, found.clock.words)] += 1
        epochs.setdefault(found.clock.steps_per_epoch, table.source)
    check_effect(options.format_options, formats)
    if skipped and not num_files:
        raise skipped[0][1]
    notes += [("skipped", f"{file.path}: no loss in it") for file, _ in skipped]
    if len(epochs) > 1:
        in_steps = next(source for number, source in epochs.items() if number != 1)
        raise InputError(f"{epochs.get(1)} counts epochs and {in_steps} counts steps: give --steps_per_epoch")
    if not curves:
        short = [note for kind, note in notes if kind == "short"]
        raise InputError(f"no run has two points or more: {short[0] if short else patterns[0]}")
    frequent = list(dict(guesses.most_common()))
    return LoggedRuns(_with_unique_names(curves), frequent, next(iter(epochs)), notes, num_files)


def _by_run(files: Sequence[LogFile]) -> Iterator[list[LogFile]]:
    """Yields the files of each table: one, or the event files of a folder, unless they are of held-out examples."""
    tables: defaultdict[Any, list[LogFile]] = defaultdict(list)
    for file in files:
        tables[(file.place, file.arm) if file.has_events else file.path].append(file)
    parents = {file.path.parent for file in files}
    for file, *others in tables.values():
        folder = file.path.parent
        is_trained_beside = any(folder.parent / name in parents for name in _TRAIN_FOLDERS)
        is_held_out = folder.name in _HELD_OUT_FOLDERS and is_trained_beside
        if not (file.has_events and is_held_out and not file.is_named):
            yield [file, *others]


def _read_table(members: list[LogFile], options: ReadOptions, formats: set[str]) -> LogTable:
    """Reads the table in some files, and notes the format of a text."""
    content = b"" if members[0].has_events else read_content(members[0].path)
    if members[0].has_events or starts_with_record(content):
        return read_event_table(members, options)
    formats.add(form := format_of(members[0], content))
    return read_text(form, members[0], content, options)


def _guess(table: LogTable, roles: ColumnRoles, clock: str) -> str:
    words = [f"{table.format}: step from {clock}"]
    words.append("one column per run" if roles.is_wide else f"loss from {roles.losses['']!r}")
    if roles.is_held_out:
        words.append("which is on held-out examples")
    metrics = {"accuracy": roles.accuracy, "held-out loss": roles.held_out_loss}
    metrics["held-out accuracy"] = roles.held_out_accuracy
    metrics["learning rate"] = roles.learning_rate
    words += [f"{what} from {name!r}" for what, name in metrics.items() if name]
    labels = {"run": roles.run, "arm": roles.arm}
    words += [f"{what} from {', '.join(map(repr, names))}" for what, names in labels.items() if names]
    return ", ".join(words)


def _with_unique_names(curves: Sequence[LoggedCurve]) -> list[LoggedCurve]:
    """Returns the curves with names that are unique in their group, as short as that allows."""
    places: defaultdict[str, dict[str, str]] = defaultdict(dict)
    places_of_name: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for curve in curves:
        places[curve.arm][curve.place] = ""
        places_of_name[curve.arm, curve.run].add(curve.place)
    for names in places.values():
        names.update(zip(names, short_names(list(names)), strict=True))
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for curve in curves:
        place, name = places[curve.arm][curve.place], curve.run
        if not name or name.startswith("#"):
            name = place + name
        elif len(places_of_name[curve.arm, name]) > 1:
            name = f"{place}/{name}"
        counts[curve.arm, name] += 1
        number = counts[curve.arm, name]
        found.append(curve._replace(run=name if number == 1 else f"{name}#{number}"))
    return found
