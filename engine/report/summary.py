"""The statistics of a study, arm by arm and between arms."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine import statistics
from engine.plateau import STATUSES
from engine.statistics import Estimate, TestResult
from engine.store import WorkDirectory

_COLUMNS = [
    "status",
    "event",
    "onset_step",
    "onset_lower",
    "onset_upper",
    "width_steps",
    "num_breaks",
    "is_diverged_later",
    "end_loss",
    "end_accuracy",
    "best_minus_end",
    "steps_run",
    "stop_reason",
    "steps",
    "loss",
    "accuracy",
    "held_out_accuracy",
]
_GRID_SHARE_OF_WIDTH = 0.25
_LATE_SHARE = 0.9
_LEVEL = 0.05


class ArmRuns(NamedTuple):
    """The runs of one arm that the statistics use: the longest complete prefix in seed order.

    Attributes:
        name: of the arm.
        seed: shape `[num_runs]`.
        status: shape `[num_runs]`.
        event: shape `[num_runs]`.
        time: onset, or the end of the run where there is none, in steps, `[num_runs]`.
        rows: every column of the store, as lists of length num_runs.
        num_stored: runs of the arm that are over.
        num_planned: runs that the last launch asked for.
        horizon: steps.
        steps_per_epoch: or `None`.
        chance_loss: in nats for classification.
    """

    name: str
    seed: np.ndarray
    status: list[str]
    event: np.ndarray
    time: np.ndarray
    rows: dict[str, list[Any]]
    num_stored: int
    num_planned: int
    horizon: int
    steps_per_epoch: int | None
    chance_loss: float


class ArmSummary(NamedTuple):
    """Numbers of one arm. Times are in the study's unit; accuracies are medians over runs.

    Attributes:
        num_runs: that were used.
        statuses: runs by status.
        fraction: of runs that left chance level by the horizon.
        plateau_fraction: of runs that left it by breaking from a plateau.
        median_onset: with its interval; infinite where it was not reached.
        restricted_mean: mean onset up to the horizon.
        onset_range: earliest and latest onset, or `None`.
        median_width: of the runs that have one, or `None`.
        accuracy_before: at the onset.
        accuracy_after: at the end, of the runs that left chance level.
        held_out_after: the same on held-out examples.
        late_onset: by when nine of ten runs have left chance level; infinite where not reached.
        num_coarse: runs whose break is too fast for the evaluation grid.
        num_fell_back: runs that ended at chance after they had left it.
        num_diverged_later: runs that diverged after they had left chance level.
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
    late_onset: float
    num_coarse: int
    num_fell_back: int
    num_diverged_later: int
    num_stairs: int
    num_settled: int


class Comparison(NamedTuple):
    """One arm against the baseline.

    Attributes:
        difference: of restricted means to the common horizon, in the study's unit; negative is
            earlier than the baseline.
        horizon: of that difference.
        test: log-rank, stratified by seed; a run that diverged counts as one that never leaves
            chance level, so that what is compared is the incidence.
        is_earlier: earlier beyond chance, in the unit and in steps.
        is_later: the opposite.
        p_holm: adjusted for the number of arms compared.
        num_pairs: seeds that both arms have.
        changed: fields in which the arms differ, with (baseline's value, own value).
    """

    difference: Estimate
    horizon: float
    test: TestResult
    p_holm: float
    is_earlier: bool
    is_later: bool
    num_pairs: int
    changed: dict[str, tuple[Any, Any]]


class Summary(NamedTuple):
    """A study in numbers.

    Attributes:
        name, question: of the study.
        unit: of all times: `epochs`, or `steps` where some arm has no epochs.
        baseline: name of the arm that others are compared with.
        varied: in words, what differs from seed to seed.
        missing: arms without a complete first seed.
        runs: by arm.
        arms: by arm.
        comparisons: by arm, without the baseline.
    """

    name: str
    question: str
    unit: str
    baseline: str
    varied: str
    missing: list[str]
    runs: dict[str, ArmRuns]
    arms: dict[str, ArmSummary]
    comparisons: dict[str, Comparison]

    def steps_per_unit(self, arm: str) -> float:
        """Steps in one unit of time."""
        return float(self.runs[arm].steps_per_epoch or 1) if self.unit == "epochs" else 1.0


def summarise(directory: WorkDirectory) -> Summary:
    """The numbers of what a work directory holds; arms whose first seed is missing are left out."""
    document = directory.document
    table = directory.read(columns=_COLUMNS)
    runs = {}
    for name in document["arm_order"]:
        arm_runs = _arm_runs(table, document, name)
        if arm_runs is not None:
            runs[name] = arm_runs
    has_epochs = bool(runs) and all(r.steps_per_epoch for r in runs.values())
    baseline = document["study"]["baseline"]
    if baseline not in runs and runs:
        baseline = next(iter(runs))
    summary = Summary(
        name=document["study"]["name"],
        question=document["study"]["question"],
        unit="epochs" if has_epochs else "steps",
        baseline=baseline,
        varied=_varied(document["identity"]),
        missing=[name for name in document["arm_order"] if name not in runs],
        runs=runs,
        arms={},
        comparisons={},
    )
    high = document["identity"]["detector"]["high"]
    arms = {name: _summarise_arm(r, summary.steps_per_unit(name), high) for name, r in runs.items()}
    summary = summary._replace(arms=arms)
    return summary._replace(comparisons=_compare(summary, document["identity"]["arms"]))


def _varied(identity: dict[str, Any]) -> str:
    if identity["fix_init"] is not None and identity["fix_order"] is not None:
        return "noise draws, all from one start and in one data order,"
    if identity["fix_init"] is not None:
        return f"data orders, all from the start of init seed {identity['fix_init']},"
    if identity["fix_order"] is not None:
        return f"random starts, all in the data order of seed {identity['fix_order']},"
    return "random starts and data orders"


def _arm_runs(table: pa.Table, document: dict[str, Any], name: str) -> ArmRuns | None:
    rows = table.filter(pa.compute.equal(table["arm"], name)).to_pydict()
    stored = rows["seed"]
    num_used = next((i for i, seed in enumerate(stored) if seed != i), len(stored))
    if num_used == 0:
        return None
    rows = {column: values[:num_used] for column, values in rows.items()}
    onset = [
        end if t is None else t
        for t, end in zip(rows["onset_step"], rows["steps_run"], strict=True)
    ]
    study = document["study"]
    return ArmRuns(
        name=name,
        seed=np.asarray(rows["seed"]),
        status=rows["status"],
        event=np.asarray(rows["event"]),
        time=np.asarray(onset, np.float64),
        rows=rows,
        num_stored=len(stored),
        num_planned=max(study["seeds"][name], len(stored)),
        horizon=document["identity"]["horizons"][name],
        steps_per_epoch=study["steps_per_epoch"][name],
        chance_loss=study["chance_loss"][name],
    )


def _summarise_arm(runs: ArmRuns, steps_per_unit: float, high: float) -> ArmSummary:
    time = runs.time / steps_per_unit
    counts = Counter(runs.status)
    num_learned = int(np.sum(runs.event == 1))
    is_learned = runs.event == 1
    widths = [w for w in runs.rows["width_steps"] if w is not None]
    onsets = time[is_learned]
    return ArmSummary(
        num_runs=len(runs.status),
        statuses={status: counts[status] for status in STATUSES},
        fraction=statistics.proportion(num_learned, len(runs.status)),
        plateau_fraction=statistics.proportion(counts["broke"], len(runs.status)),
        median_onset=statistics.median_time(time, runs.event),
        restricted_mean=statistics.restricted_mean(time, runs.event, runs.horizon / steps_per_unit),
        onset_range=(float(onsets.min()), float(onsets.max())) if len(onsets) else None,
        median_width=float(np.median(widths)) / steps_per_unit if widths else None,
        accuracy_before=_accuracy_at_onset(runs),
        accuracy_after=_median_of(runs.rows["end_accuracy"], is_learned),
        held_out_after=_median_of(_last(runs.rows["held_out_accuracy"]), is_learned),
        late_onset=_late_onset(time, runs.event),
        num_coarse=_num_coarse(runs),
        num_fell_back=sum(
            status == "stuck" and (lost or 0) + 1 - end / runs.chance_loss > high
            for status, lost, end in zip(
                runs.status, runs.rows["best_minus_end"], _end_losses(runs), strict=True
            )
        ),
        num_diverged_later=sum(bool(flag) for flag in runs.rows["is_diverged_later"]),
        num_stairs=sum((num or 0) > 1 for num in runs.rows["num_breaks"]),
        num_settled=sum(reason == "settled" for reason in runs.rows["stop_reason"]),
    )


def _end_losses(runs: ArmRuns) -> list[float]:
    return [runs.chance_loss if end is None else end for end in runs.rows["end_loss"]]


def _late_onset(time: np.ndarray, event: np.ndarray) -> float:
    curve = statistics.aalen_johansen(time, event)
    return statistics.first_reached(curve.time, curve.value, _LATE_SHARE)


def _median_of(values: list[Any], chosen: np.ndarray) -> float | None:
    kept = [v for v, is_chosen in zip(values, chosen, strict=True) if is_chosen and v is not None]
    return float(np.median(kept)) if kept else None


def _last(curves: list[list[float] | None]) -> list[float | None]:
    return [curve[-1] if curve else None for curve in curves]


def _accuracy_at_onset(runs: ArmRuns) -> float | None:
    rows = runs.rows
    values = [
        float(np.interp(onset, steps, accuracy))
        for onset, steps, accuracy in zip(
            rows["onset_step"], rows["steps"], rows["accuracy"], strict=True
        )
        if onset is not None and accuracy
    ]
    return float(np.median(values)) if values else None


def _num_coarse(runs: ArmRuns) -> int:
    """Runs whose grid at the onset is coarser than a quarter of the width."""
    rows = runs.rows
    return sum(
        width is not None and upper - lower > _GRID_SHARE_OF_WIDTH * width
        for lower, upper, width in zip(
            rows["onset_lower"], rows["onset_upper"], rows["width_steps"], strict=True
        )
    )


def _compare(summary: Summary, fields: dict[str, dict[str, Any]]) -> dict[str, Comparison]:
    others = [name for name in summary.runs if name != summary.baseline]
    if not others:
        return {}
    base = summary.runs[summary.baseline]
    tests = {name: _test(summary, summary.runs[name], base) for name in others}
    adjusted = statistics.holm(np.array([test.p_value for test in tests.values()]))
    found = {}
    for (name, test), p_holm in zip(tests.items(), adjusted, strict=True):
        own = summary.runs[name]
        units = (summary.steps_per_unit(name), summary.steps_per_unit(base.name))
        difference, horizon = _difference(own, base, units)
        in_steps, _ = _difference(own, base, (1.0, 1.0))
        is_decided = bool(p_holm < _LEVEL)
        found[name] = Comparison(
            difference=difference,
            horizon=horizon,
            test=test,
            p_holm=float(p_holm),
            is_earlier=is_decided and max(difference.upper, in_steps.upper) < 0,
            is_later=is_decided and min(difference.lower, in_steps.lower) > 0,
            num_pairs=len(np.intersect1d(own.seed, base.seed)),
            changed={
                field: (value, fields[name][field])
                for field, value in fields[base.name].items()
                if fields[name][field] != value
            },
        )
    return found


def _difference(
    own: ArmRuns, base: ArmRuns, steps_per_unit: tuple[float, float]
) -> tuple[Estimate, float]:
    """Difference of restricted means to the shorter of both horizons, and that horizon."""
    own_unit, base_unit = steps_per_unit
    horizon = min(own.horizon / own_unit, base.horizon / base_unit)
    times = own.time / own_unit, own.event, base.time / base_unit, base.event
    return statistics.restricted_mean_difference(*times, horizon), horizon


def _test(summary: Summary, own: ArmRuns, base: ArmRuns) -> TestResult:
    """Log-rank on the incidence: all censoring is at the horizon, so diverged runs stay at risk."""
    times = []
    for runs in (own, base):
        still = np.where(runs.event == 2, runs.horizon, runs.time)
        times.append(still / summary.steps_per_unit(runs.name))
    return statistics.log_rank(
        np.concatenate(times),
        np.concatenate([own.event == 1, base.event == 1]).astype(int),
        np.repeat([1, 0], [len(times[0]), len(times[1])]),
        strata=np.concatenate([own.seed, base.seed]),
    )


def to_document(summary: Summary, verdict: dict[str, Any]) -> dict[str, Any]:
    """`summary.json`. What is infinite or does not exist is null; times are in `unit`."""
    arms = {}
    for name, arm in summary.arms.items():
        runs = summary.runs[name]
        arms[name] = {
            **_jsonable(arm),
            "num_stored": runs.num_stored,
            "num_planned": runs.num_planned,
            "horizon_steps": runs.horizon,
            "steps_per_epoch": runs.steps_per_epoch,
            "chance_loss": runs.chance_loss,
        }
    return {
        "name": summary.name,
        "question": summary.question,
        "unit": summary.unit,
        "baseline": summary.baseline,
        "confidence": 0.95,
        "arms": arms,
        "comparisons": _jsonable(summary.comparisons),
        "verdict": verdict,
    }


def _jsonable(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {key: _jsonable(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
