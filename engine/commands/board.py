"""`board`: every study below a folder on one page, written once or served while it changes."""

import contextlib
import http.server
import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .. import store
from ..errors import InputError, counted
from ..report.board import find_studies, make_board, read_row
from ..user_code import Place, as_path

_FILE = "board.html"
_HOST = "127.0.0.1"
# Names of this machine by which a browser may ask; a page from elsewhere cannot get past them.
_OWN_NAMES = (_HOST, "localhost")
# A page, whoever wrote it, reads nothing but itself: no other page of this server, and nothing from elsewhere.
_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
}


def board(folder: Place) -> Path:
    """Writes `board.html` into a folder, a row for every study below it, and returns its path.

    Raises:
        InputError: there is no such folder, no study in it, or it cannot be written.
    """
    place = as_path(folder)
    path = place / _FILE
    num_studies, page = _build(place)
    store.write_atomically(path, page.encode())
    print(f"{counted(num_studies, 'study', 'studies')}: {path}")
    return path


def serve_board(folder: Place, port: int) -> None:
    """Serves the same on this machine only, made anew at every visit, with the reports; until Ctrl-C.

    Raises:
        InputError: there is no such folder, no study in it, or the port is taken.
    """
    place = as_path(folder)
    _build(place)
    try:
        server = http.server.ThreadingHTTPServer((_HOST, port), _handler(place))
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot serve on port {port}: {error}; give another with --port") from error
    print(f"http://{_HOST}:{server.server_port}/  (Ctrl-C ends it)", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def _build(place: Path) -> tuple[int, str]:
    studies = find_studies(place)
    if not studies:
        raise InputError(f"there is no study in {str(place)!r}: give the folder that holds the work directories")
    return len(studies), make_board(place, (read_row(place, path) for path in studies))


def _handler(place: Path) -> Callable[..., http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = (self.headers.get("Host") or "").rpartition(":")[0]
            if name not in _OWN_NAMES:
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            try:
                content = _page_at(place, unquote(urlsplit(self.path).path, errors="surrogateescape"))
            except (InputError, OSError, ValueError):
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            for header, value in _HEADERS.items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: whoever visits knows."""

    return Handler


def _page_at(place: Path, address: str) -> bytes:
    """Returns the board, or the report of a study below the folder; raises `ValueError` or `OSError` of all else."""
    if address in ("/", f"/{_FILE}"):
        return _build(place)[1].encode()
    path = place / address.removeprefix("/")
    root, real = (os.path.realpath(one) for one in (place, path))
    if path.name != store.PAGE or os.path.commonpath([root, real]) != root or path.parent not in find_studies(place):
        raise ValueError(address)
    return path.read_bytes()
