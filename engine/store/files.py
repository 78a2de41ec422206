"""Writes files that appear whole or not at all, and reads within bounds."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from ..errors import InputError, StorageError

# What a reader of a work directory calls its own; each must be a real directory.
FOLDERS = ("parts", "checkpoint", "damaged", "figures", "tensorboard", "wandb", "weights")

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_NEEDS_SPACE = FULL[:3]
# Not every file system can flush a directory; then the rename is as durable as it makes it.
_UNFLUSHABLE = (errno.EINVAL, errno.ENOTSUP)
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}(?P<ending>\.tmp)?", re.DOTALL)
_LONGEST_NAME = 200
_DIGITS = 32


# Directories that this process holds: the file that says so in each, and its device and number there.
_held: dict[Path, tuple[str, tuple[int, int]]] = {}


class DamagedError(ValueError):
    """What was read is not what was written, or not ours; the message is the reason."""


def storage_error(path: Path, error: OSError) -> StorageError:
    """Words the error of a file that cannot be written."""
    advice = "make space" if error.errno in _NEEDS_SPACE else "see to that"
    return StorageError(
        f"cannot write {str(path)!r}: {error.strerror or error}; what was stored before stays: {advice} and give the "
        f"same command again"
    )


@contextlib.contextmanager
def holding(folder: Path, name: str) -> Iterator[None]:
    """Keeps a folder as this process's for as long as the block lasts, by a file in it that stays open."""
    _held[folder] = name, _identity(folder / name)
    try:
        yield
    finally:
        del _held[folder]


def is_still_held(folder: Path) -> bool:
    """Tells whether a folder is where it was, and not another one in its place; true of one that is not held."""
    name, identity = _held.get(folder, ("", (0, 0)))
    try:
        return folder not in _held or _identity(folder / name) == identity
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    about = os.lstat(path)
    return about.st_dev, about.st_ino


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an error of the system into a `StorageError` about what is written or removed.

    What lies in a folder that is held is only written while it is: another study may lie in its place.
    """
    for folder in _held:
        if path.is_relative_to(folder) and not is_still_held(folder):
            raise StorageError(
                f"work directory {str(folder)!r} was moved or removed, or its lock was, while this launch used it: "
                f"nothing more is written. What was stored before is still in it, wherever it is now"
            )
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def remove(path: Path) -> None:
    """Removes a file, if it is there; raises `StorageError`."""
    with writing(path):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def refusing(action: str) -> Iterator[None]:
    """Turns an error of the system into an `InputError`: what cannot be done, and why."""
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot {action}: {error.strerror}") from error


def write_atomically(path: Path, content: bytes, *, stand_in: Path | None = None, is_flushed: bool = True) -> None:
    """Writes a file that appears whole or not at all, also when the power fails; raises `StorageError`.

    Args:
        stand_in: file beside which, and under whose name, the content is kept until it is whole; by
            default the file itself. For folders in which others read whatever is there.
        is_flushed: whether it must survive a power failure.
    """
    beside = stand_in or path
    with writing(path):
        descriptor, temporary = tempfile.mkstemp(dir=beside.parent, prefix=f".{beside.name}.", suffix=".tmp")
        try:
            write_and_close(descriptor, content, is_flushed)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            # Where even this fails, the next launch does it.
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if is_flushed:
            flush_folder(path.parent)


def write_and_close(descriptor: int, content: bytes, is_flushed: bool = True) -> None:
    """Writes all bytes, in as many pieces as the system takes, and closes the file."""
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if is_flushed:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes a folder where there is none, so that it survives a power failure; raises `OSError`."""
    folder.mkdir(exist_ok=True)
    # Also where it is there: what made it may have ended before it could do this.
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Makes what has come to a folder, or was renamed there, survive a power failure."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # a folder that may be written, and not read
        return
    try:
        write_and_close(descriptor, b"")
    except OSError as error:
        if error.errno not in _UNFLUSHABLE:
            raise


def read_bounded(path: Path, most: int) -> bytes:
    """Reads a plain file of at most `most` bytes; pipes and devices, which may have no end, are refused.

    Raises:
        DamagedError: it is not a plain file, is larger, or the device cannot read it.
        OSError: it is not there, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise DamagedError("not a plain file")
            if about.st_size > most:
                raise DamagedError(f"{about.st_size} bytes, expected at most {most}")
            # Python allocates what is asked for, so it is asked for what is there.
            return file.read(about.st_size)
    except IsADirectoryError:
        raise DamagedError("not a plain file") from None
    except OSError as error:
        if error.errno in (errno.EIO, errno.ELOOP, errno.ENXIO):
            raise DamagedError(str(error.strerror)) from None
        raise


def digest(content: bytes) -> str:
    """Returns the hash of bytes by which a part is named."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def digest_of_file(path: Path) -> str:
    """Returns the digest of a plain file, which need not fit into memory; raises `DamagedError` or `OSError`."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise DamagedError("it is no plain file")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def check_folders(path: Path) -> None:
    """Raises `InputError` if one of the folders that a work directory calls its own is a link or a file."""
    for name in FOLDERS:
        check_folder(path / name)


def check_folder(folder: Path) -> None:
    """Raises `InputError` if a folder is there, but is a link or a file."""
    with refusing(f"use {str(folder)!r}"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = os.lstat(folder).st_mode
        if not stat.S_ISDIR(mode):
            what = "a symbolic link" if stat.S_ISLNK(mode) else "a file"
            raise InputError(f"cannot use {str(folder)!r}: it is {what}, expected a real directory")


def set_aside(path: Path, folder: Path) -> None:
    """Moves a file to a free name in a folder, made where there is none; raises `InputError` or `StorageError`."""
    check_folder(folder)
    stem = path.name[:_LONGEST_NAME]
    with writing(folder):
        make_folder(folder)
        target, number = folder / stem, 0
        while os.path.lexists(target):
            number += 1
            target = folder / f"{stem}.{number}"
        os.rename(path, target)


def is_temporary(name: str, of: Collection[str] | None = None) -> bool:
    """Tells whether a file is one that `write_atomically` did not finish: any, or one of those that are named."""
    match = _TEMPORARY.fullmatch(name)
    if match is None:
        return False
    if of is not None:
        return match["name"] in of
    return match["ending"] is not None or Path(match["name"]).suffix in (".parquet", ".svg", ".png")


def clean_temporaries(folder: Path, of: Collection[str] | None = None, seconds: float | None = None) -> None:
    """Removes what killed launches did not finish (see `is_temporary`) and is some seconds old, if it can be."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        for entry in os.scandir(folder):
            if is_temporary(entry.name, of):
                with contextlib.suppress(OSError):
                    age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    if seconds is None or age > seconds:
                        os.unlink(entry.path)
