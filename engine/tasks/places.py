"""Which source of examples an arm means, and what lies at a place that a person has named."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..arms.arm import BY_TRAINER, COMMON, Arm, with_reference
from ..arms.choices import options_of
from ..errors import InputError
from .augmentation import has_crop

_EXPECTED = (
    "a folder with one sub-folder of images per class, an .npz file, a table (.csv, .tsv, .parquet), a text (.txt), or "
    "a data set that tensorflow-datasets has prepared or Hugging Face's datasets saved"
)
# Endings of texts.
TEXTS = (".txt", ".text")
# Endings of tables, and what lies in a folder to which Hugging Face's `datasets` has saved one part, or several.
TABLES = (".csv", ".tsv", ".parquet")
SAVED_DATASET, SAVED_DATASETS = "dataset_info.json", "dataset_dict.json"
_STATE = "state.json"
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")
_PREPARED = "dataset_info.json"
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
# They change batches and networks, and not the arrays.
_NOT_OF_ARRAYS = ("augment", "crop_padding", "mixup", "gradient_noise")


def choose_source(arm: Arm) -> Arm:
    """Returns the arm with the source of its examples; where only a place is given, its content tells which."""
    if arm.dataset_dir is not None and arm.dataset == COMMON["dataset"].default:
        arm = arm.replace(dataset=_kind_of_place(arm.dataset_dir), dataset_dir=arm.dataset_dir)
    if arm.dataset == BY_TRAINER:
        raise InputError(f"dataset={BY_TRAINER} is what --trainer brings along: give --trainer=path/to/file.py:NAME")
    if arm.crop_padding is not None and not has_crop(arm.augment or "none"):
        raise InputError(f"crop_padding={arm.crop_padding} has no effect with augment={arm.augment or 'none'}")
    return with_reference(arm, "augment")


def source_of(arm: Arm) -> tuple[Any, ...]:
    """Returns everything that the arrays of a resolved arm depend on: arms with equal ones share them."""
    options = options_of("dataset", arm.dataset)
    values = {name: arm.options[name] for name in options if name in arm.options and name not in _NOT_OF_ARRAYS}
    own = (arm.trainer, arm.trainer_args, arm.batch_size) if arm.trainer is not None else ()
    return arm.dataset, *own, arm.control, *sorted(values.items())


def find_place(place: str) -> Path:
    """Returns the path of a place, with `~` expanded; raises InputError where nothing can be read there."""
    if not place.strip() or "\0" in place:
        raise InputError(f"dataset_dir={place!r}: expected a folder or a file")
    path = Path(os.path.expanduser(place))
    try:
        path.stat()
    except OSError as error:
        raise InputError(f"dataset_dir={place!r} cannot be read ({error.strerror}): expected {_EXPECTED}") from None
    if not os.access(path, os.R_OK):
        raise InputError(f"dataset_dir={place!r} cannot be read (permission denied)")
    return path


def _kind_of_place(place: str) -> str:
    path = find_place(place)
    if path.is_dir() and _holds_tables(path):
        return "table"
    if path.is_dir():
        return "prepared" if find_prepared(path) is not None else "folder"
    refuse_pickles(path, place)
    if path.suffix.lower() == ".npz":
        return "arrays"
    if path.suffix.lower() in TEXTS:
        return "text"
    if path.suffix.lower() in TABLES:
        return "table"
    raise InputError(f"dataset_dir={place!r} is a file of another kind: expected {_EXPECTED}")


def _holds_tables(folder: Path) -> bool:
    """Tells whether a folder holds tables and nothing else, or a data set that Hugging Face's package has saved."""
    if (folder / SAVED_DATASETS).is_file() or ((folder / SAVED_DATASET).is_file() and (folder / _STATE).is_file()):
        return True
    try:
        inside = [one for one in folder.iterdir() if not one.name.startswith(".")]
    except OSError:
        return False
    return bool(inside) and all(one.is_file() and one.suffix.lower() in TABLES for one in inside)


@contextlib.contextmanager
def naming_place(place: str) -> Iterator[None]:
    """Puts the place before the message of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"dataset_dir={place!r}: {error}") from None


def refuse_pickles(path: Path, place: str) -> None:
    """Raises InputError for a file whose name says that reading it would execute its content."""
    if path.suffix.lower() in _PICKLES:
        raise InputError(
            f"dataset_dir={place!r} is a pickle, which can execute anything when it is read: "
            f"expected an .npz file, as numpy.savez('data.npz', x=…, y=…) writes it"
        )


def find_prepared(path: Path) -> Path | None:
    """Returns the newest prepared data set at or below a path, or `None`; raises InputError for several data sets."""
    if (path / _PREPARED).is_file():
        return path
    versions = _versions(path)
    if not versions:
        found = [inner for inner in map(_versions, _folders(path)) if inner]
        if len(found) > 1:
            names = ", ".join(sorted(one[0].parent.name for one in found)[:5])
            raise InputError(
                f"dataset_dir={str(path)!r} holds {len(found)} prepared data sets ({names}): name one of them"
            )
        versions = found[0] if found else []
    return max(versions, key=lambda version: tuple(map(int, version.name.split("."))), default=None)


def _folders(path: Path) -> list[Path]:
    try:
        return [inner for inner in path.iterdir() if inner.is_dir()]
    except OSError:
        return []


def _versions(path: Path) -> list[Path]:
    return [inner for inner in _folders(path) if _VERSION.fullmatch(inner.name) and (inner / _PREPARED).is_file()]
