"""Everything that some words mean: files found, read, and made into curves."""

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from engine.errors import InputError
from engine.logs.event_logs import is_event_file
from engine.logs.formats import is_of_events, read_event_folder, read_text
from engine.logs.log_files import NoTextError, Source, find_sources, read_content, short_names
from engine.logs.log_table import NoCurveError, Table
from engine.logs.logged_curves import Curve, make_curves
from engine.logs.options import ReadOptions
from engine.logs.roles import Roles, find_roles

# Folders beside those of training, whose losses are on held-out examples.
_HELD_OUT_FOLDERS = ("validation", "val", "valid", "eval", "test")
_TRAIN_FOLDERS = ("train", "training")


class Reading(NamedTuple):
    """What was read.

    Attributes:
        curves: of all runs; group and name together are unique.
        guesses: in words, format, columns and steps, most frequent first.
        steps_per_epoch: 1 where a step is an epoch, `None` where nothing is known of epochs.
        notes: what was unusual, each with a word for the kind of it.
        num_files: that were read.
    """

    curves: list[Curve]
    guesses: list[str]
    steps_per_epoch: int | None
    notes: list[tuple[str, str]]
    num_files: int


def read_curves(patterns: Sequence[str], options: ReadOptions | None = None) -> Reading:
    """The curves in some logs.

    Args:
        patterns: files, folders or glob patterns, each with `NAME=` before it for a group.
        options: what is known about them; the rest is guessed.

    Raises:
        InputError: a log cannot be read, with the file and the row, or holds no curve.
    """
    options = options or ReadOptions()
    sources = find_sources(patterns)
    curves: list[Curve] = []
    notes: list[tuple[str, str]] = []
    guesses: Counter[str] = Counter()
    epochs: dict[int | None, str] = {}
    skipped: list[tuple[Source, InputError]] = []
    num_files = 0
    for members, read in _tables(sources):
        try:
            table = read(options)
            roles = find_roles(list(table.columns), options, table.source)
            log = make_curves(table, roles, options)
        except (NoCurveError, NoTextError) as error:
            if members[0].is_sure or len(sources) == 1:
                raise
            skipped.append((members[0], error))
            continue
        num_files += len(members)
        curves += log.curves
        notes += [("file", note) for note in table.notes] + log.notes
        guesses[_guess(table, roles, log.clock)] += 1
        epochs.setdefault(log.steps_per_epoch, table.source)
    if skipped and not num_files:
        raise skipped[0][1]
    notes += [("skipped", f"{source.path}: no loss in it") for source, _ in skipped]
    if len(epochs) > 1:
        in_epochs, in_steps = epochs.get(1), next(v for k, v in epochs.items() if k != 1)
        raise InputError(f"{in_epochs} counts epochs and {in_steps} counts steps: give --steps_per_epoch")
    if not curves:
        raise InputError(f"no run has two points or more: {notes[0][1] if notes else patterns[0]}")
    words = [words for words, _ in guesses.most_common()]
    return Reading(_named(curves), words, next(iter(epochs)), notes, num_files)


def _tables(sources: Sequence[Source]) -> Iterator[tuple[list[Source], Callable[[ReadOptions], Table]]]:
    """The files of each table, and a function that reads it; event files of a folder are one."""
    folders: dict[tuple[str, str | None], list[Source]] = {}
    for source in sources:
        if is_of_events(source):
            folders.setdefault((str(source.path.parent), source.arm), []).append(source)
    for source in sources:
        if is_of_events(source):
            members = folders.pop((str(source.path.parent), source.arm), None)
            if members is None or _is_beside_training(members[0], sources):
                continue
            yield members, functools.partial(read_event_folder, members)
        else:
            yield [source], functools.partial(_read_one, source)


def _read_one(source: Source, options: ReadOptions) -> Table:
    """The table in a file, whatever it is called."""
    content = read_content(source.path)
    if is_event_file(content):
        return read_event_folder([source], options)
    return read_text(source, content, options)


def _is_beside_training(source: Source, sources: Sequence[Source]) -> bool:
    """Whether a folder of event files holds what was measured beside training."""
    folder = source.path.parent
    if source.is_sure or folder.name not in _HELD_OUT_FOLDERS:
        return False
    trained = {folder.parent / name for name in _TRAIN_FOLDERS}
    return any(other.path.parent in trained for other in sources)


def _guess(table: Table, roles: Roles, clock: str) -> str:
    """Format and columns of a table, in words."""
    words = [f"{table.format}: step from {clock}"]
    if roles.is_wide:
        words.append("one column per run")
    else:
        words.append(f"loss from {roles.losses['']!r}")
    if roles.is_held_out:
        words.append("which is on held-out examples")
    for what, names in (
        ("accuracy", [roles.accuracy]),
        ("held-out loss", [roles.held_out_loss]),
        ("held-out accuracy", [roles.held_out_accuracy]),
        ("run", roles.run),
        ("arm", roles.arm),
    ):
        if any(names):
            words.append(f"{what} from {', '.join(repr(name) for name in names)}")
    return ", ".join(words)


def _named(curves: Sequence[Curve]) -> list[Curve]:
    """The curves with names that are unique in their group, as short as that allows."""
    places: dict[str, dict[str, str]] = {}
    owners: dict[tuple[str, str], set[str]] = {}
    for curve in curves:
        places.setdefault(curve.arm, {})[curve.place] = ""
        owners.setdefault((curve.arm, curve.run), set()).add(curve.place)
    for of in places.values():
        of.update(zip(of, short_names(list(of)), strict=True))
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for curve in curves:
        place, name = places[curve.arm][curve.place], curve.run
        if not name or name.startswith("#"):
            name = place + name
        elif len(owners[curve.arm, name]) > 1:
            name = f"{place}/{name}"
        counts[curve.arm, name] += 1
        number = counts[curve.arm, name]
        found.append(curve._replace(run=name if number == 1 else f"{name}#{number}"))
    return found
