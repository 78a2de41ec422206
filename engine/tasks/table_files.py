"""Opens tables: CSV and TSV files, Parquet files, and what `datasets` of Hugging Face has saved to disk.

Nothing in a file is executed, and of Hugging Face's format only Arrow files and JSON are read, without that package.
"""

import contextlib
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ..errors import InputError, some_of
from .examples import HELD_OUT_PARTS, TRAINING_PARTS
from .places import SAVED_DATASET, SAVED_DATASETS, TABLES
from .reading import Reading, check_memory, reason_of
from .table_csv import read_csv

_STATE = "state.json"
_MAX_JSON = 16 * 2**20
# Text in memory takes about as many bytes as in a file, and its numbers no more.
_GROWTH = 2


# Of files that are damaged, or of another form than they should have.
_FAILURES = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError),
    *(pa.ArrowException, csv.Error),
)


class Parts(NamedTuple):
    """A table to train on, and one that is held out where the data say so; names of classes by column."""

    training: pa.Table
    held_out: pa.Table | None
    class_names: dict[str, Sequence[str]]


@contextlib.contextmanager
def reading_table() -> Iterator[None]:
    """Turns what damaged or foreign files raise into an `InputError` of one line."""
    try:
        yield
    except InputError:
        raise
    except _FAILURES as error:
        raise InputError(f"the table cannot be read ({reason_of(error)})") from None


def open_tables(place: Path, reading: Reading) -> Parts:
    """Reads the table or tables at a place; see `reading_table` for what it raises where they are damaged."""
    if not place.is_dir():
        return Parts(_read_file(place, reading), None, {})
    if (place / SAVED_DATASETS).is_file():
        return _read_saved_parts(place, reading)
    if (place / SAVED_DATASET).is_file():
        return Parts(_read_arrow(place), None, _class_names(place))
    return _read_files_by_name(place, reading)


def _read_file(file: Path, reading: Reading) -> pa.Table:
    check_memory(_GROWTH * file.stat().st_size, "this table")
    if file.suffix.lower() != ".parquet":
        return read_csv(file, reading)
    from pyarrow import parquet

    table = parquet.read_table(file)
    index = (table.schema.pandas_metadata or {}).get("index_columns", [])
    # That of a data frame without a name for it.
    unnamed = [name for name in index if isinstance(name, str) and name.startswith("__index_level_")]
    return table.drop_columns([name for name in unnamed if name in table.column_names])


def _read_files_by_name(folder: Path, reading: Reading) -> Parts:
    files = sorted(one for one in folder.iterdir() if one.suffix.lower() in TABLES and not one.name.startswith("."))
    names = [file.stem.lower() for file in files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two tables are called {twice!r}: expected one of that name")
    by_name = dict(zip(names, files, strict=True))
    training, held_out = _chosen(names, reading)
    parts = [None if name is None else _read_file(by_name[name], reading) for name in (training, held_out)]
    assert parts[0] is not None
    return Parts(parts[0], parts[1], {})


def _chosen(names: Sequence[str], reading: Reading) -> tuple[str, str | None]:
    """Returns the names of the part to train on and, where there is one, of the part that is held out."""
    training = next((name for name in TRAINING_PARTS if name in names), names[0] if len(names) == 1 else None)
    if training is None:
        raise InputError(
            f"it is not clear what is to be trained on: there are {some_of(sorted(names), 5) or 'no tables'}, and none "
            f"is called train"
        )
    held_out = next((name for name in HELD_OUT_PARTS if name in names), None)
    left = sorted(set(names) - {training, held_out})
    if left:
        reading.caution(f"part {', '.join(map(repr, left))} left out")
    return training, held_out


def _read_saved_parts(folder: Path, reading: Reading) -> Parts:
    names = _json(folder / SAVED_DATASETS)["splits"]
    training, held_out = _chosen([str(name) for name in names], reading)
    parts = [None if name is None else _read_arrow(_inside(folder, name)) for name in (training, held_out)]
    assert parts[0] is not None
    return Parts(parts[0], parts[1], _class_names(_inside(folder, training)))


def _read_arrow(folder: Path) -> pa.Table:
    """Reads the Arrow files that the state of a saved data set names, in their order."""
    state = _json(folder / _STATE)
    if state.get("_indices_data_files"):
        raise InputError("the data set keeps a selection of its rows apart: call flatten_indices() before save_to_disk")
    files = [_inside(folder, str(one["filename"])) for one in state["_data_files"]]
    check_memory(sum(file.stat().st_size for file in files), "this data set")
    tables = []
    for file in files:
        with pa.memory_map(str(file)) as opened, pa.ipc.open_stream(opened) as stream:
            tables.append(stream.read_all())
    return pa.concat_tables(tables)


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name or name in ("", ".", ".."):
        raise InputError(f"the data set names {name!r}, which does not lie in its folder")
    return folder / name


def _class_names(folder: Path) -> dict[str, Sequence[str]]:
    features = _json(folder / SAVED_DATASET).get("features")
    features = features if isinstance(features, dict) else {}
    found = {name: about["names"] for name, about in features.items() if isinstance(about, dict) and "names" in about}
    return {name: [str(one) for one in names] for name, names in found.items() if isinstance(names, list)}


def _json(file: Path) -> Any:
    if file.stat().st_size > _MAX_JSON:
        raise InputError(f"{file.name} is larger than any description of a data set")
    found = json.loads(file.read_text())
    if not isinstance(found, dict):
        raise InputError(f"{file.name} is no description of a data set")
    return found
