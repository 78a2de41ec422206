"""Two studies against each other, arm by arm."""

from typing import Any, NamedTuple

import numpy as np

from engine import statistics
from engine.errors import InputError, unknown_name
from engine.report.arm_runs import ArmRuns, of_study, read_runs
from engine.report.group_comparison import compare_runs
from engine.report.horizon import at_horizon
from engine.report.phrases import interval, number, p_value, percent
from engine.statistics import LEVEL, Estimate, TestResult
from engine.store import WorkDirectory, is_of_logs

# People give the chance loss to some digits, or as a number of classes that are nearly balanced.
_SAME_CHANCE = 0.005


class Contrast(NamedTuple):
    """An arm of one study against an arm of another; times are in `unit`.

    Attributes:
        arm, baseline: names of the arms.
        unit: `epochs`, or `steps` where one of the two has no epochs.
        horizon: to which means are compared, the shorter of both.
        num_runs: with an outcome, of the arm and of the baseline.
        num_failed: without one, of both; they and their partners are left out.
        num_pairs: runs that share all their seeds.
        fractions: that had the event by then, of both.
        medians: of the waiting time, of both.
        difference: of means up to the horizon; negative is earlier than the baseline.
        test: of equal incidence, see `engine.report.group_comparison`.
        p_holm: adjusted for the number of contrasts.
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


def contrast_studies(
    own: WorkDirectory, base: WorkDirectory, arm: str | None, baseline_arm: str | None
) -> list[Contrast]:
    """Every arm that both studies have; or one of each.

    Args:
        own, base: the studies.
        arm, baseline_arm: to compare these two only; the second is called like the first, or is
            the only one there, where it is left out.

    Raises:
        InputError: the studies do not measure the same thing, with the reason, or share no arm.
    """
    runs, base_runs = read_runs(own), read_runs(base)
    for directory, found in ((own, runs), (base, base_runs)):
        if not found:
            raise InputError(f"no finished run in {str(directory.path)!r} yet")
    pairs = _pairs(runs, base_runs, arm, baseline_arm)
    contrasts = []
    for name, base_name in pairs:
        _refuse_different_questions(own, base, runs[name], base_runs[base_name])
        can_pair = _have_one_source(own, base)
        has_looks = "looks" in own.document, "looks" in base.document
        with of_study(own):
            pair = _at_common_horizon(own, base, runs[name], base_runs[base_name])
            contrasts.append(_contrast(*pair, can_pair, has_looks))
    adjusted = statistics.holm(np.array([c.test.p_value for c in contrasts]))
    return [c._replace(p_holm=float(p)) for c, p in zip(contrasts, adjusted, strict=True)]


def _pairs(
    runs: dict[str, ArmRuns], base: dict[str, ArmRuns], arm: str | None, baseline_arm: str | None
) -> list[tuple[str, str]]:
    for name, there in ((arm, runs), (baseline_arm, base)):
        if name is not None and name not in there:
            raise unknown_name("arm", name, there)
    if arm is None and baseline_arm is None:
        shared = [name for name in runs if name in base]
        if shared:
            return [(name, name) for name in shared]
        if len(runs) == len(base) == 1:
            return [(next(iter(runs)), next(iter(base)))]
        raise InputError(
            f"the studies share no arm: choose --arm among {', '.join(runs)} and --baseline_arm among {', '.join(base)}"
        )
    own_name = arm or _counterpart(baseline_arm, runs, "arm")
    return [(own_name, baseline_arm or _counterpart(own_name, base, "baseline_arm"))]


def _counterpart(name: str | None, there: dict[str, ArmRuns], flag: str) -> str:
    if name in there:
        assert name is not None
        return name
    if len(there) == 1:
        return next(iter(there))
    raise InputError(f"choose --{flag} among {', '.join(there)}")


def _refuse_different_questions(own: WorkDirectory, base: WorkDirectory, runs: ArmRuns, base_runs: ArmRuns) -> None:
    """Two waiting times can be compared only where both wait for the same thing."""
    identity, other = own.document["identity"], base.document["identity"]
    what: dict[str, tuple[Any, Any]] = {
        "event": (runs.waits_for, base_runs.waits_for),
        **_measured_on(own, base, runs, base_runs),
        **{f"detector.{name}": (value, other["detector"].get(name)) for name, value in identity["detector"].items()},
    }
    for name, (value, base_value) in what.items():
        if value != base_value:
            raise InputError(
                f"“{runs.name}” and “{base_runs.name}” do not measure the same thing: {name} is "
                f"{_short(value)} in one study and {_short(base_value)} in the other"
            )


def _measured_on(
    own: WorkDirectory, base: WorkDirectory, runs: ArmRuns, base_runs: ArmRuns
) -> dict[str, tuple[Any, Any]]:
    """What says that both have the same data; of logs only what guessing costs."""
    if is_of_logs(own.document) or is_of_logs(base.document):
        losses = (runs.chance_loss, base_runs.chance_loss)
        is_same = abs(losses[0] - losses[1]) <= _SAME_CHANCE * max(losses)
        return {} if is_same else {"chance loss": losses}
    first, second = (d.document["identity"]["data"] for d in (own, base))
    return {"data": (first[runs.name], second[base_runs.name])}


def _short(value: Any) -> str:
    return value[:12] + "…" if isinstance(value, str) and len(value) > 12 else str(value)


def _have_one_source(own: WorkDirectory, base: WorkDirectory) -> bool:
    """Whether equal seeds mean equal random streams in both studies."""
    if is_of_logs(own.document) or is_of_logs(base.document):
        return False
    roots = (d.document["identity"]["root_seed"] for d in (own, base))
    return len(set(roots)) == 1


def _units(runs: ArmRuns, base: ArmRuns) -> tuple[str, tuple[float, float]]:
    """The unit of time, and the steps of both arms in one of it."""
    own, other = runs.steps_per_epoch, base.steps_per_epoch
    return ("epochs", (float(own), float(other))) if own and other else ("steps", (1.0, 1.0))


def _at_common_horizon(
    own: WorkDirectory, base: WorkDirectory, runs: ArmRuns, base_runs: ArmRuns
) -> tuple[ArmRuns, ArmRuns]:
    """Both arms as they are at the shorter of their horizons."""
    _, units = _units(runs, base_runs)
    horizon = min(r.horizon / unit for r, unit in zip((runs, base_runs), units, strict=True))
    cut = []
    for directory, arm, unit in zip((own, base), (runs, base_runs), units, strict=True):
        is_longer = arm.horizon / unit > horizon * (1 + 1e-9)
        cut.append(at_horizon(directory, arm, horizon * unit) if is_longer else arm)
    return cut[0], cut[1]


def _contrast(runs: ArmRuns, base: ArmRuns, can_pair: bool, has_looks: tuple[bool, bool]) -> Contrast:
    unit, (own_unit, base_unit) = _units(runs, base)
    labels, failed = (np.arange(len(runs.seed)), -1 - base.seed), set[int]()
    if can_pair:
        labels, failed = _labels(runs, base)
    difference = compare_runs(runs, base, (own_unit, base_unit), labels, failed)
    return Contrast(
        arm=runs.name,
        baseline=base.name,
        unit=unit,
        horizon=difference.horizon,
        num_runs=(len(runs.seed), len(base.seed)),
        num_failed=(runs.num_failed, base.num_failed),
        num_pairs=difference.num_pairs,
        fractions=(_fraction(runs, has_looks[0]), _fraction(base, has_looks[1])),
        medians=(
            statistics.median_time(runs.time / own_unit, runs.event),
            statistics.median_time(base.time / base_unit, base.event),
        ),
        difference=difference.value,
        test=difference.test,
        p_holm=difference.test.p_value,
    )


def _fraction(runs: ArmRuns, has_looks: bool) -> Estimate:
    exact = statistics.confidence_sequence if has_looks else statistics.proportion
    return exact(int(np.sum(runs.event == 1)), len(runs.event))


def _labels(runs: ArmRuns, base: ArmRuns) -> tuple[tuple[np.ndarray, np.ndarray], set[int]]:
    """A number for every run, the same for those that have all their seeds in common; and the
    numbers of those that failed.
    """
    number: dict[tuple[int, int, int], int] = {}
    own, other, *failed = (
        np.array([number.setdefault(key, len(number)) for key in _keys(rows)], int)
        for rows in (runs.rows, base.rows, runs.failed, base.failed)
    )
    return (own, other), set(np.concatenate(failed).tolist())


def _keys(rows: dict[str, list[Any]]) -> list[tuple[int, int, int]]:
    return list(zip(*(rows[f"{role}_seed"] for role in ("init", "order", "noise")), strict=True))


def _median(median: Estimate, unit: str) -> str:
    if not np.isfinite(median.value):
        return "median not reached"
    return f"median {number(median.value, unit)} {unit} ({interval(median, unit)})"


def in_words(contrast: Contrast, own_name: str, base_name: str) -> str:
    """One sentence: sizes with intervals first, then the p-value.

    Args:
        contrast: the numbers.
        own_name, base_name: of the studies, as the reader knows them.
    """
    unit, difference = contrast.unit, contrast.difference
    lines = []
    for i, (study, arm) in enumerate(((own_name, contrast.arm), (base_name, contrast.baseline))):
        fraction, median = contrast.fractions[i], contrast.medians[i]
        low, high = percent(fraction.lower).removesuffix(" %"), percent(fraction.upper)
        lines.append(
            f"“{arm}” of {study}: {percent(fraction.value)} of {contrast.num_runs[i]} runs had the "
            f"event (95 % CI {low}–{high}), {_median(median, unit)}."
        )
    if any(contrast.num_failed):
        lines.append(
            f"{contrast.num_failed[0]} and {contrast.num_failed[1]} more have no outcome, because "
            f"they ended their worker again and again; they are left out, and so is the other run "
            f"of their pair in what compares."
        )
    excludes_zero = not difference.lower <= 0 <= difference.upper
    verdict = "no difference beyond chance"
    if excludes_zero != (contrast.p_holm < LEVEL):
        verdict = "interval and test disagree, so nothing is decided"
    if contrast.p_holm < LEVEL and difference.upper < 0:
        verdict = "the first is earlier"
    elif contrast.p_holm < LEVEL and difference.lower > 0:
        verdict = "the first is later"
    how = f"{contrast.num_pairs} pairs of equal seeds" if contrast.num_pairs else "unpaired runs"
    if 0 < contrast.num_pairs < max(contrast.num_runs):
        how = f"means of all runs, test in {how}"
    lines.append(
        f"All is read at the common horizon of {number(contrast.horizon, unit)} {unit}. Difference "
        f"of mean waits up to there: "
        f"{number(difference.value, unit)} {unit} (95 % CI {interval(difference, unit)}; {how}): "
        f"{verdict}. Equal incidence: {p_value(contrast.p_holm)} after Holm."
    )
    return " ".join(lines)
