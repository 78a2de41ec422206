"""What the probes saw inside the runs of the configuration as given: dead units, ε, and the size of the start."""

from typing import NamedTuple

import numpy as np

from engine.report.arm_runs import ArmRuns
from engine.report.curves import ArmProbes, find_arm_probes
from engine.store.run_table import RunTable
from engine.training.probes.registry import WHOLE

# A share of the runs that counts as most of them.
MOST_RUNS = 0.5
# Measurements that a median over a plateau needs.
_FEWEST_MEASUREMENTS = 2


class Symptoms(NamedTuple):
    """What was seen inside the runs as given; `None` for what was not measured.

    Attributes:
        num_dead: runs still at chance in which, at the end, a whole layer is dead and no gradient passes.
        num_born_dead: those in which a layer was dead from the start.
        below_epsilon: median share of the parameters whose √v̂ is below the optimiser's ε on the plateau.
        output_spread: median over runs of the standard deviation of an output over examples, at the start.
        dead_layer: first layer that nothing alive enters in most of the runs with a dead one.
    """

    num_dead: int | None = None
    num_born_dead: int | None = None
    below_epsilon: float | None = None
    output_spread: float | None = None
    dead_layer: str | None = None


def read_symptoms(run_table: RunTable, runs: ArmRuns) -> Symptoms:
    """Reads what was seen inside the runs as given, as far as it was recorded."""
    found = find_arm_probes(run_table, runs.name)
    if found is None:
        return Symptoms()
    spread = found.values.get("output_spread", {}).get(WHOLE)
    below_epsilon, output_spread = _below_epsilon(found, runs), None if spread is None else _median(spread[:, 0])
    dead = _dead(found)
    if dead is None:
        return Symptoms(below_epsilon=below_epsilon, output_spread=output_spread)
    is_dead = dead[:, -1] & np.isin(found.seed, runs.seed[np.asarray(runs.status) == "stuck"])
    num_born_dead = int(np.sum(dead[is_dead, 0]))
    return Symptoms(int(np.sum(is_dead)), num_born_dead, below_epsilon, output_spread, _dead_layer(found, is_dead))


def _layers(found: ArmProbes, name: str) -> dict[str, np.ndarray]:
    return {layer: values for layer, values in found.values.get(name, {}).items() if layer != WHOLE}


def _dead_layer(found: ArmProbes, is_dead: np.ndarray) -> str | None:
    """Finds the first layer that is dead at the end in most of some runs; layers are in their order."""
    if not is_dead.any():
        return None
    layers = _layers(found, "dead_share").items()
    return next((layer for layer, shares in layers if np.mean(shares[is_dead, -1] == 1.0) >= MOST_RUNS), None)


def _dead(found: ArmProbes) -> np.ndarray | None:
    """Tells whether a whole layer is dead and some gradient is exactly 0, `[num_seeds, num_points]`.

    Without the gradient, a signal that has sunk below the rounding of the biases that are added to it would look dead
    too, while it is only small.
    """
    shares, gradients = (list(_layers(found, name).values()) for name in ("dead_share", "gradient_norm"))
    if not shares or not gradients:
        return None
    dead: np.ndarray = np.any(np.stack(shares) == 1.0, axis=0) & np.any(np.stack(gradients) == 0.0, axis=0)
    return dead


def _below_epsilon(found: ArmProbes, runs: ArmRuns) -> float | None:
    """Returns the median over runs of the median over the plateau, where it was measured twice or more.

    A single measurement is that of the start, and the last one before a run leaves has the large gradients that carry
    it away.
    """
    shares = found.values.get("below_epsilon", {}).get(WHOLE)
    if shares is None:
        return None
    time = dict(zip(runs.seed, runs.time, strict=True))
    plateaus = [
        row[np.isfinite(row) & (found.steps <= time.get(seed, 0.0))]
        for row, seed in zip(shares, found.seed, strict=True)
    ]
    return _median(np.array([np.median(values) for values in plateaus if len(values) >= _FEWEST_MEASUREMENTS]))


def _median(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None
