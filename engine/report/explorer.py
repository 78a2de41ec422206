"""What the script of a page draws single runs from: their curves, outcomes and arms, as one JSON document."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import statistics
from ..outcomes.event import Event
from ..outcomes.row import CURVE_STEPS
from ..store.run_table import RunTable
from .arm_runs import LossCurve, finished_prefix
from .canvas import few_of, points_per_curve, thinned
from .curve_figures import colour_of
from .phrases import label
from .ranking import shown_arms
from .summary import Summary

# Runs that a page holds the curves of: a kilobyte each, and nobody would tell more of them apart.
MOST_RUNS = 2000
# They share one scope, in this order.
SCRIPTS = tuple(Path(__file__).with_name(f"explorer{part}.js") for part in ("_curves", "_panel", ""))
# Metrics with a panel, what each is called, and which of them share a scale.
_PANELS = {
    "loss": ("loss", "loss"),
    "held_out_loss": ("held-out loss", "loss"),
    "accuracy": ("accuracy", "share"),
    "held_out_accuracy": ("held-out accuracy", "share"),
    "metric": ("metric", "metric"),
    "held_out_metric": ("held-out metric", "metric"),
}
# Columns that are shown of a run, and those in steps, which become times.
_COLUMNS = (
    *("end_loss", "end_accuracy", "end_held_out_accuracy", "end_metric", "end_held_out_metric"),
    *("suddenness", "num_breaks"),
)
_TIMES = {"onset_lower": "onset_lower", "onset_upper": "onset_upper", "width": "width_steps", "end": "steps_run"}
_DIGITS = 5


class _Curve(NamedTuple):
    run: int
    steps: np.ndarray
    values: np.ndarray


def collect_runs(table: RunTable, summary: Summary) -> dict[str, Any]:
    """Collects the runs that a page can show one by one, of the arms that figures show: of each its first seeds.

    Returns:
        `unit`, `arms`, `runs` and `panels`. Times are in the unit; curves are float32 as base64, their steps are
        numbers of `grids`, of which a curve takes as many as it has values.
    """
    names = shown_arms(summary)
    most = MOST_RUNS // len(names) or 1
    prefixes = {name: finished_prefix(table, name) for name in names}
    rows = {name: prefix[table.has_outcome[prefix]][:most] for name, prefix in prefixes.items()}
    numbers = {row: run for run, row in enumerate(row for own in rows.values() for row in own.tolist())}
    curves = _read_curves(table, numbers)
    packed = _Grids()
    [title, *others] = {metric for name in names if (metric := summary.metric(name)) is not None} or {"metric"}
    panels = [
        {
            "name": words.replace("metric", "metric" if others else title),
            "scale": scale,
            "curves": packed.add(curves[metric]),
        }
        for metric, (words, scale) in _PANELS.items()
        if curves[metric]
    ]
    return {
        "unit": summary.unit,
        "arms": [_describe_arm(summary, name, len(rows[name])) for name in names],
        "runs": {
            "arm": [i for i, name in enumerate(names) for _ in rows[name]],
            **_outcomes(summary, {name: len(rows[name]) for name in names}),
        },
        "panels": panels,
        "grids": packed.grids,
    }


def _read_curves(table: RunTable, numbers: Mapping[int, int]) -> dict[str, list[_Curve]]:
    """Reads all metrics with a panel in one pass, thinned where they are many; in the order of the runs."""
    chosen = np.zeros(len(table), bool)
    chosen[list(numbers)] = True
    found: dict[str, list[_Curve]] = {metric: [] for metric in _PANELS}
    most = points_per_curve(len(numbers))
    for rows, part in table.iterate([*_PANELS, *_steps_of(_PANELS)], chosen):
        for metric, curves in found.items():
            columns = part[CURVE_STEPS[metric]], part[metric]
            for row, steps, values in zip(rows.tolist(), *columns, strict=True):
                if values.values is None or not len(values.values):
                    continue
                curve = thinned(LossCurve(steps.values.to_numpy(), values.values.to_numpy()), most)
                curves.append(_Curve(numbers[row], *curve))
    return {metric: sorted(curves, key=lambda curve: curve.run) for metric, curves in found.items()}


def _steps_of(metrics: Iterable[str]) -> list[str]:
    return sorted({steps for metric in metrics if (steps := CURVE_STEPS[metric]) is not None})


class _Grids:
    """The steps of curves, each kept once: a curve that ends earlier shares those of one that goes on."""

    def __init__(self) -> None:
        self.grids: list[str] = []
        self._numbers: dict[bytes, int] = {}

    def add(self, curves: list[_Curve]) -> dict[str, Any]:
        """Returns the curves of a metric for the script."""
        by_start: dict[tuple[float, ...], np.ndarray] = {}
        for curve in sorted(curves, key=lambda curve: -len(curve.steps)):
            by_start.setdefault(tuple(curve.steps[:2].tolist()), curve.steps)
        grids = []
        for curve in curves:
            longest = by_start[tuple(curve.steps[:2].tolist())]
            is_shared = np.array_equal(longest[: len(curve.steps)], curve.steps)
            grids.append(self._number(longest if is_shared else curve.steps))
        return {
            "run": [curve.run for curve in curves],
            "grid": grids,
            "points": [len(curve.values) for curve in curves],
            "values": _pack(np.concatenate([curve.values for curve in curves])),
        }

    def _number(self, steps: np.ndarray) -> int:
        key = steps.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self.grids)
            self.grids.append(_pack(steps))
        return self._numbers[key]


def _pack(values: np.ndarray) -> str:
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def _describe_arm(summary: Summary, name: str, num_runs: int) -> dict[str, Any]:
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    share = statistics.aalen_johansen(runs.time / unit, runs.event)
    x, y = ([0.0, *column[few_of(len(column))].tolist()] for column in (share.time, share.value))
    return {
        "name": label(name),
        "colour": colour_of(summary, name),
        "stepsPerUnit": unit,
        "end": summary.horizon(name),
        "chance": runs.chance_loss,
        "event": "onset" if runs.waits_for == Event.BREAK else "event",
        "runs": num_runs,
        "of": len(runs.seed),
        "left": {"x": [_rounded(value) for value in x], "y": [_rounded(value) for value in y]},
    }


def _outcomes(summary: Summary, numbers: Mapping[str, int]) -> dict[str, list[Any]]:
    """Returns what the row of each run says, as columns."""
    columns: dict[str, list[Any]] = {}
    for name, number in numbers.items():
        runs, unit = summary.runs[name], summary.steps_per_unit(name)
        own = {column: values[:number] for column, values in runs.rows.items()}
        seeds = zip(own["run_name"], runs.seed[:number].tolist(), strict=True)
        found = {"name": [run_name or f"seed {seed}" for run_name, seed in seeds]}
        found["status"] = [status.replace("_", " ") for status in runs.status[:number]]
        found |= {column: [_rounded(value) for value in own[column]] for column in _COLUMNS}
        pairs = zip(runs.event[:number].tolist(), (runs.time[:number] / unit).tolist(), strict=True)
        found["onset"] = [_rounded(time) if event == 1 else None for event, time in pairs]
        for name_of_time, column in _TIMES.items():
            found[name_of_time] = [None if value is None else _rounded(value / unit) for value in own[column]]
        for column, values in found.items():
            columns.setdefault(column, []).extend(values)
    return columns


def _rounded(value: float | None) -> float | None:
    """Rounds to the digits that a page shows; what is not finite is left out, as JSON has no word for it."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.{_DIGITS}g}")
