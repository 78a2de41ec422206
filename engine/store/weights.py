"""The weights of chosen runs at their end, a safetensors file for each."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..errors import InputError, one_line, unknown_name
from .files import make_folder, write_atomically, writing
from .workdir import WorkDirectory

_FOLDER = "weights"
_ABOUT = "plateau"


class Weights(NamedTuple):
    """The variables of a network after some steps of a run, by path."""

    arm: str
    seed: int
    step: int
    arrays: dict[str, np.ndarray]

    @property
    def variables(self) -> dict[str, Any]:
        """The same as nested dictionaries."""
        tree: dict[str, Any] = {}
        for path, array in self.arrays.items():
            *folders, name = path.split("/")
            place = tree
            for folder in folders:
                place = place.setdefault(folder, {})
            place[name] = array
        return tree


def _path(directory: WorkDirectory, arm: str, seed: int) -> Path:
    number = directory.document["arm_order"].index(arm)
    return directory.path / _FOLDER / f"arm{number}_seed{seed}.safetensors"


def write_weights(directory: WorkDirectory, weights: Weights) -> None:
    """Writes the weights of a run; raises `StorageError` where that fails."""
    path = _path(directory, weights.arm, weights.seed)
    with writing(path.parent):
        make_folder(path.parent)
    about = {"arm": weights.arm, "seed": weights.seed, "step": weights.step}
    arrays = {name: np.asarray(array, order="C") for name, array in weights.arrays.items()}
    write_atomically(path, save(arrays, {_ABOUT: json.dumps(about)}))


def read_weights(directory: WorkDirectory, arm: str, seed: int) -> Weights:
    """Reads the weights of a run.

    Raises:
        InputError: there is no such arm, they were not kept, or the file is damaged.
    """
    names = directory.document["arm_order"]
    if arm not in names:
        raise unknown_name("arm", arm, names)
    path = _path(directory, arm, seed)
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[_ABOUT])
            arrays = {name: file.get_tensor(name) for name in list(file.keys())}
        if (about["arm"], about["seed"]) != (arm, seed):
            raise ValueError(f"it is of {about['arm']!r}, seed {about['seed']}")
        return Weights(arm, seed, int(about["step"]), arrays)
    except FileNotFoundError:
        raise InputError(
            f"the weights of {arm!r}, seed {seed}, were not kept: give --keep={seed + 1} before that run is over"
        ) from None
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {one_line(str(error))}") from error
