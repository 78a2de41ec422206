"""Removes user names, paths and secrets from text before it is stored.

Of a path the last component is kept, of a network address everything but credentials and query.
Where the end of a path is unclear, more is cut rather than less.
"""

import getpass
import re
from collections.abc import Sequence

HIDDEN = "…"
_CREDENTIALS = re.compile(r"://[^/\\\s]*@")
_QUERY = re.compile(r"(://[^\s,;'\"?#]*)[?#][^\s,;'\"]*")
_SEPARATORS = re.compile(r"([=,;'\"]+)")
_ADDRESS = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+://")
# Absolute, in somebody's home, on a drive or a share, or up from here; also behind a colon.
_PLACE = re.compile(r"(^|[\s:])([/~]|\\\\|[A-Za-z]:[\\/])|(^|[\\/\s:])\.\.([\\/]|$)")
_HOMES = (["home"], ["Users"])
_SECRET = re.compile(r"token|secret|passw|credential|api.?key|private|auth", re.IGNORECASE)


def without_places(word: str) -> str:
    """Reduces every path in a word to its last component, and removes credentials."""
    word = _QUERY.sub(r"\1", _CREDENTIALS.sub("://", word))
    return "".join(map(_without_place, _SEPARATORS.split(word)))


def _without_place(piece: str) -> str:
    if _ADDRESS.match(piece) or not _PLACE.search(piece):
        return piece
    *above, last = re.split(r"[\\/]+", piece.rstrip("\\/ "))
    # A home is called like the one who lives there.
    is_home = last.startswith("~") or last in {_user(), ".."} or above[-1:] in _HOMES
    return "~" if is_home else last


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def discreet(words: Sequence[str]) -> list[str]:
    """Removes paths, credentials and values of secret flags from the words of a command."""
    found = []
    is_after_secret = False
    for word in words:
        flag, separator, _ = word.partition("=")
        is_flag = word.startswith("-")
        is_secret = is_flag and bool(_SECRET.search(flag))
        if is_after_secret and not is_flag:
            found.append(HIDDEN)
        else:
            found.append(f"{flag}={HIDDEN}" if is_secret and separator else without_places(word))
        is_after_secret = is_secret and not separator
    # What a terminal typed that is no text is kept as one.
    return [word.encode(errors="backslashreplace").decode() for word in found]
