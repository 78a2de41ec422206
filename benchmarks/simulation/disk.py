"""A real folder whose changes are watched: they can fail or be the last, and what was not flushed can be lost.

Model of a power failure: a file has the bytes of its last `fsync`, or, where it was written since, any beginning of
what it holds. An entry of a folder is as it was when the folder was last flushed, with any first part of the changes
since. A change in two folders counts in both or in neither.
"""

import contextlib
import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Killed(BaseException):
    """The process has ended here."""


class _Change(NamedTuple):
    """Entries that a change removes from folders and puts into them: folder, name, and number of the file."""

    removed: tuple[tuple[int, str], ...]
    added: tuple[tuple[int, str, int], ...]

    @property
    def folders(self) -> set[int]:
        return {folder for folder, _ in self.removed} | {folder for folder, *_ in self.added}


class Disk:
    """Watches the changes below a folder while it is entered.

    Attributes:
        num_changes: so far.
        last: number of the change that is the last one of the process, or `None`.
        failing: numbers of the changes that fail, and how (an `errno`).
        on_change: called before every change.
    """

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.root, self._chance = root, chance
        self.num_changes = 0
        self.last: int | None = None
        self.failing: dict[int, int] = {}
        self.on_change: Callable[[], None] = lambda: None
        self._is_dead = self._is_looking_away = False
        self._open: set[int] = set()
        self._entries: dict[int, dict[str, int]] = {os.stat(root).st_ino: {}}
        self._kept: dict[int, bytes] = {}
        self._now: dict[int, bytes] = {}
        self._unflushed: list[_Change] = []

    def revive(self) -> None:
        """Lets a new process begin: files that the old one had open are closed."""
        for descriptor in list(self._open):
            with contextlib.suppress(OSError):
                _REAL["close"](descriptor)
        self._open.clear()
        self._is_dead, self.last, self.failing = False, None, {}

    def lose_power(self) -> None:
        """Puts what a power failure leaves in place of what is there."""
        survivors = self._surviving()
        contents = {ino: self._after_failure(ino) for ino in self._kept.keys() | self._now.keys()}
        top = os.stat(self.root).st_ino
        entries = {folder: dict(names) for folder, names in self._entries.items()}
        for change in survivors:
            _apply(change, entries)
        # What is written now is written for good.
        for name in os.listdir(self.root):
            path = self.root / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else os.unlink(path)
        self._entries, self._kept, self._now, self._unflushed = {top: {}}, {}, {}, []

        def build(folder: Path, ino: int, new: int) -> None:
            for name, child in entries.get(ino, {}).items():
                path = folder / name
                if child in entries:
                    _REAL["mkdir"](path)
                    number = os.stat(path).st_ino
                    self._entries[number] = {}
                    build(path, child, number)
                else:
                    path.write_bytes(contents.get(child, b""))
                    number = os.stat(path).st_ino
                    self._kept[number] = contents.get(child, b"")
                self._entries[new][name] = number

        build(self.root, top, top)

    @contextlib.contextmanager
    def by_others(self) -> Iterator[None]:
        """Lets somebody else change what is there, for good, for as long as the block lasts."""
        self._is_looking_away = True
        try:
            yield
        finally:
            self._is_looking_away = False
            self.settle()

    def settle(self) -> None:
        """Flushes all folders, as time does."""
        self._entries, self._unflushed = {}, []
        for folder, names, files in os.walk(self.root):
            self._entries[os.stat(folder).st_ino] = {
                n: os.lstat(os.path.join(folder, n)).st_ino for n in (*names, *files)
            }
            for name in files:
                path = Path(folder, name)
                number = os.stat(path).st_ino
                if number not in self._now and number not in self._kept:
                    self._kept[number] = path.read_bytes()

    def _surviving(self) -> list[_Change]:
        """Draws the changes that a power failure leaves: in each folder the first ones since it was flushed."""
        cut: set[int] = set()
        kept = []
        for change in self._unflushed:
            if change.folders & cut or self._chance.random() < 0.3:
                cut |= change.folders
            else:
                kept.append(change)
        return kept

    def _after_failure(self, ino: int) -> bytes:
        content = self._now.get(ino)
        if content is None:
            return self._kept[ino]
        draw = self._chance.random()
        if draw < 0.4:
            return content[: self._chance.randrange(len(content) + 1)]
        return content if draw < 0.7 else self._kept.get(ino, b"")

    def _note(self, removed: tuple[tuple[int, str], ...] = (), added: tuple[tuple[int, str, int], ...] = ()) -> None:
        self._unflushed.append(_Change(removed, added))

    def _step(self, is_write: bool = False, descriptor: int | None = None, content: Any = b"") -> None:
        """Counts a change, before it is made; it may fail or be the last, a write also in part."""
        if self._is_dead:
            raise Killed
        self.on_change()
        self.num_changes += 1
        if self.num_changes == self.last:
            self._is_dead = True
            if is_write and descriptor is not None and self._chance.random() < 0.5:
                _REAL["write"](descriptor, bytes(content)[: self._chance.randrange(len(content) + 1)])
                self._remember(descriptor)
            raise Killed
        if self.num_changes in self.failing:
            raise OSError(self.failing[self.num_changes], os.strerror(self.failing[self.num_changes]))

    def _remember(self, descriptor: int) -> None:
        self._now[os.fstat(descriptor).st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def _is_below(self, path: Any, folder_fd: int | None = None) -> bool:
        if self._is_looking_away or not isinstance(path, (str, os.PathLike)) or folder_fd is not None:
            return False
        return os.path.join(os.path.abspath(path), "").startswith(os.path.join(self.root, ""))

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Opens a file, which is a change where it is made."""
        if not self._is_below(path, dir_fd):
            return int(_REAL["open"](path, flags, mode, dir_fd=dir_fd))
        is_new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        if is_new:
            self._step()
        elif self._is_dead:
            raise Killed
        descriptor = int(_REAL["open"](path, flags, mode))
        self._open.add(descriptor)
        if is_new:
            ino = os.fstat(descriptor).st_ino
            self._now[ino] = b""
            self._note(added=((os.stat(os.path.dirname(os.path.abspath(path))).st_ino, os.path.basename(path), ino),))
        elif flags & os.O_TRUNC:
            self._remember(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        """Closes a file."""
        self._open.discard(descriptor)
        _REAL["close"](descriptor)

    def write(self, descriptor: int, content: Any) -> int:
        """Writes to a file."""
        if descriptor not in self._open:
            return int(_REAL["write"](descriptor, content))
        self._step(True, descriptor, content)
        number = int(_REAL["write"](descriptor, content))
        self._remember(descriptor)
        return number

    def fsync(self, descriptor: int) -> None:
        """Flushes a file or a folder."""
        if descriptor not in self._open:
            _REAL["fsync"](descriptor)
            return
        self._step()
        ino = os.fstat(descriptor).st_ino
        if ino not in self._entries:
            if ino in self._now:
                self._kept[ino] = self._now.pop(ino)
            return
        # What is in another folder too is flushed there as well, with what came before it.
        folders, last = {ino}, -1
        for i in reversed(range(len(self._unflushed))):
            if self._unflushed[i].folders & folders:
                folders |= self._unflushed[i].folders
                last = max(last, i)
        done = [c for i, c in enumerate(self._unflushed) if i <= last and c.folders & folders]
        for change in done:
            _apply(change, self._entries)
            self._unflushed.remove(change)

    def replace(self, source: Any, target: Any, **more: Any) -> None:
        """Renames a file or a folder, in place of another file."""
        if not self._is_below(source):
            _REAL["replace"](source, target, **more)
            return
        self._step()
        (old, old_name), (new, new_name) = map(_place, (source, target))
        ino = os.lstat(source).st_ino
        _REAL["replace"](source, target)
        self._note(((old, old_name), (new, new_name)), ((new, new_name, ino),))

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        """Removes a file."""
        if not self._is_below(path, dir_fd):
            _REAL["unlink"](path, dir_fd=dir_fd)
            return
        if not os.path.lexists(path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self._step()
        _REAL["unlink"](path)
        self._note((_place(path),))

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """Makes a folder."""
        if not self._is_below(path, dir_fd):
            _REAL["mkdir"](path, mode, dir_fd=dir_fd)
            return
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._step()
        _REAL["mkdir"](path, mode)
        ino = os.stat(path).st_ino
        self._entries[ino] = {}
        self._note(added=((*_place(path), ino),))

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        """Removes an empty folder."""
        if not self._is_below(path, dir_fd):
            _REAL["rmdir"](path, dir_fd=dir_fd)
            return
        self._step()
        _REAL["rmdir"](path)
        self._note((_place(path),))


def _place(path: Any) -> tuple[int, str]:
    path = os.path.abspath(path)
    return os.stat(os.path.dirname(path)).st_ino, os.path.basename(path)


def _apply(change: _Change, entries: dict[int, dict[str, int]]) -> None:
    for folder, name in change.removed:
        entries.get(folder, {}).pop(name, None)
    for folder, name, ino in change.added:
        entries.setdefault(folder, {})[name] = ino


_WATCHED = ("open", "close", "write", "fsync", "replace", "unlink", "mkdir", "rmdir")
_REAL: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in (*_WATCHED, "rename", "remove")}


@contextlib.contextmanager
def watched(disk: Disk) -> Iterator[None]:
    """Lets the changes of this process go through a disk for as long as the block lasts."""
    try:
        for name in _WATCHED:
            setattr(os, name, getattr(disk, name))
        for name, replacement in (("rename", disk.replace), ("remove", disk.unlink)):
            setattr(os, name, replacement)
        yield
    finally:
        for name, real in _REAL.items():
            setattr(os, name, real)
