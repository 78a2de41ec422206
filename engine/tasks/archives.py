"""Data sets of images that come as archives: fetched, prepared once without TensorFlow, and read.

Without array_record the same arrays are read from the archives each time.
"""

import gzip
import hashlib
import http.client
import os
import struct
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, one_line
from .examples import Examples, make_arrays
from .options import AUGMENTATION, DATASET_DIR, RECONSTRUCT, SCALING
from .passes import array_task
from .places import find_place
from .prepared import has_package, read_directory
from .reading import Reading

OPTIONS = (DATASET_DIR.with_default(None), SCALING, RECONSTRUCT, *AUGMENTATION)
build = array_task

# Images `[num_examples, height, width, channels]`, uint8, and labels `[num_examples]`.
Part = tuple[np.ndarray, np.ndarray]
_PARTS = ("train", "test")
_IDX_IMAGES, _IDX_LABELS = 0x803, 0x801
_CIFAR_IMAGE = (3, 32, 32)
_SECONDS_TO_REACH = 5.0
_SECONDS_OF_SILENCE = 30.0
_SCHEMES = ("http", "https", "ftp")
_BLOCK = 2**18
_LONGEST_REASON = 120
# Whatever goes wrong on the way to an address or with the answer.
_FAILURES = (OSError, http.client.HTTPException, ValueError)


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
        from .builders import prepare

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
        return _fetch(source.address, source.checksums, folder, arm.dataset_dir is None, reading)
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
    found = {}
    for part, images, labels in zip(_PARTS, paths[::2], paths[1::2], strict=True):
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


def _fetch(
    address: str, checksums: Mapping[str, str], folder: Path, may_download: bool, reading: Reading
) -> list[Path]:
    """Returns the paths of archives in a folder, after downloading missing ones; else says which to place by hand."""
    for name, sha256 in checksums.items():
        path = folder / name
        if path.is_file() and _hash_of(path) != sha256:
            raise InputError(
                f"{str(path)!r} is not the file that is meant: its SHA-256 is not "
                f"{sha256[:16]}…; remove it, or place {address}/{name} there"
            )
    missing = [name for name in checksums if not (folder / name).is_file()]
    by_hand = f"place {', '.join(missing)} in {str(folder)!r}, from {address}"
    if missing and not may_download:
        raise InputError(f"{missing[0]} is missing: {by_hand}")
    for name in missing:
        url = f"{address}/{name}"
        problem = _why_unreachable(url) or _download(url, folder / name, checksums[name], reading)
        if problem is not None:
            raise InputError(f"cannot fetch {url} ({problem}): {by_hand}")
    return [folder / name for name in checksums]


def find_unreachable(urls: Sequence[str]) -> str | None:
    """Returns why none of the hosts of some addresses answers; `None` where one does, or may do."""
    parts = [urllib.parse.urlsplit(url) for url in urls]
    if any(part.scheme not in _SCHEMES for part in parts):
        return None
    first = None
    for url in {part.netloc: url for part, url in zip(parts, urls, strict=True)}.values():
        problem = _why_unreachable(url)
        if problem is None:
            return None
        first = first or problem
    return first


def _why_unreachable(url: str) -> str | None:
    """Returns why nobody answers at an address within seconds; `None` where somebody does, whatever the answer."""
    try:
        # A new opener, because that of `urlopen` keeps the proxies with which it was first called.
        opener = urllib.request.build_opener()
        opener.open(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS_TO_REACH).close()
    except urllib.error.HTTPError:
        return None
    except _FAILURES as error:
        return _reason(error)
    return None


def _hash_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read ({error.strerror})") from None


def _download(url: str, path: Path, sha256: str, reading: Reading) -> str | None:
    """Fetches a file and returns why it could not, or `None`. Only a whole file is left in the folder."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("wb")
    except OSError as error:
        raise InputError(
            f"data directory {str(path.parent)!r} cannot be used ({error.strerror}): expected one that "
            f"can be written, see --data_dir"
        ) from None
    try:
        with file, urllib.request.urlopen(url, timeout=_SECONDS_OF_SILENCE) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            with reading.bar(size, f"fetching {path.name}", is_bytes=True) as bar:
                while block := answer.read(_BLOCK):
                    bar.update(file.write(block))
        if _hash_of(unfinished) != sha256:
            return "what came is another file, by its SHA-256"
        unfinished.replace(path)
    except _FAILURES as error:
        return _reason(error)
    finally:
        unfinished.unlink(missing_ok=True)
    return None


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    words = str(reason if isinstance(reason, Exception) else error) or type(error).__name__
    return one_line(words)[:_LONGEST_REASON]
