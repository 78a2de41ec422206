"""Keeps unfinished runs on disk, in safetensors files named by the hash of their bytes.

A file holds what a worker hands in at a time, until every run in it is over or was kept at a later step.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import counted
from ..outcomes.row import RUN_KEY
from .files import digest, digest_of_file, make_folder, remove, write_atomically, writing

_SUFFIX = ".safetensors"
_VERSION = 1
_ABOUT = "plateau"

Key = tuple[Any, ...]


class Kept(NamedTuple):
    """A run as it was kept: the step it had reached, and all arrays that it needs to go on, by path."""

    step: int
    arrays: dict[str, np.ndarray]


class _Place(NamedTuple):
    """Where a run is kept: its number in a file."""

    path: Path
    number: int
    step: int


class CheckpointFolder:
    """The checkpoints of a study, in a folder that is made when something is kept.

    Args:
        origin: digest of all that the runs' bits depend on. Runs of another origin start again,
            because nobody could reproduce them otherwise.
    """

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin
        self._places: dict[Key, _Place] = {}

    def open(self, set_aside: Callable[[Path, str], None], notify: Callable[[str], None]) -> None:
        """Finds what an earlier launch has left.

        Args:
            set_aside: called with each damaged file and the reason.
            notify: called with one line if runs have to start again.
        """
        num_elsewhere, sound = 0, []
        for path in sorted(self._path.glob(f"*{_SUFFIX}")):
            try:
                origin, runs = _read_header(path)
            except ValueError as error:
                set_aside(path, str(error))
                continue
            if origin != self._origin:
                num_elsewhere += len(runs)
                remove(path)
                continue
            sound.append(path)
            for index, (key, step) in enumerate(runs):
                if key not in self._places or self._places[key].step < step:
                    self._places[key] = _Place(path, index, step)
        self._remove_unused(sound)
        if num_elsewhere:
            reasons = "other versions, sources or on another kind of device"
            were_kept = counted(num_elsewhere, "run under way was", "runs under way were")
            notify(f"{were_kept} kept with {reasons}, and will start again")

    def steps(self) -> dict[Key, int]:
        """Returns the step at which each run is kept, by its `RUN_KEY`."""
        return {key: place.step for key, place in self._places.items()}

    def keep(self, runs: Sequence[tuple[Key, Kept]]) -> None:
        """Stores runs by their `RUN_KEY`, and removes files that nobody needs any more; raises `StorageError`."""
        with writing(self._path):
            make_folder(self._path)
        tensors = {
            f"{index}/{name}": np.asarray(array, order="C")
            for index, (_, kept) in enumerate(runs)
            for name, array in kept.arrays.items()
        }
        about = {"version": _VERSION, "origin": self._origin, "runs": [[list(key), kept.step] for key, kept in runs]}
        content = save(tensors, {_ABOUT: json.dumps(about)})
        path = self._path / f"{digest(content)}{_SUFFIX}"
        write_atomically(path, content)
        before = {self._places[key].path for key, _ in runs if key in self._places}
        for index, (key, kept) in enumerate(runs):
            self._places[key] = _Place(path, index, kept.step)
        self._remove_unused(before - {path})

    def find(self, key: Key) -> Kept | None:
        """Returns a run as it was last kept, or None."""
        place = self._places.get(key)
        if place is None:
            return None
        prefix = f"{place.number}/"
        try:
            with safe_open(place.path, framework="numpy") as file:
                own = (name for name in list(file.keys()) if name.startswith(prefix))
                return Kept(place.step, {name.removeprefix(prefix): file.get_tensor(name) for name in own})
        except (OSError, SafetensorError):
            return None

    def forget(self, keys: Iterable[Key]) -> None:
        """Removes runs that are stored as finished."""
        self._remove_unused({self._places.pop(key).path for key in keys if key in self._places})

    def _remove_unused(self, paths: Iterable[Path]) -> None:
        used = {place.path for place in self._places.values()}
        for path in set(paths) - used:
            remove(path)
        if not used and self._path.is_dir() and not any(self._path.iterdir()):
            # Empty as it is, it may stay where it cannot be removed.
            with contextlib.suppress(OSError):
                self._path.rmdir()


def _read_header(path: Path) -> tuple[str, list[tuple[Key, int]]]:
    """Reads the origin of a checkpoint file, and the keys and steps of its runs; raises `ValueError` if it is none."""
    try:
        if digest_of_file(path) != path.stem:
            raise ValueError("its bytes do not match its name")
        with safe_open(path, framework="numpy") as tensors:
            about = json.loads((tensors.metadata() or {})[_ABOUT])
        if about["version"] != _VERSION:
            raise ValueError(f"it has version {about['version']}, this release reads {_VERSION}")
        return str(about["origin"]), [_checked(entry) for entry in about["runs"]]
    except ValueError:
        raise
    except (OSError, SafetensorError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it is not a checkpoint ({error})") from None


def _checked(entry: Any) -> tuple[Key, int]:
    (arm, *seeds), step = entry
    numbers = [step, *(seed for seed in seeds if seed is not None)]
    is_whole = all(type(number) is int and number >= 0 for number in numbers)
    if not (isinstance(arm, str) and len(seeds) == len(RUN_KEY) - 1 and is_whole):
        raise ValueError("it names no runs")
    return (arm, *seeds), step
