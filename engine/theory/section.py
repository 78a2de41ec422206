"""Theory over measurement: what the runs of a study should have done, drawn over what they did."""

import functools
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from engine.arms import arm as config
from engine.errors import InputError
from engine.report.arm_runs import ArmRuns, LossCurve
from engine.report.canvas import new_figure
from engine.report.metric_curves import read_arm_curves, read_grid_curves
from engine.report.phrases import joined, label
from engine.report.sections import Drawing, Section, SectionTable
from engine.report.summary import Summary
from engine.report.thinning import thinned
from engine.statistics import Estimate
from engine.store.run_table import RunTable
from engine.theory import THEORIES
from engine.theory.comparison import Check, Measured, MeasuredCurve, MeasuredGrid, Prediction, TheoryCurve

KEY = "theory"
_HEADER = ["arm", "quantity", "theory", "measured (interval)", "deviation", "bound", "agrees"]
_MEASURED, _THEORY = "#0072B2", "#D55E00"
# More lines would hide each other.
_MOST_LINES = 24
_MOST_POINTS = 300
# In one sentence.
_MOST_NAMED = 3


def make_section(table: RunTable, summary: Summary) -> Section | None:
    """What the study's theory says of its runs; `None` where it has none.

    Args:
        table: the finished runs of the study.
        summary: its numbers.

    Raises:
        InputError: there is no such theory.
    """
    name = table.directory.document["study"].get("theory")
    if name is None:
        return None
    theory = THEORIES.load(name)
    found = {arm: _measured(table, theory, arm, runs) for arm, runs in summary.runs.items()}
    # Where every run blew up before its first evaluation there is nothing to compare.
    measured = {arm: runs for arm, runs in found.items() if runs.curves}
    prediction = theory.predict(measured)
    lines, answer = _in_words(prediction)
    return Section(
        key=KEY,
        title="Theory and measurement",
        lines=lines,
        tables=_tables(prediction.checks),
        drawings=_drawings(prediction.curves, measured),
        document=_document(name, prediction),
        headline=answer,
    )


def _measured(table: RunTable, theory: ModuleType, name: str, runs: ArmRuns) -> Measured:
    """What the repetitions of an arm left behind, those that the statistics use."""
    identity = table.directory.document["identity"]
    curves = {}
    for metric in theory.USES:
        try:
            found = read_arm_curves(table, name, metric)
        except InputError:  # no run has it
            continue
        if not len(found.steps):
            continue
        values = found.values[np.isin(found.seed, runs.seed)].astype(np.float64)
        curves[metric] = MeasuredCurve(found.steps, values)
    return Measured(
        arm=config.arm_of(name, identity["arms"][name]),
        root_seed=identity["root_seed"],
        curves=curves,
        init_seed=runs.init_seed,
        order_seed=runs.order_seed,
        noise_seed=np.asarray(runs.rows["noise_seed"], np.int64),
        status=runs.status,
        event=runs.event,
        time=runs.time,
        horizon=runs.horizon,
        chance_loss=runs.chance_loss,
        grid=_grid(table, theory, name, runs),
    )


def _grid(table: RunTable, theory: ModuleType, name: str, runs: ArmRuns) -> MeasuredGrid | None:
    """The same of its crossed grid."""
    if runs.grid is None:
        return None
    curves = {}
    init_seed, order = np.empty((2, 0), np.int64)
    for metric in theory.USES:
        try:
            found = read_grid_curves(table, name, metric)
        except InputError:  # no run has it
            continue
        is_used = np.isin(found.init_seed, runs.grid.init_seed)
        init_seed, order = found.init_seed[is_used], found.order[is_used]
        curves[metric] = MeasuredCurve(found.steps, found.values[is_used].astype(np.float64))
    return MeasuredGrid(curves, init_seed, order)


def _in_words(prediction: Prediction) -> tuple[list[str], str | None]:
    """Paragraphs, and the answer in one sentence where anything was compared.

    Args:
        prediction: of the theory.
    """
    checks = prediction.checks
    if not checks:
        return ["Nothing of this study can be compared with its theory.", *prediction.notes], None
    missed = [check for check in checks if not check.is_met]
    number = f"{len(checks)} {'quantity' if len(checks) == 1 else 'quantities'}"
    if missed:
        more = len(missed) - _MOST_NAMED
        named = [_in_short(check) for check in missed[:_MOST_NAMED]]
        which = joined(named + ([f"{more} more"] if more > 0 else []))
        answer = f"Theory and measurement disagree in {len(missed)} of {number}: {which}."
    else:
        answer = f"Theory and measurement agree in all of {number}, each within its bound."
    worst = max(
        (check for check in checks if check.tolerance is not None and _is_finite(check)),
        key=lambda check: abs(check.deviation or 0.0) / (check.tolerance or 1.0),
        default=None,
    )
    nearest = [] if worst is None or missed else [f"Nearest to its bound: {_in_short(worst)}."]
    return [*nearest, *prediction.notes], answer


def _is_finite(check: Check) -> bool:
    return check.deviation is not None and math.isfinite(check.deviation)


def _in_short(check: Check) -> str:
    unit = f" {check.unit}" if check.unit else ""
    found = f"{check.quantity} of “{check.arm}”: {_number(check.measured.value)} measured"
    return f"{found}, {_number(check.theory)}{unit} in theory ({_beside_bound(check)})"


def _beside_bound(check: Check) -> str:
    if check.tolerance is None:
        inside = "inside" if check.is_met else "outside"
        return f"{inside} the interval {_interval(check.measured)}"
    return f"{_deviation(check)}, bound {_percent(check.tolerance)}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.5g}".replace("-", "−")


def _interval(estimate: Estimate) -> str:
    return f"{_number(estimate.lower)} to {_number(estimate.upper)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _deviation(check: Check) -> str:
    if not _is_finite(check):
        return "–"
    share = 100 * (check.deviation or 0.0)
    return f"{share:+.2g} %".replace("-", "−")


def _tables(checks: list[Check]) -> list[SectionTable]:
    if not checks:
        return []
    rows = []
    for check in checks:
        measured = _number(check.measured.value)
        if check.measured.lower < check.measured.upper:
            measured += f" ({_interval(check.measured)})"
        bound = "inside the interval" if check.tolerance is None else _percent(check.tolerance)
        quantity = f"{check.quantity}, {check.unit}" if check.unit else check.quantity
        agrees = "yes" if check.is_met else "NO"
        values = [_number(check.theory), measured, _deviation(check), bound, agrees]
        rows.append([check.arm, quantity, *values])
    caption = "Every number beside its known answer; the bounds were set before it was measured."
    return [SectionTable(caption, _HEADER, rows)]


def _drawings(curves: list[TheoryCurve], measured: Mapping[str, Measured]) -> dict[str, Drawing]:
    """A figure for every arm and metric that a theory has a curve of."""
    groups: dict[tuple[str, str], list[TheoryCurve]] = {}
    for curve in curves:
        if curve.metric in measured[curve.arm].curves:
            groups.setdefault((curve.arm, curve.metric), []).append(curve)
    drawings = {}
    for i, ((arm, metric), group) in enumerate(groups.items()):
        draw = functools.partial(_draw, group, measured[arm].curves[metric])
        sources = joined(list(dict.fromkeys(curve.source for curve in group)))
        few = measured[arm].num_runs > _MOST_LINES
        shown = f" The first {_MOST_LINES} runs are drawn." if few else ""
        caption = f"Theory (dashed) over what was measured. {sources}.{shown}"
        drawings[f"theory_{i + 1}"] = Drawing(draw, caption)
    return drawings


def _draw(group: list[TheoryCurve], measured: MeasuredCurve) -> Figure:
    figure = new_figure(2.6)
    axes = figure.subplots()
    for row, values in enumerate(measured.values[:_MOST_LINES]):
        words = "measured" if row == 0 else None
        line = _thin(measured.steps, values)
        axes.plot(*line, color=_MEASURED, alpha=0.7, linewidth=1.4, label=words)
    for curve in group:
        for row, values in enumerate(np.atleast_2d(curve.values)[:_MOST_LINES]):
            words = label(curve.words) if row == 0 else None
            line = _thin(curve.steps, values)
            axes.plot(*line, "--", color=_THEORY, linewidth=1.1, label=words)
    first = group[0]
    axes.set(xlabel="step", ylabel=label(first.metric.replace("_", " ")), title=label(first.arm))
    if any(curve.is_log for curve in group):
        axes.set_yscale("log")
        # The canvas shows text as it is, also the formulas that a logarithmic axis writes.
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize=8)
    return figure


def _thin(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(values)
    line = thinned(LossCurve(steps[known], values[known]), _MOST_POINTS)
    return line.steps, line.loss


def _document(name: str, prediction: Prediction) -> dict[str, Any]:
    checks = [
        {
            "arm": check.arm,
            "quantity": check.quantity,
            "unit": check.unit,
            "theory": _plain(check.theory),
            "measured": _plain(check.measured.value),
            "lower": _plain(check.measured.lower),
            "upper": _plain(check.measured.upper),
            "deviation": _plain(check.deviation),
            "tolerance": _plain(check.tolerance),
            "agrees": bool(check.is_met),
            "source": check.source,
        }
        for check in prediction.checks
    ]
    agrees = all(check["agrees"] for check in checks) if checks else None
    return {"name": name, "agrees": agrees, "checks": checks, "notes": prediction.notes}


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
