"""The statistics of a study, arm by arm and between arms."""

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.outcomes import FAILED
from engine.report.arm_comparison import Comparison, compare_arms
from engine.report.arm_runs import ArmRuns, of_study, read_all_runs
from engine.report.arm_summary import ArmSummary, summarise_arm
from engine.statistics import LEVEL, Estimate
from engine.store import is_of_logs
from engine.store.run_table import RunTable


class UnderWay(NamedTuple):
    """How many runs of a study are over, and how many are planned, while its launch goes on."""

    num_over: int
    num_runs: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """A study in numbers.

    Attributes:
        document: content of `study.json`.
        runs: by arm, of the arms that have an outcome in their first seeds.
        missing: arms without a complete first seed.
        failed: number of runs of the arms that have failed runs only, by arm.
        num_left_out: parts that are damaged or missing.
        under_way: how far the study is while its launch goes on; else None.
    """

    document: dict[str, Any]
    runs: dict[str, ArmRuns]
    missing: list[str]
    failed: dict[str, int]
    num_left_out: int = 0
    under_way: UnderWay | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the study this one, see `engine.store.study_json`."""
        found: dict[str, Any] = self.document["identity"]
        return found

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.document["study"]["name"])

    @property
    def question(self) -> str:
        """What the study is to answer."""
        return str(self.document["study"]["question"])

    @property
    def is_of_logs(self) -> bool:
        """Whether the curves were read from logs."""
        return is_of_logs(self.document)

    @property
    def looks(self) -> list[dict[str, Any]]:
        """What was known whenever seeds were added, see `engine.studies.until`; empty if their number was fixed."""
        found: list[dict[str, Any]] = self.document.get("looks", [])
        return found

    @property
    def has_looks(self) -> bool:
        """Whether the study is looked at repeatedly, so that what is said must hold at every look."""
        return bool(self.looks) or self.under_way is not None

    @property
    def num_arms(self) -> int:
        """Number of arms of the study."""
        return len(self.document["arm_order"])

    @property
    def unit(self) -> str:
        """Unit of all times: `epochs`, or `steps` where some arm has no epochs."""
        return "epochs" if self.runs and all(r.steps_per_epoch for r in self.runs.values()) else "steps"

    @property
    def baseline(self) -> str:
        """Name of the arm that others are compared with: the study's, or else the first that has runs."""
        name = str(self.document["study"]["baseline"])
        return name if name in self.runs else next(iter(self.runs), name)

    @property
    def data_notes(self) -> dict[str, list[str]]:
        """What was left out of the data or changed in them, by arm."""
        found: dict[str, list[str]] = self.document["study"].get("data_notes", {})
        return found

    @property
    def network_notes(self) -> dict[str, list[str]]:
        """What one batch has shown of the user's networks, by arm."""
        found: dict[str, list[str]] = self.document["study"].get("network_notes", {})
        return found

    def steps_per_unit(self, arm: str) -> float:
        """Returns the steps in one unit of time."""
        return float(self.runs[arm].steps_per_epoch or 1) if self.unit == "epochs" else 1.0

    def horizon(self, arm: str) -> float:
        """Returns the horizon of an arm in the unit."""
        return self.runs[arm].horizon / self.steps_per_unit(arm)

    def fraction(self, successes: int, trials: int) -> Estimate:
        """Estimates a share of runs, with limits that hold at every look if there are several."""
        exact = statistics.confidence_sequence if self.has_looks else statistics.proportion
        return exact(successes, trials)

    @functools.cached_property
    def arms(self) -> dict[str, ArmSummary]:
        """The numbers of every arm that has runs."""
        detector = self.identity["detector"]
        return {
            name: summarise_arm(runs, self.steps_per_unit(name), self.fraction, detector)
            for name, runs in self.runs.items()
        }

    @functools.cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """The comparison of every arm that waits for the same event as the baseline."""
        if not self.runs:
            return {}
        units = {name: self.steps_per_unit(name) for name in self.runs}
        fields = self.identity["arms"]
        return compare_arms(self.runs, self.baseline, units, fields, self.has_looks, self.is_of_logs)


def summarise(table: RunTable, under_way: UnderWay | None = None) -> Summary:
    """Computes the numbers of a study from its finished runs.

    Args:
        table: of the study.
        under_way: how far it is, while its launch goes on.

    Raises:
        InputError: a part may not be read, or the statistics of these runs do not exist.
    """
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


def to_document(summary: Summary, verdict: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of `summary.json` without that of sections; what is infinite or does not exist is null.

    Args:
        summary: the numbers.
        verdict: the words.
    """
    arms = {}
    for name, arm in summary.arms.items():
        runs = summary.runs[name]
        arms[name] = {
            **jsonable(arm),
            "statuses": {**arm.statuses, FAILED: arm.num_failed},
            "num_stored": runs.num_stored,
            "num_planned": runs.num_planned,
            "horizon_steps": runs.horizon,
            "steps_per_epoch": runs.steps_per_epoch,
            "chance_loss": runs.chance_loss,
            "data_notes": summary.data_notes.get(name, []),
            "network_notes": summary.network_notes.get(name, []),
        }
    return {
        "name": summary.name,
        "question": summary.question,
        "unit": summary.unit,
        "baseline": summary.baseline,
        "confidence": 1 - LEVEL,
        "arms": arms,
        "failed_arms": summary.failed,
        "comparisons": jsonable(summary.comparisons),
        "chance_or_fate": {},
        "looks": summary.looks,
        "of_logs": summary.is_of_logs,
        "verdict": verdict,
    }


def jsonable(value: Any) -> Any:
    """Converts named tuples to objects, and what is infinite or no number to null."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
