"""Figures of when runs leave chance level, arm by arm and compared."""

import math
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engine import statistics
from engine.report.arm_colours import LONG_LABEL, add_legend, colour_of
from engine.report.canvas import INK, new_figure
from engine.report.phrases import label, time_word
from engine.report.summary import Summary

# More arms get no bands, and no legend among the curves; they are told apart by their lines too.
_FEW_ARMS = 4
_LINES = ("-", "--", "-.", ":")


def draw_incidence(summary: Summary) -> Figure:
    """Draws the share of the runs that have left chance level, with its band and the numbers at risk.

    With many arms the rows of numbers are the legend, and there are no bands.
    """
    names = list(summary.runs)
    are_few = len(names) <= _FEW_ARMS
    height = (0.17 if are_few else 0.3) * len(names)
    figure = new_figure(3.0 + height)
    axes, table = figure.subplots(2, 1, height_ratios=(3.0, 0.25 + height), sharex=True)
    end = max(map(summary.horizon, names))
    places = np.asarray(ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, end))
    ticks = places[places <= end * (1 + 1e-9)].tolist()
    for row, name in enumerate(names):
        colour = colour_of(summary, name)
        style = {"color": colour, "linestyle": "-" if are_few else _LINES[row % len(_LINES)]}
        _draw_share(axes, summary, name, style, has_band=are_few)
        time = summary.runs[name].time / summary.steps_per_unit(name)
        for tick in ticks:
            at_risk = str(int(np.sum(time >= tick)))
            table.text(tick, row, at_risk, ha="center", va="center", color=colour, fontsize=8)
        if not are_few:
            table.plot([0, 0.06 * end], [row - 0.5] * 2, linewidth=1.6, **style)
            table.text(0.08 * end, row - 0.5, label(name), va="center", color=colour, fontsize=7)
    axes.set(ylim=(-0.02, 1.02), ylabel="share that left chance level")
    if are_few:
        add_legend(axes, "lower right")
    table.set(ylim=(len(names) - 0.4, -0.8), yticks=[], xlim=(0, end), xticks=ticks)
    table.set_xlabel(f"{time_word(summary.unit)}; below the curves, runs still at risk")
    table.spines[["left", "bottom"]].set_visible(False)
    table.tick_params(length=0)
    axes.tick_params(labelbottom=True)
    return figure


def _draw_share(axes: Axes, summary: Summary, name: str, style: dict[str, Any], has_band: bool) -> None:
    """Draws the share of the runs of an arm that have left, a bar wherever runs are censored, and the band."""
    runs, colour = summary.runs[name], style["color"]
    time = runs.time / summary.steps_per_unit(name)
    curve = statistics.aalen_johansen(time, runs.event)
    x = np.concatenate([[0.0], curve.time, [summary.horizon(name)]])
    at_start = (0.0, 0.0, statistics.proportion(0, len(time)).upper)
    value, lower, upper = (
        np.concatenate([[start], column, column[-1:]])
        for start, column in zip(at_start, (curve.value, curve.lower, curve.upper), strict=True)
    )
    axes.step(x, value, where="post", label=label(name), linewidth=1.6, **style)
    censored = np.unique(time[runs.event == 0])
    at_censoring = value[np.searchsorted(x, censored, side="right") - 1]
    axes.plot(censored, at_censoring, "|", color=colour, markersize=7)
    if has_band:
        axes.fill_between(x, lower, upper, step="post", color=colour, alpha=0.16, linewidth=0)


def draw_competing(summary: Summary, name: str) -> Figure:
    """Draws what had become of the runs of an arm by each time, stacked: the shares add up to one."""
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    figure = new_figure(2.8)
    axes = figure.subplots()
    end = runs.horizon / unit
    curves = [statistics.aalen_johansen(runs.time / unit, runs.event, cause) for cause in (1, 2)]
    x = np.concatenate([[0.0], curves[0].time, [end]])
    left, diverged = (np.concatenate([[0.0], c.value, c.value[-1:]]) for c in curves)
    layers = (
        (np.zeros(len(x)), left, "left chance level", {"alpha": 0.75}),
        (left, left + diverged, "diverged", {"alpha": 0.35, "hatch": "///", "edgecolor": INK}),
        (left + diverged, np.ones(len(x)), "neither yet", {"alpha": 0.08}),
    )
    colour = colour_of(summary, name)
    for lower, upper, words, style in layers:
        axes.fill_between(x, lower, upper, step="post", facecolor=colour, linewidth=0, label=words, **style)
    axes.set(xlim=(0, end), ylim=(0, 1), ylabel="share of the runs")
    axes.set(xlabel=time_word(summary.unit), title=label(name))
    # Outside, because what lies under a patch would shine through it.
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def draw_forest(summary: Summary) -> Figure:
    """Draws median onsets, and differences from the baseline, with their intervals."""
    names = list(summary.runs)
    has_differences = bool(summary.comparisons)
    figure = new_figure(1.1 + 0.32 * len(names))
    panels = figure.subplots(1, 2 if has_differences else 1, sharey=True, squeeze=False)[0]
    end = _end_of_medians(summary)
    for row, name in enumerate(names):
        _whisker(panels[0], row, summary.arms[name].median_onset, colour_of(summary, name), end)
        if has_differences and name in summary.comparisons:
            difference = summary.comparisons[name].difference
            _whisker(panels[1], row, difference, colour_of(summary, name), math.inf)
    labels = [label(name) for name in names]
    is_long = max(map(len, labels)) > LONG_LABEL
    panels[0].set_yticks(range(len(names)), labels, fontsize=6 if is_long else None)
    panels[0].set(ylim=(len(names) - 0.5, -0.5), xlim=(0, end), xlabel=f"median onset\n({time_word(summary.unit)})")
    if has_differences:
        panels[1].axvline(0, color=INK, linewidth=0.8)
        baseline = label(summary.baseline)
        than = "the baseline" if len(baseline) > LONG_LABEL else baseline
        panels[1].set_xlabel(f"{summary.unit} later than\n{than}")
    return figure


def _end_of_medians(summary: Summary) -> float:
    """Returns the right end of the axis of medians: at most the horizon."""
    horizon = max(map(summary.horizon, summary.runs))
    highest = max(arm.median_onset.upper for arm in summary.arms.values())
    return min(horizon, 1.15 * highest) or horizon


def _whisker(axes: Axes, row: int, estimate: statistics.Estimate, colour: str, end: float) -> None:
    """Draws a point with its interval, and an arrow where either runs over the end of the axis."""
    lower, upper = min(estimate.lower, end), min(estimate.upper, end)
    axes.plot([lower, upper], [row, row], color=colour, linewidth=1.6)
    if math.isfinite(estimate.value):
        axes.plot(estimate.value, row, "o", color=colour, markersize=5)
    if estimate.upper > end:
        axes.plot(end, row, ">", color=colour, markersize=6, clip_on=False)
