"""Columns of a table that hold more than a number for each row: lists of numbers, and images."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arms.arm import Arm
from ..errors import InputError, counted
from .images import read_images
from .reading import Reading
from .table_columns import is_list, is_number


def padded(column: pa.ChunkedArray, name: str, reading: Reading) -> np.ndarray:
    """Returns lists of numbers as rows; shorter ones of whole numbers are filled with 0 at their end."""
    _check(column, name)
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    if np.ptp(lengths) == 0:
        return rows_of(column, name)
    longest = int(lengths.max())
    if not pa.types.is_integer(column.type.value_type):
        least = int(lengths.min())
        raise InputError(f"column {name!r} has lists of {least} to {longest} entries: expected one length")
    number = counted(int(np.sum(lengths < longest)), "list")
    reading.caution(f"{number} in column {name!r} shorter than {longest}: filled with 0 at the end")
    return np.asarray([row + [0] * (longest - len(row)) for row in column.to_pylist()])


def rows_of(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Returns lists of one length as rows; raises InputError where they are no finite numbers of one shape."""
    _check(column, name)
    try:
        values = np.asarray(column.to_pylist())
    except ValueError:
        values = np.asarray([], dtype=object)
    if values.dtype.kind not in "biuf" or not values.size:
        raise InputError(f"column {name!r} has lists of several lengths, or empty ones: expected numbers of one shape")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))
        raise InputError(f"column {name!r} has a number that is missing or not finite in row {row}")
    return values


def _check(column: pa.ChunkedArray, name: str) -> None:
    """Raises InputError where lists hold something else than numbers, or something is missing."""
    inside, kind = column, column.type
    while is_list(kind):
        if inside.null_count:
            raise InputError(f"column {name!r} has a list, or an entry of one, that is missing: expected numbers")
        inside, kind = pc.list_flatten(inside), kind.value_type
    if not is_number(kind):
        raise InputError(f"column {name!r} has lists of {kind}: expected numbers")
    if inside.null_count:
        raise InputError(f"column {name!r} has a list, or an entry of one, that is missing: expected numbers")


def images_of(column: pa.ChunkedArray, name: str, arm: Arm, reading: Reading) -> np.ndarray:
    """Returns the images that a column holds as files; raises InputError where one is missing or cannot be read."""
    found = [one.get("bytes") if isinstance(one, dict) else one for one in column.to_pylist()]
    images = [image for image in found if image is not None]
    if len(images) < len(found):
        raise InputError(f"column {name!r} has no image in row {found.index(None)}: expected each to hold its own file")
    read = read_images(images, [f"row {i}" for i in range(len(images))], arm, reading)
    if len(read.kept) < len(images):
        row = int(np.setdiff1d(np.arange(len(images)), read.kept)[0])
        raise InputError(f"column {name!r} has an image that cannot be read, in row {row}")
    return read.pixels
