"""Concludes from runs that were done again whether a study is reproduced."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import counted
from ..lanes.runs import seed_columns
from ..report.summary_json import jsonable
from ..studies.designs import is_repetition
from .comparison import Agreement, OutcomeAgreement, compare_outcomes
from .sampling import Finished, Sample

# Exit code and meaning of every verdict.
VERDICTS: dict[str, tuple[int, str]] = {
    "identical": (0, "every run that was done again is identical, to the last bit"),
    "not reproduced": (
        3,
        "bits differ although nothing they depend on is known to have changed, or in some runs of an arm only; or "
        "outcomes are shown to differ, or what is stored is damaged",
    ),
    "equivalent": (
        4,
        "bits differ, as they may on another machine or with other versions, and the distribution of outcomes is "
        "shown to be equivalent",
    ),
    "undecided": (5, "the same, but there are too few runs to show it"),
}


class Origin(NamedTuple):
    """The number of the launch that made a run, if known, and what bits depend on and has changed since, in words."""

    launch: int | None
    changed: tuple[str, ...]


class Verification(NamedTuple):
    """What `verify` found.

    `damage` is what is wrong with the stored files, `changed` what bits depend on and has changed since any of the runs
    was made, both in words; `unexplained` are runs that differ although that cannot be the reason; `outcomes` are by
    arm, and last for all arms together, or empty where all bits agree.
    """

    verdict: str
    runs: list[Agreement]
    sample: Sample
    finished: Finished
    margin: float
    damage: list[str]
    changed: list[str]
    unexplained: list[Agreement]
    outcomes: list[OutcomeAgreement]

    def __repr__(self) -> str:
        total = len(self.finished.runs)
        return f"<verification: {self.verdict}; {len(self.runs)} of {counted(total, 'finished run')} run again>"

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        return VERDICTS[self.verdict][0]


def conclude(
    runs: list[Agreement], origins: list[Origin], sample: Sample, finished: Finished, margin: float, damage: list[str]
) -> Verification:
    """Draws the conclusion from runs that were done again, each with its origin."""
    is_identical = all(run.is_identical for run in runs)
    unexplained = _unexplained(runs, origins)
    outcomes: list[OutcomeAgreement] = []
    if not is_identical:
        repetitions = [one for one in runs if is_repetition(one.run.order_seed, one.run.fork_step)]
        outcomes = compare_outcomes(repetitions, finished.mean_wait, margin)
    verdict = overall_verdict(outcomes)
    if damage or unexplained or verdict == "different":
        verdict = "not reproduced"
    elif is_identical:
        verdict = "identical"
    changed = list(dict.fromkeys(words for origin in origins for words in origin.changed))
    return Verification(verdict, runs, sample, finished, margin, damage, changed, unexplained, outcomes)


def _unexplained(runs: Sequence[Agreement], origins: Sequence[Origin]) -> list[Agreement]:
    """Finds runs that differ although nothing has changed, or beside identical ones.

    One program makes all runs of an arm in a launch: where one is identical beyond the step at which another differs,
    the changes have not touched it.
    """
    longest: dict[tuple[str, int | None], int] = {}
    for one, origin in zip(runs, origins, strict=True):
        if one.is_identical and origin.launch is not None and one.last_step is not None:
            key = one.run.arm_name, origin.launch
            longest[key] = max(longest.get(key, 0), one.last_step)
    return [
        one
        for one, origin in zip(runs, origins, strict=True)
        if not one.is_identical
        and (not origin.changed or longest.get((one.run.arm_name, origin.launch), -1) >= one.first_step)
    ]


def overall_verdict(outcomes: Sequence[OutcomeAgreement]) -> str:
    """Returns `different` where some arm is, `equivalent` where each is or all together are, else `undecided`."""
    if any(outcome.verdict == "different" for outcome in outcomes):
        return "different"
    of_arms = [outcome.verdict == "equivalent" for outcome in outcomes if outcome.arm is not None]
    is_equivalent = bool(of_arms) and (all(of_arms) or outcomes[-1].verdict == "equivalent")
    return "equivalent" if is_equivalent else "undecided"


def to_document(found: Verification, words: str) -> Any:
    """Makes the document that `--output` writes."""
    return {
        "verdict": found.verdict,
        "exit_code": found.exit_code,
        "words": words,
        "seed": found.sample.seed,
        "margin": found.margin,
        "num_finished": len(found.finished.runs),
        "num_failed": found.finished.num_failed,
        "damage": found.damage,
        "changed": found.changed,
        "num_unexplained": len(found.unexplained),
        "runs": [_run_document(one) for one in found.runs],
        "outcomes": [_outcome_document(outcome) for outcome in found.outcomes],
    }


def _run_document(found: Agreement) -> Any:
    names = ("differing", "loss_from", "batches_from", "close_until", "last_step", "most_apart")
    values = jsonable({name: getattr(found, name) for name in names})
    return {**seed_columns(found.run), "is_identical": found.is_identical, **values, "status": [*found.statuses]}


def _outcome_document(found: OutcomeAgreement) -> dict[str, Any]:
    document = {name: getattr(found, name) for name in ("arm", "num_pairs", "verdict", "pairs_needed")}
    for name, part in (("mean_wait", found.wait), ("share_with_event", found.share)):
        value, lower, upper = part.difference[:3]
        document[name] = {"value": value, "lower": lower, "upper": upper, "verdict": part.verdict}
    return document
