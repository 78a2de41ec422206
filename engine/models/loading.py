"""Weights that runs start from, read from a file: what fits the network by name and shape, and nothing else."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors import safe_open

from ..arms.arm import Arm
from ..errors import InputError
from ..tasks.reading import reason_of
from ..user_code import as_path, without_home
from .initial import leaf_names

_ENDINGS = (".safetensors", ".npz")
_EXPECTED = "a .safetensors or an .npz file with an array for each name"
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


def fingerprint_of(arm: Arm) -> str | None:
    """Returns the SHA-256 of the file that an arm starts from; raises InputError where it cannot be read."""
    if arm.start_from is None:
        return None
    try:
        with open(as_path(arm.start_from), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"start_from={arm.start_from!r} cannot be read ({error.strerror}): expected {_EXPECTED}"
        ) from None


def load_start(arm: Arm, params: Any, state: Any) -> Loaded | None:
    """Reads the weights that an arm starts from, for trees of shapes; `None` where it names none.

    Names are compared without the separators of a library, `/` or `.`; where none is the same, also without what only
    says where they are kept, such as `params`, if that tells one of the file from one of the network.

    Raises InputError where the file cannot be read, holds nothing of the network, or what has no place in it.
    """
    if arm.start_from is None:
        return None
    arrays = _read(arm.start_from)
    paths = [leaf_names(tree) for tree in (params, state)]
    name_of = _matched([*arrays], [path for own in paths for path in own])
    fresh, found = list[str](), list[list[np.ndarray | None]]()
    for own, tree in zip(paths, (params, state), strict=True):
        read: list[np.ndarray | None] = []
        for path, leaf in zip(own, jax.tree.leaves(tree), strict=True):
            array = arrays[name_of[path]] if path in name_of else None
            if array is None or array.shape != leaf.shape:
                name_of.pop(path, None)
                fresh.append(path)
                read.append(None)
            else:
                read.append(_cast(array, leaf.dtype, f"start_from={arm.start_from!r}: {name_of[path]}"))
        found.append(read)
    if not name_of:
        raise InputError(
            f"start_from={arm.start_from!r} holds nothing of model={arm.model}: its arrays are {_few([*arrays])}, and "
            f"those of the network {_few(fresh)}"
        )
    unused = tuple(name for name in arrays if name not in name_of.values())
    return Loaded(found[0], found[1], tuple(fresh), unused)


def _matched(names: Sequence[str], paths: Sequence[str]) -> dict[str, str]:
    """Returns the name in the file of each path of a network for which there is one."""
    whole = {_with_slashes(name): name for name in names}
    found = {path: whole[path] for path in paths if path in whole}
    others = [name for name in names if name not in found.values()], [path for path in paths if path not in found]
    theirs, ours = (Counter(map(_plain, own)) for own in others)
    plain = {_plain(name): name for name in others[0]}
    for path in others[1]:
        key = _plain(path)
        if theirs[key] == ours[key] == 1:
            found[path] = plain[key]
    return found


def _cast(array: np.ndarray, dtype: Any, who: str) -> np.ndarray:
    """Returns an array in the type of the network's; raises InputError where it is none of finite numbers."""
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise InputError(f"{who} is of type {array.dtype}: expected numbers")
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if not np.all(np.isfinite(cast.astype(np.float32))):
        raise InputError(f"{who} has a number that is missing or too large: expected finite numbers everywhere")
    return cast


def put_in(tree: Any, loaded: list[Any]) -> Any:
    """Returns a tree with those leaves that were read in their places."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, [own if new is None else new for own, new in zip(leaves, loaded, strict=True)])


def _read(place: str) -> dict[str, np.ndarray]:
    path = as_path(place)
    if not path.is_file():
        raise InputError(f"start_from={place!r}: there is no such file")
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        # Flax knows the half precision that NumPy does not.
        with safe_open(path, framework="flax") as file:
            return {name: np.asarray(file.get_tensor(name)) for name in list(file.keys())}
    except Exception as error:  # a damaged file makes its readers raise anything
        raise InputError(f"start_from={place!r} cannot be read ({reason_of(error)}): expected {_EXPECTED}") from None


def _with_slashes(name: str) -> str:
    return "/".join(part for part in re.split(r"[/.]", name) if part)


def _plain(name: str) -> str:
    """Returns a name with slashes, without its outermost parts that say where it is kept."""
    parts = _with_slashes(name).split("/")
    while len(parts) > 1 and parts[0] in _OUTER:
        del parts[0]
    return "/".join(parts)


def _few(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
