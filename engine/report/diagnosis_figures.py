"""The figure of a diagnosis."""

import math

from matplotlib.figure import Figure

from engine.diagnosis.evidence import MOST, Evidence
from engine.diagnosis.record import Record
from engine.report.canvas import INK, new_figure
from engine.report.phrases import label
from engine.report.summary import Summary

_COLOURS = {"remedy": "#0072B2", "far": "#7F7F7F"}


def draw_remedies(summary: Summary, record: Record, evidence: Evidence, names: list[str]) -> Figure:
    """Difference of the mean wait from as given, of every change, the earliest on top."""
    found = {
        name: difference
        for name in names
        if (difference := evidence.arms[name].difference) is not None
    }
    ordered = sorted(found, key=lambda name: found[name].value)
    figure = new_figure(1.0 + 0.3 * len(ordered))
    axes = figure.subplots()
    for row, name in enumerate(ordered):
        colour, difference = _COLOURS[record.kinds[name]], found[name]
        bounds = [difference.lower, difference.upper]
        if all(map(math.isfinite, bounds)):
            axes.plot(bounds, [row, row], color=colour, linewidth=1.6)
        style = "full" if evidence.arms[name].left >= MOST else "none"
        axes.plot(difference.value, row, "o", color=colour, markersize=5, fillstyle=style)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(ordered)), [label(record.words[name]) for name in ordered])
    axes.set(
        ylim=(len(ordered) - 0.5, -0.5),
        xlabel=f"{summary.unit} later than as given (mean wait up to the horizon)",
    )
    return figure
