"""What figures of several arms share: colours, legends and labels."""

from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes

from engine.report.summary import Summary

# Longest label, and most labels, in one column of a legend.
LONG_LABEL = 20
_MOST_IN_A_COLUMN = 4
# Okabe and Ito (2008): distinguishable with any colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")


def colour_of(summary: Summary, name: str) -> str:
    """Returns the colour of an arm in all figures."""
    names = list(summary.runs)
    if len(names) <= len(_COLOURS):
        return _COLOURS[names.index(name)]
    shade = 0.1 + 0.8 * names.index(name) / (len(names) - 1)
    return mpl.colors.to_hex(mpl.colormaps["viridis"](shade))


def add_legend(axes: Axes, place: Literal["best", "lower right"]) -> None:
    """Adds a legend inside of the axes, however many and long its labels are."""
    _, labels = axes.get_legend_handles_labels()
    is_long = max(map(len, labels), default=0) > LONG_LABEL
    columns = 1 if is_long or len(labels) <= _MOST_IN_A_COLUMN else 2
    size = 8 if len(labels) <= 2 * _MOST_IN_A_COLUMN * columns else 6
    legend = axes.legend(loc=place, fontsize=size, ncols=columns)
    # Otherwise the axes would shrink to make room for one that is wider.
    legend.set_in_layout(False)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
