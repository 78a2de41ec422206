"""Networks of rectifiers that are born dead: their exact share.

Without biases, a hidden unit is on for all positive multiples of an input or for none, each with probability one half
whatever the layers before it are, as long as one of their units is on. So a network with hidden layers of N_1 … N_L
units is born dead, on one positive input, with probability 1 − ∏_l (1 − 2^−N_l), for every symmetric distribution of
its weights. A dead network learns its output bias b alone: under plain SGD b goes to the mean m of the targets as m(1 −
(1 − lr)^n), and the loss is chance + ½m²(1 − lr)^{2n}.

A run counts as born dead if its loss has that value at every evaluation. No formula predicts which of the others die
later; the notes count them as well.

Source: Lu, Shin, Su and Karniadakis (2020), Commun. Comput. Phys. 28.
"""

from collections.abc import Mapping

import numpy as np

from ..errors import counted
from ..statistics import LEVEL, proportion
from .comparison import Check, Measured, Prediction, TheoryCurve, covered_arms

USES = ("loss",)

# Between rounding in single precision and the smallest output that a living network has.
_SAME = 1e-5
_COVERED = {
    "dataset": ("ramp",),
    "model": ("mlp",),
    "init": ("he", "glorot", "lecun"),
    "optimizer": ("sgd",),
    "momentum": (0.0,),
    "activation": ("relu",),
    "batch_norm": (False,),
    "dropout": (0.0,),
    "schedule": ("constant",),
    "precision": ("float32",),
}


def born_dead(widths: tuple[int, ...]) -> float:
    """Returns the probability that hidden layers of some widths, without biases, are dead on a positive input."""
    return float(1.0 - np.prod([1.0 - 2.0**-width for width in widths]))


def bias_alone(steps: np.ndarray, learning_rate: float) -> np.ndarray:
    """Returns the loss before each step of a dead network that learns the ramp by plain SGD, `[num_points]`."""
    from ..tasks.ramp import NUM_EXAMPLES

    inputs = np.arange(1, NUM_EXAMPLES + 1) / NUM_EXAMPLES
    left = (1.0 - learning_rate) ** (2.0 * np.asarray(steps, np.float64))
    return 0.5 * (inputs.var() + inputs.mean() ** 2 * left)


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Predicts the share of runs that are born dead, and their loss."""
    covered, prediction = covered_arms(measured, _COVERED)
    for name, runs in covered.items():
        loss = bias_alone(runs.loss.steps, runs.arm.learning_rate)
        is_dead = np.all(_is_near(runs, runs.loss.values, loss), axis=1)
        source = "The output bias alone"
        prediction.curves.append(TheoryCurve(name, "born dead", runs.loss.steps, loss, source, is_log=True))
        share = proportion(int(is_dead.sum()), runs.num_runs, confidence=1.0 - LEVEL / len(covered))
        exact = born_dead(runs.arm.dense_widths)
        prediction.checks.append(Check(name, "share born dead", "", exact, share, None, "1 − ∏(1 − 2^−width)"))
        prediction.notes.append(_describe_ends(name, runs, is_dead, float(loss[-1])))
    if covered:
        prediction.notes.append("The intervals hold at 95 % for all arms together.")
    return prediction


def _is_near(runs: Measured, loss: np.ndarray, expected: np.ndarray | float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(loss - expected) <= _SAME * runs.chance_loss)


def _describe_ends(name: str, runs: Measured, is_dead: np.ndarray, dead_loss: float) -> str:
    is_at_rest = _is_near(runs, runs.loss.values[:, -1], dead_loss)
    is_stuck = np.array(runs.status) == "stuck"
    num_died = int(np.sum(is_stuck & is_at_rest & ~is_dead))
    num_slow = int(np.sum(is_stuck & ~is_at_rest & ~is_dead))
    slow = (
        f", and {counted(num_slow, 'was', 'were')} alive and had not left chance level by the horizon"
        if num_slow
        else ""
    )
    num_born_dead = int(is_dead.sum())
    return (
        f"Of {counted(runs.num_runs, 'run')} of “{name}” {counted(num_born_dead, 'was', 'were')} born dead, "
        f"{counted(num_died, 'more was', 'more were')} alive at the start and died in training{slow}: {is_stuck.sum()} "
        "stuck."
    )
