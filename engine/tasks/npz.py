"""Reads arrays from an `.npz` file that may come from a stranger: nothing in it is executed."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.errors import InputError, one_line, some_of
from engine.tasks.reading import check_memory

_LONGEST_REASON = 80
_MOST_LISTED = 8
_NUMBERS_AND_TEXT = "biufUS"


class Npz(contextlib.AbstractContextManager):
    """An open `.npz` file with arrays of some `names`; raises InputError where the path is none."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(
                f"it cannot be read as an .npz file ({_reason(error)}): expected one that numpy.savez has written"
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
            raise InputError(f"array {_shown(name)} cannot be read ({_reason(error)})") from None


def _shown(name: str) -> str:
    return repr(one_line(name)[:_LONGEST_REASON])


def _reason(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(words)[:_LONGEST_REASON]
