"""What diagnostics measure: in words, as figures aligned at the onset, and what changes before it."""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps, ticker
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..training.probes.diagnostic import Panel
from ..training.probes.registry import DIAGNOSTICS, WHOLE
from .canvas import INK, new_figure
from .curves import ArmProbes
from .phrases import label as short

# A quantity on a logarithmic scale has changed when it has doubled or halved, another one when it has moved by this.
_FACTOR = 2.0
_DISTANCE = 0.1
_COLUMNS = 2
_ROW_HEIGHT = 1.75
_NUM_TICKS = 5
# More lines are one surface; of deeper networks every second layer is drawn, or every third.
_MOST_LAYERS = 100
_MOST_NAMED = 16
_OF_NO_LAYER = "#999999"
# A median of fewer than half of the runs would jump where they end.
_LEAST_SHARE = 0.5


def panels() -> tuple[Panel, ...]:
    """Returns the panels of all diagnostics."""
    return tuple(panel for name in DIAGNOSTICS for panel in DIAGNOSTICS.load(name).DIAGNOSTIC.panels)


def series_names() -> dict[str, str]:
    """Returns how sentences call each series."""
    return {key: words for name in DIAGNOSTICS for key, words in DIAGNOSTICS.load(name).DIAGNOSTIC.series.items()}


class Change(NamedTuple):
    """How a quantity changes from the start to the last measurement before the onset; medians over runs.

    Attributes:
        layer: or parameter array in which it changes most; `""` for the whole network.
        lead: steps from where half of the change is over, on the panel's scale, to the onset.
        is_ratio: whether the change is a factor, `end / start`, rather than a difference.
    """

    layer: str
    start: float
    end: float
    lead: float
    is_ratio: bool
    num_runs: int

    @property
    def size(self) -> float:
        """1 where there begins to be anything to tell."""
        if self.is_ratio:
            return abs(math.log(self.end / self.start)) / math.log(_FACTOR)
        return abs(self.end - self.start) / _DISTANCE


def changes_of(found: ArmProbes, onset: np.ndarray) -> dict[str, Change]:
    """Returns what changes before the onsets (steps, NaN without one) of the runs of an arm, by series."""
    changes = {}
    for panel in panels():
        if panel.told is None:
            continue
        name, is_ratio = panel.series[0], panel.scale == "log"
        made = [
            _change(found.steps, layer, own, onset, is_ratio)
            for layer, own in found.values.get(name, {}).items()
            if panel.told != "whole" or layer == WHOLE
        ]
        known = [change for change in made if change is not None]
        if known:
            changes[name] = max(known, key=lambda change: change.size)
    return changes


def _change(steps: np.ndarray, layer: str, values: np.ndarray, onset: np.ndarray, is_ratio: bool) -> Change | None:
    rows = []
    for own, time in zip(values.astype(np.float64), onset, strict=True):
        is_usable = (steps < time) & np.isfinite(own) & ((own > 0) | (not is_ratio))
        if np.count_nonzero(is_usable) < 2:
            continue
        level = np.log(own[is_usable]) if is_ratio else own[is_usable]
        side = (level - (level[0] + level[-1]) / 2) * np.sign(level[-1] - level[0])
        last = max(np.flatnonzero(side <= 0), default=0)
        rows.append((own[is_usable][0], own[is_usable][-1], time - steps[is_usable][last]))
    if not rows:
        return None
    start, end, lead = np.median(rows, axis=0)
    return Change(layer, float(start), float(end), float(lead), is_ratio, len(rows))


def draw_panels(found: ArmProbes, origin: np.ndarray, steps_per_unit: float, label: str) -> Figure:
    """Draws medians and quartiles of every quantity against the time from an origin of each run, see `aligned`."""
    shown = [panel for panel in panels() if panel.series[0] in found.values]
    num_rows = -(-len(shown) // _COLUMNS)
    figure = new_figure(_ROW_HEIGHT * num_rows + 0.7)
    grid = figure.subplots(num_rows, _COLUMNS, sharex=True, squeeze=False)
    shades = _shades(found)
    for axes, panel in zip(grid.flat, shown, strict=False):
        _draw_panel(axes, panel, found, origin, steps_per_unit, shades)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    for axes in grid.flat[max(len(shown) - _COLUMNS, 0) : len(shown)]:
        axes.set_xlabel(label, fontsize=9)
        axes.tick_params(labelbottom=True)
    if any(panel.is_by_layer for panel in shown) and 1 < len(shades) <= _MOST_NAMED:
        lines = [Line2D([], [], color=colour, linewidth=1.4) for colour in shades.values()]
        figure.legend(lines, list(map(short, shades)), loc="outside lower center", ncols=4, fontsize=8.5)
    return figure


def _shades(found: ArmProbes) -> dict[str, Any]:
    """Returns the colours of the layers, from dark to light, in the order in which data enter them if known."""
    entered = next((found.values[s] for s in ("spread", "dead_share") if s in found.values), None)
    if entered is not None:
        layers = [name for name in entered if name != WHOLE]
    else:
        arrays = (name for by_layer in found.values.values() for name in by_layer if name != WHOLE)
        layers = list(dict.fromkeys(name.rpartition("/")[0] or name for name in arrays))
    colours = colormaps["viridis"](np.linspace(0.05, 0.9, max(len(layers), 1)))
    return dict(zip(layers, colours, strict=False))


def _shade(shades: dict[str, Any], name: str) -> Any:
    while name and name not in shades:
        name = name.rpartition("/")[0]
    return shades.get(name, _OF_NO_LAYER)


def _draw_panel(
    axes: Any, panel: Panel, found: ArmProbes, origin: np.ndarray, unit: float, shades: dict[str, Any]
) -> None:
    largest, is_zero = 0.0, False
    layers = [name for name in found.values[panel.series[0]] if name != WHOLE]
    layers = layers[:: -(-len(layers) // _MOST_LAYERS) or 1]
    if panel.is_by_layer:
        for layer in layers:
            colour = _shade(shades, layer)
            time, quartiles = aligned(found, found.values[panel.series[0]][layer], origin)
            axes.plot(time / unit, quartiles[1], color=colour, linewidth=0.7, alpha=0.8)
            is_zero |= bool(np.any(quartiles[1] == 0))
    for series in panel.series:
        values = found.values.get(series, {}).get(WHOLE)
        if values is None:
            continue
        time, quartiles = aligned(found, values, origin)
        style = "--" if series == panel.dashed else "-"
        axes.plot(time / unit, quartiles[1], style, color=INK, linewidth=1.6)
        is_zero |= bool(np.any(quartiles[1] == 0))
        axes.fill_between(time / unit, quartiles[0], quartiles[2], color=INK, alpha=0.15, lw=0)
        finite = np.abs(quartiles[np.isfinite(quartiles)])
        largest = max(largest, float(finite.max(initial=0.0)))
    axes.set_title(panel.title)
    _set_scale(axes, panel, largest, is_zero)
    if np.nanmin(time, initial=0) < 0:
        axes.axvline(0, color=INK, linewidth=0.6, linestyle=":")


def _set_scale(axes: Any, panel: Panel, largest: float, is_zero: bool) -> None:
    """Scales the axis of the values up to the largest absolute one, and says where 0 cannot be shown on it."""
    has_positive = any(np.any(np.asarray(line.get_ydata()) > 0) for line in axes.lines)
    if panel.scale == "log" and has_positive:
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_locator(ticker.LogLocator(numticks=_NUM_TICKS))
        for line in axes.lines:
            # A single point above 0 makes no line.
            if np.sum(np.asarray(line.get_ydata()) > 0) == 1:
                line.set(marker="o", markersize=2.5 * line.get_linewidth())
        low, high = np.log10(axes.get_ylim())
        has_power_of_ten = np.floor(high) >= np.ceil(low)
        if not has_power_of_ten:
            axes.yaxis.set_major_locator(ticker.MaxNLocator(_NUM_TICKS - 2))
        if is_zero:
            axes.set_title(f"{panel.title} (0 where no line)")
    elif panel.scale == "symlog":
        axes.axhline(0, color=INK, linewidth=0.5)
        threshold = max(largest, 1e-30) * 1e-3
        axes.set_yscale("symlog", linthresh=threshold)
        locator = ticker.SymmetricalLogLocator(base=10, linthresh=threshold)
        locator.set_params(numticks=_NUM_TICKS)
        axes.yaxis.set_major_locator(locator)
    if panel.scale != "linear":
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def aligned(found: ArmProbes, values: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns times `[num_times]` from each run's origin, in steps, and quartiles over runs `[3, num_times]`.

    Times are those at which at least half of the runs have a value; a run whose origin is NaN is left out.
    """
    apart = float(np.min(np.diff(found.steps))) if len(found.steps) > 1 else 1.0
    chosen = np.flatnonzero(np.isfinite(origin))
    if not len(chosen):
        return np.zeros(0), np.zeros((3, 0))
    # The measurement of a run that is nearest to each time from its origin.
    places = np.rint((found.steps[None, :] - origin[chosen, None]) / apart)
    distinct, columns = np.unique(places, return_inverse=True)
    table = np.full((len(chosen), len(distinct)), np.nan)
    table[np.arange(len(chosen))[:, None], columns.reshape(places.shape)] = values[chosen]
    is_shown = np.mean(np.isfinite(table), axis=0) >= _LEAST_SHARE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        quartiles = np.nanquantile(table, [0.25, 0.5, 0.75], axis=0)
    return distinct[is_shown] * apart, quartiles[:, is_shown]
