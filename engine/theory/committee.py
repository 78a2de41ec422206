"""Soft committee machines: height of the symmetric plateau, rate of escape from it, and time of escape.

Units of the student that start small first all learn what the teacher's units have in common, and the loss stays at a
known height. A difference among them then grows exponentially, and the loss falls below the plateau at twice its rate.

- The time of a run is the last one at which the loss is above half the known height.
- The height is the mean loss between a tenth and a fifth of that time.
- The rate is that of `D = A/(1 + e^{−r(t−t₀)})`, fitted to the logarithm of the fall D below the height of the run,
  from where it is last below 0.5 % of it to where it is first above 5 %.

These rules were fixed on noiseless solutions of the differential equations. There they find the height to 0.05 %, and
the rate to 0.2 % with two units (3 % in a run that leaves before the rest of its initial weights has decayed) or 6 %
with three (3 % in the mean of some runs), where a difference has two dimensions, whose mixture changes on the way.

Source: Saad and Solla (1995), Phys. Rev. E 52, 4225.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..models.initial import AS_WRITTEN
from ..statistics import Estimate
from ..tasks import load_data
from .comparison import Check, Measured, MeasuredCurve, Prediction, TheoryCurve, covered_arms, starts_of
from .order_parameters import escape_rate, loss_curve, overlaps_of, plateau_height

USES = ("loss",)

_SOURCE = "Saad and Solla (1995)"
_HEIGHT_TOLERANCE, _RATE_TOLERANCE, _TIME_TOLERANCE = 0.005, 0.05, 0.05
# Up to here the closed forms for small steps are off by at most a fifth of these bounds.
_LARGEST_STEP, _LARGEST_NOISE = 0.2, 1e-3
_FLAT = (0.1, 0.2)
_FALL = (0.005, 0.05)
_MOST_FOLLOWED = 24  # runs, by the equations, a fraction of a second each
_COVERED = {
    "dataset": ("soft_committee",),
    "model": ("committee",),
    "optimizer": ("sgd",),
    "momentum": (0.0,),
    "schedule": ("constant",),
}


class Escape(NamedTuple):
    """The symmetric plateau as one curve shows it, by the rules above; NaN for what it does not show."""

    half_time: float
    height: float
    rate: float


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """Predicts height, rate and time of the plateau, and the curve of every run."""
    covered, prediction = covered_arms(measured, _COVERED, _find_reason)
    for name, runs in covered.items():
        predicted = _predict_curves(runs)
        words = "order parameters, from each run's own start"
        prediction.curves.append(TheoryCurve(name, words, runs.loss.steps, predicted, _SOURCE, is_log=True))
        prediction.checks.extend(_checks(name, runs, predicted))
        if not _has_small_steps(runs.arm):
            prediction.notes.append(
                f"The steps of “{name}” are too large for the closed forms: height and rate are left out, the curves "
                f"hold."
            )
    return prediction


def _find_reason(runs: Measured) -> str | None:
    arm = runs.arm
    if arm.student_units != arm.teacher_units or (arm.teacher_units or 0) < 2:
        return (
            f"this theory holds for as many units in student and teacher, two or more, not for "
            f"student_units={arm.student_units} and teacher_units={arm.teacher_units}"
        )
    return "this theory needs an initial scheme" if arm.init == AS_WRITTEN else None


def find_escape(times: np.ndarray, loss: np.ndarray, num_units: int) -> Escape:
    """Reads the plateau off a curve by the rules above; times are steps × learning rate, arrays `[num_points]`."""
    above = np.flatnonzero(loss > plateau_height(num_units) / 2)
    if not len(above) or above[-1] == len(loss) - 1:
        return Escape(np.nan, np.nan, np.nan)
    half_time = float(times[above[-1]])
    is_flat = (times >= _FLAT[0] * half_time) & (times <= _FLAT[1] * half_time)
    if not is_flat.any():
        return Escape(half_time, np.nan, np.nan)
    height = float(loss[is_flat].mean())
    fall = 1 - loss / height
    first = np.flatnonzero((fall < _FALL[0]) & (times < half_time))
    start = first[-1] + 1 if len(first) else len(fall)
    stop = start + int(np.argmax(fall[start:] > _FALL[1])) if start < len(fall) else start
    rate = _logistic_rate(times[start:stop], fall[start:stop], escape_rate(num_units))
    return Escape(half_time, height, rate)


def _logistic_rate(times: np.ndarray, fall: np.ndarray, expected: float) -> float:
    """Fits a logistic curve to a fall, starting at the expected rate, and returns half its rate."""
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


def _noise(arm: Arm) -> float:
    return arm.learning_rate * arm.num_inputs / arm.batch_size


def _has_small_steps(arm: Arm) -> bool:
    return arm.learning_rate <= _LARGEST_STEP and _noise(arm) <= _LARGEST_NOISE


def _predict_curves(measured: Measured) -> np.ndarray:
    """Returns the loss of the first runs from their own starts, `[num_followed, num_points]`."""
    arm = measured.arm
    teachers = load_data(arm, measured.root_seed, None)["weights"].astype(np.float64)
    followed = measured._replace(init_seed=measured.init_seed[:_MOST_FOLLOWED])
    [weights] = starts_of(followed, num_inputs=teachers.shape[1])
    times = arm.learning_rate * measured.loss.steps
    return np.array([loss_curve(overlaps_of(start.T, teachers), times, _noise(arm)) for start in weights])


def _checks(name: str, measured: Measured, predicted: np.ndarray) -> list[Check]:
    arm = measured.arm
    times, num_units = arm.learning_rate * measured.loss.steps, arm.teacher_units
    found, wanted = (
        [find_escape(*MeasuredCurve(times, losses).of_run(row), num_units) for row in range(len(losses))]
        for losses in (measured.loss.values, predicted)
    )
    shares = [run.half_time / theory.half_time for run, theory in zip(found, wanted, strict=False)]
    words = "time to the half of the plateau, over that from the same start"
    checks = [Check(name, words, "", 1.0, _mean(shares), _TIME_TOLERANCE, _SOURCE)]
    if not _has_small_steps(arm):
        return checks
    height, rate = plateau_height(num_units), escape_rate(num_units)
    heights, rates = _mean([run.height for run in found]), _mean([run.rate for run in found])
    return [
        Check(name, "height of the plateau", "", height, heights, _HEIGHT_TOLERANCE, _SOURCE),
        Check(name, "rate of escape per step × rate", "", rate, rates, _RATE_TOLERANCE, _SOURCE),
        *checks,
    ]


def _mean(values: Sequence[float]) -> Estimate:
    """Returns the mean of the finite values, with the 95 % limits of a t-distribution."""
    from scipy.stats import t

    known = np.array([value for value in values if np.isfinite(value)])
    mean = float(known.mean()) if len(known) else np.nan
    if len(known) < 2:
        return Estimate(mean, -np.inf, np.inf) if len(known) else Estimate(mean, mean, mean)
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    reach = float(t.ppf(0.975, len(known) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach, error)
