"""The paragraph on methods, ready for a paper, with a BibTeX entry for each source."""

from typing import Any, NamedTuple

from engine.outcomes.event import Event
from engine.report.phrases import number
from engine.report.summary import Summary
from engine.report.variance_split import VarianceSplit


class Methods(NamedTuple):
    """What was done, in words, and the sources that they cite, in the order of citation."""

    paragraph: str
    bibtex: str


_SOURCES: dict[str, tuple[str, dict[str, str]]] = {
    "clopper1934": (
        "article",
        {
            "author": "Clopper, C. J. and Pearson, E. S.",
            "title": "The use of confidence or fiducial limits illustrated in the case of the binomial",
            "journal": "Biometrika",
            "volume": "26",
            "pages": "404--413",
            "year": "1934",
        },
    ),
    "robbins1970": (
        "article",
        {
            "author": "Robbins, H.",
            "title": "Statistical methods related to the law of the iterated logarithm",
            "journal": "Annals of Mathematical Statistics",
            "volume": "41",
            "pages": "1397--1409",
            "year": "1970",
        },
    ),
    "aalen1978": (
        "article",
        {
            "author": "Aalen, O. O. and Johansen, S.",
            "title": "An empirical transition matrix for non-homogeneous {M}arkov chains based on "
            "censored observations",
            "journal": "Scandinavian Journal of Statistics",
            "volume": "5",
            "pages": "141--150",
            "year": "1978",
        },
    ),
    "brookmeyer1982": (
        "article",
        {
            "author": "Brookmeyer, R. and Crowley, J.",
            "title": "A confidence interval for the median survival time",
            "journal": "Biometrics",
            "volume": "38",
            "pages": "29--41",
            "year": "1982",
        },
    ),
    "royston2013": (
        "article",
        {
            "author": "Royston, P. and Parmar, M. K. B.",
            "title": "Restricted mean survival time: an alternative to the hazard ratio for the "
            "design and analysis of randomized trials with a time-to-event outcome",
            "journal": "BMC Medical Research Methodology",
            "volume": "13",
            "pages": "152",
            "year": "2013",
        },
    ),
    "zou2008": (
        "article",
        {
            "author": "Zou, G. Y. and Donner, A.",
            "title": "Construction of confidence limits about effect measures: a general approach",
            "journal": "Statistics in Medicine",
            "volume": "27",
            "pages": "1693--1702",
            "year": "2008",
        },
    ),
    "mantel1966": (
        "article",
        {
            "author": "Mantel, N.",
            "title": "Evaluation of survival data and two new rank order statistics arising in its consideration",
            "journal": "Cancer Chemotherapy Reports",
            "volume": "50",
            "pages": "163--170",
            "year": "1966",
        },
    ),
    "holm1979": (
        "article",
        {
            "author": "Holm, S.",
            "title": "A simple sequentially rejective multiple test procedure",
            "journal": "Scandinavian Journal of Statistics",
            "volume": "6",
            "pages": "65--70",
            "year": "1979",
        },
    ),
    "patterson1971": (
        "article",
        {
            "author": "Patterson, H. D. and Thompson, R.",
            "title": "Recovery of inter-block information when block sizes are unequal",
            "journal": "Biometrika",
            "volume": "58",
            "pages": "545--554",
            "year": "1971",
        },
    ),
    "hothorn2006": (
        "article",
        {
            "author": "Hothorn, T. and Hornik, K. and van de Wiel, M. A. and Zeileis, A.",
            "title": "A {L}ego system for conditional inference",
            "journal": "The American Statistician",
            "volume": "60",
            "pages": "257--263",
            "year": "2006",
        },
    ),
    "jax2018": (
        "software",
        {
            "author": "Bradbury, J. and Frostig, R. and Hawkins, P. and Johnson, M. J. and others",
            "title": "{JAX}: composable transformations of {P}ython+{N}um{P}y programs",
            "howpublished": "github.com/jax-ml/jax",
            "year": "2018",
        },
    ),
    "gray1988": (
        "article",
        {
            "author": "Gray, R. J.",
            "title": "A class of {K}-sample tests for comparing the cumulative incidence of a competing risk",
            "journal": "Annals of Statistics",
            "volume": "16",
            "pages": "1141--1154",
            "year": "1988",
        },
    ),
    "grunwald2021": (
        "inproceedings",
        {
            "author": "Gr{\\\"u}nwald, P. and Ly, A. and P{\\'e}rez-Ortiz, M. and ter Schure, J.",
            "title": "The safe logrank test: error control under optional stopping, continuation "
            "and prior misspecification",
            "booktitle": "Proceedings of AAAI Symposium on Survival Prediction, PMLR",
            "volume": "146",
            "pages": "107--117",
            "year": "2021",
        },
    ),
}


def make_methods(
    summary: Summary, splits: dict[str, VarianceSplit], identity: dict[str, Any], versions: dict[str, str]
) -> Methods:
    """The paragraph for what a report shows.

    Args:
        summary: the numbers.
        splits: what the designs of the arms say.
        identity: of `study.json`.
        versions: of packages.
    """
    sentences = [
        _what_was_run(summary, identity, versions),
        _what_is_a_break(summary, identity["detector"]),
        _how_often(summary),
        "The time of the event is summarised by its cumulative incidence with divergence as a "
        "competing event [aalen1978], its median with limits from the complementary log-log "
        "limits of the incidence [brookmeyer1982], and its mean up to the horizon [royston2013].",
    ]
    if summary.comparisons:
        sentences.append(_compared(summary))
    for name, split in splits.items():
        sentences += _design(name, split, summary)
    if any(split.components for split in splits.values()):
        sentences.append(
            "In the crossed grid the variance of log time was divided between start, data order "
            "and rest by restricted maximum likelihood with censoring [patterson1971], with limits "
            "of the profile likelihood."
        )
    if any(split.forks for split in splits.values()):
        sentences.append(
            "Whether a fork's remaining time depends on its parent was tested by permutation of "
            "log-rank scores among parents [hothorn2006]."
        )
    paragraph = " ".join(sentences)
    cited = sorted((paragraph.index(f"[{key}]"), key) for key in _SOURCES if f"[{key}]" in paragraph)
    return Methods(paragraph, "\n\n".join(_entry(key) for _, key in cited))


def _what_was_read(summary: Summary, num_runs: str, identity: dict[str, Any]) -> str:
    groups = "group" if len(summary.runs) == 1 else "groups"
    smoothed = f", as means of {identity['average']} points" if identity["average"] > 1 else ""
    return (
        f"We read the logged training loss of {num_runs} runs of each of {len(summary.runs)} "
        f"{groups} of runs{smoothed}, taken as independent repetitions; the best constant "
        f"prediction has a loss of {identity['chance_loss']:.4g}."
    )


def _what_was_run(summary: Summary, identity: dict[str, Any], versions: dict[str, str]) -> str:
    numbers = {len(runs.seed) for runs in summary.runs.values()}
    num_runs = f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else str(*numbers)
    if summary.of_logs:
        return _what_was_read(summary, num_runs, identity)
    arms = "configuration" if len(summary.runs) == 1 else "configurations"
    num_failed = sum(runs.num_failed for runs in summary.runs.values())
    if num_failed:
        arms += f" (in all {num_failed} more failed for technical reasons and are left out)"
    jax = f" (version {versions['jax']})" if "jax" in versions else ""
    return (
        f"We trained {num_runs} runs of each of {len(summary.runs)} {arms} with JAX{jax} "
        f"[jax2018] on a {identity['platform']}, over different {summary.varied.rstrip(',')}, and "
        f"evaluated the loss on a fixed set every {identity['eval_every']} steps."
    )


def _design(name: str, split: VarianceSplit, summary: Summary) -> list[str]:
    """The runs of an arm beside its repetitions."""
    sentences, forks = [], summary.runs[name].forks
    if split.components is not None:
        sentences.append(
            f"Of “{name}”, {split.components.num_init_seeds} starts were also trained in each of "
            f"{split.components.num_order_seeds} common data orders."
        )
    if split.forks is not None and forks is not None:
        sentences.append(
            f"Of “{name}”, the {split.forks.num_parents} runs that still waited at step "
            f"{forks.step} were continued from there {split.forks.num_runs} times in all, in data "
            f"orders of their own."
        )
    return sentences


def _what_is_a_break(summary: Summary, detector: dict[str, Any]) -> str:
    sentences = []
    events = {runs.waits_for for runs in summary.runs.values()}
    if "break" in events:
        sentences.append(
            f"With H the loss of the best constant prediction and ρ = 1 − L/H smoothed by a "
            f"running median of {detector['window']} points, the onset of learning is the last "
            f"upward crossing of ρ = {detector['low']:g} before ρ ≥ {detector['high']:g} is held; "
            f"a run that ends below {detector['high']:g} is right-censored at the horizon."
        )
    if Event.HIT in events:
        sentences.append("Where a task has an event of its own, its time is the first step at which it happens.")
    return " ".join(sentences)


def _how_often(summary: Summary) -> str:
    if summary.has_looks and not summary.looks:
        return (
            "Fractions of runs have the limits of a confidence sequence, which holds at every look "
            "while the study is under way [robbins1970]."
        )
    if summary.looks:
        return (
            f"Seeds were added in blocks, in {len(summary.looks)} looks; fractions of runs have "
            f"the limits of a confidence sequence that holds at all looks together [robbins1970]."
        )
    return "Fractions of runs have exact limits [clopper1934]."


def _compared(summary: Summary) -> str:
    number_of = len(summary.comparisons)
    horizons = {number(c.horizon, summary.unit) for c in summary.comparisons.values()}
    reach = f" of {horizons.pop()} {summary.unit}" if len(horizons) == 1 else ""
    test, adjustment = "a log-rank test stratified by seed [mantel1966]", "[holm1979]"
    if summary.of_logs:
        test = "Gray's test of the incidence [gray1988]"
    if summary.has_looks:
        test = "a safe log-rank test in pairs of equal seeds, valid at every look [grunwald2021]"
        adjustment = "by Bonferroni's inequality"
    return (
        f"Configurations were compared with “{summary.baseline}” by the difference of their means "
        f"up to the common horizon{reach} [zou2008] and by {test}; p-values are adjusted for the "
        f"{number_of} comparison{'s' if number_of > 1 else ''} {adjustment}. Limits are at 95 % "
        f"each."
    )


def _entry(key: str) -> str:
    kind, fields = _SOURCES[key]
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])
