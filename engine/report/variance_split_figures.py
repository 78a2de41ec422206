"""Figures of the page on chance or split."""

import math

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engine.report.arm_runs import ForkRuns, GridRuns
from engine.report.canvas import new_figure
from engine.report.phrases import label
from engine.report.variance_split import VarianceSplit, shares_of

_MAX_PARENTS = 60


def draw_grid(name: str, grid: GridRuns, split: VarianceSplit, unit: str, steps_per_unit: float) -> Figure:
    """Waiting times of every start in every data order, and the shares of their variance."""
    figure = new_figure(3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    _draw_times(left, grid, steps_per_unit)
    left.set_title(f"{label(name)}: wait ({unit})")
    for row, (words, share) in enumerate(shares_of(split).items()):
        right.plot([share.lower, share.upper], [row, row], color="#0072B2", linewidth=1.6)
        right.plot(share.value, row, "o", color="#0072B2", markersize=5)
        right.text(0.0, row - 0.28, words, fontsize=8)
    right.set(xlim=(-0.02, 1.02), ylim=(2.5, -0.7), yticks=[], xlabel="share of the variance\nof log time")
    return figure


def _draw_times(axes: Axes, grid: GridRuns, steps_per_unit: float) -> None:
    """A cell per run, starts by their mean wait; a cross where the event was not seen."""
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
    axes.set_xticklabels([str(order) for order in orders], fontsize=7)
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes)


def draw_forks(name: str, forks: ForkRuns, unit: str, steps_per_unit: float) -> Figure:
    """Time that was left of every fork, one row per parent, sorted by their median."""
    parents = np.unique(forks.parent)
    medians = [np.median(forks.time_left[forks.parent == p]) for p in parents]
    number = min(len(parents), _MAX_PARENTS)
    spread = np.linspace(0, len(parents) - 1, number).round().astype(int)
    shown = parents[np.argsort(medians)][spread]
    figure = new_figure(1.9 + 0.11 * len(shown))
    axes = figure.subplots()
    is_unseen = forks.event != 1
    for row, parent in enumerate(shown):
        own = forks.parent == parent
        left = forks.time_left / steps_per_unit
        axes.plot(left[own & ~is_unseen], np.full(np.sum(own & ~is_unseen), row), "o",
                  color="#0072B2", markersize=3.2, alpha=0.8)  # fmt: skip
        axes.plot(left[own & is_unseen], np.full(np.sum(own & is_unseen), row), ">",
                  color="#0072B2", markersize=4, fillstyle="none")  # fmt: skip
        axes.plot(np.median(left[own]), row, "|", color=mpl.rcParams["text.color"], markersize=7)
    end = float(np.max(forks.time_left)) / steps_per_unit
    axes.set(
        title=f"{label(name)}: {unit} left after the fork",
        xlim=(0, 1.04 * end if math.isfinite(end) and end > 0 else 1),
        ylim=(len(shown) - 0.3, -0.7),
        yticks=[],
        ylabel="parent, sorted",
        xlabel=f"{unit} from the fork to the event",
    )
    return figure
