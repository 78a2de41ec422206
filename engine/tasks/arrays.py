"""`arrays`: named arrays in a NumPy file (--dataset_dir=FILE.npz), classes or values to predict.

Names such as `x` and `y` or `x_train`, `y_train`, `x_test` and `y_test` tell which array is which, unless
--input_arrays and --target_arrays do. The type of the targets decides whether they are classes, unless --target_kind
does. Several inputs of one target are named by --input_arrays, or begin with `x.`; the network gets them by what
follows. Pickles are refused. Without test arrays a stratified fifth is held out, by the hash of an example's position.
"""

import contextlib
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..arms.given_arrays import PART_OF_INPUTS
from ..errors import InputError, one_line, some_of
from .examples import (
    HELD_OUT_PARTS,
    TRAINING_PARTS,
    Examples,
    arrays_of_several,
    make_arrays,
    refuse_fraction,
    with_channels,
)
from .options import ARRAY_OPTIONS, DATASET_DIR, EXAMPLE_OPTIONS
from .passes import array_task
from .places import find_place, naming_place, refuse_pickles
from .reading import Reading, check_memory, reason_of
from .targets import make_targets

OPTIONS = (DATASET_DIR, *EXAMPLE_OPTIONS, *ARRAY_OPTIONS)
build = array_task

_ROLES = {
    "input_arrays": ("x", "input", "inputs", "image", "images", "data", "feature", "features"),
    "target_arrays": ("y", "t", "label", "labels", "target", "targets", "class", "classes"),
}
_ROWS_AT_ONCE = 4096
_LONGEST_NAME = 80
_MOST_LISTED = 8
_NUMBERS_AND_TEXT = "biufUS"


class Names(NamedTuple):
    """Names of arrays: one of each, or one for training and one held out."""

    inputs: Sequence[str]
    targets: Sequence[str]


class Npz(contextlib.AbstractContextManager):
    """An open `.npz` file with arrays of some `names`, of which nothing is executed."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"it cannot be read as an .npz file ({reason_of(error)}): expected one that numpy.savez has written"
            ) from None
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist() if name.endswith(".npy")]

    def __exit__(self, *exception: object) -> None:
        self._zip.close()

    def read(self, name: str) -> np.ndarray:
        """Returns an array of numbers or text; raises InputError for another, damaged or too large one."""
        shape, dtype, size = self._head(name)
        if dtype.hasobject:
            raise InputError(
                f"array {_shown(name)} holds pickled Python objects, which can execute anything "
                f"when they are read: expected numbers or text, so save it with another dtype"
            )
        if dtype.kind not in _NUMBERS_AND_TEXT:
            raise InputError(f"array {_shown(name)} is of type {dtype}: expected numbers or text")
        if math.prod(shape) * dtype.itemsize != size:
            raise InputError(f"array {_shown(name)} is damaged: its size is not what its head says")
        check_memory(size, f"the numbers of array {_shown(name)}")
        with self._open(name) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def describe(self) -> str:
        """Returns every array with its type and shape, for a message."""
        heads = ((name, *self._head(name)) for name in self.names)
        return some_of([f"{_shown(name)} {dtype} {list(shape)}" for name, shape, dtype, _ in heads], _MOST_LISTED)

    def _head(self, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
        """Returns an array's shape, its type, and how many bytes follow that head."""
        with self._open(name) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            return shape, dtype, self._zip.getinfo(f"{name}.npy").file_size - file.tell()

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[zipfile.ZipExtFile]:
        try:
            with self._zip.open(f"{name}.npy") as file:
                yield file  # type: ignore[misc]
        except Exception as error:  # a damaged archive makes its readers raise anything
            raise InputError(f"array {_shown(name)} cannot be read ({reason_of(error)})") from None


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of `engine.tasks.examples`, in the order of the file."""
    place = find_place(arm.dataset_dir)
    refuse_pickles(place, arm.dataset_dir)
    if not place.is_file():
        raise InputError(f"dataset_dir={arm.dataset_dir!r}: expected an .npz file")
    with naming_place(arm.dataset_dir):
        with Npz(place) as file:
            names = _find_names(file, arm, reading)
            if len(names.inputs) > len(names.targets):
                return _of_several(arm, file, names, reading)
            parts = [(file.read(x), file.read(y)) for x, y in zip(*names, strict=True)]
        if len(parts) == 2:
            refuse_fraction(arm, "it has test arrays, which")
        return make_arrays(arm, _examples(arm, names, parts, reading), reading)


def _find_names(file: Npz, arm: Arm, reading: Reading) -> Names:
    """Returns which arrays are inputs and targets, as requested or by their names."""
    found = []
    for role, words in _ROLES.items():
        asked = getattr(arm, role)
        for name in asked or ():
            if name not in file.names:
                raise InputError(f"there is no array {name!r}: there are {file.describe()}")
        found.append(list(asked) if asked else _guess(file, words))
    if not (arm.input_arrays or arm.target_arrays) and file.names == ["arr_0", "arr_1"]:
        found = [["arr_0"], ["arr_1"]]
    names = Names(*found)
    if len(names.targets) == 1 and len(names.inputs) > 1:
        return names
    if not names.inputs or len(names.inputs) != len(names.targets):
        raise InputError(
            f"it is not clear which arrays are inputs and which are targets: there are "
            f"{file.describe() or 'none'}; give --input_arrays and --target_arrays"
        )
    if not (arm.input_arrays and arm.target_arrays):
        pairs = [f"{x!r} → {y!r}" for x, y in zip(*names, strict=True)]
        unread = [repr(name) for name in file.names if name not in {*names.inputs, *names.targets}]
        left = f"; {', '.join(unread[:5])} not read" if unread else ""
        parts = " to train on, " if len(pairs) == 2 else ""
        reading.tell(f"by their names: {parts.join(pairs)}{' held out' if parts else ''}{left}")
    return names


def _guess(file: Npz, words: Sequence[str]) -> list[str]:
    """Returns the arrays of a role: the only one, or training and held-out; none where it is not clear.

    Several inputs are those whose names begin with `PART_OF_INPUTS`.
    """
    several = [name for name in file.names if name.startswith(PART_OF_INPUTS)]
    if several and PART_OF_INPUTS.rstrip(".") in words:
        return several
    by_part: dict[str, list[str]] = {}
    for name in file.names:
        pieces = [piece for piece in re.split(r"[^a-z0-9]+", name.lower()) if piece]
        parts = [piece for piece in pieces if piece in (*TRAINING_PARTS, *HELD_OUT_PARTS)]
        num_roles = sum(piece in words for piece in pieces)
        if num_roles == 1 and len(parts) <= 1 and len(pieces) == 1 + len(parts):
            part = parts[0] if parts else ""
            by_part.setdefault("train" if part in TRAINING_PARTS else part, []).append(name)
    if any(len(names) > 1 for names in by_part.values()) or {"", "train"} <= by_part.keys():
        return []
    held_out = next((by_part[part][0] for part in HELD_OUT_PARTS if part in by_part), None)
    if "" in by_part:
        return by_part[""] if held_out is None else []
    if "train" not in by_part:
        return []
    return [*by_part["train"], *([held_out] if held_out else [])]


def _examples(arm: Arm, names: Names, parts: Sequence[tuple[np.ndarray, np.ndarray]], reading: Reading) -> Examples:
    for x, y, (inputs, targets) in zip(*names, parts, strict=True):
        if not inputs.ndim or not targets.ndim or len(inputs) != len(targets):
            raise InputError(
                f"inputs {x!r} have the shape {list(inputs.shape)}, targets {y!r} "
                f"{list(targets.shape)}: expected as many of the one as of the other"
            )
    if len({(x.shape[1:], x.dtype) for x, _ in parts}) > 1:
        raise InputError("inputs to train on and held out are not of one shape and type")
    if len({(y.shape[1:], "i" if y.dtype.kind in "biu" else y.dtype.kind) for _, y in parts}) > 1:
        raise InputError("targets to train on and held out are not of one shape and type")
    inputs, targets = (part[0] if len(part) == 1 else np.concatenate(part) for part in zip(*parts, strict=True))
    is_held_out = np.arange(len(inputs)) >= len(parts[0][0]) if len(parts) == 2 else None
    made = make_targets(targets, names.targets[0], arm.target_kind, reading)
    shaped = with_channels(_checked(inputs, names.inputs[0]), arm.channels, reading)
    return Examples(shaped, *made, is_held_out)


def _of_several(arm: Arm, file: Npz, names: Names, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of several inputs, which the network gets by the names of their arrays."""
    (target,) = names.targets
    targets = file.read(target)
    inputs = {name.removeprefix(PART_OF_INPUTS): file.read(name) for name in names.inputs}
    for name, array in inputs.items():
        if not array.ndim or not targets.ndim or len(array) != len(targets):
            raise InputError(
                f"inputs {name!r} have the shape {list(array.shape)}, targets {target!r} {list(targets.shape)}: "
                f"expected as many of the one as of the other"
            )
    made = make_targets(targets, target, arm.target_kind, reading)
    checked = {name: _checked(array, name) for name, array in inputs.items()}
    return arrays_of_several(arm, checked, made, None, reading)


def _checked(inputs: np.ndarray, name: str) -> np.ndarray:
    if inputs.dtype.kind not in "biuf" or not inputs.size:
        raise InputError(f"inputs {name!r} are {inputs.dtype} {list(inputs.shape)}: expected numbers")
    if inputs.dtype.kind == "f":
        for first in range(0, len(inputs), _ROWS_AT_ONCE):
            rows = inputs[first : first + _ROWS_AT_ONCE].reshape(-1, inputs[0].size)
            with np.errstate(over="ignore"):
                is_right = np.isfinite(rows.astype(np.float32)).all(axis=1)
            if not is_right.all():
                row = first + int(np.argmin(is_right))
                raise InputError(
                    f"inputs {name!r} have a number that is missing or not finite in row {row}: "
                    f"expected finite numbers everywhere"
                )
    return inputs


def _shown(name: str) -> str:
    return repr(one_line(name)[:_LONGEST_NAME])
