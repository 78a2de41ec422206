"""What follows from runs that were done again, and the exit code that says it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.lanes.runs import seed_columns
from engine.studies.designs import is_repetition
from engine.verification.agreement import Agreement
from engine.verification.outcomes import OutcomeAgreement, compare_outcomes
from engine.verification.sampling import Finished, Sample

# What a verdict means, and its exit code.
VERDICTS: dict[str, tuple[int, str]] = {
    "identical": (0, "every run that was done again is identical, to the last bit"),
    "not reproduced": (
        3,
        "bits differ although nothing they depend on is known to have changed, or in some runs of "
        "an arm only; or outcomes are shown to differ, or what is stored is damaged",
    ),
    "equivalent": (
        4,
        "bits differ, as they may on another machine or with other versions, and the distribution "
        "of outcomes is shown to be equivalent",
    ),
    "undecided": (5, "the same, but there are too few runs to show it"),
}


class Origin(NamedTuple):
    """Where a stored run comes from.

    Attributes:
        launch: its number, or `None` where that is not known.
        changed: in words, what bits depend on and is not what it was then.
    """

    launch: int | None
    changed: tuple[str, ...]


class Verification(NamedTuple):
    """What `verify` found.

    Attributes:
        verdict: one of `VERDICTS`.
        runs: that were done again.
        sample: how they were drawn.
        finished: what they were drawn from.
        margin: of equivalence.
        damage: what is stored and cannot be right, in words.
        changed: in words, what bits depend on and is not what it was for all of the runs.
        unexplained: runs that differ where that cannot be the reason.
        outcomes: by arm, and of all arms together last; empty where all bits agree.
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

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return VERDICTS[self.verdict][0]


def conclude(
    runs: Sequence[Agreement],
    origins: Sequence[Origin],
    sample: Sample,
    finished: Finished,
    margin: float,
    damage: Sequence[str],
) -> Verification:
    """What follows from runs that were done again.

    Args:
        runs: that were.
        origins: of each.
        sample, finished, margin, damage: see `Verification`.
    """
    is_identical = all(run.is_identical for run in runs)
    unexplained = _unexplained(runs, origins)
    outcomes: list[OutcomeAgreement] = []
    if not is_identical:
        repetitions = [run for run in runs if is_repetition(run.run.order_seed, run.run.fork_step)]
        outcomes = compare_outcomes(repetitions, finished.mean_wait, margin)
    verdict = of_all_arms(outcomes)
    if damage or unexplained or verdict == "different":
        verdict = "not reproduced"
    elif is_identical:
        verdict = "identical"
    changed = list(dict.fromkeys(words for origin in origins for words in origin.changed))
    return Verification(verdict, [*runs], sample, finished, margin, [*damage], changed, unexplained, outcomes)


def _unexplained(runs: Sequence[Agreement], origins: Sequence[Origin]) -> list[Agreement]:
    """Runs that differ although nothing has changed, or beside identical ones.

    All runs of an arm and a launch are made by one program: where one of them is identical for
    longer than another, what has changed does not touch the program.
    """
    longest: dict[tuple[str, int | None], int] = {}
    for run, origin in zip(runs, origins, strict=True):
        if run.is_identical and origin.launch is not None and run.last_step is not None:
            key = run.run.arm_name, origin.launch
            longest[key] = max(longest.get(key, 0), run.last_step)
    return [
        run
        for run, origin in zip(runs, origins, strict=True)
        if not run.is_identical
        and (not origin.changed or longest.get((run.run.arm_name, origin.launch), -1) >= run.first_step)
    ]


def of_all_arms(outcomes: Sequence[OutcomeAgreement]) -> str:
    """`different` where some arm is, `equivalent` where each is, or all together are."""
    verdicts = [outcome.verdict for outcome in outcomes]
    if "different" in verdicts:
        return "different"
    is_each = bool(verdicts) and all(o.verdict == "equivalent" for o in outcomes if o.arm is not None)
    is_together = bool(verdicts) and verdicts[-1] == "equivalent"
    return "equivalent" if is_each or is_together else "undecided"


def to_document(found: Verification, words: str) -> dict[str, Any]:
    """What `--output` writes."""
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
        "runs": [_run_document(run) for run in found.runs],
        "outcomes": [_outcome_document(outcome) for outcome in found.outcomes],
    }


def _run_document(found: Agreement) -> dict[str, Any]:
    return {
        **seed_columns(found.run),
        "is_identical": found.is_identical,
        "differing": list(found.differing),
        "not_compared": list(found.skipped),
        "loss_from": found.loss_from,
        "batches_from": found.batches_from,
        "close_until": found.close_until,
        "last_step": found.last_step,
        "most_apart": _number(found.most_apart),
        "status": [found.stored["status"], found.again["status"]],
    }


def _outcome_document(found: OutcomeAgreement) -> dict[str, Any]:
    return {
        "arm": found.arm,
        "num_pairs": found.num_pairs,
        "verdict": found.verdict,
        "pairs_needed": found.pairs_needed,
        **{
            name: {
                "value": part.difference.value,
                "lower": part.difference.lower,
                "upper": part.difference.upper,
                "verdict": part.verdict,
            }
            for name, part in (("mean_wait", found.wait), ("share_with_event", found.share))
        },
    }


def _number(value: float) -> float | None:
    """JSON has no infinity."""
    return value if abs(value) < float("inf") else None
