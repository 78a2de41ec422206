"""Two studies against each other, arm by arm, in numbers and in sentences."""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from .. import statistics
from ..errors import InputError, counted, unknown_name
from ..outcomes import DetectorSettings, event_code, find_break
from ..outcomes.event import Event
from ..statistics import LEVEL, Estimate, TestResult
from ..store import WorkDirectory, is_of_logs
from ..store.run_table import RunTable
from .arm_runs import ArmRuns, LossCurve, of_study, read_losses, read_runs
from .comparison import compare_runs
from .phrases import interval, number, p_value, percent, percent_interval

# People give the chance loss to some digits, or as a number of classes that are nearly balanced.
_SAME_CHANCE = 0.005
_SAME_HORIZON = 1e-9
_SEEDS = ("init_seed", "order_seed", "noise_seed")


class Contrast(NamedTuple):
    """An arm of one study against an arm of another; pairs are (own, baseline), times are in `unit`.

    Attributes:
        unit: `epochs`, or `steps` where one of the two has no epochs.
        horizon: the shorter of both, up to which means are compared.
        num_runs, num_failed: runs with an outcome, and without one; the latter and their partners are left out.
        num_pairs: runs that share all their seeds.
        fractions: share of runs that had the event by the horizon.
        difference: of means up to the horizon; negative is earlier than the baseline.
        p_holm: p-value of the test of equal incidence, adjusted for the number of contrasts.
    """

    arm: str
    baseline: str
    unit: str
    horizon: float
    num_runs: tuple[int, int]
    num_failed: tuple[int, int]
    num_pairs: int
    fractions: tuple[Estimate, Estimate]
    medians: tuple[Estimate, Estimate]
    difference: Estimate
    test: TestResult
    p_holm: float


class _Side(NamedTuple):
    """An arm of one of the two studies."""

    table: RunTable
    runs: ArmRuns
    document: dict[str, Any]


def contrast_studies(
    own: WorkDirectory, base: WorkDirectory, arm: str | None, baseline_arm: str | None
) -> list[Contrast]:
    """Compares every arm that both studies have, or one arm of each.

    An arm that is left out is the one of the same name as the other, or the only one of its study.

    Raises:
        InputError: the studies do not measure the same thing, with the reason, or share no arm.
    """
    sides, base_sides = _sides(own), _sides(base)
    pairs = [(sides[one], base_sides[other]) for one, other in _pairs(sides, base_sides, arm, baseline_arm)]
    for pair in pairs:
        _refuse_different_questions(*pair)
    with of_study(own):
        differences = [_compare(*pair) for pair in pairs]
        adjusted = statistics.holm(np.array([c["test"].p_value for c in differences]))
    return [Contrast(**c, p_holm=float(p)) for c, p in zip(differences, adjusted, strict=True)]


def _sides(directory: WorkDirectory) -> dict[str, _Side]:
    table = RunTable(directory)
    found = {name: _Side(table, runs, directory.document) for name, runs in read_runs(table).items()}
    if not found:
        raise InputError(f"no finished run in {str(directory.path)!r} yet")
    return found


def _pairs(
    runs: Collection[str], base: Collection[str], arm: str | None, baseline_arm: str | None
) -> list[tuple[str, str]]:
    for name, there in ((arm, runs), (baseline_arm, base)):
        if name is not None and name not in there:
            raise unknown_name("arm", name, there)
    if arm is None and baseline_arm is None:
        if shared := [(name, name) for name in runs if name in base]:
            return shared
        if len(runs) == len(base) == 1:
            return [(next(iter(runs)), next(iter(base)))]
        raise InputError(
            f"the studies share no arm: choose --arm among {', '.join(runs)} and --baseline_arm among {', '.join(base)}"
        )
    own_name = arm or _counterpart(str(baseline_arm), runs, "arm")
    return [(own_name, baseline_arm or _counterpart(own_name, base, "baseline_arm"))]


def _counterpart(name: str, there: Collection[str], flag: str) -> str:
    if name in there or len(there) == 1:
        return name if name in there else next(iter(there))
    raise InputError(f"choose --{flag} among {', '.join(there)}")


def _refuse_different_questions(own: _Side, base: _Side) -> None:
    detectors = [side.document["identity"]["detector"] for side in (own, base)]
    what: dict[str, tuple[Any, Any]] = {
        "event": (own.runs.waits_for, base.runs.waits_for),
        **_measured_on(own, base),
        **{f"detector.{name}": (value, detectors[1].get(name)) for name, value in detectors[0].items()},
    }
    for name, values in what.items():
        if values[0] != values[1]:
            own_value, base_value = (f"{v[:12]}…" if isinstance(v, str) and len(v) > 12 else v for v in values)
            raise InputError(
                f"“{own.runs.name}” and “{base.runs.name}” do not measure the same thing: {name} is "
                f"{own_value} in one study and {base_value} in the other"
            )


def _measured_on(own: _Side, base: _Side) -> dict[str, tuple[Any, Any]]:
    """Returns what says that both have the same data; for logs only the loss of guessing."""
    if is_of_logs(own.document) or is_of_logs(base.document):
        losses = (own.runs.chance_loss, base.runs.chance_loss)
        is_same = abs(losses[0] - losses[1]) <= _SAME_CHANCE * max(losses)
        return {} if is_same else {"chance loss": losses}
    first, second = (side.document["identity"]["data"][side.runs.name] for side in (own, base))
    return {"data": (first, second)}


def _compare(own: _Side, base: _Side) -> dict[str, Any]:
    """Returns the fields of a `Contrast`, of both arms as they are at the shorter of their horizons."""
    sides = (own, base)
    has_epochs = all(side.runs.steps_per_epoch for side in sides)
    own_unit, base_unit = (float(side.runs.steps_per_epoch or 1) if has_epochs else 1.0 for side in sides)
    horizon = min(own.runs.horizon / own_unit, base.runs.horizon / base_unit)
    runs, base_runs = _at_horizon(own, in_steps(horizon, own_unit)), _at_horizon(base, in_steps(horizon, base_unit))
    labels, failed = (np.arange(len(runs.seed)), -1 - base_runs.seed), set[int]()
    # Equal seeds mean equal random streams only under one root seed; logs have none.
    roots = [None if is_of_logs(side.document) else side.document["identity"]["root_seed"] for side in sides]
    if roots[0] == roots[1] and roots[0] is not None:
        labels, failed = _labels(runs, base_runs)
    difference = compare_runs(runs, base_runs, (own_unit, base_unit), labels, failed)
    return {
        "arm": runs.name,
        "baseline": base_runs.name,
        "unit": "epochs" if has_epochs else "steps",
        "horizon": difference.horizon,
        "num_runs": (len(runs.seed), len(base_runs.seed)),
        "num_failed": (runs.num_failed, base_runs.num_failed),
        "num_pairs": difference.num_pairs,
        "fractions": (_fraction(own, runs), _fraction(base, base_runs)),
        "medians": (
            statistics.median_time(runs.time / own_unit, runs.event),
            statistics.median_time(base_runs.time / base_unit, base_runs.event),
        ),
        "difference": difference.difference,
        "test": difference.test,
    }


def in_steps(horizon: float, unit: float) -> float:
    """Returns a horizon in steps, as it was before it was divided by the unit: a whole number stays one."""
    steps = horizon * unit
    return float(round(steps)) if math.isclose(steps, round(steps), rel_tol=_SAME_HORIZON) else steps


def _at_horizon(side: _Side, steps: float) -> ArmRuns:
    """Detects the outcomes of the repetitions of an arm anew if its horizon is longer, from their curves up to there.

    Whether a run has left chance level depends on where its curve ends, so a time that was read at
    one horizon cannot be compared with times of another.
    """
    table, runs, document = side
    if runs.horizon <= steps * (1 + _SAME_HORIZON):
        return runs
    is_over = runs.time <= steps
    if runs.waits_for != Event.BREAK:
        status = [s if over else "stuck" for s, over in zip(runs.status, is_over, strict=True)]
        event, time = np.where(is_over, runs.event, 0), np.minimum(runs.time, steps)
    else:
        settings = DetectorSettings(**document["identity"]["detector"])
        curves = read_losses(table, table.is_of(runs.name) & table.is_repetition & table.has_outcome)
        by_seed = {int(table.seed[row]): curve for row, curve in curves.items()}
        found = [_detect(by_seed[seed], steps, runs.chance_loss, settings) for seed in runs.seed.tolist()]
        status = [status for status, _ in found]
        ends = np.minimum(steps, np.asarray(runs.rows["steps_run"], np.float64))
        onsets = np.array([np.nan if onset is None else onset for _, onset in found], np.float64)
        # A divergence is known from every step, not only from the curve.
        has_diverged = (runs.event == 2) & is_over
        event = np.where(has_diverged, 2, [event_code(one) for one in status])
        time = np.where(has_diverged, runs.time, np.where(np.isnan(onsets), ends, onsets))
    return runs._replace(status=status, event=event, time=time, horizon=int(steps))


def _detect(curve: LossCurve, steps: float, chance_loss: float, settings: DetectorSettings) -> tuple[str, float | None]:
    is_before = curve.steps <= steps
    if np.sum(is_before) < 2:
        return "stuck", None
    outcome = find_break(curve.steps[is_before], curve.loss[is_before], chance_loss, settings=settings)
    return outcome.status, outcome.onset_step


def _fraction(side: _Side, runs: ArmRuns) -> Estimate:
    exact = statistics.confidence_sequence if "looks" in side.document else statistics.proportion
    return exact(int(np.sum(runs.event == 1)), len(runs.event))


def _labels(runs: ArmRuns, base: ArmRuns) -> tuple[tuple[np.ndarray, np.ndarray], set[int]]:
    """Numbers the runs of both arms, one number for equal seeds, and returns the numbers of failed runs besides."""
    numbers: dict[tuple[int, ...], int] = {}
    own, other, *failed = (
        np.array([numbers.setdefault(key, len(numbers)) for key in zip(*(rows[c] for c in _SEEDS), strict=True)], int)
        for rows in (runs.rows, base.rows, runs.failed, base.failed)
    )
    return (own, other), set(np.concatenate(failed).tolist())


def describe_contrast(contrast: Contrast, own_name: str, base_name: str) -> str:
    """Describes a contrast of two studies, named as the reader knows them: sizes with intervals first, then p."""
    unit, difference = contrast.unit, contrast.difference
    studies, arms = (own_name, base_name), (contrast.arm, contrast.baseline)
    numbers = zip(studies, arms, contrast.fractions, contrast.num_runs, contrast.medians, strict=True)
    lines = [
        f"“{arm}” of {study}: {percent(fraction.value)} of {counted(num_runs, 'run')} had the event "
        f"(95 % CI {percent_interval(fraction)}), {_describe_median(median, unit)}."
        for study, arm, fraction, num_runs, median in numbers
    ]
    if any(contrast.num_failed):
        own, base = contrast.num_failed
        lines.append(
            f"{own} and {base} more have no outcome, because they ended their worker again and again; they are left "
            "out, and so is the other run of their pair in what compares."
        )
    lines.append(
        f"All is read at the common horizon of {number(contrast.horizon, unit)} {unit}. Difference of mean waits up to "
        f"there: {number(difference.value, unit)} {unit} (95 % CI {interval(difference, unit)}; "
        f"{_describe_pairs(contrast)}): {_decide(difference, contrast.p_holm)}. "
        f"Equal incidence: {p_value(contrast.p_holm)} after Holm."
    )
    return " ".join(lines)


def _describe_median(median: Estimate, unit: str) -> str:
    if not math.isfinite(median.value):
        return "median not reached"
    return f"median {number(median.value, unit)} {unit} ({interval(median, unit)})"


def _describe_pairs(contrast: Contrast) -> str:
    if contrast.num_pairs == 0:
        return "unpaired runs"
    pairs = f"{counted(contrast.num_pairs, 'pair')} of equal seeds"
    return f"means of all runs, test in {pairs}" if contrast.num_pairs < max(contrast.num_runs) else pairs


def _decide(difference: Estimate, p: float) -> str:
    is_significant, has_zero = p < LEVEL, difference.lower <= 0 <= difference.upper
    if is_significant == has_zero:
        return "interval and test disagree, so nothing is decided"
    if not is_significant:
        return "no difference beyond chance"
    return "the first is earlier" if difference.upper < 0 else "the first is later"
