"""Data sets of images that come as archives: fetched, prepared once without TensorFlow, and read.

Without array_record the same arrays are read from the archives each time.
"""

import gzip
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.tasks.downloads import fetch
from engine.tasks.examples import Examples, make_arrays
from engine.tasks.options import AUGMENTATION, DATASET_DIR, SCALING
from engine.tasks.passes import array_task
from engine.tasks.places import find_place
from engine.tasks.prepared import has_package, read_directory
from engine.tasks.reading import Reading

OPTIONS = (DATASET_DIR.with_default(None), SCALING, *AUGMENTATION)
build = array_task

# Images `[num_examples, height, width, channels]`, uint8, and labels `[num_examples]`.
Part = tuple[np.ndarray, np.ndarray]
_PARTS = ("train", "test")
_IDX_IMAGES, _IDX_LABELS = 0x803, 0x801
_CIFAR_IMAGE = (3, 32, 32)


class Source(NamedTuple):
    """Archives at an address, with the SHA-256 of each by name, and what reads them into parts."""

    dataset: str
    address: str
    checksums: Mapping[str, str]
    read: Callable[[Sequence[Path]], Mapping[str, Part]]

    def load(self, arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
        """Returns the arrays of `engine.tasks.examples`."""
        return make_arrays(arm, self.examples(arm, data_dir, reading), reading)

    def examples(self, arm: Arm, data_dir: str | None, reading: Reading) -> Examples:
        """Returns the examples in the order of the original files, which the user may have placed in its folder."""

        def read_archives() -> Mapping[str, Part]:
            return self.read(_find(self, arm, data_dir, reading))

        if not (has_package("tensorflow_datasets") and has_package("array_record")):
            return _joined(read_archives())
        from engine.tasks.builders import prepare

        directory = prepare(self.dataset, read_archives, data_dir, reading)
        try:
            return read_directory(directory, arm, reading)
        except InputError as error:
            raise InputError(f"{error}: remove {str(directory)!r} and try again") from None


def _find(source: Source, arm: Arm, data_dir: str | None, reading: Reading) -> list[Path]:
    folder = Path(os.path.expanduser(data_dir or "~/tensorflow_datasets"))
    folder = folder / "downloads" / "manual" / f"plateau_{source.dataset}"
    if arm.dataset_dir is not None:
        folder = find_place(arm.dataset_dir)
    try:
        return fetch(source.address, source.checksums, folder, arm.dataset_dir is None, reading)
    except InputError as error:
        hint = "" if arm.dataset_dir else ", or in another folder and give --dataset_dir=FOLDER"
        raise InputError(f"dataset={source.dataset}: {error}{hint}") from None


def _joined(parts: Mapping[str, Part]) -> Examples:
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts.values(), strict=True))
    is_held_out = np.arange(len(labels)) >= len(parts[_PARTS[0]][1])
    names = [str(label) for label in range(int(labels.max()) + 1)]
    return Examples(images, labels.astype(np.int32), names, is_held_out)


def read_idx_files(paths: Sequence[Path]) -> dict[str, Part]:
    """Returns training and test images and labels of four gzipped files in the format of MNIST."""
    train_images, train_labels, test_images, test_labels = paths
    pairs = ((train_images, train_labels), (test_images, test_labels))
    found = {}
    for part, (images, labels) in zip(_PARTS, pairs, strict=True):
        pixels, classes = _read_idx(images, _IDX_IMAGES), _read_idx(labels, _IDX_LABELS)
        if len(pixels) != len(classes):
            raise InputError(f"{images.name!r} and {labels.name!r} do not have as many examples")
        found[part] = pixels[..., None], classes
    return found


def _read_idx(path: Path, magic: int) -> np.ndarray:
    num_axes = magic & 0xFF
    try:
        content = gzip.decompress(path.read_bytes())
        found, *shape = struct.unpack_from(f">{1 + num_axes}I", content)
        values = np.frombuffer(content, np.uint8, offset=4 * (1 + num_axes))
        if found != magic:
            raise ValueError("another magic number")
        return values.reshape(shape)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise InputError(f"{str(path)!r} is not in the format of MNIST ({error})") from None


class CifarFormat(NamedTuple):
    """CIFAR's binary format: members by part, and bytes of label before every image, of which the last is the class."""

    members: Mapping[str, Sequence[str]]
    num_label_bytes: int

    def read(self, paths: Sequence[Path]) -> dict[str, Part]:
        """Returns images and labels by part; raises InputError where the archive is not in that format."""
        (path,) = paths
        size = self.num_label_bytes + int(np.prod(_CIFAR_IMAGE))
        found = {}
        try:
            with tarfile.open(path, "r:gz") as archive:
                contents = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
            for part in _PARTS:
                content = b"".join(contents[name] for name in self.members[part])
                rows = np.frombuffer(content, np.uint8).reshape(-1, size)
                images = rows[:, self.num_label_bytes :].reshape(-1, *_CIFAR_IMAGE)
                found[part] = np.moveaxis(images, 1, -1), rows[:, self.num_label_bytes - 1]
        except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
            raise InputError(f"{str(path)!r} is not in CIFAR's binary format ({error})") from None
        return found
