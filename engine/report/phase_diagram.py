"""Over one or two numbers that arms differ in: the share of runs that leave, when, and where half of them do."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ..arms.arguments import parse_args
from ..outcomes.event import Event
from ..statistics import Estimate
from ..store.run_table import RunTable
from .canvas import INK, new_figure
from .phrases import interval, number, percent, percent_interval
from .sections import Drawing, Section, SectionTable
from .summary import ArmSummary, Summary
from .summary_json import jsonable

# A curve through fewer places, or a map of fewer rows, says less than the table of arms.
_LEAST_PLACES, _LEAST_OF_A_SIDE = 4, 3
_HALF = 0.5
# Values that grow by factors of more than this in all are drawn on a logarithmic axis.
_LOGARITHMIC = 20.0
_COLOUR, _CONTOUR, _UNREACHED = "#0072B2", "#D55E00", "#9AA3AE"
_MOST_TICKS = 4
_CURVE_CAPTION = "Share of the runs that {left}, and the median {time}, over {x}, with 95 % intervals."
_MAP_CAPTION = (
    "Above: share of the runs that {left}, over {x} and {y}; a dot marks a place whose 95 % interval holds one half, "
    "and a line, if there is one, where half of them do, between places. Below: the median {time}, in {unit}. Grey: a "
    "place without runs, and below also one where half of the runs did not get there."
)
_CROSSING_CAPTION = (
    "Between places by interpolation; in brackets the nearest places on both sides whose intervals do not hold one "
    "half."
)


class Axis(NamedTuple):
    """A number that differs between arms, and its values, from the least on."""

    name: str
    values: tuple[float, ...]

    @property
    def is_logarithmic(self) -> bool:
        """Whether it is drawn so."""
        return self.values[0] > 0 and self.values[-1] > _LOGARITHMIC * self.values[0]

    @property
    def scaled(self) -> np.ndarray:
        """Its values as they are spread on its axis."""
        return np.log(self.values) if self.is_logarithmic else np.asarray(self.values)

    def unscaled(self, value: float) -> float:
        """Returns the value at a place of the axis."""
        return math.exp(value) if self.is_logarithmic else value

    @property
    def edges(self) -> np.ndarray:
        """Borders of the cells around its values, as they are spread on its axis."""
        scaled = self.scaled
        middle = (scaled[1:] + scaled[:-1]) / 2
        return np.concatenate([[2 * scaled[0] - middle[0]], middle, [2 * scaled[-1] - middle[-1]]])

    @property
    def ticks(self) -> dict[str, Any]:
        """Some of its values, as labels of its axis."""
        shown = np.unique(np.linspace(0, len(self.values) - 1, _MOST_TICKS).round().astype(int)).tolist()
        return {
            "ticks": self.scaled[shown],
            "labels": [f"{self.values[i]:.3g}" if self.values[i] < 1000 else f"{self.values[i]:g}" for i in shown],
        }


class Crossing(NamedTuple):
    """Where half of the runs leave, between places whose intervals do not hold one half; infinite without such."""

    value: float
    lower: float
    upper: float


def make_section(table: RunTable, summary: Summary) -> Section | None:
    """Makes the section; `None` where arms do not differ in one or two numbers alone, or have too few values."""
    del table
    axes, places = find_places(summary)
    if not axes:
        return None
    is_hit = all(runs.waits_for == Event.HIT for runs in summary.runs.values())
    words = {"left": "had the event" if is_hit else "left chance level", "time": "wait" if is_hit else "onset"}
    words |= {"unit": summary.unit, **{key: axis.name for key, axis in zip("xy", axes, strict=False)}}
    lines, rows, crossings = [_count(places, words["left"])], [], []
    for y in axes[1].values if len(axes) == 2 else (None,):
        along = [places.get((x,) if y is None else (x, y)) for x in axes[0].values]
        found = find_crossings(axes[0], [None if place is None else place.fraction for place in along])
        crossings += [{"at": y, **crossing._asdict()} for crossing in found]
        if y is None:
            lines += [_say_crossing(axes[0], crossing) for crossing in found]
        else:
            rows.append([f"{y:g}", ", ".join(map(_write_crossing, found)) or "–"])
    if len(axes) == 1:
        drawing = Drawing(functools.partial(_draw_curve, axes[0], places, summary.unit), _CURVE_CAPTION.format(**words))
        header = [axes[0].name, f"{words['left']} (95 % CI)", f"median {words['time']}, {summary.unit} (95 % CI)"]
        rows = [[f"{x:g}", *_write_place(places[(x,)], summary.unit)] for x in axes[0].values]
        about = SectionTable(f"Over {axes[0].name}.", header, rows, is_folded=True)
    else:
        drawing = Drawing(functools.partial(_draw_map, axes, places, summary.unit), _MAP_CAPTION.format(**words))
        header = [axes[1].name, f"{axes[0].name} at which half of the runs {words['left']}"]
        about = SectionTable(_CROSSING_CAPTION, header, rows, is_folded=True)
    document = {"axes": {axis.name: axis.values for axis in axes}, "crossings": crossings}
    return Section("phase_diagram", f"Over {' and '.join(axis.name for axis in axes)}", lines, [about],
                   {"phase_diagram": drawing}, jsonable(document))  # fmt: skip


def find_places(summary: Summary) -> tuple[list[Axis], dict[tuple[float, ...], ArmSummary]]:
    """Returns the numbers that arms differ in, and arms by their values; nothing where that is no curve and no map."""
    if summary.is_of_logs:
        return [], {}
    fields = {name: _flat(summary.identity["arms"][name]) for name in summary.arms}
    names = sorted({key for own in fields.values() for key in own})
    varied = [key for key in names if len({repr(own.get(key)) for own in fields.values()}) > 1]
    values: dict[str, list[Any]] = {key: [own.get(key) for own in fields.values()] for key in varied}
    is_numeric = all(_is_number(value) for own in values.values() for value in own)
    if not varied or len(varied) > 2 or not is_numeric:
        return [], {}
    axes = [Axis(key, tuple(sorted({float(v) for v in values[key]}))) for key in varied]
    # The number with more values lies along the figure.
    axes.sort(key=lambda axis: -len(axis.values))
    places = {tuple(float(fields[name][axis.name]) for axis in axes): arm for name, arm in summary.arms.items()}
    sizes = [len(axis.values) for axis in axes]
    is_enough = sizes[0] >= _LEAST_PLACES if len(axes) == 1 else min(sizes) >= _LEAST_OF_A_SIDE
    if not is_enough or len(places) < len(summary.arms) or 2 * len(places) < math.prod(sizes):
        return [], {}
    return axes, places


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of an arm with each argument of the user's code by itself."""
    found = dict(fields)
    for key in [key for key in fields if key.endswith("_args")]:
        argument = key.removesuffix("s")
        typed = parse_args(found.pop(key) or (), argument)
        found |= {f"{argument}.{name}": value for name, value in typed.items()}
    return found


def find_crossings(axis: Axis, shares: Sequence[Estimate | None]) -> list[Crossing]:
    """Finds where shares along an axis pass one half, between neighbours on both sides of it.

    Args:
        shares: one for each value of the axis; `None` where nothing is known.
    """
    scaled = axis.scaled
    known = [(i, one) for i, one in enumerate(shares) if one is not None]
    # Where exactly half of them leave, the places around it tell whether the share passes.
    sides = [(i, one) for i, one in known if one.value != _HALF]
    found = []
    for (i, before), (j, after) in itertools.pairwise(sides):
        if (before.value > _HALF) == (after.value > _HALF):
            continue
        share = (_HALF - before.value) / (after.value - before.value)
        value = axis.unscaled(scaled[i] + share * (scaled[j] - scaled[i]))
        left, right = [one for one in known if one[0] <= i], [one for one in known if one[0] >= j]
        lower = next((axis.values[n] for n, one in reversed(left) if _is_as(one, before)), -math.inf)
        upper = next((axis.values[n] for n, one in right if _is_as(one, after)), math.inf)
        found.append(Crossing(value, lower, upper))
    return found


def _is_as(share: Estimate, other: Estimate) -> bool:
    """Tells whether a share is on the side of one half on which another is, beyond chance."""
    return not _is_open(share) and (share.value > _HALF) == (other.value > _HALF)


def _is_open(share: Estimate) -> bool:
    """Tells whether an interval holds one half."""
    return share.lower <= _HALF <= share.upper


def _count(places: Mapping[tuple[float, ...], ArmSummary], left: str) -> str:
    shares = [place.fraction for place in places.values()]
    num_open = sum(map(_is_open, shares))
    num_above = sum(one.lower > _HALF for one in shares)
    return (
        f"Of {len(shares)} places, more than half of the runs {left} in {num_above}, and fewer in "
        f"{len(shares) - num_open - num_above}, both beyond chance; {num_open} are undecided."
    )


def _write_crossing(crossing: Crossing) -> str:
    lower, upper = (f"{x:.3g}" if math.isfinite(x) else "?" for x in crossing[1:])
    return f"{crossing.value:.3g} ({lower}–{upper})"


def _say_crossing(axis: Axis, crossing: Crossing) -> str:
    lower, upper = (f"{axis.name}={x:g}" if math.isfinite(x) else "the end of the sweep" for x in crossing[1:])
    return f"The share passes one half at about {axis.name}={crossing.value:.3g}, between {lower} and {upper}."


def _write_place(place: ArmSummary, unit: str) -> tuple[str, str]:
    share, median = place.fraction, place.median_onset
    is_reached = math.isfinite(median.value)
    wait = f"{number(median.value, unit)} ({interval(median, unit)})" if is_reached else "not reached"
    return f"{percent(share.value)} ({percent_interval(share)})", wait


def _draw_curve(axis: Axis, places: Mapping[tuple[float, ...], ArmSummary], unit: str) -> Figure:
    figure = new_figure(4.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    arms = [places[(x,)] for x in axis.values]
    for axes, estimates in ((upper, [arm.fraction for arm in arms]), (lower, [arm.median_onset for arm in arms])):
        for x, estimate in zip(axis.scaled, estimates, strict=True):
            if not math.isfinite(estimate.value):
                continue
            top = estimate.upper if math.isfinite(estimate.upper) else estimate.value
            axes.plot([x, x], [estimate.lower, top], color=_COLOUR, linewidth=1.6)
            axes.plot(x, estimate.value, "o", color=_COLOUR, markersize=4)
    upper.axhline(_HALF, color=INK, linestyle="--", linewidth=0.8)
    upper.set(ylim=(-0.02, 1.02), ylabel="share of the runs")
    lower.set(xlabel=axis.name, ylabel=f"median, {unit}")
    lower.set_ylim(bottom=0)
    lower.set_xticks(**axis.ticks)
    return figure


def _draw_map(axes: list[Axis], places: Mapping[tuple[float, ...], ArmSummary], unit: str) -> Figure:
    across, along = axes
    shape = (len(along.values), len(across.values))
    shares, medians, is_open = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
    for (x, y), arm in places.items():
        cell = along.values.index(y), across.values.index(x)
        shares[cell], is_open[cell] = arm.fraction.value, _is_open(arm.fraction)
        if math.isfinite(arm.median_onset.value):
            medians[cell] = arm.median_onset.value
    figure = new_figure(5.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _fill(figure, upper, axes, shares, "share of the runs", vmin=0.0, vmax=1.0)
    rows, columns = np.nonzero(is_open)
    upper.plot(across.scaled[columns], along.scaled[rows], "o", color="white", markersize=2.5)
    if np.nanmin(shares) < _HALF < np.nanmax(shares):
        upper.contour(
            across.scaled, along.scaled, np.ma.masked_invalid(shares), levels=[_HALF], colors=[_CONTOUR], linewidths=1.6
        )
    seen = medians[np.isfinite(medians)]
    is_wide = len(seen) > 0 and seen.min() > 0 and seen.max() > _LOGARITHMIC * seen.min()
    _fill(figure, lower, axes, medians, f"median, {unit}", norm=LogNorm() if is_wide else None)
    upper.set_xlabel("")
    return figure


def _fill(figure: Figure, axes: Axes, numbers: list[Axis], values: np.ndarray, title: str, **scale: Any) -> None:
    across, along = numbers
    axes.set_facecolor(_UNREACHED)
    image = axes.pcolormesh(across.edges, along.edges, np.ma.masked_invalid(values), cmap="viridis", **scale)
    figure.colorbar(image, ax=axes, label=title)
    axes.set(xlabel=across.name, ylabel=along.name)
    axes.set_xticks(**across.ticks)
    axes.set_yticks(**along.ticks)
