"""`arrays`: named arrays in a NumPy file (--dataset_dir=FILE.npz), classes or values to predict.

Names such as `x` and `y` or `x_train`, `y_train`, `x_test` and `y_test` tell which array is which, unless
--input_arrays and --target_arrays do. The type of the targets decides whether they are classes, unless --target_kind
does. Several inputs of one target are named by --input_arrays, or begin with `x.` (`x_train.`, `x_test.`); the network
gets them by what follows. With --reconstruct no target is needed. Pickles are refused. Without test arrays a stratified
fifth is held out, by the hash of an example's position.
"""

import contextlib
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, one_line, some_of
from .array_names import Names, find_names
from .examples import Examples, arrays_of_several, make_arrays, refuse_fraction, with_channels
from .options import ARRAY_OPTIONS, DATASET_DIR, EXAMPLE_OPTIONS
from .passes import array_task
from .places import find_place, naming_place, refuse_pickles
from .reading import Reading, check_memory, reason_of
from .targets import make_targets, stand_in

OPTIONS = (DATASET_DIR, *EXAMPLE_OPTIONS, *ARRAY_OPTIONS)
build = array_task

_ROWS_AT_ONCE = 4096
_LONGEST_NAME = 80
_MOST_LISTED = 8
_NUMBERS_AND_TEXT = "biufUS"


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
            parts = find_names(file, arm, reading)
            if len(parts) == 2:
                refuse_fraction(arm, "it has test arrays, which")
            inputs = [{label: file.read(name) for label, name in part.inputs.items()} for part in parts]
            targets = [None if part.target is None else file.read(part.target) for part in parts]
        for part, own, target in zip(parts, inputs, targets, strict=True):
            _check_lengths(part, own, target)
        joined = {label: _joined([own[label] for own in inputs], "inputs") for label in inputs[0]}
        number, first = (len(next(iter(one.values()))) for one in (joined, inputs[0]))
        is_held_out = np.arange(number) >= first if len(parts) == 2 else None
        made = stand_in(number)
        if parts[0].target is not None:
            whole = _joined([target for target in targets if target is not None], "targets")
            made = make_targets(whole, parts[0].target, arm.target_kind, reading)
        checked = {label: _checked(array, parts[0].inputs[label]) for label, array in joined.items()}
        if len(checked) > 1:
            return arrays_of_several(arm, checked, made, is_held_out, reading)
        shaped = with_channels(next(iter(checked.values())), arm.channels, reading)
        return make_arrays(arm, Examples(shaped, *made, is_held_out), reading)


def _check_lengths(names: Names, inputs: Mapping[str, np.ndarray], target: np.ndarray | None) -> None:
    """Raises InputError where inputs and target are not of equally many examples."""
    (first, other), *_ = zip(names.inputs.values(), inputs.values(), strict=True)
    beside = f"inputs {first!r}"
    if target is not None:
        beside, other = f"targets {names.target!r}", target
    for label, array in inputs.items():
        if not array.ndim or not other.ndim or len(array) != len(other):
            raise InputError(
                f"inputs {names.inputs[label]!r} have the shape {list(array.shape)}, {beside} {list(other.shape)}: "
                f"expected as many of the one as of the other"
            )


def _joined(arrays: Sequence[np.ndarray], what: str) -> np.ndarray:
    """Puts what is trained on and what is held out end to end; raises InputError where they are of different kinds."""
    # What is to be predicted may be counted in one type here and in another there.
    types = [one.dtype if what == "inputs" else "i" if one.dtype.kind in "biu" else one.dtype.kind for one in arrays]
    if len({(one.shape[1:], kind) for one, kind in zip(arrays, types, strict=True)}) > 1:
        raise InputError(f"{what} to train on and held out are not of one shape and type")
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


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
