"""In words: what speaks for and against each cause, what tells two apart, and what was followed."""

from ..errors import counted
from ..preflight import causes
from ..report.phrases import joined, number
from ..studies.diagnosis import AS_GIVEN
from .factors import LINEAR_PROBE
from .gathering import TIMES
from .suspects import Suspect
from .table import RULES
from .words import Findings

_ABOUT_AS_MUCH = 0.9
_MOST_NAMED = 2


def what_was_followed(found: Findings) -> list[str]:
    """Says what came of every arm that was followed beyond the horizon."""
    lines = []
    for name, later in found.evidence.followed.items():
        who = "As given" if name == AS_GIVEN else f"With {found.change(name)}"
        until = f"{number(later.horizon, found.summary.unit)} {found.summary.unit}"
        back = f", and {later.num_fell_back} fell back" if later.num_fell_back else ""
        refuted = "" if name == AS_GIVEN or later.is_kept else ", so that it is not advised"
        lines.append(
            f"{who}, followed to {until}, {later.num_kept} of {counted(later.num_runs, 'run')} left chance level and "
            f"stayed away{back}{refuted}."
        )
    return lines


def who_else(found: Findings) -> list[str]:
    """Names the causes that come into question besides the verdict, and what was found before training of them."""
    others = [suspect for suspect in found.suspects if suspect.cause != found.decision.verdict]
    if not others:
        return []
    if found.is_normal:
        return [f"Seen before training: {line}." for one in others for line in one.findings]
    what = "The likeliest causes" if found.is_undecided else "Next in question"
    names = joined([f"“{one.cause}”" for one in others[:_MOST_NAMED]])
    return [f"{what}: {names}; the table of causes says what speaks for and against each."]


def list_suspects(found: Findings) -> list[list[str]]:
    """Returns a row for every cause that comes into question: its name, what speaks for it, what against."""
    return [
        [suspect.cause, " ".join(_speaking_for(found, suspect)), " ".join(_speaking_against(found, suspect))]
        for suspect in found.suspects
    ]


def _speaking_for(found: Findings, suspect: Suspect) -> list[str]:
    lines = [f"Before training: {sentence}." for sentence in suspect.findings]
    lines += [f"With {name}, {_counts(found, name)} leave chance level." for name in suspect.relieving]
    if not lines and suspect.cause == causes.HARD and found.evidence.carries_over(LINEAR_PROBE.name) is False:
        lines.append("A linear model reads nothing from the inputs.")
    held = [rule.condition for rule in RULES if rule.verdict == suspect.cause and rule.holds(found.evidence)]
    return lines or [f"{line}." for line in held[:1]] or ["It is among what is left where nothing else was found."]


def _speaking_against(found: Findings, suspect: Suspect) -> list[str]:
    evidence = found.evidence
    lines = [f"With {name}, {_counts(found, name)} leave." for name in suspect.idle]
    if evidence.leaves(AS_GIVEN):
        lines.append(f"As given, {_counts(found, AS_GIVEN)} leave all the same.")
    best, own = evidence.best(), 0.0 if suspect.change is None else evidence.gain(suspect.change)
    if best is not None and best not in suspect.relieving and own < _ABOUT_AS_MUCH * evidence.gain(best):
        lines.append(f"It does not explain that with {best}, {_counts(found, best)} leave.")
    return lines


def _counts(found: Findings, name: str) -> str:
    arm = found.evidence.arms[name]
    return f"{arm.num_left} of {counted(arm.num_runs, 'run')}"


def how_to_decide(found: Findings) -> list[str]:
    """Says what would decide between the two likeliest causes, where the experiment has not."""
    names = [suspect.cause for suspect in found.suspects[:2]]
    if found.is_normal or len(names) < 2 or found.decision.row == "later":
        return []
    first, second = found.suspects[:2]
    if first.relieving and not found.is_undecided:
        return []
    pair = f"“{first.cause}” from “{second.cause}”"
    if causes.HARD in names or (found.is_undecided and not first.findings):
        # As given it may have been followed that far already.
        times = TIMES**2 if AS_GIVEN in found.evidence.followed else TIMES
        steps = times * found.summary.runs[AS_GIVEN].horizon
        return [
            f"To tell {pair}, run the same command with --horizon={steps:.0f} and more --minutes, in another "
            f"--workdir: what is only slow leaves by then."
        ]
    if first.change is None:
        return [
            f"To tell {pair}, repair the first in the code or in the data, and run the same command in another "
            f"--workdir: if the runs still wait, it is the second."
        ]
    return [f"To tell {pair}, run the same command with {found.flags(first.change)}, in another --workdir."]
