"""What figures of the report are drawn on, and how they become SVG, PNG and output of a notebook; thinned curves."""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .arm_runs import LossCurve

# Of text and axes; the page replaces it by its own, so that a figure reads on light and on dark backgrounds.
INK = "#3b4450"
_OF_INK = ("axes.edgecolor", "axes.labelcolor", "legend.labelcolor", "text.color", "xtick.color", "ytick.color")
_STYLE = {
    **dict.fromkeys(_OF_INK, INK),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.size": 9,
    "legend.frameon": False,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "text.parse_math": False,
}
# A page shows figures at 360 to 700 pixels: the narrower they are drawn, the larger is their text there.
_WIDTH = 4.0
_DOTS_PER_INCH = 160
_CSS_PIXELS_PER_INCH = 96
# A hundredth of a point is finer than any screen, and six digits after the point double a page.
_FINE = re.compile(r"(\.\d\d)\d+")
# Of all curves of a figure together; a curve alone has no use for more than the figure has dots.
_MOST_POINTS = 40_000
_MOST_STEPS = 1000
_LEAST_OF_A_CURVE, _MOST_OF_A_CURVE = 200, 3000


class ReportFigure(Figure):
    """A figure that a notebook shows by itself, on white, also where pyplot is not in use."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(_CSS_PIXELS_PER_INCH * inches) for inches in self.get_size_inches())
        return to_png(self), {"width": width, "height": height}


def new_figure(height: float) -> Figure:
    """Returns an empty figure, `height` inches high."""
    return ReportFigure(figsize=(_WIDTH, height), layout="constrained")


def label_differences(axes: Axes, unit: str, than: str) -> None:
    """Labels an axis of differences in time, on which what is earlier lies to the left, without minus signs."""
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    # From the right edge: long names beside the axis leave it narrower than its label.
    axes.set_xlabel(f"← earlier · later →\n{unit}, against {than}", loc="right")


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
    text = re.sub(r'\sd="[^"]*"', lambda path: _FINE.sub(r"\1", path[0]), text)
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


def points_per_curve(num_curves: int) -> int:
    """Returns how many points each of some curves may have in a figure."""
    return min(max(_MOST_POINTS // max(1, num_curves), _LEAST_OF_A_CURVE), _MOST_OF_A_CURVE)


def thinned(curve: LossCurve, most: int) -> LossCurve:
    """Keeps about `most` points of a curve: the lowest and highest in each of equally many steps, and both ends."""
    number = len(curve.steps)
    if number <= most:
        return curve
    bounds = np.linspace(0, number, max(1, most // 2) + 1).astype(int)[:-1]
    # A loss that is not finite counts as highest, so that a gap stays one.
    loss = np.where(np.isfinite(curve.loss), curve.loss, np.inf)
    order = np.lexsort((loss, np.repeat(np.arange(len(bounds)), np.diff([*bounds, number]))))
    lowest, highest = order[bounds], order[np.append(bounds[1:], number) - 1]
    kept = np.unique(np.concatenate([[0], lowest, highest, [number - 1]]))
    return LossCurve(curve.steps[kept], curve.loss[kept])


def few_of(number: int) -> np.ndarray:
    """Returns which steps of a share to draw: all, or so many that nobody sees what is missing; both ends are there."""
    return np.unique(np.linspace(0, number - 1, min(number, _MOST_STEPS)).round().astype(int))


def around(curve: LossCurve, onset: float, reach: float) -> LossCurve:
    """Returns a curve from `reach` steps before its onset to twice that after it, and a point more at each end."""
    first = np.searchsorted(curve.steps, onset - reach)
    last = np.searchsorted(curve.steps, onset + 2 * reach, side="right")
    part = slice(max(0, int(first) - 1), int(last) + 1)
    return LossCurve(curve.steps[part], curve.loss[part])
