"""Curves that were read from logs, as the rows and the `study.json` of a study."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..outcomes import DetectorSettings
from ..outcomes.curve_columns import columns_of_break, levels
from ..outcomes.event import Event
from ..outcomes.smoothing import measure_noise, running_median
from ..store import KINDS, SCHEMA_VERSION, Row, provenance
from ..store.redact import without_places
from .from_files import LoggedRuns
from .logged_curves import LoggedCurve, LoggedSeries

# Above this share of the chance loss, noise begins to change statuses.
_NOISY = 0.10
_SHARE_OF_POINTS = 0.25
_MAX_NOTES = 100
_FIRST_POINTS = 5

ArmsOfLogs = Mapping[str, Sequence[LoggedCurve]]


class LookSettings(NamedTuple):
    """How curves are looked at: with which chance loss, after averaging how many points, with which detector."""

    chance_loss: float
    average: int
    detector: DetectorSettings


class DetectedRows(NamedTuple):
    """Rows, arm by arm, and the noise of the loss from point to point as a share of the chance loss."""

    rows: list[dict[str, Any]]
    noise: float

    @property
    def is_noisy(self) -> bool:
        """Whether averaging would make statuses surer."""
        return self.noise > _NOISY


def arms_of(curves: Sequence[LoggedCurve], unnamed: str) -> dict[str, list[LoggedCurve]]:
    """Returns the curves of each group; those that nothing groups under the given name."""
    arms: dict[str, list[LoggedCurve]] = {}
    for curve in curves:
        arms.setdefault(curve.arm or unnamed, []).append(curve)
    return arms


def first_loss(curves: Sequence[LoggedCurve]) -> float:
    """Returns the loss that runs begin with: the median over runs of the median of the first points."""
    starts = (curve.loss.values[:_FIRST_POINTS] for curve in curves)
    finite = [start[np.isfinite(start)] for start in starts]
    return float(np.median([np.median(start) for start in finite if len(start)] or [np.nan]))


def with_averages(curve: LoggedCurve, number: int) -> LoggedCurve:
    """Returns the curve with means of `number` consecutive losses; what was logged after them is cut."""
    loss, others = averaged(curve.loss, number), {}
    for name, (steps, values) in curve.others.items():
        is_inside = steps <= loss.steps[-1]
        if is_inside.any():
            others[name] = LoggedSeries(steps[is_inside], values[is_inside])
    return curve._replace(loss=loss, others=others)


def averaged(series: LoggedSeries, number: int) -> LoggedSeries:
    """Returns means of `number` consecutive points, at the middle of their steps; an incomplete last block is cut."""
    num_blocks = len(series.steps) // number
    if number == 1 or num_blocks < 2:
        return series
    steps, values = (a[: num_blocks * number].reshape(num_blocks, number) for a in series)
    with np.errstate(invalid="ignore", over="ignore"):
        means = values.mean(axis=1, dtype=np.float64).astype(np.float32)
    return LoggedSeries(steps[:, number // 2], means)


def detect(arms: ArmsOfLogs, chance_loss: float, detector: DetectorSettings) -> DetectedRows:
    """Looks for the break of every curve, and measures the noise."""
    rows = [
        _row(arm, seed, curve, chance_loss, detector)
        for arm, curves in arms.items()
        for seed, curve in enumerate(curves)
    ]
    noises = [_noise(row["loss"].astype(np.float64) / chance_loss, detector) for row in rows]
    return DetectedRows(rows, float(np.median(noises)))


def _noise(rho: np.ndarray, detector: DetectorSettings) -> float:
    values = rho[np.isfinite(rho)]
    if len(values) < 2:
        return 0.0
    return measure_noise(values - running_median(values, detector.window), _SHARE_OF_POINTS).deviation


def _row(arm: str, seed: int, curve: LoggedCurve, chance_loss: float, detector: DetectorSettings) -> dict[str, Any]:
    steps, loss = curve.loss
    # A run whose losses are all infinite has no curve to look at.
    diverged_step = None if np.isfinite(loss[0]) else float(steps[0])
    found = columns_of_break(steps, {"loss": loss}, chance_loss, detector, diverged_step, None)
    accuracy = curve.others.get("accuracy")
    return {
        "arm": arm,
        **dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), seed),
        "run_name": curve.run,
        "chance_loss": chance_loss,
        **found,
        **(
            {}
            if accuracy is None
            else levels(accuracy.steps, {"accuracy": accuracy.values}, found["onset_step"], detector)
        ),
        "steps": steps,
        "loss": loss,
        "accuracy": accuracy.values if accuracy is not None and np.array_equal(accuracy.steps, steps) else None,
        **_held_out(curve),
    }


def _held_out(curve: LoggedCurve) -> dict[str, Any]:
    """Returns the curves on held-out examples, if both have the same steps or there is only one."""
    loss, accuracy = (curve.others.get(f"held_out_{name}") for name in ("loss", "accuracy"))
    found: dict[str, Any] = {}
    if accuracy is not None:
        found = {"inspected_steps": accuracy.steps, "held_out_accuracy": accuracy.values}
        found["end_held_out_accuracy"] = float(accuracy.values[-1])
    if loss is not None and (accuracy is None or np.array_equal(loss.steps, accuracy.steps)):
        found |= {"inspected_steps": loss.steps, "held_out_loss": loss.values}
    return found


def make_study_json(
    logs: LoggedRuns, arms: ArmsOfLogs, rows: Sequence[Row], settings: LookSettings, study: Mapping[str, Any]
) -> dict[str, Any]:
    """Makes `study.json` of curves that were read; `study` has its name, question, baseline and sources."""
    horizons = dict.fromkeys(arms, 1)
    for row in rows:
        horizons[row["arm"]] = max(horizons[row["arm"]], int(row["steps"][-1]))
    return {
        "schema_version": SCHEMA_VERSION,
        "identity": {
            "kind": KINDS[1],
            "arms": {name: {} for name in arms},
            "curves": {name: _fingerprint(curves) for name, curves in arms.items()},
            "horizons": horizons,
            "chance_loss": settings.chance_loss,
            "average": settings.average,
            "detector": settings.detector._asdict(),
        },
        "arm_order": list(arms),
        "study": {
            **study,
            "seeds": {name: len(curves) for name, curves in arms.items()},
            "steps_per_epoch": dict.fromkeys(arms, logs.steps_per_epoch),
            "chance_loss": dict.fromkeys(arms, settings.chance_loss),
            "event": dict.fromkeys(arms, Event.BREAK),
            "forks": None,
            "guesses": logs.guesses[:_MAX_NOTES],
            "notes": [without_places(words) for _, words in logs.notes[:_MAX_NOTES]],
        },
        "launches": [provenance.launch_without_device()],
    }


def _fingerprint(curves: Sequence[LoggedCurve]) -> str:
    """Returns the SHA-256 of the names, steps and losses of some curves."""
    digest = hashlib.sha256()
    for curve in curves:
        name = curve.run.encode()
        digest.update(f"{len(name)} {len(curve.loss.steps)} ".encode() + name)
        digest.update(curve.loss.steps.astype("<i8").tobytes())
        digest.update(curve.loss.values.astype("<f4").tobytes())
    return digest.hexdigest()
