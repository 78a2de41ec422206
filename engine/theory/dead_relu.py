"""`dead_relu`: how many networks of rectifiers are born dead, exactly.

Without biases, a hidden unit is on for all positive multiples of an input or for none, each with
probability one half whatever the layers before it are, as long as one of their units is on. So a
layer of N units is dead with probability 2^−N, and a network with hidden layers of N_1 … N_L units
is born dead, on one positive input, with probability 1 − ∏_l (1 − 2^−N_l), whatever the symmetric
law of its weights. A dead network learns its output bias b alone: under plain SGD b goes to the
mean m of the targets as m(1 − (1 − lr)^n), and the loss is chance + ½m²(1 − lr)^{2n}.

A run is taken for born dead where its loss is that at every evaluation. A network that is alive at
the start may die later, which no formula here is about: the notes count those too.

Source: Lu, Shin, Su and Karniadakis (2020), Commun. Comput. Phys. 28.
"""

from collections.abc import Mapping

import numpy as np

from engine.arms.arm import Arm
from engine.statistics import LEVEL, proportion
from engine.theory.comparison import Check, Measured, Prediction, TheoryCurve

USES = ("loss",)

# Between rounding in single precision and the smallest output that a living network has.
_SAME = 1e-5
_SCHEMES = ("he", "glorot", "lecun")


def born_dead(widths: tuple[int, ...]) -> float:
    """The probability that a network of rectifiers without biases is dead on one positive input.

    Args:
        widths: units of its hidden layers.
    """
    return float(1.0 - np.prod([1.0 - 2.0**-width for width in widths]))


def bias_alone(steps: np.ndarray, learning_rate: float) -> np.ndarray:
    """The loss of a dead network that learns the ramp by plain SGD, `[num_points]`.

    Args:
        steps: before which it is evaluated.
        learning_rate: of SGD.
    """
    from engine.tasks.ramp import NUM_EXAMPLES

    inputs = np.arange(1, NUM_EXAMPLES + 1) / NUM_EXAMPLES
    mean = inputs.mean()
    left = (1.0 - learning_rate) ** (2.0 * np.asarray(steps, np.float64))
    return 0.5 * (inputs.var() + mean**2 * left)


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """The share of runs that are born dead, and the loss of those.

    Args:
        measured: what the runs of each arm left behind.
    """
    curves: list[TheoryCurve] = []
    checks: list[Check] = []
    notes: list[str] = []
    for name, runs in measured.items():
        why = _unlike(runs.arm)
        if why is not None:
            notes.append(f"“{name}” is not compared: {why}.")
    known = {name: runs for name, runs in measured.items() if _unlike(runs.arm) is None}
    for name, runs in known.items():
        loss = bias_alone(runs.loss.steps, runs.arm.learning_rate)
        is_dead = _follows(runs, loss)
        source = "The output bias alone"
        curves.append(TheoryCurve(name, "born dead", runs.loss.steps, loss, source, is_log=True))
        confidence = 1.0 - LEVEL / len(known)
        found = proportion(int(is_dead.sum()), runs.num_runs, confidence=confidence)
        exact = born_dead(runs.arm.dense_widths)
        formula = "1 − ∏(1 − 2^−width)"
        checks.append(Check(name, "share born dead", "", exact, found, None, formula))
        notes.append(_account(name, runs, is_dead, float(loss[-1])))
    if known:
        notes.append("The intervals hold at 95 % for all arms together.")
    return Prediction(curves, checks, notes)


def _unlike(arm: Arm) -> str | None:
    """Why there is no theory of an arm, or `None`."""
    if (arm.dataset, arm.model) != ("ramp", "mlp"):
        return f"dataset={arm.dataset} with model={arm.model} has no known share of dead networks"
    if arm.init not in _SCHEMES:
        return f"init={arm.init} does not draw weights alone: expected {', '.join(_SCHEMES)}"
    if arm.optimizer != "sgd" or arm.momentum:
        what = f"momentum={arm.momentum}" if arm.momentum else f"optimizer={arm.optimizer}"
        return f"{what} moves the output bias in a way that is not in closed form"
    wanted = {"activation": "relu", "batch_norm": False, "dropout": 0.0, "schedule": "constant"}
    for field, value in {**wanted, "precision": "float32"}.items():
        if getattr(arm, field) != value:
            return f"{field}={getattr(arm, field)} has no known answer here"
    return None


def _follows(runs: Measured, loss: np.ndarray) -> np.ndarray:
    """Which runs have this loss at every evaluation, `[num_runs]`."""
    with np.errstate(invalid="ignore"):
        return np.all(np.abs(runs.loss.values - loss) <= _SAME * runs.chance_loss, axis=1)


def _account(name: str, runs: Measured, is_dead: np.ndarray, end: float) -> str:
    """What became of the runs of an arm, in a sentence."""
    with np.errstate(invalid="ignore"):
        is_at_rest = np.abs(runs.loss.values[:, -1] - end) <= _SAME * runs.chance_loss
    is_stuck = np.array([status == "stuck" for status in runs.status], bool)
    died = int(np.sum(is_stuck & is_at_rest & ~is_dead))
    slow = int(np.sum(is_stuck & ~is_at_rest & ~is_dead))
    dead = int(is_dead.sum())
    words = f"Of {runs.num_runs} runs of “{name}” {dead} were born dead"
    words += f", {died} more were alive at the start and died in training"
    if slow:
        words += f", and {slow} were alive and still at chance at the horizon"
    return f"{words}: {int(is_stuck.sum())} stuck."
