"""What the diagnostics show of the runs of a configuration that is asked about."""

import numpy as np

from engine.diagnosis.evidence import MOST_RUNS, Signs
from engine.report.arm_runs import ArmRuns
from engine.report.probe_series import ArmProbes, find_arm_probes
from engine.store import WorkDirectory
from engine.training.probes.registry import WHOLE

# Of a plateau, for a median over it.
_FEWEST_MEASUREMENTS = 2


def read_signs(directory: WorkDirectory, runs: ArmRuns) -> Signs:
    """The signs in the runs as given, as far as they were recorded.

    Args:
        directory: of the study.
        runs: of the given arm.
    """
    found = find_arm_probes(directory, runs.name)
    if found is None:
        return Signs()
    is_stuck = np.isin(found.seed, runs.seed[np.asarray(runs.status) == "stuck"])
    dead = _dead(found)
    spread = found.values.get("output_spread", {}).get(WHOLE)
    return Signs(
        num_dead=None if dead is None else int(np.sum(dead[is_stuck, -1])),
        num_born_dead=None if dead is None else int(np.sum(np.all(dead[is_stuck][:, [0, -1]], axis=1))),
        below_epsilon=_below_epsilon(found, runs),
        output_spread=None if spread is None else _median(spread[:, 0]),
        dead_layer=None if dead is None else _dead_layer(found, is_stuck & dead[:, -1]),
    )


def _dead_layer(found: ArmProbes, is_dead: np.ndarray) -> str | None:
    """The first layer that is dead in most of some runs, at the end; layers are in their order."""
    for layer, shares in found.values.get("dead_share", {}).items():
        if layer != WHOLE and is_dead.any() and np.mean(shares[is_dead, -1] == 1.0) >= MOST_RUNS:
            return layer
    return None


def _dead(found: ArmProbes) -> np.ndarray | None:
    """Whether a whole layer is dead and some gradient is exactly 0, `[num_seeds, num_points]`.

    Without the gradient, a signal that has sunk below the rounding of the biases that are added to
    it would look dead too; it is only small.
    """
    shares, lengths = (
        [own for layer, own in found.values.get(name, {}).items() if layer != WHOLE]
        for name in ("dead_share", "gradient_norm")
    )
    if not shares or not lengths:
        return None
    is_whole = np.any(np.stack(shares) == 1.0, axis=0)
    is_blocked = np.any(np.stack(lengths) == 0.0, axis=0)
    dead: np.ndarray = is_whole & is_blocked
    return dead


def _below_epsilon(found: ArmProbes, runs: ArmRuns) -> float | None:
    """Median over runs of the median over the plateau, where it was measured twice or more.

    A single measurement is that of the start, and the last one before a run leaves has the large
    gradients that carry it away.
    """
    shares = found.values.get("below_epsilon", {}).get(WHOLE)
    if shares is None:
        return None
    time = dict(zip(runs.seed.tolist(), runs.time.tolist(), strict=True))
    medians = []
    for row, seed in enumerate(found.seed.tolist()):
        known = np.isfinite(shares[row]) & (found.steps <= time.get(seed, 0.0))
        if np.sum(known) >= _FEWEST_MEASUREMENTS:
            medians.append(float(np.median(shares[row][known])))
    return _median(np.asarray(medians))


def _median(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None
