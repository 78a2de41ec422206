"""What diagnostics measure, in words and as panels, and what changes of it before the onset."""

import math
from typing import NamedTuple

import numpy as np

from engine.report.probe_series import ArmProbes
from engine.training.probes.registry import WHOLE

# A quantity that is drawn on a logarithm has changed when it has doubled or halved, another one
# when it has moved by this.
_FACTOR = 2.0
_DISTANCE = 0.1


class Panel(NamedTuple):
    """One small figure.

    Attributes:
        title: above it.
        series: whose lines of the whole network are drawn in it.
        is_by_layer: whether the first of them is also drawn layer by layer.
        scale: `log`, `linear`, or `symlog`, which shows both signs.
        what: it is, in words.
        look_for: what to look for.
    """

    title: str
    series: tuple[str, ...]
    is_by_layer: bool
    scale: str
    what: str
    look_for: str


PANELS = (
    Panel(
        "gradient norm", ("gradient_norm",), True, "log",
        "length of the mini-batch's gradient, of each array (thin) and of all",
        "a slow escape from a saddle shows as steady growth long before the loss moves; gradients "
        "that stay far apart from layer to layer show where the signal is lost",
    ),
    Panel(
        "update norm", ("update_norm",), True, "log",
        "length of the step that is taken",
        "under Adam it hardly depends on the gradient; where it is small beside that, ε holds it",
    ),
    Panel(
        "parameter norm", ("param_norm",), True, "log",
        "length of the parameters", "weights that have to grow first from a small start",
    ),
    Panel(
        "share below ε", ("below_epsilon",), True, "linear",
        "share of the numbers whose √v̂ is below ε",
        "near 1 on the plateau: Adam's steps shrink with the gradient, and a smaller ε ends it; "
        "inputs that are always 0 leave a share that means nothing",
    ),
    Panel(
        "dead units", ("dead_share",), True, "linear",
        "share of the features entering a layer that no example changes",
        "1 in any layer cuts off everything behind it; a share that stays is lost capacity",
    ),
    Panel(
        "spread", ("spread",), True, "log",
        "how much of what enters a layer depends on the example, 0 to 1",
        "the depth at which it vanishes on the plateau, and the layer where it returns first; near "
        "0 in the first layer: there is no signal in the inputs",
    ),
    Panel(
        "spread of outputs", ("output_spread",), False, "log",
        "standard deviation over examples of the outputs",
        "the loss cannot leave chance before this has grown",
    ),
    Panel(
        "cosine of updates", ("update_cosine",), False, "linear",
        "cosine of two successive updates",
        "above the momentum (0.9 for Adam as it is): going somewhere; near it: noise; below it: to "
        "and fro",
    ),
    Panel(
        "displacement", ("displacement", "null_displacement"), False, "log",
        "squared distance from the start, and (dashed) what noise alone would give",
        "well above the dashed line: a drift, not a random walk",
    ),
    Panel(
        "curvature", ("curvature_top", "curvature_along", "curvature_bottom"), False, "symlog",
        "of the loss: largest and smallest across the update, and (dashed) along it",
        "a smallest one below 0 is a saddle; along the update below 0: it is going down from it",
    ),
)  # fmt: skip
NAMES = {
    "gradient_norm": "the norm of the gradient",
    "update_norm": "the norm of the update",
    "param_norm": "the norm of the parameters",
    "below_epsilon": "the share of numbers below ε",
    "dead_share": "the share of dead units",
    "spread": "the spread of what enters",
    "output_spread": "the spread of the outputs",
    "update_cosine": "the cosine of successive updates",
    "displacement": "the squared displacement",
    "null_displacement": "the null walk",
    "curvature_along": "the curvature along the update",
    "curvature_top": "the largest curvature across it",
    "curvature_bottom": "the smallest curvature across it",
}
# Those whose change says something; a displacement starts at 0.
_TOLD = ("param_norm", "output_spread", "below_epsilon", "dead_share")
# Of these the layer in which they change most.
_TOLD_BY_LAYER = ("gradient_norm", "spread")


class Change(NamedTuple):
    """How a quantity changes from the start to the onset; medians over runs.

    Attributes:
        layer: or parameter array in which it changes most; `""` for the whole network.
        start: at the first measurement.
        end: at the last one before the onset.
        lead: steps from where half of the change is over, on the panel's scale, to the onset.
        is_ratio: whether the change is a factor, `end / start`, rather than a difference.
        num_runs: that have two measurements before their onset.
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
    """What changes before the onset, by series.

    Args:
        found: of an arm.
        onset: of the run in each of its rows, in steps; NaN where it has none.
    """
    changes = {}
    for panel in PANELS:
        name, is_ratio = panel.series[0], panel.scale == "log"
        layers = found.values.get(name, {})
        if name in _TOLD:
            layers = {WHOLE: layers[WHOLE]} if WHOLE in layers else {}
        elif name not in _TOLD_BY_LAYER:
            continue
        made = [_change(found.steps, layer, own, onset, is_ratio) for layer, own in layers.items()]
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
        before = np.flatnonzero(side <= 0)
        last = int(before[-1]) if len(before) else 0
        rows.append((own[is_usable][0], own[is_usable][-1], time - steps[is_usable][last]))
    if not rows:
        return None
    start, end, lead = np.median(rows, axis=0)
    return Change(layer, float(start), float(end), float(lead), is_ratio, len(rows))
