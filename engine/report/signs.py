"""What the diagnostics show of the runs of a configuration that is asked about."""

import numpy as np

from engine.diagnosis.evidence import Signs
from engine.diagnostics.registry import WHOLE
from engine.errors import InputError
from engine.report.diagnostic_series import ArmDiagnostics, read_arm_diagnostics
from engine.report.runs import ArmRuns
from engine.store import WorkDirectory


def read_signs(directory: WorkDirectory, runs: ArmRuns) -> Signs:
    """The signs in the runs as given, as far as they were recorded.

    Args:
        directory: of the study.
        runs: of the given arm.
    """
    try:
        found = read_arm_diagnostics(directory, runs.name)
    except InputError:
        return Signs()
    is_stuck = np.isin(found.seed, runs.seed[np.asarray(runs.status) == "stuck"])
    dead = _dead(found)[is_stuck] if "dead_share" in found.values else None
    has_dead = dead is not None and dead.size > 0
    return Signs(
        input_spread=_input_spread(found),
        dead=float(np.mean(dead[:, -1])) if has_dead and dead is not None else None,
        born_dead=float(np.mean(dead[:, 0])) if has_dead and dead is not None else None,
        below_epsilon=_below_epsilon(found, runs),
    )


def _input_spread(found: ArmDiagnostics) -> float | None:
    """Of what enters the first layer, which are the data."""
    layers = list(found.values.get("spread", {}).values())
    return float(np.nanmedian(layers[0][:, 0])) if layers else None


def _dead(found: ArmDiagnostics) -> np.ndarray:
    """Whether a whole layer is dead and some gradient is exactly 0, `[num_seeds, num_points]`.

    Without the gradient, a signal that has sunk below the rounding of the biases that are added to
    it would look dead too; it is only small.
    """
    shares = [own for layer, own in found.values["dead_share"].items() if layer != WHOLE]
    gradients = found.values.get("gradient_norm", {})
    lengths = [own for name, own in gradients.items() if name != WHOLE]
    is_whole = np.any(np.stack(shares) == 1.0, axis=0)
    is_blocked = np.any(np.stack(lengths) == 0.0, axis=0) if lengths else True
    dead: np.ndarray = is_whole & is_blocked
    return dead


def _below_epsilon(found: ArmDiagnostics, runs: ArmRuns) -> float | None:
    """Median over runs, of each before it leaves, or at its end."""
    if "below_epsilon" not in found.values:
        return None
    shares = found.values["below_epsilon"][WHOLE]
    time = dict(zip(runs.seed.tolist(), runs.time.tolist(), strict=True))
    last = []
    for row, seed in enumerate(found.seed.tolist()):
        known = np.isfinite(shares[row]) & (found.steps <= time.get(seed, 0.0))
        if np.any(known):
            last.append(float(shares[row][known][-1]))
    return float(np.median(last)) if last else None
