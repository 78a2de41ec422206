"""The figures of the report by name, each drawn when it is first asked for."""

import functools
from collections.abc import Iterator, Mapping

import numpy as np
from matplotlib.figure import Figure

from engine.errors import unknown_name
from engine.outcomes.event import Event
from engine.report.arm_runs import MAX_CURVES
from engine.report.canvas import styled
from engine.report.curve_figures import draw_aligned, draw_curves
from engine.report.incidence_figures import draw_competing, draw_forest, draw_incidence
from engine.report.sections import Drawing
from engine.report.summary import Summary

_CURVES = (
    "Loss on the fixed evaluation set, one line per seed; the dot is the onset, with the interval of the evaluation "
    "grid around it, a bar at the end a run that is censored, and a cross one that diverged."
)
_CURVES_OF_LOGS = (
    "Loss as it was logged, one line per run; the dot is the onset, with the interval of the logged points around it, "
    "a bar at the end a run that is censored, and a cross one that diverged."
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


class Figures(Mapping[str, Figure]):
    """Figures by file name without its ending, drawn once each, when they are first asked for.

    Args:
        drawings: how to draw them.
    """

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
    """Returns the drawings that belong to no section, by file name."""
    all_runs = summary.runs.values()
    first_seeds = _FIRST_SEEDS if max(len(runs.status) for runs in all_runs) > MAX_CURVES else ""
    caption = (_CURVES_OF_LOGS if summary.is_of_logs else _CURVES) + first_seeds
    drawings = {
        f"curves_{i + 1}": Drawing(functools.partial(draw_curves, summary, name), caption)
        for i, name in enumerate(summary.runs)
    }
    drawings["incidence"] = Drawing(functools.partial(draw_incidence, summary), _INCIDENCE)
    for i, (name, runs) in enumerate(summary.runs.items()):
        if np.any(runs.event == 2):
            drawings[f"competing_{i + 1}"] = Drawing(functools.partial(draw_competing, summary, name), _COMPETING)
    if any(runs.waits_for == Event.BREAK and 1 in runs.event[: len(runs.curves)] for runs in all_runs):
        drawings["aligned"] = Drawing(functools.partial(draw_aligned, summary), _ALIGNED + first_seeds)
    drawings["forest"] = Drawing(functools.partial(draw_forest, summary), _FOREST)
    return drawings
