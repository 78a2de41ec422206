"""Curves that were read from logs, as the rows and the `study.json` of a study."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.logs import Curve, Reading, Series
from engine.outcomes import DetectorSettings, end_level, find_break, outcome_columns
from engine.outcomes.noise import measure_noise
from engine.outcomes.smoothing import running_median
from engine.store import KINDS, SCHEMA_VERSION, provenance
from engine.store.redact import without_places

# Above this share of the chance loss, noise begins to change statuses.
_NOISY = 0.10
_SHARE_OF_POINTS = 0.25
_MAX_NOTES = 100
_FIRST_POINTS = 5


class Detected(NamedTuple):
    """What came of some curves.

    Attributes:
        rows: of the store, arm by arm in the order of the runs.
        noise: of the loss from point to point, as a share of the chance loss, median over runs.
    """

    rows: list[dict[str, Any]]
    noise: float


def arms_of(curves: Sequence[Curve], unnamed: str) -> dict[str, list[Curve]]:
    """The curves of each group, in the order of appearance.

    Args:
        curves: of all runs.
        unnamed: the name of the group where nothing names it.
    """
    arms: dict[str, list[Curve]] = {}
    for curve in curves:
        arms.setdefault(curve.arm or unnamed, []).append(curve)
    return arms


def first_loss(curves: Sequence[Curve]) -> float:
    """The loss that runs begin with: median over runs of the median of the first points."""
    starts = (c.loss.values[:_FIRST_POINTS] for c in curves)
    finite = [start[np.isfinite(start)] for start in starts]
    return float(np.median([np.median(start) for start in finite if len(start)] or [np.nan]))


def with_averages(curve: Curve, number: int) -> Curve:
    """The curve with means of so many consecutive losses; what was logged after them is cut."""
    loss = averaged(curve.loss, number)
    others = {}
    for name, series in curve.others.items():
        is_inside = series.steps <= loss.steps[-1]
        if is_inside.any():
            others[name] = Series(series.steps[is_inside], series.values[is_inside])
    return curve._replace(loss=loss, others=others)


def averaged(series: Series, number: int) -> Series:
    """Means of so many consecutive points, at the middle of their steps; what is left over is cut.

    A mean of which a value is not finite is not finite either.
    """
    num_blocks = len(series.steps) // number
    if number == 1 or num_blocks < 2:
        return series
    steps, values = (a[: num_blocks * number].reshape(num_blocks, number) for a in series)
    with np.errstate(invalid="ignore", over="ignore"):
        means = values.mean(axis=1, dtype=np.float64).astype(np.float32)
    return Series(steps[:, number // 2], means)


def detect(arms: Mapping[str, Sequence[Curve]], chance_loss: float, detector: DetectorSettings) -> Detected:
    """The row of every run.

    Args:
        arms: curves by group.
        chance_loss: of all of them.
        detector: settings of the detector.
    """
    rows, noises = [], []
    for arm, curves in arms.items():
        for seed, curve in enumerate(curves):
            rows.append(_row(arm, seed, curve, chance_loss, detector))
            noises.append(_noise(curve.loss.values, chance_loss, detector))
    return Detected(rows, float(np.median(noises)))


def is_noisy(noise: float) -> bool:
    """Whether averaging would make statuses surer."""
    return noise > _NOISY


def _noise(loss: np.ndarray, chance_loss: float, detector: DetectorSettings) -> float:
    values = loss[np.isfinite(loss)].astype(np.float64) / chance_loss
    if len(values) < 2:
        return 0.0
    residuals = values - running_median(values, detector.window)
    return measure_noise(residuals, _SHARE_OF_POINTS).deviation


def _row(arm: str, seed: int, curve: Curve, chance_loss: float, detector: DetectorSettings) -> dict[str, Any]:
    steps, loss = curve.loss
    is_first = not np.isfinite(loss[0])
    # A run of which every loss is infinite has no curve to look at.
    diverged = float(steps[0]) if is_first else None
    outcome = find_break(steps, loss, chance_loss, diverged_step=diverged, settings=detector)
    end = outcome.diverged_step
    accuracy = curve.others.get("accuracy")
    is_shared = accuracy is not None and np.array_equal(accuracy.steps, steps)
    return {
        "arm": arm,
        **dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), seed),
        "run_name": curve.run,
        **outcome_columns(outcome),
        "stop_reason": None if end is None else "diverged",
        "chance_loss": chance_loss,
        "steps_run": int(steps[-1]) if end is None else round(end),
        "onset_accuracy": _at(outcome.onset_step, accuracy),
        "end_accuracy": None if accuracy is None else end_level(accuracy.values, detector),
        "steps": steps,
        "loss": loss,
        "accuracy": accuracy.values if is_shared and accuracy is not None else None,
        **_held_out(curve),
    }


def _at(step: float | None, series: Series | None) -> float | None:
    return None if step is None or series is None else float(np.interp(step, *series))


def _held_out(curve: Curve) -> dict[str, Any]:
    """Curves on held-out examples, where both have the same steps or there is one only."""
    loss, accuracy = (curve.others.get(f"held_out_{name}") for name in ("loss", "accuracy"))
    found: dict[str, Any] = {}
    if accuracy is not None:
        found = {
            "end_held_out_accuracy": float(accuracy.values[-1]),
            "inspected_steps": accuracy.steps,
            "held_out_accuracy": accuracy.values,
        }
    if loss is not None and (accuracy is None or np.array_equal(loss.steps, accuracy.steps)):
        found |= {"inspected_steps": loss.steps, "held_out_loss": loss.values}
    return found


def make_document(
    reading: Reading,
    arms: Mapping[str, Sequence[Curve]],
    rows: Sequence[Mapping[str, Any]],
    settings: tuple[float, int, DetectorSettings],
    study: Mapping[str, Any],
) -> dict[str, Any]:
    """`study.json` of curves that were read.

    Its identity is the curves themselves and how they are looked at.

    Args:
        reading: what was read.
        arms: curves by group.
        rows: of the store.
        settings: chance loss, points that are averaged, and the detector's numbers.
        study: `name`, `question`, `baseline` and `sources`.
    """
    chance_loss, average, detector = settings

    def by_arm(value: Any) -> dict[str, Any]:
        return dict.fromkeys(arms, value)

    horizons: dict[str, int] = by_arm(1)
    for row in rows:
        horizons[row["arm"]] = max(horizons[row["arm"]], int(row["steps"][-1]))
    return {
        "schema_version": SCHEMA_VERSION,
        "identity": {
            "kind": KINDS[1],
            "arms": {name: {} for name in arms},
            "curves": {name: _fingerprint(curves) for name, curves in arms.items()},
            "horizons": horizons,
            "chance_loss": chance_loss,
            "average": average,
            "detector": detector._asdict(),
        },
        "arm_order": list(arms),
        "study": {
            **study,
            "seeds": {name: len(curves) for name, curves in arms.items()},
            "steps_per_epoch": by_arm(reading.steps_per_epoch),
            "chance_loss": by_arm(chance_loss),
            "event": by_arm("break"),
            "forks": None,
            "guesses": reading.guesses[:_MAX_NOTES],
            "notes": [without_places(words) for _, words in reading.notes[:_MAX_NOTES]],
        },
        "launches": [provenance.launch_without_device()],
    }


def _fingerprint(curves: Sequence[Curve]) -> str:
    """SHA-256 over names, steps and losses of some curves."""
    digest = hashlib.sha256()
    for curve in curves:
        name = curve.run.encode()
        digest.update(f"{len(name)} {len(curve.loss.steps)} ".encode() + name)
        digest.update(curve.loss.steps.astype("<i8").tobytes())
        digest.update(curve.loss.values.astype("<f4").tobytes())
    return digest.hexdigest()
