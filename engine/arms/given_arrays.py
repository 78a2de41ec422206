"""Data that were given themselves, as arrays: they are kept in a file, which workers and `verify` read."""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from ..user_code import cache_root

_NAMES = ("x_train", "y_train", "x_test", "y_test")
# Before the name of each of several inputs.
PART_OF_INPUTS = "x."
_KINDS = "biufUS"
_EXPECTED_ARRAY = "expected numbers or text, with the examples on the first axis"
_EXPECTED = (
    "a name, (inputs, targets) with one array of inputs or several by name, (inputs, targets, test inputs, test "
    "targets), or a dictionary of arrays"
)


def place_of(given: Any) -> str:
    """Keeps arrays in the cache, in an `.npz` file named by their content, and returns its path.

    Args:
        given: two arrays, the first of which can be several by name, or four with test arrays, or arrays by the names
            that such a file has; first axis: examples.

    Raises:
        InputError: it is something else, an array holds objects, or the file cannot be written.
    """
    arrays = {name: _as_array(name, array) for name, array in _by_name(given).items()}
    content = hashlib.sha256()
    for name, array in arrays.items():
        content.update(f"{name} {array.dtype.str} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).data if array.size else b"")
    path = cache_root() / "arrays" / f"{content.hexdigest()[:32]}.npz"
    if not path.exists():
        _write(path, arrays)
    return str(path)


def _as_array(name: str, given: Any) -> np.ndarray:
    try:
        array = np.asarray(given)
    except (ValueError, TypeError) as error:
        raise InputError(f"dataset: array {name} is none: {one_line(str(error))}") from error
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind not in _KINDS or not array.ndim:
        raise InputError(f"dataset: array {name} is of type {array.dtype} and shape {array.shape}: {_EXPECTED_ARRAY}")
    return array


def _by_name(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Mapping) and all(isinstance(name, str) for name in given) and given:
        return given
    if isinstance(given, (tuple, list)) and len(given) == 2 and isinstance(given[0], Mapping) and given[0]:
        return {**{f"{PART_OF_INPUTS}{name}": array for name, array in given[0].items()}, "y": given[1]}
    if isinstance(given, (tuple, list)) and len(given) in (2, 4):
        return dict(zip(_NAMES if len(given) == 4 else ("x", "y"), given, strict=True))
    raise InputError(f"dataset is a {type(given).__name__}: expected {_EXPECTED}")


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            try:
                _pack(file, arrays)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, path)
    except OSError as error:
        raise InputError(f"dataset: the arrays cannot be kept in {str(path.parent)!r}: {error.strerror}") from error


def _pack(file: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an `.npz` file; `numpy.savez` has names of its own that no array can have."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
