"""The statistics of a study, arm by arm and between arms."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.outcomes import FAILED, STATUSES
from engine.outcomes.event import Event
from engine.report.arm_runs import ArmRuns, of_study, read_all_runs
from engine.report.group_comparison import compare_runs, pooled
from engine.statistics import LEVEL, Estimate, TestResult
from engine.store import WorkDirectory, is_of_logs

_LATE_SHARE = 0.9


class ArmSummary(NamedTuple):
    """Numbers of one arm. Times are in the study's unit; accuracies are medians over runs.

    Attributes:
        num_runs: that were used, each with an outcome.
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
        num_falling: runs that ended at chance, but above where an onset begins.
        num_fell_back: runs that ended at chance after they had left it.
        num_diverged_later: runs that diverged after they had left chance level.
        num_stairs: runs with further plateaus after the first.
        num_settled: runs that were stopped once their outcome was clear.
        num_failed: runs without an outcome, which are not among `num_runs`.
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


class Comparison(NamedTuple):
    """One arm against the baseline.

    Attributes:
        difference: of restricted means to the common horizon, in the study's unit; negative is
            earlier than the baseline. Paired where both arms have the same seeds.
        horizon: of that difference.
        test: of equal incidence, see `engine.report.group_comparison`.
        is_earlier: earlier beyond chance, in the unit and in steps.
        is_later: the opposite.
        p_adjusted: for the number of arms compared: after Holm, or where seeds were added until a
            question was decided, of a safe test after Bonferroni, which holds at every look.
        num_pairs: seeds that both arms have an outcome of.
        is_paired: whether these are all that did not fail in either arm, so that the difference
            is paired.
        changed: fields in which the arms differ, with (baseline's value, own value).
    """

    difference: Estimate
    horizon: float
    test: TestResult
    p_adjusted: float
    is_earlier: bool
    is_later: bool
    num_pairs: int
    is_paired: bool
    changed: dict[str, tuple[Any, Any]]


class UnderWay(NamedTuple):
    """How far a study is whose launch goes on.

    Attributes:
        num_over: runs that are over.
        num_runs: that are planned.
    """

    num_over: int
    num_runs: int


class Summary(NamedTuple):
    """A study in numbers.

    Attributes:
        name, question: of the study.
        unit: of all times: `epochs`, or `steps` where some arm has no epochs.
        baseline: name of the arm that others are compared with.
        varied: in words, what differs from seed to seed.
        missing: arms without a complete first seed.
        failed: runs of the arms that have failed runs only, by arm; they are in no other field.
        runs: by arm.
        arms: by arm.
        comparisons: by arm, without the baseline.
        looks: taken while seeds were added, see `engine.studies.until`; none where their number was fixed.
        num_left_out: parts that are damaged or missing.
        fixed_order: seed of the one data order of all runs, or `None`.
        data_notes: what was left out of the data or changed in them, in words, by arm.
        network_notes: what a batch has shown of networks of one's own, in words, by arm.
        of_logs: whether the curves were read from logs of others.
        low: ρ below which a curve is on its plateau.
        under_way: how far the study is, where its launch goes on; else `None`.
    """

    name: str
    question: str
    unit: str
    baseline: str
    varied: str
    missing: list[str]
    failed: dict[str, int]
    runs: dict[str, ArmRuns]
    arms: dict[str, ArmSummary]
    comparisons: dict[str, Comparison]
    looks: list[dict[str, Any]]
    num_left_out: int
    fixed_order: int | None
    data_notes: dict[str, list[str]]
    network_notes: dict[str, list[str]]
    of_logs: bool
    low: float
    under_way: UnderWay | None = None

    @property
    def has_looks(self) -> bool:
        """Whether it is looked at again and again, so that what is said must hold at every look."""
        return bool(self.looks) or self.under_way is not None

    def fraction(self, successes: int, trials: int) -> Estimate:
        """A fraction of runs; its limits hold at every look where there were some."""
        exact = statistics.confidence_sequence if self.has_looks else statistics.proportion
        return exact(successes, trials)

    def steps_per_unit(self, arm: str) -> float:
        """Steps in one unit of time."""
        return float(self.runs[arm].steps_per_epoch or 1) if self.unit == "epochs" else 1.0


def summarise(directory: WorkDirectory, under_way: UnderWay | None = None) -> Summary:
    """The numbers of what a work directory holds; arms whose first seed is missing are left out.

    Args:
        directory: of the study.
        under_way: how far it is, where its launch goes on.

    Raises:
        InputError: a part may not be read, or a number does not exist.
    """
    document = directory.document
    found = read_all_runs(directory)
    runs = {name: arm for name, arm in found.items() if len(arm.seed)}
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
        missing=[name for name in document["arm_order"] if name not in found],
        failed={name: arm.num_failed for name, arm in found.items() if name not in runs},
        runs=runs,
        arms={},
        comparisons={},
        looks=document.get("looks", []),
        num_left_out=directory.num_left_out,
        fixed_order=document["identity"].get("fix_order"),
        data_notes=document["study"].get("data_notes", {}),
        network_notes=document["study"].get("network_notes", {}),
        of_logs=is_of_logs(document),
        low=document["identity"]["detector"]["low"],
        under_way=under_way,
    )
    detector = document["identity"]["detector"]
    levels = detector["low"], detector["high"]
    with of_study(directory):
        arms = {
            name: _summarise_arm(r, summary.steps_per_unit(name), summary.fraction, levels) for name, r in runs.items()
        }
        summary = summary._replace(arms=arms)
        return summary._replace(comparisons=_compare(summary, document["identity"]["arms"]))


def _varied(identity: dict[str, Any]) -> str:
    fix_init, fix_order = (identity.get(name) for name in ("fix_init", "fix_order"))
    if fix_init is not None and fix_order is not None:
        return "noise draws, all from one start and in one data order,"
    if fix_init is not None:
        return f"data orders, all from the start of init seed {fix_init},"
    if fix_order is not None:
        return f"random starts, all in the data order of seed {fix_order},"
    return "random starts and data orders"


def _summarise_arm(
    runs: ArmRuns, steps_per_unit: float, fraction: Callable[[int, int], Estimate], levels: tuple[float, float]
) -> ArmSummary:
    low, high = levels
    time = runs.time / steps_per_unit
    counts = Counter(runs.status)
    num_learned = int(np.sum(runs.event == 1))
    is_learned = runs.event == 1
    widths = [w for w in runs.rows["width_steps"] if w is not None]
    onsets = time[is_learned]
    return ArmSummary(
        num_runs=len(runs.status),
        statuses={status: counts[status] for status in STATUSES},
        fraction=fraction(num_learned, len(runs.status)),
        plateau_fraction=fraction(counts["broke"], len(runs.status)),
        median_onset=statistics.median_time(time, runs.event),
        restricted_mean=statistics.restricted_mean(time, runs.event, runs.horizon / steps_per_unit),
        onset_range=(float(onsets.min()), float(onsets.max())) if len(onsets) else None,
        median_width=float(np.median(widths)) / steps_per_unit if widths else None,
        accuracy_before=_median_of(runs.rows["onset_accuracy"], is_learned),
        accuracy_after=_median_of(runs.rows["end_accuracy"], is_learned),
        held_out_after=_median_of(runs.rows["end_held_out_accuracy"], is_learned),
        late_onset=_late_onset(time, runs.event),
        num_coarse=sum(bool(flag) for flag in runs.rows["is_coarse"]),
        num_falling=sum(
            status == "stuck" and runs.waits_for == Event.BREAK and end < (1 - low) * runs.chance_loss
            for status, end in zip(runs.status, _end_losses(runs), strict=True)
        ),
        num_fell_back=sum(
            status == "stuck" and runs.waits_for == Event.BREAK and (lost or 0) + 1 - end / runs.chance_loss > high
            for status, lost, end in zip(runs.status, runs.rows["best_minus_end"], _end_losses(runs), strict=True)
        ),
        num_diverged_later=sum(bool(flag) for flag in runs.rows["is_diverged_later"]),
        num_stairs=sum((num or 0) > 1 for num in runs.rows["num_breaks"]),
        num_settled=sum(reason == "settled" for reason in runs.rows["stop_reason"]),
        num_failed=runs.num_failed,
    )


def _end_losses(runs: ArmRuns) -> list[float]:
    return [runs.chance_loss if end is None else end for end in runs.rows["end_loss"]]


def _late_onset(time: np.ndarray, event: np.ndarray) -> float:
    curve = statistics.aalen_johansen(time, event)
    return statistics.first_reached(curve.time, curve.value, _LATE_SHARE)


def _median_of(values: list[Any], chosen: np.ndarray) -> float | None:
    kept = [v for v, is_chosen in zip(values, chosen, strict=True) if is_chosen and v is not None]
    return float(np.median(kept)) if kept else None


def _compare(summary: Summary, fields: dict[str, dict[str, Any]]) -> dict[str, Comparison]:
    base = summary.runs.get(summary.baseline)
    # What waits for another event, or for the end of another task, cannot be compared.
    others = [
        name
        for name, runs in summary.runs.items()
        if base is not None and name != base.name and runs.waits_for == base.waits_for
    ]
    if base is None or not others:
        return {}
    found = {}
    for name in others:
        own = summary.runs[name]
        labels, failed = (own.seed, base.seed), {*own.failed["seed"], *base.failed["seed"]}
        if summary.of_logs:
            # Equal numbers are equal places in the logs, and nothing that runs have in common.
            labels = (own.seed, -1 - base.seed)
        units = (summary.steps_per_unit(name), summary.steps_per_unit(base.name))
        differences = [compare_runs(own, base, u, labels, failed) for u in (units, (1.0, 1.0))]
        found[name] = Comparison(
            difference=differences[0].value,
            horizon=differences[0].horizon,
            test=differences[0].test,
            p_adjusted=1.0,
            is_earlier=max(d.value.upper for d in differences) < 0,
            is_later=min(d.value.lower for d in differences) > 0,
            num_pairs=differences[0].num_pairs,
            is_paired=differences[0].is_paired,
            changed={
                field: (fields[base.name].get(field), fields[name].get(field))
                for field in {**fields[base.name], **fields[name]}
                if fields[base.name].get(field) != fields[name].get(field)
            },
        )
    adjusted = _always_valid(summary, others) if summary.has_looks else _after_holm(found)
    return {
        name: comparison._replace(
            p_adjusted=p, is_earlier=comparison.is_earlier and p < LEVEL, is_later=comparison.is_later and p < LEVEL
        )
        for (name, comparison), p in zip(found.items(), adjusted, strict=True)
    }


def _after_holm(found: dict[str, Comparison]) -> list[float]:
    adjusted = statistics.holm(np.array([c.test.p_value for c in found.values()]))
    return [float(p) for p in adjusted]


def _always_valid(summary: Summary, others: list[str]) -> list[float]:
    """p-values that hold at every look, of pairs of equal seeds, after Bonferroni."""
    base = summary.runs[summary.baseline]
    found = []
    for name in others:
        own = summary.runs[name]
        units = (summary.steps_per_unit(name), summary.steps_per_unit(base.name))
        horizons = (own.horizon / units[0], base.horizon / units[1])
        times, events, group = pooled(own, base, units, horizons)
        seeds = np.concatenate([own.seed, base.seed])
        safe = statistics.safe_log_rank(times, events, group, strata=seeds)
        found.append(min(1.0, len(others) * safe.p_value))
    return found


def to_document(summary: Summary, verdict: dict[str, Any], splits: Mapping[str, Any]) -> dict[str, Any]:
    """`summary.json`. What is infinite or does not exist is null; times are in `unit`.

    Args:
        summary: the numbers.
        verdict: the words.
        splits: what the designs of the arms say, by arm.
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
        "confidence": 0.95,
        "arms": arms,
        "failed_arms": summary.failed,
        "comparisons": jsonable(summary.comparisons),
        "chance_or_fate": jsonable(dict(splits)),
        "looks": summary.looks,
        "of_logs": summary.of_logs,
        "verdict": verdict,
    }


def jsonable(value: Any) -> Any:
    """Named tuples as objects, and what is infinite or no number as null."""
    if hasattr(value, "_asdict"):
        return {key: jsonable(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
