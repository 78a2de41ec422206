"""Soft committee machines: how high the symmetric plateau is, how fast and when it is left.

Units of the student that start small all learn the same at first, what they have in common with all
of the teacher's, and the loss stays at a height that is known. A difference among them then grows
exponentially, and with it, at twice the rate, the fall of the loss below the plateau.

The rules by which both are read off were fixed on solutions of the differential equations, from
starts like those of the experiment and without noise. There they find the height to 0.05 %. The
rate they find to 0.2 % with two units, or 3 % in a run that leaves so early that what its units
start with besides has not decayed; and to 6 % with three, 3 % in the mean of some runs, because a
difference has two dimensions then, and how they are mixed changes on the way.

- The time of a run is the last one at which the loss is above half the height that is known.
- The height is the mean loss between a tenth and a fifth of that time.
- The rate is that of `D = A/(1 + e^{−r(t−t₀)})`, fitted to the logarithm of the fall D below the
  height of the run, from where it is last below 0.5 % of it to where it is first above 5 %.

The curve of every run is the solution from its own start, which the initial scheme gives; nothing
else is taken from the engine.

Source: Saad and Solla (1995), Phys. Rev. E 52, 4225.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.arms.arm import Arm
from engine.models.initial import AS_WRITTEN
from engine.statistics import Estimate
from engine.tasks import load_data
from engine.theory.comparison import Check, Measured, Prediction, TheoryCurve
from engine.theory.order_parameters import Overlaps, escape_rate, loss_curve, overlaps_of, plateau_height
from engine.theory.starts import starts_of

USES = ("loss",)

_SOURCE = "Saad and Solla (1995)"
_HEIGHT_TOLERANCE, _RATE_TOLERANCE, _TIME_TOLERANCE = 0.005, 0.05, 0.05
# Up to here the closed forms of small steps hold within a fifth of these bounds.
_LARGEST_STEP, _LARGEST_NOISE = 0.2, 1e-3
_FLAT = (0.1, 0.2)
_FALL = (0.005, 0.05)
# Runs that are followed by the equations, a fraction of a second each.
_MOST_FOLLOWED = 24


class Escape(NamedTuple):
    """What one curve says of the symmetric plateau; NaN where it does not.

    Attributes:
        half_time: last time at which the loss is above half the height that is known.
        height: loss on the plateau.
        rate: at which units grow apart, half that of the loss.
    """

    half_time: float
    height: float
    rate: float


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Height, rate and time of the plateau, and the curve of every run.

    Args:
        measured: by arm.
    """
    curves: list[TheoryCurve] = []
    checks: list[Check] = []
    notes: list[str] = []
    for name, arm in measured.items():
        if not _is_set_up(arm.arm):
            notes.append(
                f"Nothing is known of the arm “{name}”: the theory is of plain SGD at a constant "
                f"rate, of model=committee on dataset=soft_committee with as many units, two or "
                f"more, and a start by an initial scheme."
            )
            continue
        steps = arm.loss.steps
        predicted = _own_curves(arm)
        words = "order parameters, from each run's own start"
        curves.append(TheoryCurve(name, words, steps, predicted, _SOURCE, is_log=True))
        checks += _checks(name, arm, predicted)
        if not _is_small(arm.arm):
            notes.append(
                f"The steps of “{name}” are too large for the closed forms: the height and the "
                f"rate are left out, the curves hold."
            )
    return Prediction(curves, checks, notes)


def find_escape(times: np.ndarray, loss: np.ndarray, num_units: int) -> Escape:
    """Reads the plateau off a curve, by the rules of this module.

    Args:
        times: steps × learning rate, increasing, `[num_points]`.
        loss: shape `[num_points]`.
        num_units: of student and teacher.
    """
    nothing = Escape(np.nan, np.nan, np.nan)
    above = np.flatnonzero(loss > plateau_height(num_units) / 2)
    if not len(above) or above[-1] == len(loss) - 1:
        return nothing
    half_time = float(times[above[-1]])
    is_flat = (times >= _FLAT[0] * half_time) & (times <= _FLAT[1] * half_time)
    if not is_flat.any():
        return nothing._replace(half_time=half_time)
    height = float(loss[is_flat].mean())
    fall = 1 - loss / height
    first = np.flatnonzero((fall < _FALL[0]) & (times < half_time))
    start = first[-1] + 1 if len(first) else len(fall)
    stop = start + int(np.argmax(fall[start:] > _FALL[1])) if start < len(fall) else start
    rate = _logistic_rate(times[start:stop], fall[start:stop], escape_rate(num_units))
    return Escape(half_time, height, rate)


def _logistic_rate(times: np.ndarray, fall: np.ndarray, expected: float) -> float:
    """Half the rate of the logistic curve that fits a fall; the expected one is where it begins."""
    from scipy.optimize import curve_fit

    if len(times) < 5:
        return np.nan
    late = times - times[-1]

    def log_fall(late: np.ndarray, level: float, rate: float, top: float) -> np.ndarray:
        growing = level + 2 * expected * rate * late
        return growing - np.logaddexp(0, growing - top)

    logs = np.log(fall)
    try:
        (_, rate, _), _ = curve_fit(log_fall, late, logs, p0=(logs[-1], 1.0, 0.0))
    except RuntimeError:  # it has no minimum
        return np.nan
    return float(expected * rate)


def _is_set_up(arm: Arm) -> bool:
    about = (arm.dataset, arm.model, arm.optimizer, arm.momentum, arm.schedule)
    is_meant = about == ("soft_committee", "committee", "sgd", 0.0, "constant")
    if not is_meant or arm.init == AS_WRITTEN or arm.teacher_units is None:
        return False
    return arm.student_units == arm.teacher_units >= 2


def _noise(arm: Arm) -> float:
    assert arm.num_inputs is not None
    return arm.learning_rate * arm.num_inputs / arm.batch_size


def _is_small(arm: Arm) -> bool:
    return arm.learning_rate <= _LARGEST_STEP and _noise(arm) <= _LARGEST_NOISE


def _own_curves(measured: Measured) -> np.ndarray:
    """The loss of the first runs from their own starts, `[num_followed, num_points]`."""
    arm = measured.arm
    times = arm.learning_rate * measured.loss.steps
    starts = _starts(arm, measured.root_seed, measured.init_seed[:_MOST_FOLLOWED])
    return np.array([loss_curve(start, times, _noise(arm)) for start in starts])


def _starts(arm: Arm, root_seed: int, init_seeds: np.ndarray) -> list[Overlaps]:
    """Overlaps of the weights that each run starts from."""
    teachers = load_data(arm, root_seed, None)["weights"].astype(np.float64)
    [weights] = starts_of(arm, root_seed, init_seeds, num_inputs=teachers.shape[1])
    return [overlaps_of(own.T, teachers) for own in weights]


def _checks(name: str, measured: Measured, predicted: np.ndarray) -> list[Check]:
    arm = measured.arm
    assert arm.teacher_units is not None
    times, num_units = arm.learning_rate * measured.loss.steps, arm.teacher_units
    found = [_escape_of(times, row, num_units) for row in measured.loss.values]
    wanted = [_escape_of(times, row, num_units) for row in predicted]
    shares = [own.half_time / of.half_time for own, of in zip(found, wanted, strict=False)]
    words = "time to the half of the plateau, over that from the same start"
    checks = [Check(name, words, "", 1.0, _mean(shares), _TIME_TOLERANCE, _SOURCE)]
    if not _is_small(arm):
        return checks
    height, rate = plateau_height(num_units), escape_rate(num_units)
    heights, rates = _mean([e.height for e in found]), _mean([e.rate for e in found])
    return [
        Check(name, "height of the plateau", "", height, heights, _HEIGHT_TOLERANCE, _SOURCE),
        Check(
            name, "rate of escape per step × rate", "", rate, rates, _RATE_TOLERANCE, _SOURCE
        ),
        *checks,
    ]  # fmt: skip


def _escape_of(times: np.ndarray, loss: np.ndarray, num_units: int) -> Escape:
    known = np.isfinite(loss)
    return find_escape(times[known], loss[known], num_units)


def _mean(values: list[float]) -> Estimate:
    """The mean of the runs that have a value, with the limits of a t-distribution."""
    from scipy.stats import t

    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return Estimate(np.nan, np.nan, np.nan)
    mean = float(known.mean())
    if len(known) == 1:
        return Estimate(mean, -np.inf, np.inf)
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    reach = float(t.ppf(0.975, len(known) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach, error)
