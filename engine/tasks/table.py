"""`table`: a table of your own, with one column to predict (--dataset_dir=FILE.csv, .tsv or .parquet).

A folder with `train` and `test` among its tables, or a data set that `datasets` of Hugging Face has saved to disk, says
what is held out; else a stratified fifth is.

Numbers, truth values and dates stand for themselves, text for its categories: one column of 0 and 1 for each. What is
missing is the median of all rows, or no category, and a column of 0 and 1 says where. Numbers take mean 0 and deviation
1 over the training examples, unless --scaling=none. Where columns hold lists of numbers, or images, these are the
input, or several by the names of their columns; others that --input_columns names come beside them, as `numbers`.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError, counted, some_of, unknown_name
from .examples import Examples, arrays_of_several, make_arrays, refuse_fraction, with_channels
from .options import (
    AUGMENTATION,
    DATASET_DIR,
    HELD_OUT_FRACTION,
    IMAGE_OPTIONS,
    RECONSTRUCT,
    SCALING,
    TARGET_KIND,
    TARGET_SCALING,
    VOCABULARY,
)
from .passes import array_task
from .places import find_place, naming_place
from .reading import Reading
from .table_columns import is_image, is_list, is_number, is_text, names_of_rows, numbers_of
from .table_files import Parts, open_tables, reading_table
from .table_rows import images_of, padded, rows_of
from .targets import make_targets, stand_in

_COLUMNS = 10**4
OPTIONS = (
    DATASET_DIR,
    Option(
        "target_column",
        str,
        None,
        "column that is predicted",
        unset="one called target, label, class or y, else the last, and said",
    ),
    Option(
        "input_columns", str, None, "columns that it is predicted from", unset="all others, and said", most=_COLUMNS
    ),
    SCALING,
    HELD_OUT_FRACTION,
    TARGET_KIND,
    TARGET_SCALING,
    VOCABULARY,
    RECONSTRUCT,
    *IMAGE_OPTIONS,
    *AUGMENTATION,
)
build = array_task

_TARGETS = ("target", "targets", "label", "labels", "class", "y")


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of `engine.tasks.examples`, in the order of the rows."""
    place = find_place(arm.dataset_dir)
    with naming_place(arm.dataset_dir), reading_table():
        parts = open_tables(place, reading)
        numbering = [] if arm.input_columns else names_of_rows(parts)
        table, is_held_out = _joined(parts)
        if parts.held_out is not None:
            refuse_fraction(arm, "a table of its own")
        target = _target_column(arm, table, reading)
        if target is not None:
            present = pc.is_valid(table[target]).to_numpy(zero_copy_only=False)
            table, is_held_out = _without_missing(table, is_held_out, present, target, reading)
        names = _input_columns(arm, table, target)
        targets = stand_in(len(table))
        if target is not None:
            targets = make_targets(_target_values(table[target], parts, target), target, arm.target_kind, reading)
        special = [name for name in names if is_list(table[name].type) or is_image(table[name].type)]
        if special:
            by_name, masks = _inputs_by_name(arm, table, names, special, reading)
            if len(by_name) > 1:
                return arrays_of_several(arm, by_name, targets, is_held_out, reading, masks)
            shaped = with_channels(next(iter(by_name.values())), None, reading)
            return make_arrays(arm, Examples(shaped, *targets, is_held_out), reading)
        _refuse_image_options(arm)
        inputs, are_scaled = numbers_of(table, names, numbering, reading)
        scaled = arm if arm.scaling is not None else arm.replace(scaling="standard")
        return make_arrays(scaled, Examples(inputs, *targets, is_held_out, are_scaled), reading)


def _joined(parts: Parts) -> tuple[pa.Table, np.ndarray | None]:
    if parts.held_out is None:
        return parts.training, None
    if set(parts.training.column_names) != set(parts.held_out.column_names):
        differing = set(parts.training.column_names) ^ set(parts.held_out.column_names)
        raise InputError(f"what is held out has other columns: {some_of(sorted(differing), 5)} is in one of them only")
    held_out = parts.held_out.select(parts.training.column_names)
    table = pa.concat_tables([parts.training, held_out], promote_options="permissive")
    return table, np.arange(table.num_rows) >= parts.training.num_rows


def _without_missing(
    table: pa.Table, is_held_out: np.ndarray | None, present: np.ndarray, target: str, reading: Reading
) -> tuple[pa.Table, np.ndarray | None]:
    """Leaves out the rows whose target is not present."""
    if present.all():
        return table, is_held_out
    missing = counted(int(np.sum(~present)), "row")
    reading.caution(f"{missing} left out, in which the target {target!r} is missing")
    return table.filter(pa.array(present)), None if is_held_out is None else is_held_out[present]


def _target_column(arm: Arm, table: pa.Table, reading: Reading) -> str | None:
    """Returns the column to predict; `None` where every example is its own target, and no column is named."""
    names = table.column_names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two columns are called {twice!r}: expected a name for each")
    if arm.reconstruct and arm.target_column is None:
        return None
    if len(names) < 2:
        raise InputError(f"the table has one column, {names[0]!r}: expected one to predict, and others to predict from")
    if arm.target_column is not None:
        if arm.target_column not in names:
            raise unknown_name("column", arm.target_column, names)
        return str(arm.target_column)
    found = next((name for wanted in _TARGETS for name in names if name.lower() == wanted), names[-1])
    reading.tell(f"column {found!r} is predicted: --target_column names another")
    return found


def _input_columns(arm: Arm, table: pa.Table, target: str | None) -> list[str]:
    if arm.input_columns is None:
        return [name for name in table.column_names if name != target]
    for name in arm.input_columns:
        if name not in table.column_names:
            raise unknown_name("column", name, table.column_names)
        if name == target:
            raise InputError(f"input_columns: {name!r} is the target itself")
    return list(arm.input_columns)


def _target_values(column: pa.ChunkedArray, parts: Parts, name: str) -> np.ndarray:
    if name in parts.class_names:
        number = len(parts.class_names[name])
        values = column.to_numpy()
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= number:
            raise InputError(f"column {name!r} has numbers outside of its {number} classes")
        return np.asarray(parts.class_names[name])[values]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_list(column.type):
        return rows_of(column, name)
    if is_text(column.type):
        return np.asarray(column.to_pylist(), dtype=str)
    if not is_number(column.type):
        raise InputError(f"column {name!r} is of type {column.type}: expected numbers, text or truth values to predict")
    return np.asarray(column.to_numpy())


def _refuse_image_options(arm: Arm) -> None:
    for field in ("image_size", "resize"):
        if getattr(arm, field) is not None:
            raise InputError(f"{field} has no effect: no column holds images")


def _inputs_by_name(
    arm: Arm, table: pa.Table, names: Sequence[str], special: Sequence[str], reading: Reading
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns each column of lists or images as an input, and which entries of an input are numbers to be scaled.

    Other columns that were asked for are one more input, `numbers`; where nobody asked, they are left out.
    """
    if not any(is_image(table[name].type) for name in special):
        _refuse_image_options(arm)
    left = [name for name in names if name not in special]
    if arm.input_columns is None and left:
        what = some_of([repr(name) for name in special], 3)
        reading.caution(f"{counted(len(left), 'column')} left out beside {what}, which are the input", left)
        left = []
    inputs, are_scaled = {}, {}
    for name in special:
        column = table[name]
        is_row = is_list(column.type)
        inputs[name] = padded(column, name, reading) if is_row else images_of(column, name, arm, reading)
    if left:
        inputs["numbers"], are_scaled["numbers"] = numbers_of(table, left, (), reading)
    return inputs, are_scaled
