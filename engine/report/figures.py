"""The figures of the report by name, each drawn when it is first asked for."""

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import statistics
from ..errors import unknown_name
from ..outcomes.event import Event
from .arm_runs import MAX_CURVES
from .canvas import INK, around, few_of, label_differences, new_figure, points_per_curve, styled, thinned
from .curve_figures import CURVES, LONG_LABEL, OF_LOGS, ON_SET, add_legend, colour_of, draw_curves
from .phrases import label, time_word
from .ranking import say_shown, shown_arms
from .sections import Drawing
from .summary import Summary

_CURVES = (
    "Loss {measured}; the dot is the onset, with the interval of the {points} around it, a bar at the end a run that "
    "is censored, and a cross one that diverged."
)
_FIRST_SEEDS = f" The first {MAX_CURVES} seeds of an arm are drawn."
_INCIDENCE = (
    "Share of the runs that have left chance level by each time, divergence competing (Aalen–Johansen; the band is "
    "the pointwise 95 % interval, a bar marks censored runs)."
)
_COMPETING = (
    "What had become of the runs by each time, divergence competing (Aalen–Johansen): the shares add up to one."
)
_ALIGNED = "The same curves, scaled by the chance loss and shifted to their onsets."
_FOREST = (
    "Median onset (Brookmeyer–Crowley interval) and difference of restricted means from the baseline, with 95 % "
    "intervals. An arrow means beyond the horizon."
)
# Each arm has a drawing of its own.
_OF_AN_ARM = (CURVES, "competing")
# More arms get no bands, and no legend among the curves; they are told apart by their lines too.
_FEW_ARMS = 4
_LINES = ("-", "--", "-.", ":")


class Figures(Mapping[str, Figure]):
    """Figures by file name without its ending, each drawn once, when it is first asked for."""

    def __init__(self, drawings: Mapping[str, Drawing]) -> None:
        self._drawings = drawings
        self._drawn: dict[str, Figure] = {}

    def __getitem__(self, name: str) -> Figure:
        if name not in self._drawings:
            raise unknown_name("figure", name, self._drawings)
        if name not in self._drawn:
            with styled():
                self._drawn[name] = self._drawings[name].draw()
        return self._drawn[name]

    def __contains__(self, name: object) -> bool:
        return name in self._drawings

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawings)

    def __len__(self) -> int:
        return len(self._drawings)

    def __repr__(self) -> str:
        return f"<figures: {', '.join(self)}>"


def make_drawings(summary: Summary) -> dict[str, Drawing]:
    """Returns the drawings that belong to no section, by file name; those of many arms are of some, see `ranking`."""
    all_runs, of_some = summary.runs.values(), f" {say_shown(summary)}".rstrip()
    first_seeds = _FIRST_SEEDS if max(len(runs.status) for runs in all_runs) > MAX_CURVES else ""
    caption = _CURVES.format(**OF_LOGS if summary.is_of_logs else ON_SET) + first_seeds
    drawings = {}
    for i, name in enumerate(summary.runs):
        drawings[f"{_OF_AN_ARM[0]}_{i + 1}"] = Drawing(functools.partial(draw_curves, summary, name), caption)
    drawings["incidence"] = Drawing(functools.partial(_draw_incidence, summary), _INCIDENCE + of_some)
    for i, (name, runs) in enumerate(summary.runs.items()):
        if np.any(runs.event == 2):
            drawings[f"{_OF_AN_ARM[1]}_{i + 1}"] = Drawing(
                functools.partial(_draw_competing, summary, name), _COMPETING
            )
    if any(runs.waits_for == Event.BREAK and 1 in runs.event[: len(runs.curves)] for runs in all_runs):
        drawings["aligned"] = Drawing(functools.partial(_draw_aligned, summary), _ALIGNED + first_seeds + of_some)
    drawings["forest"] = Drawing(functools.partial(_draw_forest, summary), _FOREST + of_some)
    return drawings


def names_on_page(summary: Summary) -> list[str]:
    """Returns the names of `make_drawings` that a page shows: of many arms only those that are shown."""
    shown = shown_arms(summary)
    hidden = {f"{kind}_{i + 1}" for kind in _OF_AN_ARM for i, name in enumerate(summary.runs) if name not in shown}
    return [name for name in make_drawings(summary) if name not in hidden]


def _draw_aligned(summary: Summary) -> Figure:
    figure = new_figure(3.0)
    axes = figure.subplots()
    shown = shown_arms(summary)
    waiting = {name: summary.runs[name] for name in shown if summary.runs[name].waits_for == Event.BREAK}
    spans = [
        (runs.rows["width_steps"][i] or 0.0) / summary.steps_per_unit(name)
        for name, runs in waiting.items()
        for i in np.flatnonzero(runs.event[: len(runs.curves)] == 1)
    ]
    # Drawn before the onset, in the unit; after it, twice as far.
    reach = 2.5 * float(np.median(spans)) or 1.0
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
    axes.set(xlim=(-reach, 2 * reach), ylim=(0, 1.15))
    axes.set(xlabel=f"{summary.unit} since the onset", ylabel="loss over chance")
    add_legend(axes, "best")
    return figure


def _draw_incidence(summary: Summary) -> Figure:
    names = shown_arms(summary)
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
            table.text(tick, row, str(np.sum(time >= tick)), ha="center", va="center", color=colour, fontsize=9)
        if not are_few:
            table.plot([0, 0.06 * end], [row - 0.5] * 2, linewidth=1.6, **style)
            table.text(0.08 * end, row - 0.5, label(name), va="center", color=colour, fontsize=8.5)
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
    runs, colour = summary.runs[name], style["color"]
    time = runs.time / summary.steps_per_unit(name)
    curve = statistics.aalen_johansen(time, runs.event)
    drawn = few_of(len(curve.time))
    x = np.concatenate([[0.0], curve.time[drawn], [summary.horizon(name)]])
    at_start = (0.0, 0.0, statistics.proportion(0, len(time)).upper)
    value, lower, upper = (
        np.concatenate([[start], column[drawn], column[-1:]])
        for start, column in zip(at_start, (curve.value, curve.lower, curve.upper), strict=True)
    )
    axes.step(x, value, where="post", label=label(name), linewidth=1.6, **style)
    censored = np.unique(time[runs.event == 0])
    censored = censored[few_of(len(censored))]
    at_censoring = value[np.searchsorted(x, censored, side="right") - 1]
    axes.plot(censored, at_censoring, "|", color=colour, markersize=7)
    if has_band:
        axes.fill_between(x, lower, upper, step="post", color=colour, alpha=0.1, linewidth=0)
        # Bands that lie over one another are told apart by their edges.
        for edge in (lower, upper):
            axes.step(x, edge, where="post", color=colour, alpha=0.7, linewidth=0.6, linestyle=style["linestyle"])


def _draw_competing(summary: Summary, name: str) -> Figure:
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    figure = new_figure(2.8)
    axes = figure.subplots()
    end = runs.horizon / unit
    curves = [statistics.aalen_johansen(runs.time / unit, runs.event, cause) for cause in (1, 2)]
    drawn = few_of(len(curves[0].time))
    x = np.concatenate([[0.0], curves[0].time[drawn], [end]])
    left, diverged = (np.concatenate([[0.0], c.value[drawn], c.value[-1:]]) for c in curves)
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
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _draw_forest(summary: Summary) -> Figure:
    names = shown_arms(summary)
    has_differences = bool(summary.comparisons)
    figure = new_figure(1.1 + 0.32 * len(names))
    panels = figure.subplots(1, 2 if has_differences else 1, sharey=True, squeeze=False)[0]
    horizon = max(map(summary.horizon, names))
    end = min(horizon, 1.15 * max(summary.arms[name].median_onset.upper for name in names)) or horizon
    for row, name in enumerate(names):
        _whisker(panels[0], row, summary.arms[name].median_onset, colour_of(summary, name), end)
        if has_differences and name in summary.comparisons:
            difference = summary.comparisons[name].difference
            _whisker(panels[1], row, difference, colour_of(summary, name), math.inf)
    labels = [label(name) for name in names]
    is_long = max(map(len, labels)) > LONG_LABEL
    panels[0].set_yticks(range(len(names)), labels, fontsize=7 if is_long else None)
    panels[0].set(ylim=(len(names) - 0.5, -0.5), xlim=(0, end), xlabel=f"median onset\n({time_word(summary.unit)})")
    if has_differences:
        panels[1].axvline(0, color=INK, linewidth=0.8)
        baseline = label(summary.baseline)
        than = "the baseline" if len(baseline) > LONG_LABEL else baseline
        label_differences(panels[1], summary.unit, than)
    return figure


def _whisker(axes: Axes, row: int, estimate: statistics.Estimate, colour: str, end: float) -> None:
    """Draws a point with its interval, and an arrow where either runs over the end of the axis."""
    lower, upper = min(estimate.lower, end), min(estimate.upper, end)
    axes.plot([lower, upper], [row, row], color=colour, linewidth=1.6)
    if math.isfinite(estimate.value):
        axes.plot(estimate.value, row, "o", color=colour, markersize=5)
    if estimate.upper > end:
        axes.plot(end, row, ">", color=colour, markersize=6, clip_on=False)
