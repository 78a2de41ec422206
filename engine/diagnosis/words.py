"""A diagnosis in words."""

from typing import Any, NamedTuple

from ..errors import counted
from ..preflight import causes
from ..report import held_runs
from ..report.phrases import fraction, interval, number, onset, percent
from ..report.summary import Summary
from ..statistics import Estimate
from ..studies.diagnosis import AS_GIVEN, DiagnosisRecord
from . import conditions, table
from .evidence import MOST_RUNS, ArmEvidence, Evidence, Symptoms
from .factors import CONSTANT_INPUTS, LINEAR_PROBE, ONE_BATCH, SHUFFLED_LABELS
from .removals import SCALED_BOTH
from .suspects import Suspect, rank

_SIZES_OF_START = {
    "small": "The start is so small that the signal and the gradients shrink from layer to layer: the network sits "
    "near a saddle at zero, and has to grow before the loss can move.",
    "large": "The start is so large that the outputs are far apart before anything is learned: the loss begins far "
    "above chance level, and has to come down first.",
}
# What a control shows if most runs learn, if only some do, and if none does.
_CONTROLS = {
    ONE_BATCH.name: (
        "One batch, over and over, is learned ({counts}): this network and this optimiser can learn.",
        "One batch, over and over, is learned in some runs only ({counts}): whether this network and this optimiser "
        "can learn depends on the seed.",
        "Not even one batch, over and over, is learned by the horizon ({counts}): what holds it is not the amount or "
        "the difficulty of the data.",
    ),
    LINEAR_PROBE.name: (
        "A linear model of the inputs learns ({counts}).",
        "A linear model of the inputs learns in some runs only ({counts}).",
        "A linear model of the inputs learns nothing by the horizon ({counts}): they tell nothing that is easily read.",
    ),
    SHUFFLED_LABELS.name: (
        "With shuffled labels it leaves chance level too, by learning examples by heart ({counts}).",
        "With shuffled labels some runs leave chance level too, by learning examples by heart ({counts}).",
        "With shuffled labels no run leaves chance level ({counts}).",
    ),
    CONSTANT_INPUTS.name: (
        "With constant inputs it leaves chance level too ({counts}): not by learning from the inputs.",
        "With constant inputs some runs leave chance level ({counts}): not by learning from the inputs.",
        "With constant inputs no run leaves chance level, as it must be ({counts}).",
    ),
}


class Findings(NamedTuple):
    """What the words of a diagnosis are made from."""

    summary: Summary
    record: DiagnosisRecord
    evidence: Evidence
    decision: table.Decision

    @property
    def suspects(self) -> list[Suspect]:
        """The causes that come into question, the likeliest first."""
        return rank(self.evidence, self.decision)

    @property
    def is_undecided(self) -> bool:
        """Whether no cause is named."""
        return self.decision.verdict == table.UNDECIDED

    def left(self, name: str) -> str:
        """Writes how many runs of an arm left chance level, `12 of 12 runs (100 %, 95 % CI 74–100 %)`."""
        arm = self.evidence.arms[name]
        return fraction(arm.num_left, arm.num_runs, self.summary.arms[name].fraction)

    def change(self, name: str) -> str:
        """Writes a change with the flags that make it."""
        return f"{self.record.words[name]} ({self.flags(name)})"

    def flags(self, name: str) -> str:
        """Writes the flags in which an arm differs from the configuration as given."""
        arms = self.summary.identity["arms"]
        changed = {key: value for key, value in arms[name].items() if arms[AS_GIVEN].get(key) != value}
        left_out = [key for key, value in arms[AS_GIVEN].items() if key not in arms[name] and value not in (None, ())]
        if "optimizer" in changed or "schedule" in changed:
            left_out = []
        words = [f"--{key}={_typed(value)}" for key, value in changed.items()]
        return " ".join([*words, *(f"without --{key}" for key in left_out)]) or name

    def size(self, arm: ArmEvidence, difference: Estimate) -> str:
        """Writes `9.7 epochs earlier`; `at least` where only runs as given are still waiting at the end."""
        given, unit = self.evidence.given, self.summary.unit
        is_bound = arm.num_left == arm.num_runs and difference.value < 0 and given.num_left < given.num_runs
        least = "at least " if is_bound else ""
        return f"{least}{number(abs(difference.value), unit)} {unit} {'earlier' if difference.value < 0 else 'later'}"

    @property
    def has_faults(self) -> bool:
        """Whether something was found to be wrong before training."""
        has_notes = bool(self.summary.notes("network_notes").get(AS_GIVEN))
        return has_notes or any(finding.strength == "fault" for finding in self.evidence.findings)

    @property
    def is_normal(self) -> bool:
        """Whether the verdict is that nothing is wrong."""
        return self.decision.verdict == table.NORMAL


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def headline(found: Findings) -> str:
    """States the verdict, and what to do."""
    decision = found.decision
    verdict = decision.verdict[0].upper() + decision.verdict[1:]
    sentences = [f"{verdict}{';' if ':' in verdict else ':'} {found.left(AS_GIVEN)} left chance level{_median(found)}."]
    sentences += held_runs.describe(found.summary.arms[AS_GIVEN])
    if decision.finding is not None:
        sentences.append(f"Seen before training: {decision.finding.sentence}.")
    if decision.cause is not None:
        sentences.append(f"The plateau before that is {decision.waits_for}.")
    if decision.first is not None:
        sentences.append(_advise(found, decision.first))
    elif not found.is_normal:
        sentences.append(decision.advice)
    return " ".join(sentences)


def _median(found: Findings) -> str:
    given, summary = found.evidence.given, found.summary
    if not given.num_left:
        return ""
    arm = summary.arms[AS_GIVEN]
    horizon = summary.runs[AS_GIVEN].horizon / summary.steps_per_unit(AS_GIVEN)
    is_flat = arm.statuses["no_plateau"] > MOST_RUNS * given.num_runs
    flat = ", most of them without a plateau" if is_flat else ""
    return f", median {onset(arm, summary.unit, horizon)}{flat}"


def _advise(found: Findings, name: str) -> str:
    advised, decision = found.evidence.arms[name], found.decision
    effect = ""
    if decision.verdict == table.DIVERGES and not advised.num_left:
        effect = "" if advised.num_diverged else " by the horizon, but none diverges"
    elif advised.difference is not None:
        limit = " up to the horizon" if advised.num_left < advised.num_runs else ""
        effect = f", {found.size(advised, advised.difference)}{limit}"
    what = "To wait less" if found.is_normal else "Change first"
    later = found.evidence.followed.get(name)
    kept = "" if later is None else f"; followed to {number(later.horizon, found.summary.unit)} {found.summary.unit}, "
    kept += "" if later is None else f"{later.num_kept} of {later.num_runs} have left and stayed away"
    return f"{what}: {found.change(name)}, with which {advised.num_left} of {advised.num_runs} leave{effect}{kept}."


def what_it_means(found: Findings) -> list[str]:
    """Says what the verdict means, and what it leaves open."""
    decision, cause = found.decision, found.decision.cause
    # What is not finite before the first step has not blown up.
    given = found.summary.arms[AS_GIVEN]
    has_blown_up = given.num_lost_at_start < given.statuses["diverged"] or decision.verdict != table.DIVERGES
    lines = [decision.rule.meaning] if decision.rule.meaning and has_blown_up else []
    if cause is not None:
        lines += [cause.meaning, *_describe_cause(found, cause.change.name)]
    size = conditions.size_of_start(found.evidence)
    if causes.SCALE in (decision.verdict, decision.waits_for) and size is not None:
        lines.append(_SIZES_OF_START[size])
    return [*lines, *_name_others(found), *_caveats(found)]


def _name_others(found: Findings) -> list[str]:
    """Names other changes of the kind of the verdict that relieve the runs too."""
    others = conditions.removals(found.evidence)
    if found.decision.first not in others:
        return []
    others = [name for name in others if name not in (found.decision.first, SCALED_BOTH.name, *found.decision.refuted)]
    return [f"On its own, another change does this as well: {found.change(n)}; {found.left(n)} left." for n in others]


def _describe_cause(found: Findings, name: str) -> list[str]:
    """Says what the change that names the cause does, where another one is advised."""
    arm, advised, gain = found.evidence.arms[name], found.decision.first, found.evidence.gain
    if advised in (None, name) or arm.difference is None:
        return []
    more = f"; {advised} does more" if gain(advised) > gain(name) else ""
    return [f"With {name} alone, which names that cause, it leaves {found.size(arm, arm.difference)}{more}."]


def _caveats(found: Findings) -> list[str]:
    """Says what the verdict leaves open."""
    evidence, verdict, first = found.evidence, found.decision.verdict, found.decision.first
    given, lines = evidence.given, []
    if found.is_normal and evidence.carries_over(AS_GIVEN) is None:
        lines.append("Whether what it learns carries over to other examples is not known.")
    if found.is_normal and given.num_diverged:
        lines.append(f"Of {counted(given.num_runs, 'run')} {given.num_diverged} diverged.")
    if first is not None and evidence.leaves(first) and evidence.carries_over(first) is False:
        lines.append(f"What is learned with {first} does not carry over to other examples: check the labels as well.")
    if verdict == causes.SCALE and evidence.symptoms.num_dead and conditions.dies_on_the_way(evidence):
        lines.append(
            "Layers that are dead at the end were alive at the start: they have died while the start held the run."
        )
    if verdict in (causes.SMALL_RATE, causes.SCALE) and evidence.carries_over(AS_GIVEN):
        lines.append("Even as given, what it has learned by the horizon carries over: it is slow.")
    return lines


def what_was_seen(symptoms: Symptoms, num_stuck: int) -> list[str]:
    """Says what probes saw inside the runs as given, `num_stuck` of which did not leave chance level."""
    lines = []
    if symptoms.output_spread is not None:
        lines.append(
            f"At the start the outputs differ by {symptoms.output_spread:.2g} from example to example (standard "
            f"deviation, median over runs)."
        )
    if symptoms.below_epsilon is not None:
        lines.append(
            f"On the plateau √v̂ is below ε in {percent(symptoms.below_epsilon)} of the parameters (median over its "
            f"measurements, and over runs)."
        )
    if symptoms.num_dead:
        layer = symptoms.dead_layer
        where = "" if layer is None else f"; in most of them first of all what enters {layer}"
        lines.append(
            f"A whole layer is dead in {symptoms.num_dead} of {counted(num_stuck, 'run')} that had not left chance "
            f"level, in {symptoms.num_born_dead} of them from the start{where}."
        )
    return lines


def change_first(found: Findings) -> list[str]:
    """Names the change to make first, with its effect; where it is by hand, the headline has it."""
    name = found.decision.first
    nothing = f"{'Besides that, nothing' if found.has_faults else 'Nothing'} has to be changed"
    if name is None:
        if not found.is_normal:
            return []
        if found.decision.refuted:
            return [f"{nothing}. {found.decision.advice}"]
        return [
            f"{nothing}, and nothing that was tried makes it leave in half the time, beyond chance, without making "
            f"something else worse."
        ]
    arm, unit = found.evidence.arms[name], found.summary.unit
    what = f"{nothing}. To wait less" if found.is_normal else "First change"
    text = f"{what}: {found.change(name)}. With it {found.left(name)} left chance level"
    if found.decision.verdict == table.DIVERGES and not arm.num_left:
        return [f"{text}: it does not diverge, but learns nothing by the horizon."]
    if arm.difference is None:
        return [f"{text}."]
    value, lower, upper = arm.difference[:3]
    shown = arm.difference if value >= 0 else Estimate(-value, -upper, -lower)
    return [
        f"{text}, {found.size(arm, arm.difference)} than as given, in the mean up to the horizon (95 % CI "
        f"{interval(shown, unit)})."
    ]


def what_controls_say(found: Findings) -> list[str]:
    """Says what every control that was run shows."""
    lines = []
    for name, (by_most, by_some, by_none) in _CONTROLS.items():
        if name in found.evidence.arms:
            arm, carries = found.evidence.arms[name], found.evidence.carries_over(name)
            is_by_most = arm.left >= MOST_RUNS or (name == LINEAR_PROBE.name and bool(carries))
            counts = f"{found.left(name)} left chance level"
            if carries or (carries is False and is_by_most):
                counts += f"; what they learn {'does' if carries else 'does not'} carry over to other examples"
            words = by_most if is_by_most else by_some if arm.num_left else by_none
            lines.append(words.format(counts=counts))
    return lines
