"""Figures of the loss curves."""

import math

import numpy as np
from matplotlib.figure import Figure

from engine.outcomes.event import Event
from engine.report.arm_colours import add_legend, colour_of
from engine.report.arm_runs import ArmRuns
from engine.report.canvas import INK, new_figure
from engine.report.phrases import label, time_word
from engine.report.summary import Summary
from engine.report.thinning import around, points_per_curve, thinned


def draw_curves(summary: Summary, name: str) -> Figure:
    """Draws the loss of every seed with its onset and the grid interval around it, and the chance level.

    A run that is censored ends in a bar, and one that diverges in a cross.
    """
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    figure = new_figure(3.0)
    axes = figure.subplots()
    colour = colour_of(summary, name)
    top = max(runs.chance_loss, _start_loss(runs)) * 1.12
    bounds = zip(runs.rows["onset_lower"], runs.rows["onset_upper"], strict=True)
    rows = zip(runs.curves, runs.time / unit, runs.event, bounds, strict=False)
    most = points_per_curve(len(runs.curves))
    for curve, time, event, (lower, upper) in rows:
        steps, drawn = curve.steps / unit, thinned(curve, most)
        axes.plot(drawn.steps / unit, drawn.loss, color=colour, alpha=0.6, linewidth=0.8)
        if event == 1:
            at_event = np.interp(time, steps, curve.loss)
            axes.plot(time, at_event, "o", color=colour, markersize=3.2)
            if lower is not None:
                ends = [lower / unit, upper / unit]
                axes.plot(ends, [at_event, at_event], color=colour, linewidth=1.6)
        elif len(steps):
            marker, size = ("|", 7) if event == 0 else ("x", 4)
            last = np.fmin(curve.loss[-1], top)
            axes.plot(steps[-1], last, marker, color=colour, markersize=size, clip_on=False)
    axes.axhline(runs.chance_loss, color=INK, linestyle="--", linewidth=0.8)
    end = runs.horizon / unit
    axes.annotate("chance", (end, runs.chance_loss), (0, 3), textcoords="offset points", ha="right")
    axes.set(xlim=(0, end), ylim=(0, top), xlabel=time_word(summary.unit), ylabel="loss", title=label(name))
    return figure


def _start_loss(runs: ArmRuns) -> float:
    starts = [c.loss[0] for c in runs.curves if len(c.loss) and math.isfinite(c.loss[0])]
    return float(np.median(starts)) if starts else runs.chance_loss


def draw_aligned(summary: Summary) -> Figure:
    """Draws every curve shifted so that its onset is at 0, scaled by chance."""
    figure = new_figure(3.0)
    axes = figure.subplots()
    waiting = {n: runs for n, runs in summary.runs.items() if runs.waits_for == Event.BREAK}
    reach = _reach(summary)
    most = points_per_curve(sum(len(runs.curves) for runs in waiting.values()))
    for name, runs in waiting.items():
        unit, colour = summary.steps_per_unit(name), colour_of(summary, name)
        legend_label: str | None = label(name)
        for i in np.flatnonzero(runs.event[: len(runs.curves)] == 1):
            curve = thinned(around(runs.curves[i], runs.time[i], reach * unit), most)
            shifted = (curve.steps - runs.time[i]) / unit
            loss = curve.loss / runs.chance_loss
            axes.plot(shifted, loss, color=colour, alpha=0.55, linewidth=0.8, label=legend_label)
            legend_label = None
    axes.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    axes.axhline(1, color=INK, linewidth=0.8, linestyle="--")
    axes.set(
        xlim=(-reach, 2 * reach), ylim=(0, 1.15), xlabel=f"{summary.unit} since the onset", ylabel="loss over chance"
    )
    add_legend(axes, "best")
    return figure


def _reach(summary: Summary) -> float:
    """Returns how far aligned curves are drawn before their onset, in the unit; after it, twice as far."""
    spans = [
        (runs.rows["width_steps"][i] or 0.0) / summary.steps_per_unit(name)
        for name, runs in summary.runs.items()
        if runs.waits_for == Event.BREAK
        for i in np.flatnonzero(runs.event[: len(runs.curves)] == 1)
    ]
    return 2.5 * float(np.median(spans)) or 1.0
