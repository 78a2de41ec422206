"""Files from the network that are known by their checksum, or placed by hand."""

import hashlib
import http.client
import os
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError, one_line
from engine.tasks.reading import Reading

# A name that nobody resolves takes longer than a person waits.
_SECONDS_TO_REACH = 5.0
_SECONDS_OF_SILENCE = 30.0
_PORTS = {"http": 80, "https": 443, "ftp": 21}
_BLOCK = 2**18
_LONGEST_REASON = 120


class Archive(NamedTuple):
    """A file: where it is fetched, and what its bytes hash to."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """Of the file."""
        return self.url.rpartition("/")[2]


def fetch(archives: Sequence[Archive], folder: Path, may_download: bool, reading: Reading) -> list[Path]:
    """The files in a folder, fetched where they are missing.

    Args:
        archives: what is needed.
        folder: where it is, or goes; files that a person has placed there are as good.
        may_download: whether what is missing is fetched.
        reading: draws the bar.

    Raises:
        InputError: a file is another one, or missing and cannot be fetched; the message says which
            files to place where by hand.
    """
    paths = [folder / archive.name for archive in archives]
    missing = [a for a, path in zip(archives, paths, strict=True) if not path.is_file()]
    for archive, path in zip(archives, paths, strict=True):
        if path.is_file() and _hash_of(path) != archive.sha256:
            raise InputError(
                f"{str(path)!r} is not the file that is meant: its SHA-256 is not "
                f"{archive.sha256[:16]}…; remove it, or place {archive.url} there"
            )
    if not missing:
        return paths
    by_hand = f"place {', '.join(a.name for a in missing)} in {str(folder)!r}, from {missing[0].url.rpartition('/')[0]}"
    if not may_download:
        raise InputError(f"{missing[0].name} is missing: {by_hand}")
    for archive in missing:
        problem = _why_unreachable(archive.url) or _download(archive, folder, reading)
        if problem is not None:
            raise InputError(f"cannot fetch {archive.url} ({problem}): {by_hand}")
    return paths


def _hash_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read ({error.strerror})") from None


def find_unreachable(urls: Sequence[str]) -> str | None:
    """Why none of the hosts of some addresses answers; `None` where one does, or may do."""
    by_host = {urllib.parse.urlsplit(url).netloc: url for url in urls}
    problems = []
    for url in by_host.values():
        if urllib.parse.urlsplit(url).scheme not in _PORTS:
            return None
        problem = _why_unreachable(url)
        if problem is None:
            return None
        problems.append(problem)
    return problems[0] if problems else None


def _why_unreachable(url: str) -> str | None:
    """Why a host, or the proxy before it, does not answer within seconds; `None` where it does."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 80)
    except ValueError as error:
        return str(error)
    outcome: list[str | None] = []

    def connect() -> None:
        try:
            socket.create_connection((host, port), _SECONDS_TO_REACH).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error.strerror or str(error) or "no answer")

    # Looking up a name has no limit of its own; a thread that is left behind ends with the process.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_SECONDS_TO_REACH)
    return outcome[0] if outcome else f"no answer in {_SECONDS_TO_REACH:g} s"


def _download(archive: Archive, folder: Path, reading: Reading) -> str | None:
    """Fetches a file; says why it could not, in words. Nothing but the whole file is left."""
    unfinished = folder / f"{archive.name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("wb")
    except OSError as error:
        raise InputError(
            f"data directory {str(folder)!r} cannot be used ({error.strerror}): expected one that "
            f"can be written, see --data_dir"
        ) from None
    try:
        with file:
            digest = _copy(archive.url, file.write, reading)
        if digest != archive.sha256:
            return "what came is another file, by its SHA-256"
        os.replace(unfinished, folder / archive.name)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None)
        words = str(reason if isinstance(reason, Exception) else error) or type(error).__name__
        return one_line(words)[:_LONGEST_REASON]
    finally:
        unfinished.unlink(missing_ok=True)
    return None


def _copy(url: str, write: Callable[[bytes], object], reading: Reading) -> str:
    """Copies what is at an address, and hashes it."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=_SECONDS_OF_SILENCE) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
        with reading.bar(size, f"fetching {url.rpartition('/')[2]}", is_bytes=True) as bar:
            while block := answer.read(_BLOCK):
                write(block)
                digest.update(block)
                bar.update(len(block))
    return digest.hexdigest()
