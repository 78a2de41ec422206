"""The figure of a diagnosis."""

import math
from collections.abc import Collection

from matplotlib.figure import Figure

from engine.diagnosis.evidence import Evidence
from engine.diagnosis.symptoms import MOST_RUNS
from engine.report.canvas import INK, new_figure
from engine.report.phrases import label, number
from engine.report.summary import Summary
from engine.statistics import Estimate
from engine.studies.diagnosis import DiagnosisRecord

_COLOURS = {"remedy": "#0072B2", "far": "#7F7F7F"}


def draw_remedies(summary: Summary, record: DiagnosisRecord, evidence: Evidence, names: list[str]) -> Figure:
    """Draws how much later every change makes the mean wait than as given, the earliest on top."""
    found = {name: difference for name in names if (difference := evidence.arms[name].difference) is not None}
    ordered = sorted(found, key=lambda name: found[name].value)
    figure = new_figure(1.0 + 0.26 * len(ordered))
    axes = figure.subplots()
    # Where no run leaves, as given or changed, nothing was measured.
    end = _end([found[name] for name in found if evidence.is_measured(name)] or found.values())
    for row, name in enumerate(ordered):
        colour, difference = _COLOURS[record.kinds[name]], found[name]
        style = "full" if evidence.arms[name].left >= MOST_RUNS else "none"
        if not evidence.is_measured(name):
            axes.plot(0, row, "o", color=colour, markersize=5, fillstyle=style)
        elif difference.value > end:
            axes.plot(end, row, ">", color=colour, markersize=6, fillstyle=style, clip_on=False)
            text = f"{number(difference.value, summary.unit)} "
            axes.text(0.96 * end, row, text, ha="right", va="center", fontsize=7)
        else:
            if math.isfinite(difference.lower):
                ends = [difference.lower, min(difference.upper, end)]
                axes.plot(ends, [row, row], color=colour, linewidth=1.6)
            axes.plot(difference.value, row, "o", color=colour, markersize=5, fillstyle=style)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(ordered)), [label(record.words[name]) for name in ordered])
    axes.set(ylim=(len(ordered) - 0.5, -0.5), xlabel=f"{summary.unit} later than as given", xmargin=0.05)
    axes.set_xlim(right=end)
    return figure


def _end(differences: Collection[Estimate]) -> float:
    """Returns where the axis ends on the later side, so that what is earlier is not squeezed."""
    earliest = max((-d.lower for d in differences if math.isfinite(d.lower)), default=0.0)
    return 1.5 * earliest if earliest > 0 else max(d.value for d in differences) or 1.0
