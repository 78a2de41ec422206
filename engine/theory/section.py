"""The report's section on theory: what the runs of a study should have done, beside what they did."""

import contextlib
import functools
import math
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ..arms import arm as config
from ..errors import InputError, counted
from ..report.arm_runs import ArmRuns, LossCurve
from ..report.canvas import new_figure, thinned
from ..report.curves import read_arm_curves, read_grid_curves
from ..report.phrases import joined, label
from ..report.sections import Drawing, Section, SectionTable
from ..report.summary import Summary
from ..report.summary_json import jsonable
from ..statistics import Estimate
from ..store.run_table import RunTable
from . import THEORIES
from .comparison import Check, Measured, MeasuredCurve, MeasuredGrid, Prediction, TheoryCurve

KEY = "theory"
_HEADER = ["arm", "quantity", "theory", "measured (interval)", "deviation", "bound", "agrees"]
_CAPTION = "Every number beside its known answer; the bounds were set before it was measured."
_MEASURED, _THEORY = "#0072B2", "#D55E00"
_MOST_LINES = 24  # more would hide each other
_MOST_POINTS = 300
_MOST_NAMED = 3  # in one sentence


def make_section(run_table: RunTable, summary: Summary) -> Section | None:
    """Compares the runs with the study's theory; returns `None` for a study without one."""
    name = run_table.directory.document["study"].get("theory")
    if name is None:
        return None
    theory = THEORIES.load(name)
    found = {arm: measure_arm(run_table, theory, runs) for arm, runs in summary.runs.items()}
    # An arm whose runs all diverged before their first evaluation has nothing to compare.
    measured = {arm: runs for arm, runs in found.items() if runs.curves}
    prediction = theory.predict(measured)
    checks = prediction.checks
    return Section(
        key=KEY,
        title="Theory and measurement",
        lines=[*_describe_nearest(checks), *prediction.notes],
        tables=[SectionTable(_CAPTION, _HEADER, list(map(_table_row, checks)))] if checks else [],
        drawings=_drawings(prediction.curves, measured),
        document=_document(name, prediction),
        headline=_headline(checks),
    )


def measure_arm(run_table: RunTable, theory: ModuleType, runs: ArmRuns) -> Measured:
    """Collects the curves of an arm's repetitions, those that the statistics use."""
    identity = run_table.directory.document["identity"]
    curves = {}
    for metric in theory.USES:
        with contextlib.suppress(InputError):  # no run has it
            found = read_arm_curves(run_table, runs.name, metric)
            if len(found.steps):
                curves[metric] = _curve(found.steps, found.values, np.isin(found.seed, runs.seed))
    return Measured(
        arm=config.arm_of(runs.name, identity["arms"][runs.name]),
        root_seed=identity["root_seed"],
        curves=curves,
        init_seed=runs.init_seed,
        status=runs.status,
        horizon=runs.horizon,
        chance_loss=runs.chance_loss,
        grid=None if runs.grid is None else _measure_grid(run_table, theory, runs.name, runs.grid.init_seed),
    )


def _measure_grid(run_table: RunTable, theory: ModuleType, name: str, starts: np.ndarray) -> MeasuredGrid:
    curves = {}
    init_seed, order = np.empty((2, 0), np.int64)
    for metric in theory.USES:
        with contextlib.suppress(InputError):  # no run has it
            found = read_grid_curves(run_table, name, metric)
            is_used = np.isin(found.init_seed, starts)
            init_seed, order = found.init_seed[is_used], found.order[is_used]
            curves[metric] = _curve(found.steps, found.values, is_used)
    return MeasuredGrid(curves, init_seed, order)


def _curve(steps: np.ndarray, values: np.ndarray, is_used: np.ndarray) -> MeasuredCurve:
    return MeasuredCurve(steps, values[is_used].astype(np.float64))


def _headline(checks: Collection[Check]) -> str | None:
    if not checks:
        return None
    missed = [check for check in checks if not check.is_met]
    number = counted(len(checks), "quantity", "quantities")
    if not missed:
        return f"Theory and measurement agree in all of {number}, each within its bound."
    named = [_in_short(check) for check in missed[:_MOST_NAMED]]
    if len(missed) > _MOST_NAMED:
        named.append(f"{len(missed) - _MOST_NAMED} more")
    return f"Theory and measurement disagree in {len(missed)} of {number}: {joined(named)}."


def _describe_nearest(checks: Collection[Check]) -> list[str]:
    """Names the quantity nearest to its bound where all agree."""
    if not checks:
        return ["Nothing of this study can be compared with its theory."]
    bounded = [check for check in checks if check.tolerance]
    if not bounded or not all(check.is_met for check in checks):
        return []
    # A check that is met has a deviation.
    nearest = max(bounded, key=lambda check: abs(check.deviation or 0.0) / (check.tolerance or 1.0))
    return [f"Nearest to its bound: {_in_short(nearest)}."]


def _in_short(check: Check) -> str:
    """`half time of “late”: 200.9 measured, 200 steps in theory (+0.45 %, bound 0.5 %)`."""
    unit = f" {check.unit}" if check.unit else ""
    if check.tolerance is None:
        beside = f"{'inside' if check.is_met else 'outside'} the interval {_interval(check.measured)}"
    else:
        beside = f"{_deviation(check)}, bound {_percent(check.tolerance)}"
    found = f"{check.quantity} of “{check.arm}”: {_number(check.measured.value)} measured"
    return f"{found}, {_number(check.theory)}{unit} in theory ({beside})"


def _table_row(check: Check) -> list[str]:
    measured = _number(check.measured.value)
    if check.measured.lower < check.measured.upper:
        measured += f" ({_interval(check.measured)})"
    return [
        check.arm,
        f"{check.quantity}, {check.unit}" if check.unit else check.quantity,
        _number(check.theory),
        measured,
        _deviation(check),
        "inside the interval" if check.tolerance is None else _percent(check.tolerance),
        "yes" if check.is_met else "NO",
    ]


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.5g}".replace("inf", "∞").replace("-", "−")


def _interval(estimate: Estimate) -> str:
    return f"{_number(estimate.lower)} to {_number(estimate.upper)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _deviation(check: Check) -> str:
    if check.deviation is None or not math.isfinite(check.deviation):
        return "–"
    return f"{100 * check.deviation:+.2g} %".replace("-", "−")


def _drawings(curves: list[TheoryCurve], measured: Mapping[str, Measured]) -> dict[str, Drawing]:
    """Plans a figure for every arm and metric of which a theory has a curve."""
    groups: dict[tuple[str, str], list[TheoryCurve]] = {}
    for curve in curves:
        if curve.metric in measured[curve.arm].curves:
            groups.setdefault((curve.arm, curve.metric), []).append(curve)
    drawings = {}
    for i, ((arm, metric), group) in enumerate(groups.items(), start=1):
        draw = functools.partial(draw_comparison, group, measured[arm].curves[metric])
        sources = joined(list(dict.fromkeys(curve.source for curve in group)))
        shown = f" The first {_MOST_LINES} runs are drawn." if measured[arm].num_runs > _MOST_LINES else ""
        drawings[f"theory_{i}"] = Drawing(draw, f"Theory (dashed) over what was measured. {sources}.{shown}")
    return drawings


def draw_comparison(predicted: list[TheoryCurve], measured: MeasuredCurve) -> Figure:
    """Draws predicted curves of one arm and metric over the measured ones."""
    figure = new_figure(2.6)
    axes = figure.subplots()
    _plot(axes, measured, "measured", color=_MEASURED, alpha=0.7, linewidth=1.4)
    for curve in predicted:
        rows = MeasuredCurve(curve.steps, np.atleast_2d(curve.values))
        _plot(axes, rows, label(curve.words), linestyle="--", color=_THEORY, linewidth=1.1)
    first = predicted[0]
    axes.set(xlabel="step", ylabel=label(first.metric.replace("_", " ")), title=label(first.arm))
    if any(curve.is_log for curve in predicted):
        axes.set_yscale("log")
        # The canvas shows text as it is, also the formulas that a logarithmic axis writes.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize=9)
    return figure


def _plot(axes: Axes, curves: MeasuredCurve, words: str, **style: Any) -> None:
    for row in range(min(len(curves.values), _MOST_LINES)):
        line = thinned(LossCurve(*curves.of_run(row)), _MOST_POINTS)
        axes.plot(line.steps, line.loss, label=None if row else words, **style)


def _document(name: str, prediction: Prediction) -> Any:
    checks = [
        {name: getattr(check, name) for name in ("arm", "quantity", "unit", "theory")}
        | {"measured": check.measured.value, "lower": check.measured.lower, "upper": check.measured.upper}
        | {"deviation": check.deviation, "tolerance": check.tolerance}
        | {"agrees": bool(check.is_met), "source": check.source}
        for check in prediction.checks
    ]
    agrees = all(check["agrees"] for check in checks) if checks else None
    return jsonable({"name": name, "agrees": agrees, "checks": checks, "notes": prediction.notes})
