"""Sparse parities: how long 100 ReLU units take to find the product of 3 of 20 signs.

There is no closed form: the numbers are published ones, and those of a replication of the same
set-up. They are steps until 99 % of the evaluation examples are right, not the onset of the loss,
which comes earlier. On larger inputs only that every network finds the subset is known; how the
time grows is measured, and said without a bound.

Source: Barak, Edelman, Goel, Kakade, Malach and Zhang (2022), "Hidden progress in deep learning:
SGD learns parities near the computational limit": 100 ReLU units, hinge loss, SGD 0.1, batches of
32. The network starts at PyTorch's variance.
"""

from collections.abc import Mapping

import numpy as np

from engine import statistics
from engine.arms.arm import Arm
from engine.statistics import Estimate
from engine.theory.comparison import Check, Measured, MeasuredGrid, Prediction

USES = ("loss", "accuracy")

SOLVED = 0.99
# Of 3 of 20 signs.
MEDIAN_STEPS = 700.0
INIT_SHARE = 0.7
MOST_OF_ORDER = 0.05
_TOLERANCE = 0.15
_SOURCE = "Barak et al. (2022)"
_REPLICATION = "replication of Barak et al. (2022)"


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Shares that are solved, the median at 20 inputs, and what decides the time there.

    Args:
        measured: by arm.
    """
    checks: list[Check] = []
    notes: list[str] = []
    medians: dict[int, float] = {}
    for name, arm in measured.items():
        if not _is_set_up(arm.arm) or "accuracy" not in arm.curves:
            notes.append(f"Nothing is known of the arm “{name}”: it is another set-up.")
            continue
        time, event = solving_times(arm)
        num_solved = int(event.sum())
        share = statistics.proportion(num_solved, arm.num_runs)
        checks.append(Check(name, "share of runs that are solved", "", 1.0, share, None, _SOURCE))
        median = statistics.median_time(time, event)
        if arm.arm.num_inputs == 20:
            checks += _at_twenty(name, arm, median)
        if np.isfinite(median.value):
            medians[int(arm.arm.num_inputs or 0)] = median.value
    return Prediction([], checks, [*notes, *_scaling(medians)])


def solving_times(measured: Measured | MeasuredGrid) -> tuple[np.ndarray, np.ndarray]:
    """Steps to 99 % accuracy, or to the end of the run, and whether it was reached, `[num_runs]`.

    Args:
        measured: with curves of accuracy.
    """
    steps, accuracy = measured.curves["accuracy"]
    is_solved = accuracy >= SOLVED
    event = is_solved.any(axis=1)
    last = accuracy.shape[1] - 1 - np.isfinite(accuracy[:, ::-1]).argmax(axis=1)
    time = np.where(event, steps[is_solved.argmax(axis=1)], steps[last])
    return time.astype(float), event.astype(int)


def _is_set_up(arm: Arm) -> bool:
    about = (arm.dataset, arm.parity_size, arm.model, arm.dense_widths, arm.activation, arm.init)
    how = (arm.optimizer, arm.learning_rate, arm.momentum, arm.batch_size)
    wanted = ("sparse_parity", 3, "mlp", (100,), "relu", "torch")
    return about == wanted and how == ("sgd", 0.1, 0.0, 32)


def _at_twenty(name: str, arm: Measured, median: Estimate) -> list[Check]:
    checks = [
        Check(
            name, "median time to 99 % accuracy", "steps", MEDIAN_STEPS, median, _TOLERANCE,
            _REPLICATION,
        )
    ]  # fmt: skip
    if arm.grid is None or "accuracy" not in arm.grid.curves:
        return checks
    time, event = solving_times(arm.grid)
    try:
        shares = statistics.crossed_components(time, event, arm.grid.init_seed, arm.grid.order)
    except ValueError:  # too few starts or orders, or none of them solved
        return checks
    words = "of the variance of log time"
    init = f"share {words} that belongs to the start"
    order = f"share {words} that belongs to the data order"
    return [
        *checks,
        Check(name, init, "", INIT_SHARE, shares.init_share, None, _REPLICATION),
        Check(
            name, order, "", 0.0, shares.order_share, MOST_OF_ORDER, _REPLICATION, scale=1.0
        ),
    ]  # fmt: skip


def _scaling(medians: Mapping[int, float]) -> list[str]:
    """How the median grows, in words."""
    if len(medians) < 2:
        return []
    sizes = np.array(sorted(medians), float)
    times = np.array([medians[int(size)] for size in sizes])
    exponent = np.polyfit(np.log(sizes), np.log(times), 1)[0]
    return [
        f"From {sizes[0]:.0f} to {sizes[-1]:.0f} signs the median time to 99 % accuracy grows like "
        f"n^{exponent:.2f}. A search among all triples would take n^3; a gradient on the whole "
        f"population is of size 1/n on the signs that count, a product of 2 others away, and needs "
        f"of the order of n^2 examples to be seen above noise. No closed form is known for the time"
        f" of this network, so there is no bound here."
    ]
