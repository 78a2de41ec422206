"""The figures of the report, as Matplotlib objects."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engine import statistics
from engine.errors import unknown_name
from engine.outcomes.event import Event
from engine.report import variance_split_figures
from engine.report.arm_runs import ArmRuns
from engine.report.canvas import INK, new_figure, styled
from engine.report.phrases import label
from engine.report.sections import Section
from engine.report.summary import Summary
from engine.report.thinning import around, points_per_curve, thinned
from engine.report.variance_split import VarianceSplit

# Of the characters of a label, and of the labels in one column of a legend.
_LONG_LABEL = 20
_MOST_IN_A_COLUMN = 4
# More have no bands, and no legend among the curves; they are told apart by their lines too.
_FEW_ARMS = 4
_LINES = ("-", "--", "-.", ":")
# Okabe and Ito (2008): distinguishable with any colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")


class Figures(Mapping[str, Figure]):
    """Figures by file name, without its ending. Each is drawn when it is first asked for.

    Args:
        drawers: that draw them.
    """

    def __init__(self, drawers: Mapping[str, Callable[[], Figure]]) -> None:
        self._drawers = dict(drawers)
        self._drawn: dict[str, Figure] = {}

    def __getitem__(self, name: str) -> Figure:
        if name not in self._drawers:
            raise unknown_name("figure", name, self._drawers)
        if name not in self._drawn:
            with styled():
                self._drawn[name] = self._drawers[name]()
        return self._drawn[name]

    def __contains__(self, name: object) -> bool:
        return name in self._drawers

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawers)

    def __len__(self) -> int:
        return len(self._drawers)

    def __repr__(self) -> str:
        return f"<figures: {', '.join(self)}>"


def make_figures(summary: Summary, splits: dict[str, VarianceSplit], sections: Sequence[Section] = ()) -> Figures:
    """Every figure of the report."""
    figures: dict[str, Callable[[], Figure]] = {}
    for i, name in enumerate(summary.runs):
        figures[f"curves_{i + 1}"] = functools.partial(_curves, summary, name)
    figures["incidence"] = lambda: _incidence(summary)
    for i, (name, runs) in enumerate(summary.runs.items()):
        if np.any(runs.event == 2):
            figures[f"competing_{i + 1}"] = functools.partial(_competing, summary, name)
    drawn = ((r, r.event[: len(r.curves)]) for r in summary.runs.values())
    if any(runs.waits_for == Event.BREAK and np.any(event == 1) for runs, event in drawn):
        figures["aligned"] = lambda: _aligned(summary)
    figures["forest"] = lambda: _forest(summary)
    for i, (name, split) in enumerate(splits.items()):
        runs, about = summary.runs[name], (summary.unit, summary.steps_per_unit(name))
        if split.components is not None and runs.grid is not None:
            draw = functools.partial(variance_split_figures.draw_grid, name, runs.grid, split, *about)
            figures[f"grid_{i + 1}"] = draw
        if runs.forks is not None:
            draw = functools.partial(variance_split_figures.draw_forks, name, runs.forks, *about)
            figures[f"forks_{i + 1}"] = draw
    for section in sections:
        figures.update({name: drawing.draw for name, drawing in section.drawings.items()})
    return Figures(figures)


def _colour(summary: Summary, name: str) -> str:
    names = list(summary.runs)
    if len(names) <= len(_COLOURS):
        return _COLOURS[names.index(name)]
    shade = 0.1 + 0.8 * names.index(name) / (len(names) - 1)
    return mpl.colors.to_hex(mpl.colormaps["viridis"](shade))


def _time_label(summary: Summary) -> str:
    return "epoch" if summary.unit == "epochs" else "step"


def _curves(summary: Summary, name: str) -> Figure:
    """Loss of every seed with its onset and the grid interval around it, and the chance level.

    A run that was not seen to leave ends in a bar: it is censored there. One that diverges ends in
    a cross.
    """
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    figure = new_figure(3.0)
    axes = figure.subplots()
    colour = _colour(summary, name)
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
    axes.set(xlim=(0, end), ylim=(0, top), xlabel=_time_label(summary), ylabel="loss", title=label(name))
    return figure


def _start_loss(runs: ArmRuns) -> float:
    starts = [c.loss[0] for c in runs.curves if len(c.loss) and math.isfinite(c.loss[0])]
    return float(np.median(starts)) if starts else runs.chance_loss


def _incidence(summary: Summary) -> Figure:
    """Share of the runs that have left chance level, with its band and the numbers at risk.

    Of many arms the rows of numbers are the legend, and there are no bands.
    """
    names = list(summary.runs)
    are_few = len(names) <= _FEW_ARMS
    height = (0.17 if are_few else 0.3) * len(names)
    figure = new_figure(3.0 + height)
    axes, table = figure.subplots(2, 1, height_ratios=(3.0, 0.25 + height), sharex=True)
    end = max(runs.horizon / summary.steps_per_unit(n) for n, runs in summary.runs.items())
    places = np.asarray(ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, end))
    ticks = places[places <= end * (1 + 1e-9)].tolist()
    for row, (name, runs) in enumerate(summary.runs.items()):
        line = "-" if are_few else _LINES[row % len(_LINES)]
        time = runs.time / summary.steps_per_unit(name)
        curve = statistics.aalen_johansen(time, runs.event)
        colour = _colour(summary, name)
        x = np.concatenate([[0.0], curve.time, [runs.horizon / summary.steps_per_unit(name)]])
        columns = [np.concatenate([[0.0], c, c[-1:]]) for c in (curve.value, curve.lower)]
        value, lower = columns
        at_start = statistics.proportion(0, len(time)).upper
        upper = np.concatenate([[at_start], curve.upper, curve.upper[-1:]])
        style = {"color": colour, "linestyle": line}
        axes.step(x, value, where="post", label=label(name), linewidth=1.6, **style)
        censored = np.unique(time[runs.event == 0])
        at_censoring = value[np.searchsorted(x, censored, side="right") - 1]
        axes.plot(censored, at_censoring, "|", color=colour, markersize=7)
        if are_few:
            axes.fill_between(x, lower, upper, step="post", color=colour, alpha=0.16, linewidth=0)
        for tick in ticks:
            at_risk = int(np.sum(time >= tick))
            table.text(tick, row, str(at_risk), ha="center", va="center", color=colour, fontsize=8)
        if not are_few:
            table.plot([0, 0.06 * end], [row - 0.5] * 2, linewidth=1.6, **style)
            table.text(0.08 * end, row - 0.5, label(name), va="center", color=colour, fontsize=7)
    axes.set(ylim=(-0.02, 1.02), ylabel="share that left chance level")
    if are_few:
        _add_legend(axes, "lower right")
    table.set(ylim=(len(names) - 0.4, -0.8), yticks=[], xlim=(0, end), xticks=ticks)
    table.set_xlabel(f"{_time_label(summary)}; below the curves, runs still at risk")
    table.spines[["left", "bottom"]].set_visible(False)
    table.tick_params(length=0)
    axes.tick_params(labelbottom=True)
    return figure


def _competing(summary: Summary, name: str) -> Figure:
    """What had become of the runs of one arm by each time, stacked: the shares add up to one."""
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
    for lower, upper, words, style in layers:
        colour = _colour(summary, name)
        axes.fill_between(x, lower, upper, step="post", facecolor=colour, linewidth=0, label=words, **style)
    axes.set(
        xlim=(0, end), ylim=(0, 1), xlabel=_time_label(summary), ylabel="share of the runs",
        title=label(name),
    )  # fmt: skip
    # Outside, because what lies under a patch would shine through it.
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _aligned(summary: Summary) -> Figure:
    """Every curve shifted so that its onset is at 0, scaled by chance."""
    figure = new_figure(3.0)
    axes = figure.subplots()
    waiting = {n: runs for n, runs in summary.runs.items() if runs.waits_for == Event.BREAK}
    reach = _reach(summary)
    most = points_per_curve(sum(len(runs.curves) for runs in waiting.values()))
    for name, runs in waiting.items():
        unit, colour = summary.steps_per_unit(name), _colour(summary, name)
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
    _add_legend(axes, "best")
    return figure


def _add_legend(axes: Axes, place: Literal["best", "lower right"]) -> None:
    """A legend inside of the axes, however many and long its labels are."""
    _, labels = axes.get_legend_handles_labels()
    is_long = max(map(len, labels), default=0) > _LONG_LABEL
    columns = 1 if is_long or len(labels) <= _MOST_IN_A_COLUMN else 2
    size = 8 if len(labels) <= 2 * _MOST_IN_A_COLUMN * columns else 6
    legend = axes.legend(loc=place, fontsize=size, ncols=columns)
    # Otherwise the axes would shrink to make room for one that is wider.
    legend.set_in_layout(False)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)


def _reach(summary: Summary) -> float:
    """How far aligned curves are drawn before their onset, in the unit; after it, twice as far."""
    spans = [
        (runs.rows["width_steps"][i] or 0.0) / summary.steps_per_unit(name)
        for name, runs in summary.runs.items()
        if runs.waits_for == Event.BREAK
        for i in np.flatnonzero(runs.event[: len(runs.curves)] == 1)
    ]
    return 2.5 * float(np.median(spans)) or 1.0


def _forest(summary: Summary) -> Figure:
    """Median onsets, and differences from the baseline, with their intervals."""
    names = list(summary.runs)
    has_differences = bool(summary.comparisons)
    figure = new_figure(1.1 + 0.32 * len(names))
    panels = figure.subplots(1, 2 if has_differences else 1, sharey=True, squeeze=False)[0]
    end = _end_of_medians(summary)
    for row, name in enumerate(names):
        _whisker(panels[0], row, summary.arms[name].median_onset, _colour(summary, name), end)
        if has_differences and name in summary.comparisons:
            difference = summary.comparisons[name].difference
            _whisker(panels[1], row, difference, _colour(summary, name), math.inf)
    labels = [label(name) for name in names]
    is_long = max(map(len, labels)) > _LONG_LABEL
    panels[0].set_yticks(range(len(names)), labels, fontsize=6 if is_long else None)
    panels[0].set(ylim=(len(names) - 0.5, -0.5), xlim=(0, end), xlabel=f"median onset\n({_time_label(summary)})")
    if has_differences:
        panels[1].axvline(0, color=INK, linewidth=0.8)
        baseline = label(summary.baseline)
        than = "the baseline" if len(baseline) > _LONG_LABEL else baseline
        panels[1].set_xlabel(f"{summary.unit} later than\n{than}")
    return figure


def _end_of_medians(summary: Summary) -> float:
    """Right end of the axis of medians: the horizon where one is not reached before it."""
    horizon = max(runs.horizon / summary.steps_per_unit(n) for n, runs in summary.runs.items())
    highest = max(arm.median_onset.upper for arm in summary.arms.values())
    return min(horizon, 1.15 * highest) or horizon


def _whisker(axes: Axes, row: int, estimate: statistics.Estimate, colour: str, end: float) -> None:
    """A point with its interval; an arrow where either runs over the end of the axis."""
    lower, upper = min(estimate.lower, end), min(estimate.upper, end)
    axes.plot([lower, upper], [row, row], color=colour, linewidth=1.6)
    if math.isfinite(estimate.value):
        axes.plot(estimate.value, row, "o", color=colour, markersize=5)
    if estimate.upper > end:
        axes.plot(end, row, ">", color=colour, markersize=6, clip_on=False)
