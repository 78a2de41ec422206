"""Weights that runs start from, read from a file: what fits the network by name and shape, and nothing else."""

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors import SafetensorError, safe_open

from ..arms.arm import Arm
from ..errors import InputError, one_line
from ..user_code import as_path, without_home
from .initial import leaf_names

_ENDINGS = (".safetensors", ".npz")
# Parts of a name that say where an array is kept, and not what it is.
_OUTER = {"params", "state", "model", "module", "model_state", "state_dict", "_orig_mod", "batch_stats"}
_FEW = 4


class Loaded(NamedTuple):
    """What of a network is read: by leaf of its parameters and of its state, arrays or `None`.

    `fresh` names what starts anew, `unused` what of the file has no place in the network.
    """

    params: list[np.ndarray | None]
    state: list[np.ndarray | None]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def words(self) -> str:
        """Says what starts from the file, and what anew."""
        number = len(self.params) + len(self.state)
        words = f"{number - len(self.fresh)} of the network's {number} arrays start from the file"
        if self.fresh:
            words += f"; anew start {_few(self.fresh)}"
        return words + (f"; not used are {_few(self.unused)}" if self.unused else "")


def choose_start(arm: Arm) -> Arm:
    """Returns the arm with the place of its weights as it is stored; raises InputError where it is no such file."""
    if arm.start_from is None:
        return arm
    if Path(arm.start_from).suffix.lower() not in _ENDINGS:
        raise InputError(
            f"start_from={arm.start_from!r}: expected a .safetensors or an .npz file; "
            f"safetensors.torch.save_file(state_dict, 'weights.safetensors') writes one from PyTorch"
        )
    return arm.replace(start_from=without_home(as_path(arm.start_from)))


def fingerprint(place: str) -> str:
    """Returns the SHA-256 of a file of weights; raises InputError where it cannot be read."""
    try:
        with open(as_path(place), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"start_from={place!r} cannot be read: {error.strerror}") from None


def load_start(arm: Arm, params: Any, state: Any) -> Loaded | None:
    """Reads the weights that an arm starts from, for trees of shapes; `None` where it names none.

    Names are compared without the separators of a library, `/` or `.`, and without what only says where they are kept,
    such as `params`. Raises InputError where the file cannot be read, or holds nothing of the network.
    """
    if arm.start_from is None:
        return None
    arrays = {_plain(name): (name, array) for name, array in _read(arm.start_from).items()}
    used, fresh, found = set[str](), list[str](), list[list[np.ndarray | None]]()
    for tree in (params, state):
        own: list[np.ndarray | None] = []
        for path, leaf in zip(leaf_names(tree), jax.tree.leaves(tree), strict=True):
            name, array = arrays.get(_plain(path), ("", None))
            if array is None or array.shape != leaf.shape:
                fresh.append(path)
                own.append(None)
            else:
                used.add(name)
                own.append(array.astype(leaf.dtype))
        found.append(own)
    if not used:
        theirs, ours = ([name for name, _ in arrays.values()], fresh)
        raise InputError(
            f"start_from={arm.start_from!r} holds nothing of model={arm.model}: its arrays are {_few(theirs)}, and "
            f"those of the network {_few(ours)}"
        )
    unused = tuple(name for name, _ in arrays.values() if name not in used)
    return Loaded(found[0], found[1], tuple(fresh), unused)


def put_in(tree: Any, loaded: list[Any]) -> Any:
    """Returns a tree with those leaves that were read in their places."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [own if new is None else new for own, new in zip(leaves, loaded, strict=True)])


def _read(place: str) -> dict[str, np.ndarray]:
    path = as_path(place)
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        # Flax knows the half precision that NumPy does not.
        with safe_open(path, framework="flax") as file:
            return {name: np.asarray(file.get_tensor(name)) for name in list(file.keys())}
    except OSError as error:
        raise InputError(f"start_from={place!r} cannot be read: {error.strerror or one_line(str(error))}") from None
    except (SafetensorError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise InputError(f"start_from={place!r} cannot be read: {one_line(str(error))}") from None


def _plain(name: str) -> str:
    """Returns a name with slashes, without its outermost parts that say where it is kept."""
    parts = [part for part in re.split(r"[/.]", name) if part]
    while len(parts) > 1 and parts[0] in _OUTER:
        del parts[0]
    return "/".join(parts)


def _few(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
