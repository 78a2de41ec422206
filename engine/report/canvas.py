"""What figures of the report are drawn on, and how they become SVG, PNG and output of a notebook."""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

# Of text and axes; the page replaces it by its own, so that a figure reads on light and on dark backgrounds.
INK = "#3b4450"
_STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.size": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}
_WIDTH = 5.2
_DOTS_PER_INCH = 160
_CSS_PIXELS_PER_INCH = 96


class ReportFigure(Figure):
    """A figure that a notebook shows by itself, on white, also where pyplot is not in use."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(_CSS_PIXELS_PER_INCH * inches) for inches in self.get_size_inches())
        return to_png(self), {"width": width, "height": height}


def new_figure(height: float) -> Figure:
    """Returns an empty figure, `height` inches high."""
    return ReportFigure(figsize=(_WIDTH, height), layout="constrained")


@contextlib.contextmanager
def styled(settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Draws in the report's style, whatever the style of the notebook or script is, with some more settings."""
    with style.context(["default", {**_STYLE, **(settings or {})}]):
        yield


def to_svg(figure: Figure, name: str) -> str:
    """Returns the figure as an SVG element without size, whose ids begin with its name."""
    buffer = io.StringIO()
    with styled({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = re.sub(r"^.*?(?=<svg)|<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(?:width|height)="[^"]*"', "", head)
    for identifier in sorted(set(re.findall(r'id="([^"]+)"', rest)), key=len, reverse=True):
        rest = rest.replace(f'id="{identifier}"', f'id="{name}-{identifier}"')
        rest = rest.replace(f'"#{identifier}"', f'"#{name}-{identifier}"')
        rest = rest.replace(f"url(#{identifier})", f"url(#{name}-{identifier})")
    return head + ">" + rest


def to_png(figure: Figure) -> bytes:
    """Returns the figure as a PNG on white."""
    buffer = io.BytesIO()
    with styled({"savefig.transparent": False}):
        figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    return buffer.getvalue()
