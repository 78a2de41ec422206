"""Fetches files that are known by their checksum, or takes those that a person has placed."""

import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import InputError, one_line
from engine.tasks.reading import Reading

_SECONDS_TO_REACH = 5.0
_SECONDS_OF_SILENCE = 30.0
_SCHEMES = ("http", "https", "ftp")
_BLOCK = 2**18
_LONGEST_REASON = 120
# Whatever goes wrong on the way to an address or with the answer.
_FAILURES = (OSError, http.client.HTTPException, ValueError)


def fetch(address: str, checksums: Mapping[str, str], folder: Path, may_download: bool, reading: Reading) -> list[Path]:
    """Returns the paths of files in a folder, after downloading missing ones; else says which to place by hand.

    Args:
        address: where they are.
        checksums: SHA-256 of each by name.
    """
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
    problems = []
    for url in {part.netloc: url for part, url in zip(parts, urls, strict=True)}.values():
        problems.append(_why_unreachable(url))
        if problems[-1] is None:
            return None
    return problems[0] if problems else None


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
