"""Opens tables: CSV and TSV files, Parquet files, and what `datasets` of Hugging Face has saved to disk.

Nothing in a file is executed, and of Hugging Face's format only Arrow files and JSON are read, without that package.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ..errors import InputError, some_of
from .examples import HELD_OUT_PARTS, TRAINING_PARTS
from .places import SAVED_DATASET, SAVED_DATASETS, TABLES
from .reading import Reading, check_memory, reason_of

_STATE = "state.json"
_MAX_JSON = 16 * 2**20
_SAMPLE = 2**16
_DELIMITERS = ",;\t|"
# Text in memory takes about as many bytes as in a file, and its numbers no more.
_GROWTH = 2
_MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "-"]


class Parts(NamedTuple):
    """A table to train on, and one that is held out where the data say so; names of classes by column."""

    training: pa.Table
    held_out: pa.Table | None
    class_names: dict[str, Sequence[str]]


def open_tables(place: Path, reading: Reading) -> Parts:
    """Reads the table or tables at a place; raises InputError where there is none, or it is damaged."""
    try:
        if not place.is_dir():
            return Parts(_read_file(place), None, {})
        if (place / SAVED_DATASETS).is_file():
            return _read_saved_parts(place, reading)
        if (place / SAVED_DATASET).is_file():
            return Parts(_read_arrow(place), None, _class_names(place))
        return _read_files_by_name(place, reading)
    except (OSError, pa.ArrowException, ValueError, KeyError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the table cannot be read ({reason_of(error)})") from None


def _read_file(file: Path) -> pa.Table:
    if file.suffix.lower() == ".parquet":
        from pyarrow import parquet

        check_memory(_GROWTH * file.stat().st_size, "this table")
        return parquet.read_table(file)
    return _read_csv(file)


def _read_csv(file: Path) -> pa.Table:
    from pyarrow import csv as arrow_csv

    check_memory(_GROWTH * file.stat().st_size, "this table")
    with file.open("rb") as opened:
        sample = opened.read(_SAMPLE).decode("utf-8-sig", errors="replace")
    lines = [line for line in sample.splitlines() if line.strip()]
    if len(lines) < 2:
        raise InputError("the table has fewer than two lines: expected a header and rows")
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(_DELIMITERS, key=lines[0].count)
    header = next(csv.reader([lines[0]], delimiter=delimiter))
    has_header = not all(map(_is_number, header))
    options = arrow_csv.ConvertOptions(null_values=_MISSING, strings_can_be_null=True)
    names = None if has_header else [f"column {i + 1}" for i in range(len(header))]
    table = arrow_csv.read_csv(
        file,
        read_options=arrow_csv.ReadOptions(column_names=names),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
        convert_options=options,
    )
    # What Excel writes before the first name.
    return table.rename_columns([name.removeprefix("\ufeff").strip() for name in table.column_names])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_files_by_name(folder: Path, reading: Reading) -> Parts:
    by_name = {file.stem.lower(): file for file in folder.iterdir() if file.suffix.lower() in TABLES}
    training, held_out = _chosen(list(by_name), reading)
    return Parts(_read_file(by_name[training]), None if held_out is None else _read_file(by_name[held_out]), {})


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
    features = _json(folder / SAVED_DATASET).get("features") or {}
    found = {name: about["names"] for name, about in features.items() if isinstance(about, dict) and "names" in about}
    return {name: [str(one) for one in names] for name, names in found.items() if isinstance(names, list)}


def _json(file: Path) -> Any:
    if file.stat().st_size > _MAX_JSON:
        raise InputError(f"{file.name} is larger than any description of a data set")
    found = json.loads(file.read_text())
    if not isinstance(found, dict):
        raise InputError(f"{file.name} is no description of a data set")
    return found
