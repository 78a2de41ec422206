"""What a notebook shows of a study: HTML without a colour of its own, so that it reads on any."""

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from engine.errors import one_line, visible

_MOST_BYTES = 8 * 2**20
_CELL = "padding:.25em .6em;border-bottom:1px solid rgba(128,128,128,.4);text-align:{side}"


def to_html(headline: str, header: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> str:
    """Returns a sentence, and a table where there is one, whose first column is aligned to the left."""
    sentence = f'<p style="border-left:4px solid #0072b2;padding:.3em .8em">{_shown(headline)}</p>'
    if not header:
        return sentence
    begin = '<div style="overflow-x:auto"><table style="border-collapse:collapse">'
    head = f"<thead><tr>{_cells('th', header)}</tr></thead><tbody>"
    body = (f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return "\n".join([sentence, begin, head, *body, "</tbody></table></div>"])


def _cells(tag: str, cells: Sequence[str]) -> str:
    styles = (_CELL.format(side="right" if i else "left") for i in range(len(cells)))
    return "".join(f'<{tag} style="{style}">{_shown(cell)}</{tag}>' for style, cell in zip(styles, cells, strict=True))


def _shown(text: str) -> str:
    return escape(one_line(text))


class ReportFile(os.PathLike[str]):
    """The report of a study: the path of a file, which a notebook shows as the page."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"ReportFile({str(self.path)!r})"

    def _repr_html_(self) -> str:
        path = escape(visible(str(self.path)))
        try:
            content = self.path.read_bytes()
        except OSError as error:
            return f"<p>{path}: {escape(str(error.strerror))}</p>"
        if len(content) > _MOST_BYTES:
            return f"<p>{path} is {len(content) / 2**20:.0f} MiB: open it in a browser</p>"
        # Without a script or an address of its own: whatever it holds stays inside.
        return (
            f'<iframe sandbox srcdoc="{escape(content.decode(errors="replace"))}" '
            f'style="width:100%;height:36em;border:1px solid rgba(128,128,128,.4)"></iframe>'
            f"<p>{path}</p>"
        )
