"""The paragraph on methods, ready for a paper, with a BibTeX entry for each source."""

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import NamedTuple

from engine.outcomes.event import Event
from engine.report.phrases import counted, number, varied
from engine.report.summary import Summary
from engine.report.variance_split import VarianceSplit

_BREAK = (
    "With H the loss of the best constant prediction and ρ = 1 − L/H smoothed by a running median of {window} points, "
    "the onset of learning is the last upward crossing of ρ = {low:g} before ρ ≥ {high:g} is held; a run that ends "
    "below {high:g} is right-censored at the horizon."
)


class Methods(NamedTuple):
    """What was done, in words, and the BibTeX entries of the sources, in the order of citation."""

    paragraph: str
    bibtex: str


def make_methods(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Methods:
    """Writes the paragraph for what a report shows."""
    paragraph = " ".join(_sentences(summary, splits))
    text = resources.files("engine.report").joinpath("sources.bib").read_text(encoding="utf-8")
    entries = {re.split(r"[{,]", entry)[1]: entry for entry in text.strip().split("\n\n")}
    cited = dict.fromkeys(re.findall(r"\[(\w+)\]", paragraph))
    return Methods(paragraph, "\n\n".join(entries[key] for key in cited if key in entries))


def _sentences(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Iterator[str]:
    yield _describe_runs(summary)
    events = {runs.waits_for for runs in summary.runs.values()}
    if Event.BREAK in events:
        yield _BREAK.format(**summary.identity["detector"])
    if Event.HIT in events:
        yield "Where a task has an event of its own, its time is the first step at which it happens."
    yield _describe_fractions(summary)
    yield (
        "The time of the event is summarised by its cumulative incidence with divergence as a competing event "
        "[aalen1978], its median with limits from the complementary log-log limits of the incidence [brookmeyer1982], "
        "and its mean up to the horizon [royston2013]."
    )
    if summary.comparisons:
        yield _describe_comparisons(summary)
    yield from _describe_designs(summary, splits)


def _describe_designs(summary: Summary, splits: Mapping[str, VarianceSplit]) -> Iterator[str]:
    for name, split in splits.items():
        if split.components is not None:
            num_starts, num_orders = split.components.num_init_seeds, split.components.num_order_seeds
            yield f"Of “{name}”, {num_starts} starts were also trained in each of {num_orders} common data orders."
        forks = summary.runs[name].forks
        if split.forks is not None and forks is not None:
            yield (
                f"Of “{name}”, the {split.forks.num_parents} runs that still waited at step {forks.step} were "
                f"continued from there {split.forks.num_runs} times in all, in data orders of their own."
            )
    if any(split.components for split in splits.values()):
        yield (
            "In the crossed grid the variance of log time was divided between start, data order and rest by restricted "
            "maximum likelihood with censoring [patterson1971], with limits of the profile likelihood."
        )
    if any(split.forks for split in splits.values()):
        yield (
            "Whether a fork's remaining time depends on its parent was tested by permutation of log-rank scores among "
            "parents [hothorn2006]."
        )


def _describe_runs(summary: Summary) -> str:
    identity, numbers = summary.identity, sorted({len(runs.seed) for runs in summary.runs.values()})
    runs = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    if summary.is_of_logs:
        smoothed = f", as means of {identity['average']} points" if identity["average"] > 1 else ""
        return (
            f"We read the logged training loss of {runs} runs of each of {counted(len(summary.runs), 'group')} of runs"
            f"{smoothed}, taken as independent repetitions; the best constant prediction has a loss of "
            f"{identity['chance_loss']:.4g}."
        )
    num_failed = sum(arm.num_failed for arm in summary.runs.values())
    failed = f" (in all {num_failed} more failed for technical reasons and are left out)" if num_failed else ""
    version = summary.document["launches"][-1]["versions"].get("jax")
    return (
        f"We trained {runs} runs of each of {counted(len(summary.runs), 'configuration')}{failed} with JAX"
        f"{f' (version {version})' if version else ''} [jax2018] on a {identity['platform']}, over different "
        f"{varied(identity)}, and evaluated the loss on a fixed set every {identity['eval_every']} steps."
    )


def _describe_fractions(summary: Summary) -> str:
    if not summary.has_looks:
        return "Fractions of runs have exact limits [clopper1934]."
    if summary.looks:
        return (
            f"Seeds were added in blocks, in {len(summary.looks)} looks; fractions of runs have the limits of a "
            "confidence sequence that holds at all looks together [robbins1970]."
        )
    return (
        "Fractions of runs have the limits of a confidence sequence, which holds at every look while the study is "
        "under way [robbins1970]."
    )


def _describe_comparisons(summary: Summary) -> str:
    horizons = {number(comparison.horizon, summary.unit) for comparison in summary.comparisons.values()}
    reach = f" of {horizons.pop()} {summary.unit}" if len(horizons) == 1 else ""
    test, adjustment = "a log-rank test stratified by seed [mantel1966]", "[holm1979]"
    if summary.has_looks:
        test = "a safe log-rank test in pairs of equal seeds, valid at every look [grunwald2021]"
        adjustment = "by Bonferroni's inequality"
    elif summary.is_of_logs:
        test = "Gray's test of the incidence [gray1988]"
    return (
        f"Configurations were compared with “{summary.baseline}” by the difference of their means up to the common "
        f"horizon{reach} [zou2008] and by {test}; p-values are adjusted for the "
        f"{counted(len(summary.comparisons), 'comparison')} {adjustment}. Limits are at 95 % each."
    )
