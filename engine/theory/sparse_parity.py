"""Sparse parities: the time 100 ReLU units take to find the product of 3 of 20 signs.

No closed form is known: the numbers are published ones and those of a replication of the same set-up. They are steps
until 99 % of the evaluation examples are right, not the onset of the loss, which comes earlier. On larger inputs it is
only known that every network finds the subset; how the time grows is measured and reported without a bound.

Source: Barak, Edelman, Goel, Kakade, Malach and Zhang (2022), "Hidden progress in deep learning: SGD learns parities
near the computational limit": 100 ReLU units, hinge loss, SGD 0.1, batches of 32, starts at PyTorch's variance.
"""

from collections.abc import Mapping

import numpy as np

from .. import statistics
from ..statistics import Estimate
from .comparison import Check, Measured, MeasuredGrid, Prediction, covered_arms

USES = ("loss", "accuracy")

SOLVED = 0.99
MEDIAN_STEPS = 700.0  # published for 3 of 20 signs
INIT_SHARE = 0.7
MOST_OF_ORDER = 0.05
_TOLERANCE = 0.15
_SOURCE = "Barak et al. (2022)"
_REPLICATION = "replication of Barak et al. (2022)"
_COVERED = {
    "dataset": ("sparse_parity",),
    "parity_size": (3,),
    "model": ("mlp",),
    "dense_widths": ((100,),),
    "activation": ("relu",),
    "init": ("torch",),
    "optimizer": ("sgd",),
    "learning_rate": (0.1,),
    "momentum": (0.0,),
    "batch_size": (32,),
}


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Predicts the share that is solved, the median at 20 inputs, and what decides the time there."""
    covered, prediction = covered_arms(measured, _COVERED, _find_reason)
    medians: dict[int, float] = {}
    for name, runs in covered.items():
        time, event = solving_times(runs)
        share = statistics.proportion(int(event.sum()), runs.num_runs)
        prediction.checks.append(Check(name, "share of runs that are solved", "", 1.0, share, None, _SOURCE))
        median = statistics.median_time(time, event)
        if runs.arm.num_inputs == 20:
            prediction.checks.extend(_at_twenty(name, runs.grid, median))
        if np.isfinite(median.value):
            medians[int(runs.arm.num_inputs or 0)] = median.value
    prediction.notes.extend(_describe_growth(medians))
    return prediction


def _find_reason(runs: Measured) -> str | None:
    return None if "accuracy" in runs.curves else "its runs have no curve of accuracy"


def solving_times(measured: Measured | MeasuredGrid) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps to 99 % accuracy, or to the end of the run, and whether it was reached, each `[num_runs]`."""
    steps, accuracy = measured.curves["accuracy"]
    is_solved = accuracy >= SOLVED
    event = is_solved.any(axis=1)
    last = accuracy.shape[1] - 1 - np.isfinite(accuracy[:, ::-1]).argmax(axis=1)
    time = np.where(event, steps[is_solved.argmax(axis=1)], steps[last])
    return time.astype(float), event.astype(int)


def _at_twenty(name: str, grid: MeasuredGrid | None, median: Estimate) -> list[Check]:
    words = "median time to 99 % accuracy"
    checks = [Check(name, words, "steps", MEDIAN_STEPS, median, _TOLERANCE, _REPLICATION)]
    if grid is None or "accuracy" not in grid.curves:
        return checks
    time, event = solving_times(grid)
    try:
        shares = statistics.crossed_components(time, event, grid.init_seed, grid.order)
    except ValueError:  # too few starts or orders, or none of them solved
        return checks
    init, order = (f"share of the variance of log time that belongs to the {role}" for role in ("start", "data order"))
    return [
        *checks,
        Check(name, init, "", INIT_SHARE, shares.init_share, None, _REPLICATION),
        Check(name, order, "", 0.0, shares.order_share, MOST_OF_ORDER, _REPLICATION, scale=1.0),
    ]


def _describe_growth(medians: Mapping[int, float]) -> list[str]:
    """Says how the median grows with the number of inputs, by which the medians are given."""
    if len(medians) < 2:
        return []
    sizes, times = np.array(sorted(medians.items()), float).T
    exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    return [
        f"From {sizes[0]:.0f} to {sizes[-1]:.0f} signs the median time to 99 % accuracy grows like n^{exponent:.2f}. "
        f"A search among all triples would take n^3; a gradient on the whole population is of size 1/n on the signs "
        f"that count, a product of 2 others away, and needs of the order of n^2 examples to be seen above noise. "
        f"No closed form is known for the time of this network, so there is no bound here."
    ]
