"""The paragraph on methods, ready for a paper, with a BibTeX entry for each source."""

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import NamedTuple

from engine.outcomes.event import Event
from engine.report.phrases import counted, number, varied
from engine.report.summary import Summary
from engine.report.variance_split import VarianceSplit

_TRAINED = (
    "We trained {runs} runs of each of {arms}{failed} with JAX{version} [jax2018] on a {platform}, over different "
    "{varied}, and evaluated the loss on a fixed set every {eval_every} steps."
)
_FAILED = " (in all {num_failed} more failed for technical reasons and are left out)"
_READ = (
    "We read the logged training loss of {runs} runs of each of {groups} of runs{smoothed}, taken as independent "
    "repetitions; the best constant prediction has a loss of {chance:.4g}."
)
_SMOOTHED = ", as means of {average} points"
_BREAK = (
    "With H the loss of the best constant prediction and ρ = 1 − L/H smoothed by a running median of {window} points, "
    "the onset of learning is the last upward crossing of ρ = {low:g} before ρ ≥ {high:g} is held; a run that ends "
    "below {high:g} is right-censored at the horizon."
)
_HIT = "Where a task has an event of its own, its time is the first step at which it happens."

_FRACTIONS = "Fractions of runs have exact limits [clopper1934]."
_FRACTIONS_UNDER_WAY = (
    "Fractions of runs have the limits of a confidence sequence, which holds at every look while the study is under "
    "way [robbins1970]."
)
_FRACTIONS_OF_LOOKS = (
    "Seeds were added in blocks, in {num_looks} looks; fractions of runs have the limits of a confidence sequence "
    "that holds at all looks together [robbins1970]."
)
_TIMES = (
    "The time of the event is summarised by its cumulative incidence with divergence as a competing event "
    "[aalen1978], its median with limits from the complementary log-log limits of the incidence [brookmeyer1982], "
    "and its mean up to the horizon [royston2013]."
)
_COMPARED = (
    "Configurations were compared with “{baseline}” by the difference of their means up to the common horizon{reach} "
    "[zou2008] and by {test}; p-values are adjusted for the {comparisons} {adjustment}. Limits are at 95 % each."
)
_PAIRED_TEST = "a log-rank test stratified by seed [mantel1966]"
_UNPAIRED_TEST = "Gray's test of the incidence [gray1988]"
_SAFE_TEST = "a safe log-rank test in pairs of equal seeds, valid at every look [grunwald2021]"

_GRID = "Of “{name}”, {num_init_seeds} starts were also trained in each of {num_order_seeds} common data orders."
_FORKS = (
    "Of “{name}”, the {num_parents} runs that still waited at step {step} were continued from there {num_runs} times "
    "in all, in data orders of their own."
)
_COMPONENTS = (
    "In the crossed grid the variance of log time was divided between start, data order and rest by restricted "
    "maximum likelihood with censoring [patterson1971], with limits of the profile likelihood."
)
_PREDICTION = (
    "Whether a fork's remaining time depends on its parent was tested by permutation of log-rank scores among "
    "parents [hothorn2006]."
)


class Methods(NamedTuple):
    """What was done, in words, and the BibTeX entries of the sources, in the order of citation."""

    paragraph: str
    bibtex: str


def make_methods(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Methods:
    """Writes the paragraph for what a report shows.

    Args:
        summary: the numbers.
        splits: what the designs of the arms say, by arm.
    """
    paragraph = " ".join(_sentences(summary, splits))
    text = resources.files("engine.report").joinpath("sources.bib").read_text(encoding="utf-8")
    entries = {re.split(r"[{,]", entry)[1]: entry for entry in text.strip().split("\n\n")}
    cited = dict.fromkeys(key for key in re.findall(r"\[(\w+)\]", paragraph) if key in entries)
    return Methods(paragraph, "\n\n".join(entries[key] for key in cited))


def _sentences(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Iterator[str]:
    yield _describe_runs(summary)
    events = {runs.waits_for for runs in summary.runs.values()}
    if Event.BREAK in events:
        yield _BREAK.format(**summary.identity["detector"])
    if Event.HIT in events:
        yield _HIT
    if summary.looks:
        yield _FRACTIONS_OF_LOOKS.format(num_looks=len(summary.looks))
    else:
        yield _FRACTIONS_UNDER_WAY if summary.has_looks else _FRACTIONS
    yield _TIMES
    if summary.comparisons:
        yield _describe_comparisons(summary)
    for name, split in splits.items():
        if split.components is not None:
            yield _GRID.format(name=name, **split.components._asdict())
        forks = summary.runs[name].forks
        if split.forks is not None and forks is not None:
            yield _FORKS.format(name=name, step=forks.step, **split.forks._asdict())
    if any(split.components for split in splits.values()):
        yield _COMPONENTS
    if any(split.forks for split in splits.values()):
        yield _PREDICTION


def _describe_runs(summary: Summary) -> str:
    identity, numbers = summary.identity, sorted({len(runs.seed) for runs in summary.runs.values()})
    runs = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    if summary.is_of_logs:
        smoothed = _SMOOTHED.format(average=identity["average"]) if identity["average"] > 1 else ""
        groups = counted(len(summary.runs), "group")
        return _READ.format(runs=runs, groups=groups, smoothed=smoothed, chance=identity["chance_loss"])
    num_failed = sum(arm.num_failed for arm in summary.runs.values())
    version = summary.document["launches"][-1]["versions"].get("jax")
    return _TRAINED.format(
        runs=runs,
        arms=counted(len(summary.runs), "configuration"),
        failed=_FAILED.format(num_failed=num_failed) if num_failed else "",
        version=f" (version {version})" if version else "",
        platform=identity["platform"],
        varied=varied(identity),
        eval_every=identity["eval_every"],
    )


def _describe_comparisons(summary: Summary) -> str:
    horizons = {number(comparison.horizon, summary.unit) for comparison in summary.comparisons.values()}
    test, adjustment = _PAIRED_TEST, "[holm1979]"
    if summary.has_looks:
        test, adjustment = _SAFE_TEST, "by Bonferroni's inequality"
    elif summary.is_of_logs:
        test = _UNPAIRED_TEST
    return _COMPARED.format(
        baseline=summary.baseline,
        reach=f" of {horizons.pop()} {summary.unit}" if len(horizons) == 1 else "",
        test=test,
        comparisons=counted(len(summary.comparisons), "comparison"),
        adjustment=adjustment,
    )
