"""Arrays in an `.npz` file that may come from a stranger: nothing in it is executed."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import InputError, one_line, some_of
from engine.tasks.reading import check_memory

_SUFFIX = ".npy"
_LONGEST_REASON = 80
_NUMBERS_AND_TEXT = "biufUS"


class ArrayInfo(NamedTuple):
    """What the head of an array says."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Npz:
    """An open `.npz` file.

    Args:
        path: of the file.

    Attributes:
        arrays: what there is, by name.

    Raises:
        InputError: it is no such file, or the head of an array is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"it cannot be read as an .npz file ({_reason(error)}): expected one that numpy.savez has written"
            ) from None
        self._members = {
            info.filename.removesuffix(_SUFFIX): info
            for info in self._file.infolist()
            if info.filename.endswith(_SUFFIX)
        }
        try:
            self.arrays = {name: self._head(name) for name in self._members}
        except InputError:
            self._file.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _head(self, name: str) -> ArrayInfo:
        info = self._members[name]
        with _naming(name), self._file.open(info) as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
                version
            )
            if read is None:
                raise ValueError(f"format {version[0]}.{version[1]}")
            shape, _, dtype = read(file)
            num_bytes = info.file_size - file.tell()
        found = ArrayInfo(shape, dtype)
        is_whole = all(type(length) is int and length >= 0 for length in shape)
        if not dtype.hasobject and not (is_whole and math.prod(shape) * dtype.itemsize == num_bytes):
            raise InputError(f"array {_shown(name)} is damaged: its size is not what its head says")
        return found

    def read(self, name: str) -> np.ndarray:
        """An array of numbers or text.

        Raises:
            InputError: it holds Python objects or anything else, is damaged, or is larger than the
                memory.
        """
        shape, dtype = self.arrays[name]
        if dtype.hasobject:
            raise InputError(
                f"array {_shown(name)} holds pickled Python objects, which can execute anything "
                f"when they are read: expected numbers or text, so save it with another dtype"
            )
        if dtype.kind not in _NUMBERS_AND_TEXT:
            raise InputError(f"array {_shown(name)} is of type {dtype}: expected numbers or text")
        check_memory(math.prod(shape) * dtype.itemsize, f"the numbers of array {_shown(name)}")
        with _naming(name), self._file.open(self._members[name]) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def describe(self) -> str:
        """Every array with its shape and type, for a message."""
        listed = [f"{_shown(n)} {a.dtype} {list(a.shape)}" for n, a in self.arrays.items()]
        return some_of(listed, _MOST_LISTED)


_MOST_LISTED = 8


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged archive makes its readers raise anything
        raise InputError(f"array {_shown(name)} cannot be read ({_reason(error)})") from None


def _shown(name: str) -> str:
    return repr(one_line(name)[:_LONGEST_REASON])


def _reason(error: Any) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(words)[:_LONGEST_REASON]
