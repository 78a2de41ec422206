"""The numbers of one arm."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.outcomes import STATUSES
from engine.outcomes.event import Event
from engine.report.arm_runs import ArmRuns
from engine.statistics import Estimate

_LATE_SHARE = 0.9
_LEFT = ("broke", "no_plateau", "shoulder")


class ArmSummary(NamedTuple):
    """The numbers of one arm. Times are in the study's unit, accuracies are medians over runs.

    Attributes:
        num_runs: runs with an outcome; the counts below are of these.
        statuses: number of runs by status.
        fraction: share of runs that left chance level by the horizon.
        plateau_fraction: share of runs that left it by breaking out of a plateau.
        median_onset: infinite where it was not reached.
        restricted_mean: mean onset up to the horizon.
        onset_range: earliest and latest onset; None without any.
        median_width: of the runs that have one; None without any.
        accuracy_before: at the onset.
        accuracy_after: at the end, of the runs that left chance level.
        held_out_after: the same on held-out examples.
        late_onset: when nine of ten runs had left chance level; infinite where not reached.
        num_coarse: runs whose break is too fast for the evaluation grid.
        num_falling: runs that ended at chance, but above where an onset begins.
        num_fell_back: runs that ended at chance after they had left it.
        num_diverged_later: runs that diverged after they had left chance level.
        num_stairs: runs with further plateaus after the first.
        num_settled: runs that were stopped once their outcome was clear.
        num_failed: further runs, without an outcome.
    """

    num_runs: int
    statuses: dict[str, int]
    fraction: Estimate
    plateau_fraction: Estimate
    median_onset: Estimate
    restricted_mean: Estimate
    onset_range: tuple[float, float] | None
    median_width: float | None
    accuracy_before: float | None
    accuracy_after: float | None
    held_out_after: float | None
    late_onset: float
    num_coarse: int
    num_falling: int
    num_fell_back: int
    num_diverged_later: int
    num_stairs: int
    num_settled: int
    num_failed: int

    @property
    def num_left(self) -> int:
        """Number of runs that left chance level."""
        return sum(self.statuses[status] for status in _LEFT)


def summarise_arm(
    runs: ArmRuns, unit: float, fraction: Callable[[int, int], Estimate], detector: Mapping[str, Any]
) -> ArmSummary:
    """Computes the numbers of an arm.

    Args:
        runs: of the arm.
        unit: steps in one unit of time.
        fraction: estimates a share of runs.
        detector: the settings of the detector, see `engine.outcomes.DetectorSettings`.
    """
    rows, time, has_left, counts = runs.rows, runs.time / unit, runs.event == 1, Counter(runs.status)
    onsets, widths = time[has_left], _known(rows["width_steps"])
    incidence = statistics.aalen_johansen(time, runs.event)
    num_falling, num_fell_back = _count_stuck(runs, detector)
    return ArmSummary(
        num_runs=len(runs.status),
        statuses={status: counts[status] for status in STATUSES},
        fraction=fraction(len(onsets), len(runs.status)),
        plateau_fraction=fraction(counts["broke"], len(runs.status)),
        median_onset=statistics.median_time(time, runs.event),
        restricted_mean=statistics.restricted_mean(time, runs.event, runs.horizon / unit),
        onset_range=(float(onsets.min()), float(onsets.max())) if len(onsets) else None,
        median_width=float(np.median(widths)) / unit if widths else None,
        accuracy_before=_median(rows["onset_accuracy"], has_left),
        accuracy_after=_median(rows["end_accuracy"], has_left),
        held_out_after=_median(rows["end_held_out_accuracy"], has_left),
        late_onset=statistics.first_reached(incidence.time, incidence.value, _LATE_SHARE),
        num_coarse=rows["is_coarse"].count(True),
        num_falling=num_falling,
        num_fell_back=num_fell_back,
        num_diverged_later=rows["is_diverged_later"].count(True),
        num_stairs=sum(number > 1 for number in _known(rows["num_breaks"])),
        num_settled=rows["stop_reason"].count("settled"),
        num_failed=runs.num_failed,
    )


def _known(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _median(values: list[Any], chosen: np.ndarray) -> float | None:
    known = _known([value for value, is_chosen in zip(values, chosen, strict=True) if is_chosen])
    return float(np.median(known)) if known else None


def _count_stuck(runs: ArmRuns, detector: Mapping[str, Any]) -> tuple[int, int]:
    """Counts runs that ended at chance, but had begun to fall, or had left it before."""
    if runs.waits_for != Event.BREAK:
        return 0, 0
    chance, num_falling, num_fell_back = runs.chance_loss, 0, 0
    for status, end_loss, lost in zip(runs.status, runs.rows["end_loss"], runs.rows["best_minus_end"], strict=True):
        if status == "stuck":
            end = chance if end_loss is None else end_loss
            num_falling += end < (1 - detector["low"]) * chance
            num_fell_back += (lost or 0) + 1 - end / chance > detector["high"]
    return num_falling, num_fell_back
