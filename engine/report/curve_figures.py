"""Figures of loss curves, one line per run, and what tells the arms of a figure apart."""

import functools
import math
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .arm_runs import ArmRuns
from .canvas import INK, new_figure, points_per_curve, thinned
from .phrases import label, time_word
from .ranking import shown_arms
from .sections import Drawing
from .summary import Summary

# Begins the names of the drawings with the curves of one arm.
CURVES = "curves"
ON_SET = {"measured": "on the fixed evaluation set, one line per seed", "points": "evaluation grid"}
OF_LOGS = {"measured": "as it was logged, one line per run", "points": "logged points"}
# Longest label, and most labels, in one column of a legend.
LONG_LABEL, _MOST_IN_A_COLUMN = 20, 4
# Okabe and Ito (2008): distinguishable with any colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")


def make_overview(summary: Summary, remedy: str) -> Drawing:
    """Returns the first drawing of a page: the curves of the baseline, and of an arm that kicks in earlier."""
    words = OF_LOGS if summary.is_of_logs else ON_SET
    caption = f"Loss {words['measured']}; a dot is an onset."
    return Drawing(functools.partial(_draw_overview, summary, [summary.baseline, remedy]), caption)


def first_curves(summary: Summary) -> str:
    """Returns the name of the drawing with the baseline's curves."""
    return f"{CURVES}_{1 + list(summary.runs).index(summary.baseline)}"


def _draw_overview(summary: Summary, names: list[str]) -> Figure:
    figure = new_figure(2.7)
    axes = figure.subplots()
    top = max(_highest(summary.runs[name]) for name in names)
    are_told_apart = len(shown_arms(summary)) <= len(_COLOURS)
    for name, own in zip(names, _COLOURS, strict=False):
        colour = colour_of(summary, name) if are_told_apart else own
        _draw_runs(axes, summary, name, top, colour)
        axes.plot([], [], color=colour, label=label(name))
    _finish_curves(axes, summary, names, top)
    add_legend(axes, "best")
    return figure


def draw_curves(summary: Summary, name: str) -> Figure:
    """Draws the curves of an arm."""
    figure = new_figure(3.0)
    axes = figure.subplots()
    top = _highest(summary.runs[name])
    _draw_runs(axes, summary, name, top, colour_of(summary, name))
    _finish_curves(axes, summary, [name], top)
    axes.set(title=label(name))
    return figure


def _highest(runs: ArmRuns) -> float:
    """Returns the highest loss that is drawn: a little above where the runs start, and above chance."""
    starts = [c.loss[0] for c in runs.curves if len(c.loss) and math.isfinite(c.loss[0])]
    return max(runs.chance_loss, float(np.median(starts or [runs.chance_loss]))) * 1.12


def _draw_runs(axes: Axes, summary: Summary, name: str, top: float, colour: str) -> None:
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    bounds = runs.rows["onset_lower"], runs.rows["onset_upper"]
    most = points_per_curve(len(runs.curves))
    for curve, time, event, lower, upper in zip(runs.curves, runs.time / unit, runs.event, *bounds, strict=False):
        steps, drawn = curve.steps / unit, thinned(curve, most)
        axes.plot(drawn.steps / unit, drawn.loss, color=colour, alpha=0.6, linewidth=0.8)
        if event == 1:
            at_event = np.interp(time, steps, curve.loss)
            axes.plot(time, at_event, "o", color=colour, markersize=3.2)
            if lower is not None:
                axes.plot([lower / unit, upper / unit], [at_event, at_event], color=colour, linewidth=1.6)
        elif len(steps):
            marker, size = ("|", 7) if event == 0 else ("x", 4)
            last = np.fmin(curve.loss[-1], top)
            axes.plot(steps[-1], last, marker, color=colour, markersize=size, clip_on=False)


def _finish_curves(axes: Axes, summary: Summary, names: list[str], top: float) -> None:
    end = max(summary.runs[name].horizon / summary.steps_per_unit(name) for name in names)
    chance = summary.runs[names[0]].chance_loss
    axes.axhline(chance, color=INK, linestyle="--", linewidth=0.8)
    axes.annotate("chance", (end, chance), (0, 3), textcoords="offset points", ha="right")
    axes.set(xlim=(0, end), ylim=(0, top), xlabel=time_word(summary.unit), ylabel="loss")


def colour_of(summary: Summary, name: str) -> str:
    """Returns the colour of an arm in every figure."""
    names = shown_arms(summary)
    if name not in names:
        return _COLOURS[0]
    if len(names) <= len(_COLOURS):
        return _COLOURS[names.index(name)]
    shade = 0.1 + 0.8 * names.index(name) / (len(names) - 1)
    return mpl.colors.to_hex(mpl.colormaps["viridis"](shade))


def add_legend(axes: Axes, place: Literal["best", "lower right"]) -> None:
    """Adds a legend inside of the axes, however many and long its labels are."""
    _, labels = axes.get_legend_handles_labels()
    is_long = max(map(len, labels), default=0) > LONG_LABEL
    columns = 1 if is_long or len(labels) <= _MOST_IN_A_COLUMN else 2
    size = 9 if len(labels) <= 2 * _MOST_IN_A_COLUMN * columns else 7
    legend = axes.legend(loc=place, fontsize=size, ncols=columns)
    # Otherwise the axes would shrink to make room for one that is wider.
    legend.set_in_layout(False)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
