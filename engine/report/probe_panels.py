"""What diagnostics measure, in words and as panels, and what changes of it before the onset."""

import math
from typing import NamedTuple

import numpy as np

from engine.report.probe_series import ArmProbes
from engine.training.probes.diagnostic import Panel
from engine.training.probes.registry import DIAGNOSTICS, WHOLE

# A quantity on a logarithmic scale has changed when it has doubled or halved, another one when it has moved by this.
_FACTOR = 2.0
_DISTANCE = 0.1


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
        num_runs: runs that have two measurements before their onset.
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
