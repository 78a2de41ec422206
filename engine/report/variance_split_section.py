"""Chance or fate: the section on what decides the wait, with its figures."""

import functools
import math
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..statistics import CrossedComponents
from .arm_runs import ForkRuns, GridRuns
from .canvas import new_figure
from .phrases import label
from .sections import Drawing, Section
from .summary import Summary
from .summary_json import jsonable
from .variance_split import VarianceSplit, describe_split

_MAX_PARENTS = 60
# With more arms, only the baseline and arms with a grid or forks get a paragraph; all are in `summary.json`.
_MOST_ARMS = 6
_COLOUR = "#0072B2"
_SHARES = {"init_share": "start", "order_share": "data order", "rest_share": "both together"}
_GRID_CAPTION = (
    "Waiting time of every start in every data order (a cross: not seen to end), and how the variance of its "
    "logarithm is divided, with 95 % intervals."
)
_FORKS_CAPTION = (
    "Time left of every fork, one row per parent; the bar is the parent's median, a triangle a fork that was not seen "
    "to leave. Where the parent decides, a row is narrow and the rows differ; where it is chance, they look alike."
)


def make_split_section(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Section:
    """Makes the section on what the designs of the arms say."""
    lines, drawings = [], {}
    for i, (name, split) in enumerate(splits.items()):
        if len(splits) <= _MOST_ARMS or split.has_design or name == summary.baseline:
            lines += describe_split(summary, name, split)
        runs, about = summary.runs[name], (summary.unit, summary.steps_per_unit(name))
        if split.components is not None and runs.grid is not None:
            draw = functools.partial(draw_grid, name, runs.grid, split.components, *about)
            drawings[f"grid_{i + 1}"] = Drawing(draw, _GRID_CAPTION)
        if runs.forks is not None:
            draw = functools.partial(draw_forks, name, runs.forks, *about)
            drawings[f"forks_{i + 1}"] = Drawing(draw, _FORKS_CAPTION)
    return Section("chance_or_fate", "Chance or fate?", lines, [], drawings, jsonable(dict(splits)))


def draw_grid(name: str, grid: GridRuns, components: CrossedComponents, unit: str, steps_per_unit: float) -> Figure:
    """Draws the waiting times of every start in every data order, and the shares of their variance."""
    figure = new_figure(3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    _draw_times(left, grid, steps_per_unit)
    left.set_title(f"{label(name)}: wait ({unit})")
    for row, (field, words) in enumerate(_SHARES.items()):
        share = getattr(components, field)
        right.plot([share.lower, share.upper], [row, row], color=_COLOUR, linewidth=1.6)
        right.plot(share.value, row, "o", color=_COLOUR, markersize=5)
        right.text(0.0, row - 0.28, words, fontsize=9)
    right.set(xlim=(-0.02, 1.02), ylim=(2.5, -0.7), yticks=[], xlabel="share of the variance\nof log time")
    return figure


def _draw_times(axes: Axes, grid: GridRuns, steps_per_unit: float) -> None:
    starts, row = np.unique(grid.init_seed, return_inverse=True)
    orders, column = np.unique(grid.order, return_inverse=True)
    times = np.full((len(starts), len(orders)), np.nan)
    times[row, column] = grid.time / steps_per_unit
    rank = np.argsort(np.nanmean(np.log(np.maximum(times, 1e-9)), axis=1))
    place = np.argsort(rank)
    image = axes.imshow(times[rank], aspect="auto", cmap="viridis", interpolation="nearest")
    unseen = grid.event != 1
    axes.plot(column[unseen], place[row[unseen]], "x", color="white", markersize=4)
    axes.set(xlabel="data order", ylabel="start, sorted", xticks=range(len(orders)), yticks=[])
    axes.set_xticklabels([str(order) for order in orders], fontsize=8.5)
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes)


def draw_forks(name: str, forks: ForkRuns, unit: str, steps_per_unit: float) -> Figure:
    """Draws the time that was left of every fork, one row per parent, sorted by their median."""
    parents = np.unique(forks.parent)
    medians = [np.median(forks.time_left[forks.parent == parent]) for parent in parents]
    spread = np.linspace(0, len(parents) - 1, min(len(parents), _MAX_PARENTS)).round().astype(int)
    shown = parents[np.argsort(medians)][spread]
    figure = new_figure(1.9 + 0.11 * len(shown))
    axes = figure.subplots()
    left, has_event = forks.time_left / steps_per_unit, forks.event == 1
    for row, parent in enumerate(shown):
        own = forks.parent == parent
        seen, unseen = left[own & has_event], left[own & ~has_event]
        axes.plot(seen, np.full(len(seen), row), "o", color=_COLOUR, markersize=3.2, alpha=0.8)
        axes.plot(unseen, np.full(len(unseen), row), ">", color=_COLOUR, markersize=4, fillstyle="none")
        axes.plot(np.median(left[own]), row, "|", color=mpl.rcParams["text.color"], markersize=7)
    end = float(np.max(left))
    reach = 1.04 * end if math.isfinite(end) and end > 0 else 1
    axes.set(title=f"{label(name)}: {unit} left after the fork", xlabel=f"{unit} from the fork to the event")
    axes.set(xlim=(0, reach), ylim=(len(shown) - 0.3, -0.7), yticks=[], ylabel="parent, sorted")
    return figure
