"""Files that appear whole or not at all, and reading that is bounded before it begins."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from engine.errors import InputError, StorageError

# What a reader of a work directory calls its own; each must be a real directory.
FOLDERS = ("parts", "checkpoint", "damaged", "figures", "tensorboard", "wandb")

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_NEEDS_SPACE = FULL[:3]
# Not every file system can flush a directory; then the rename is as durable as it makes it.
_UNFLUSHABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}(?P<ending>\.tmp)?", re.DOTALL)
_LONGEST_NAME = 200
_DIGITS = 32


class DamagedError(ValueError):
    """What was read is not what was written, or not ours; the message is the reason."""


def storage_error(path: Path, error: OSError) -> StorageError:
    """What is said when a file cannot be written.

    Args:
        path: of the file, as it was given.
        error: why.
    """
    advice = "make space" if error.errno in _NEEDS_SPACE else "see to that"
    return StorageError(
        f"cannot write {str(path)!r}: {error.strerror or error}; everything finished so far is "
        f"stored: {advice} and give the same command again"
    )


def write_atomically(path: Path, content: bytes, *, stand_in: Path | None = None, is_flushed: bool = True) -> None:
    """Writes a file that appears whole or not at all, also when the power fails.

    Args:
        path: of the file.
        content: all of it.
        stand_in: beside which, and under whose name, it is kept until it is whole; by default the
            file itself. For folders in which somebody reads whatever lies there.
        is_flushed: whether it must survive a power failure; not where it can be made again.

    Raises:
        StorageError: the file cannot be written.
    """
    beside = path if stand_in is None else stand_in
    try:
        descriptor, temporary = tempfile.mkstemp(dir=beside.parent, prefix=f".{beside.name}.", suffix=".tmp")
        try:
            try:
                write_all(descriptor, content)
                if is_flushed:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            # Where even this fails, the next launch does it.
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if is_flushed:
            _flush_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def write_all(descriptor: int, content: bytes) -> None:
    """Writes everything, in as many pieces as the system takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _flush_folder(folder: Path) -> None:
    """Makes a rename survive a power failure."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _UNFLUSHABLE:
            raise


def read_bounded(path: Path, most: int) -> bytes:
    """The bytes of a plain file; pipes and devices, which may have no end, are not opened.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        DamagedError: it is no plain file, is larger, or cannot be read by the device.
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
    """What a part is called: the hash of its bytes."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def digest_of_file(path: Path) -> str:
    """The same of a plain file that need not fit into memory.

    Raises:
        DamagedError: it is no plain file.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise DamagedError("it is no plain file")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def check_folders(path: Path) -> None:
    """Checks that what a work directory calls its own folders does not lead elsewhere.

    Raises:
        InputError: one is a link or a file.
    """
    for name in FOLDERS:
        check_folder(path / name)


def check_folder(folder: Path) -> None:
    """Checks that a folder, where it exists, is a real one.

    Raises:
        InputError: it is a link or a file.
    """
    try:
        mode = os.lstat(folder).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(f"cannot use {str(folder)!r}: {error.strerror}") from error
    if not stat.S_ISDIR(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "a file"
        raise InputError(f"cannot use {str(folder)!r}: it is {what}, expected a real directory")


def set_aside(path: Path, folder: Path) -> Path:
    """Moves a file to a folder, under a name that is free there.

    Args:
        path: of the file.
        folder: where it goes; created where it does not exist.

    Returns:
        Where it is now.

    Raises:
        InputError: the folder is no real one.
        StorageError: it cannot be moved.
    """
    check_folder(folder)
    stem = path.name[:_LONGEST_NAME]
    try:
        folder.mkdir(exist_ok=True)
        target, number = folder / stem, 0
        while os.path.lexists(target):
            number += 1
            target = folder / f"{stem}.{number}"
        os.rename(path, target)
    except OSError as error:
        raise storage_error(folder, error) from error
    return target


def is_temporary(name: str, of: Collection[str] | None = None) -> bool:
    """Whether a file is one that `write_atomically` had not finished.

    Args:
        name: of the file.
        of: names of the files that are written there; by default any, and then only files whose
            ending says so are meant.
    """
    match = _TEMPORARY.fullmatch(name)
    if match is None:
        return False
    if of is not None:
        return match["name"] in of
    return match["ending"] is not None or Path(match["name"]).suffix in (".parquet", ".svg", ".png")


def clean_temporaries(folder: Path, of: Collection[str] | None = None, seconds: float | None = None) -> None:
    """Removes what killed launches had not finished writing; what cannot be removed stays.

    Args:
        folder: where.
        of: names of the files that are written there, see `is_temporary`.
        seconds: since the last change, where others may be writing now.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        for entry in os.scandir(folder):
            if not is_temporary(entry.name, of):
                continue
            with contextlib.suppress(OSError):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if seconds is None or age > seconds:
                    os.unlink(entry.path)
