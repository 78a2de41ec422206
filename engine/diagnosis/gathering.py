"""What the rows of a diagnosis amount to, as evidence."""

import numpy as np

from .. import statistics, store
from ..errors import InputError
from ..preflight.findings import Finding
from ..report.curves import read_arm_curves
from ..report.summary import Summary, summarise
from ..store.run_table import RunTable
from ..store.workdir import WorkDirectory
from ..studies.diagnosis import AS_GIVEN, CHANGES, DiagnosisRecord, Kind
from .evidence import ArmEvidence, Evidence, Followed, read_symptoms

# The folder in the work directory of a diagnosis that holds a study of each arm that was followed beyond the horizon.
FOLLOWED = "followed"
# It is followed to so many times the horizon.
TIMES = 4


def gather(run_table: RunTable, summary: Summary, record: DiagnosisRecord) -> Evidence:
    """Gathers the evidence of a diagnosis from its rows, its record, and what was followed."""
    p_values = _adjusted_p_values(summary, record)
    kinds = record.kinds
    arms = {name: _gather_arm(run_table, summary, name, kinds[name], p_values.get(name)) for name in summary.runs}
    rates = {name: rate for name, rate in record.rates.items() if name in arms}
    symptoms = read_symptoms(run_table, summary.runs[AS_GIVEN])
    num_missing = sum(_num_missing(run_table, summary, name) for name in kinds)
    findings = tuple(Finding(**one) for one in record.findings)  # type: ignore[arg-type]
    followed = read_followed(run_table.directory, record)
    return Evidence(arms, rates, symptoms, num_missing, findings, followed)


def read_followed(directory: WorkDirectory, record: DiagnosisRecord) -> dict[str, Followed]:
    """Reads what came of the arms of a diagnosis that were followed, by name; what is not finished is left out."""
    found = {}
    for folder in sorted((directory.path / FOLLOWED).glob("[0-9]*")):
        try:
            run_table = RunTable(store.open_existing(folder))
        except InputError:
            continue
        summary = summarise(run_table)
        for name, arm in summary.arms.items():
            num_planned = summary.runs[name].num_planned
            if name in record.kinds and arm.num_runs + arm.num_failed == num_planned:
                found[name] = Followed(
                    num_runs=num_planned,
                    num_kept=arm.num_left - arm.num_diverged_later,
                    num_fell_back=arm.num_fell_back + arm.num_diverged_later,
                    held_out=_held_out(run_table, summary, name),
                    horizon=summary.runs[name].horizon / summary.steps_per_unit(name),
                )
    return found


def _num_missing(run_table: RunTable, summary: Summary, name: str) -> int:
    if name in summary.runs:
        return max(summary.runs[name].num_planned - summary.runs[name].num_stored, 0)
    planned: int = run_table.directory.document["study"]["seeds"][name]
    return planned - summary.failed.get(name, 0)


def _adjusted_p_values(summary: Summary, record: DiagnosisRecord) -> dict[str, float]:
    """Returns p-values by arm: of changes after Holm over all of them, of controls as they are."""
    p_values = {name: comparison.test.p_value for name, comparison in summary.comparisons.items()}
    names = [name for name in p_values if record.kinds.get(name) in CHANGES]
    if not names:
        return p_values
    both = [min(2 * min(p_values[name], _p_of_leaving(summary, name)), 1.0) for name in names]
    return {**p_values, **dict(zip(names, statistics.holm(np.array(both)).tolist(), strict=True))}


def _p_of_leaving(summary: Summary, name: str) -> float:
    """Tests in pairs of seeds whether as many runs leave as given: with all times equal, log-rank is McNemar's test.

    It sees what the test of times does not: a change with which all runs leave, but later than some do as given.
    """
    pair = [summary.runs[arm] for arm in (AS_GIVEN, name)]
    left = np.concatenate([runs.event == 1 for runs in pair]).astype(np.int64)
    group = np.repeat([0, 1], [len(runs.event) for runs in pair])
    seed = np.concatenate([runs.seed for runs in pair])
    return statistics.log_rank(np.ones(len(left)), left, group, seed).p_value


def _gather_arm(run_table: RunTable, summary: Summary, name: str, kind: Kind, p_value: float | None) -> ArmEvidence:
    arm, comparison = summary.arms[name], summary.comparisons.get(name)
    return ArmEvidence(
        kind=kind, num_runs=arm.num_runs, num_left=int(np.sum(summary.runs[name].event == 1)),
        num_waited=arm.statuses["broke"], num_stuck=arm.statuses["stuck"], num_falling=arm.num_falling,
        num_diverged=arm.statuses["diverged"] + arm.num_diverged_later,
        held_out=_held_out(run_table, summary, name), mean_wait=arm.restricted_mean.value,
        difference=None if comparison is None else comparison.difference, p_value=p_value,
    )  # fmt: skip


def _held_out(run_table: RunTable, summary: Summary, name: str) -> float | None:
    """See `ArmEvidence.held_out`; its chance is that of the arm, or as given where a control changes other examples."""
    try:
        found = read_arm_curves(run_table, name, "held_out_loss")
    except InputError:
        return None
    runs = summary.runs[name]
    has_left = np.isin(found.seed, runs.seed[runs.event == 1])
    losses = found.values[has_left] if has_left.any() else found.values
    best = np.where(np.isfinite(losses), losses, np.inf).min(axis=1)
    # A run that diverged before its first inspection has learned nothing.
    arms = summary.identity["arms"]
    is_controlled = arms[name].get("control") != arms.get(AS_GIVEN, arms[name]).get("control")
    chance = summary.runs[AS_GIVEN if is_controlled else name].chance_loss
    return float(np.median(1.0 - np.minimum(best, 1e30) / chance))
