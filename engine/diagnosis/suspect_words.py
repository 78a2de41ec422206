"""In words: what speaks for and against each cause, what tells two apart, and what was followed."""

from engine.diagnosis.suspects import Suspect
from engine.diagnosis.words import Findings
from engine.errors import counted
from engine.preflight import causes
from engine.report.phrases import number
from engine.studies.diagnosis import AS_GIVEN


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


def list_suspects(found: Findings) -> list[list[str]]:
    """Returns a row for every cause that comes into question: its name, what speaks for it, what against."""
    return [
        [suspect.cause, " ".join(_speaking_for(found, suspect)), " ".join(_speaking_against(found, suspect))]
        for suspect in found.suspects
    ]


def _speaking_for(found: Findings, suspect: Suspect) -> list[str]:
    lines = [f"Before training: {sentence}." for sentence in suspect.findings]
    lines += [f"With {found.change(name)} {found.left(name)} leave chance level." for name in suspect.relieving]
    is_verdict = suspect.cause == found.decision.verdict
    return lines or [f"{found.decision.rule.condition}." if is_verdict else "Nothing else explains the runs."]


def _speaking_against(found: Findings, suspect: Suspect) -> list[str]:
    lines = [f"With {found.change(name)} only {found.left(name)} leave." for name in suspect.idle]
    if found.evidence.leaves(AS_GIVEN):
        lines.append(f"As given, {found.left(AS_GIVEN)} leave chance level all the same.")
    best = found.evidence.best()
    gain = found.evidence.gain
    if best is not None and best not in suspect.relieving and (not suspect.change or gain(best) > gain(suspect.change)):
        lines.append(f"It does not explain that with {found.change(best)} {found.left(best)} leave.")
    return lines


def how_to_decide(found: Findings) -> list[str]:
    """Says what would decide between the two likeliest causes, where the experiment has not."""
    names = [suspect.cause for suspect in found.suspects[:2]]
    if found.is_normal or len(names) < 2:
        return []
    first, second = found.suspects[:2]
    if first.relieving and not found.is_undecided:
        return []
    pair = f"“{first.cause}” or “{second.cause}”"
    if causes.HARD in names or (found.is_undecided and not first.findings):
        steps = 4 * found.summary.runs[AS_GIVEN].horizon
        return [
            f"To tell apart {pair}, run the same command with --horizon={steps:.0f} and more --minutes, in another "
            f"--workdir: what is only slow leaves by then."
        ]
    if first.change is None:
        return [
            f"To tell apart {pair}, repair the first in the code or in the data, and run the same command in another "
            f"--workdir: if the runs still wait, it is the second."
        ]
    return [f"To tell apart {pair}, run the same command with {found.change(first.change)}, in another --workdir."]
