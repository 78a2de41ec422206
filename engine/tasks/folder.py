"""`folder`: your own images, one sub-folder per class (--dataset_dir=FOLDER).

Classes are the sub-folders, in the order of their names. Their images may lie in folders below. Names that begin with a
dot are ignored; links are followed to files and to the folders of classes. For kinds of images see
`engine.tasks.images`.

A fifth is held out, by the hash of each file's name below the folder (class included), so adding files moves no other.
A folder that holds `train` beside `test`, `val` or the like has made that choice already.
"""

import hashlib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, counted
from .examples import HELD_OUT_PARTS, TRAINING_PARTS, Examples, held_out_fraction, make_arrays, refuse_fraction
from .images import Images, read_images
from .options import DATASET_DIR, EXAMPLE_OPTIONS, IMAGE_OPTIONS
from .passes import array_task
from .places import find_place, naming_place
from .reading import Reading

OPTIONS = (DATASET_DIR, *EXAMPLE_OPTIONS, *IMAGE_OPTIONS)
build = array_task

_LEFT_BEHIND = ("thumbs.db", "desktop.ini", "__macosx")


class ImageFile(NamedTuple):
    """A possible image, named below the folder; `is_held_out` is `None` where the hash of its name decides."""

    path: Path
    name: str
    class_name: str
    is_held_out: bool | None


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of `engine.tasks.examples`, in the order of the files' names."""
    place = find_place(arm.dataset_dir)
    if not place.is_dir():
        raise InputError(f"dataset_dir={arm.dataset_dir!r} is a file: expected a folder")
    with naming_place(arm.dataset_dir):
        files = find_files(place, reading)
        if files[0].is_held_out is not None:
            refuse_fraction(arm, "its layout")
        images = read_images([f.path for f in files], [f.name for f in files], arm, reading)
        return make_arrays(arm, _examples(arm, files, images, reading), reading)


def find_files(place: Path, reading: Reading) -> list[ImageFile]:
    """Returns every file that may be an image, in the order of their names; raises InputError where there is none."""
    folders, stray = _inside(place)
    by_name = {folder.name.lower(): folder for folder in folders}
    training = next((by_name[name] for name in TRAINING_PARTS if name in by_name), None)
    held_out = next((by_name[name] for name in HELD_OUT_PARTS if name in by_name), None)
    if training is None or held_out is None:
        found = _class_files(place, place, None, reading)
    else:
        found = _class_files(place, training, False, reading) + _class_files(place, held_out, True, reading)
        reading.tell(f"what is in {held_out.name!r} is held out")
        left = [f.name for f in folders if f not in (training, held_out)]
        if left:
            reading.caution(f"{counted(len(left), 'folder')} left out, beside {training.name!r}", left)
    if not found:
        lying = f", but {counted(len(stray), 'file')} beside each other" if stray else ""
        raise InputError(f"no files in sub-folders{lying}: expected one sub-folder per class")
    if stray:
        reading.caution(f"{counted(len(stray), 'file')} left out, in no sub-folder", stray)
    return sorted(found, key=lambda file: file.name)


def is_held_out(name: str, fraction: float) -> bool:
    """Tells whether a file is held out, by the hash of its name below the folder."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def _class_files(place: Path, part: Path, is_part_held_out: bool | None, reading: Reading) -> list[ImageFile]:
    found, empty, linked = list[ImageFile](), [], []
    for folder in _inside(part)[0]:
        if folder.is_symlink():
            _check_link(folder, place)
        paths = list(_walk(folder))
        linked += [_below(place, path) for path in paths if folder.is_symlink() or path.is_symlink()]
        found += [ImageFile(path, _below(place, path), _below(part, folder), is_part_held_out) for path in paths]
        if not paths:
            empty.append(_below(place, folder))
    if empty and found:
        reading.caution(f"{counted(len(empty), 'folder')} left out, empty", empty)
    if linked:
        reading.caution(f"{counted(len(linked), 'file')} taken from elsewhere, through links", linked)
    return found


def _check_link(folder: Path, place: Path) -> None:
    """Raises InputError where a sub-folder is a link to one that holds the whole data, such as /."""
    target = folder.resolve()
    if place.resolve().is_relative_to(target):
        raise InputError(f"sub-folder {folder.name!r} is a link to {str(target)!r}, which holds this folder itself")


def _below(place: Path, path: Path) -> str:
    # Composed, because some systems decompose the names of files.
    return unicodedata.normalize("NFC", path.relative_to(place).as_posix())


def _inside(folder: Path) -> tuple[list[Path], list[str]]:
    try:
        entries = [folder / name for name in sorted(os.listdir(folder)) if not _is_hidden(name)]
    except OSError as error:
        raise InputError(f"{folder.name!r} cannot be read ({error.strerror})") from None
    folders = [entry for entry in entries if entry.is_dir()]
    return folders, [entry.name for entry in entries if not entry.is_dir()]


def _walk(folder: Path) -> Iterator[Path]:
    """Yields files in a folder and below, but not behind links to folders, which may lead in a circle."""
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        yield from (Path(inner, name) for name in names if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def _examples(arm: Arm, files: Sequence[ImageFile], images: Images, reading: Reading) -> Examples:
    kept = [files[i] for i in images.kept]
    classes = sorted({file.class_name for file in kept})
    for i, problem in sorted(images.unreadable.items()):
        if files[i].class_name not in classes:
            raise InputError(f"no image of class {files[i].class_name!r} can be read ({files[i].name!r}: {problem})")
    others = sorted({file.class_name for file in files} - set(classes))
    if others:
        reading.caution(f"{counted(len(others), 'folder')} left out, without images", others)
    if len(classes) == 1:
        raise InputError(f"there is one class, {classes[0]!r}: expected at least two sub-folders")
    fraction, number = held_out_fraction(arm), {name: i for i, name in enumerate(classes)}
    held_out = [is_held_out(file.name, fraction) if file.is_held_out is None else file.is_held_out for file in kept]
    targets = np.asarray([number[file.class_name] for file in kept], np.int32)
    return Examples(images.pixels, targets, classes, np.asarray(held_out))
