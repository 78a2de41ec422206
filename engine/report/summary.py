"""The statistics of a study, arm by arm and between arms."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from .. import statistics
from ..metrics.making import title_of
from ..outcomes import STATUSES
from ..outcomes.chance import ChanceOf
from ..outcomes.event import Event
from ..statistics import Estimate
from ..store import is_of_logs
from ..store.run_table import RunTable
from .arm_runs import ArmRuns, of_study, read_all_runs
from .comparison import Comparison, compare_arms

_LATE_SHARE = 0.9
# A loss is at chance within twice the distance at which the detector takes a curve to have arrived there: once for the
# plateau, and once for the noise about it.
_AT_CHANCE = 2.0
_LEFT = ("broke", "no_plateau", "shoulder")


class ArmSummary(NamedTuple):
    """The numbers of one arm. Times are in the study's unit, accuracies are medians over runs.

    Attributes:
        num_runs: runs with an outcome; all counts but `num_failed` are of these.
        fraction, plateau_fraction: shares of runs that left chance level, and that broke out of a plateau.
        median_onset, late_onset: when half and nine of ten runs had left; infinite where not reached.
        restricted_mean: mean onset up to the horizon.
        median_width: from 10 to 90 % of the rise.
        accuracy_before, accuracy_after: at the onset, and at the end, of the runs that left chance level.
        metric, metric_before, metric_after: what sentences call the arm's metric, and the same of it.
        num_coarse: runs whose break is too fast for the evaluation grid.
        num_falling: runs that ended at chance, but above where an onset begins.
        num_fell_back: runs that ended at chance, or above, after they had left it.
        num_lost_at_start: runs whose loss was not finite before the first step.
        chance_of: whose loss counts as chance level.
        num_above_chance: runs that did not leave chance level and ended with a loss clearly above it.
        loss_above_chance: median of their losses at the end, over the chance loss.
        num_stairs: runs with further plateaus after the first.
        num_settled: runs that were stopped once their outcome was clear.
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
    metric: str | None
    metric_before: float | None
    metric_after: float | None
    held_out_metric_after: float | None
    late_onset: float
    num_coarse: int
    num_falling: int
    num_fell_back: int
    chance_of: ChanceOf
    num_above_chance: int
    loss_above_chance: float | None
    num_lost_at_start: int
    num_diverged_later: int
    num_stairs: int
    num_settled: int
    num_failed: int

    @property
    def num_left(self) -> int:
        """Number of runs that left chance level."""
        return sum(self.statuses[status] for status in _LEFT)


@dataclasses.dataclass(frozen=True)
class Summary:
    """A study in numbers.

    Attributes:
        document: content of `study.json`.
        runs: of the arms that have an outcome in their first seeds.
        missing: arms without a complete first seed.
        failed: number of runs of the arms that have failed runs only.
        num_left_out: parts that are damaged or missing.
        under_way: numbers of runs that are over and planned while a launch goes on, else None.
    """

    document: dict[str, Any]
    runs: dict[str, ArmRuns]
    missing: list[str]
    failed: dict[str, int]
    num_left_out: int = 0
    under_way: tuple[int, int] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the study this one, see `engine.store.study_json`."""
        return dict(self.document["identity"])

    def metric(self, name: str) -> str | None:
        """Returns what sentences call the metric of an arm; `None` where it has none."""
        chosen = None if self.is_of_logs else self.identity["arms"][name].get("metric")
        return None if chosen is None else title_of(chosen)

    @property
    def is_of_logs(self) -> bool:
        """Whether the curves were read from logs."""
        return is_of_logs(self.document)

    @property
    def is_of_one_log(self) -> bool:
        """Whether all there is was read from the log of one run, so that there is nothing to count."""
        return self.is_of_logs and [arm.num_runs for arm in self.arms.values()] == [1]

    @property
    def looks(self) -> list[dict[str, Any]]:
        """What was known whenever seeds were added, see `engine.studies.until`; empty if their number was fixed."""
        return list(self.document.get("looks", []))

    @property
    def has_looks(self) -> bool:
        """Whether the study is looked at repeatedly, so that what is said must hold at every look."""
        return bool(self.looks) or self.under_way is not None

    @property
    def unit(self) -> str:
        """Unit of all times: `epochs`, or `steps` where some arm has no epochs."""
        return "epochs" if self.runs and all(r.steps_per_epoch for r in self.runs.values()) else "steps"

    @property
    def baseline(self) -> str:
        """Name of the arm that others are compared with: the study's, or else the first that has runs."""
        name = str(self.document["study"]["baseline"])
        return name if name in self.runs else next(iter(self.runs), name)

    def notes(self, kind: Literal["data_notes", "network_notes"]) -> dict[str, list[str]]:
        """Returns what was left out of the data or changed in them, or what was seen in the networks, by arm."""
        return dict(self.document["study"].get(kind, {}))

    def steps_per_unit(self, arm: str) -> float:
        """Returns the steps in one unit of time."""
        return float(self.runs[arm].steps_per_epoch or 1) if self.unit == "epochs" else 1.0

    def horizon(self, arm: str) -> float:
        """Returns the horizon of an arm in the unit."""
        return self.runs[arm].horizon / self.steps_per_unit(arm)

    @property
    def typical_status(self) -> str | None:
        """The status that more than half of all runs of the baseline have, beyond chance; `None` without one."""
        arm = self.arms[self.baseline]
        shares = {status: self.fraction(count, arm.num_runs) for status, count in arm.statuses.items()}
        return next((status for status, share in shares.items() if share.lower > 0.5), None)

    def fraction(self, successes: int, trials: int) -> Estimate:
        """Estimates a share of runs, with limits that hold at every look if there are several."""
        exact = statistics.confidence_sequence if self.has_looks else statistics.proportion
        return exact(successes, trials)

    @functools.cached_property
    def arms(self) -> dict[str, ArmSummary]:
        """The numbers of every arm that has runs."""
        return {name: _summarise_arm(self, name) for name in self.runs}

    @functools.cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """The comparison of every arm that waits for the same event as the baseline."""
        if not self.runs:
            return {}
        units, fields = {name: self.steps_per_unit(name) for name in self.runs}, self.identity["arms"]
        return compare_arms(self.runs, self.baseline, units, fields, self.has_looks, self.is_of_logs)


def _summarise_arm(summary: Summary, name: str) -> ArmSummary:
    runs, unit = summary.runs[name], summary.steps_per_unit(name)
    rows, time, has_left, counts = runs.rows, runs.time / unit, runs.event == 1, Counter(runs.status)
    onsets, widths = time[has_left], _known(rows["width_steps"])
    incidence = statistics.aalen_johansen(time, runs.event)
    num_falling, num_fell_back, above = _look_at_stuck(runs, summary.identity["detector"])
    return ArmSummary(
        num_runs=len(runs.status),
        statuses={status: counts[status] for status in STATUSES},
        fraction=summary.fraction(len(onsets), len(runs.status)),
        plateau_fraction=summary.fraction(counts["broke"], len(runs.status)),
        median_onset=statistics.median_time(time, runs.event),
        restricted_mean=statistics.restricted_mean(time, runs.event, summary.horizon(name)),
        onset_range=(float(onsets.min()), float(onsets.max())) if len(onsets) else None,
        median_width=float(np.median(widths)) / unit if widths else None,
        accuracy_before=_median(rows["onset_accuracy"], has_left),
        accuracy_after=_median(rows["end_accuracy"], has_left),
        held_out_after=_median(rows["end_held_out_accuracy"], has_left),
        metric=summary.metric(name),
        metric_before=_median(rows["onset_metric"], has_left),
        metric_after=_median(rows["end_metric"], has_left),
        held_out_metric_after=_median(rows["end_held_out_metric"], has_left),
        late_onset=statistics.first_reached(incidence.time, incidence.value, _LATE_SHARE),
        num_coarse=rows["is_coarse"].count(True),
        num_falling=num_falling,
        num_fell_back=num_fell_back,
        chance_of=runs.chance_of,
        num_above_chance=len(above),
        loss_above_chance=float(np.median(above)) if above else None,
        num_lost_at_start=int(np.sum((runs.event == 2) & (runs.time == 0))),
        num_diverged_later=rows["is_diverged_later"].count(True),
        num_stairs=sum(number > 1 for number in _known(rows["num_breaks"])),
        num_settled=rows["stop_reason"].count("settled"),
        num_failed=runs.num_failed,
    )


def _known(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _median(values: list[Any], chosen: np.ndarray) -> float | None:
    known = [value for value in _known([values[i] for i in np.flatnonzero(chosen)]) if np.isfinite(value)]
    return float(np.median(known)) if known else None


def _look_at_stuck(runs: ArmRuns, detector: Mapping[str, Any]) -> tuple[int, int, list[float]]:
    """Looks at the runs that did not leave chance level.

    Returns how many had begun to fall, and had left it before; and the last losses above it, over the chance loss.
    """
    if runs.waits_for != Event.BREAK:
        return 0, 0, []
    chance, num_falling, num_fell_back, above = runs.chance_loss, 0, 0, []
    for status, end_loss, lost in zip(runs.status, runs.rows["end_loss"], runs.rows["best_minus_end"], strict=True):
        if status == "stuck":
            end = chance if end_loss is None else end_loss
            num_falling += end < (1 - detector["low"]) * chance
            num_fell_back += (lost or 0) + 1 - end / chance > detector["high"]
            if end > (1 + _AT_CHANCE * detector["low"]) * chance:
                above.append(end / chance)
    return num_falling, num_fell_back, above


def summarise(table: RunTable, under_way: tuple[int, int] | None = None) -> Summary:
    """Computes the numbers of a study from its finished runs."""
    found, directory = read_all_runs(table), table.directory
    runs = {name: arm for name, arm in found.items() if len(arm.seed)}
    summary = Summary(
        document=directory.document,
        runs=runs,
        missing=[name for name in directory.document["arm_order"] if name not in found],
        failed={name: arm.num_failed for name, arm in found.items() if name not in runs},
        num_left_out=directory.num_left_out,
        under_way=under_way,
    )
    with of_study(directory):
        _ = summary.arms, summary.comparisons
    return summary
