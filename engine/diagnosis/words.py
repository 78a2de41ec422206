"""A diagnosis in words."""

from typing import NamedTuple

from engine.diagnosis import conditions, table
from engine.diagnosis.budget import FEWEST_SEEDS
from engine.diagnosis.evidence import FEWEST_RUNS, MOST_RUNS, ArmEvidence, Evidence, Signs
from engine.diagnosis.table import Decision
from engine.report.phrases import fraction, interval, number, onset, percent
from engine.report.summary import Summary
from engine.statistics import Estimate
from engine.studies.diagnosis_kinds import AS_GIVEN
from engine.studies.diagnosis_record import DiagnosisRecord

_SMALL = (
    "The start is so small that the signal and the gradients shrink from layer to layer: the "
    "network sits near a saddle at zero, and has to grow before the loss can move."
)
_LARGE = (
    "The start is so large that the outputs are far apart before anything is learned: the loss "
    "begins far above chance level, and has to come down first."
)
# By the row that held: what it means.
_MEANINGS = {
    "constant_inputs": "No network can tell one example from another.",
    "by_heart": (
        "Labels that do not belong to their inputs look like this. So do too few examples of a "
        "rule that this network has not found by the horizon; only a look at the data tells these "
        "apart."
    ),
    "by_heart_sooner": (
        "That suggests that the labels do belong to the inputs, and that by the horizon the "
        "network has only learned examples by heart."
    ),
    "only_by_heart": "The network learns its training examples by heart.",
    "diverges": "The steps are too long: the loss blows up.",
    "epsilon": (
        "The gradients have sunk below the optimiser's ε: it divides by √v̂ + ε, so that a gradient "
        "far below ε moves nothing, however many steps are taken."
    ),
    "dead": "A whole layer gives the same for every example, and no gradient passes it.",
    "small_rate": "The steps are too short to get anywhere by the horizon.",
    "large_rate": "The steps are too long to get below chance level, or to stay there.",
    "slow": (
        "It is learning, slowly, or as far as the data allow: what a network can learn of noisy "
        "labels may lie below what counts as having left chance level."
    ),
    "hard": (
        "Wrong labels look like this, and so does a rule that is hard to find: neither says anything to a linear model."
    ),
}
# What the plateau is due to, where most runs leave it by themselves.
_WAITS = {
    table.EPSILON: (
        "During the plateau gradients are near the optimiser's ε or below, so that steps are "
        "shorter than the learning rate says."
    ),
    table.SCALE: "The plateau goes away with another start.",
}
# By the row that held: what to do first where no change was found that helps.
_BY_HAND = {
    "constant_inputs": "First look at how the inputs are loaded and scaled: do they reach the network?",
    "too_little": (
        f"First let the runs come to their end, or give more --seeds: with {FEWEST_RUNS} there is "
        f"a verdict, with {FEWEST_SEEDS} a cause can be told from chance."
    ),
    "too_few_seeds": (f"First give more --seeds, {FEWEST_SEEDS} or more, or leave the number to --minutes."),
    "by_heart": (
        "First look at the data: do labels and inputs still belong to each other after loading, "
        "shuffling and augmentation, and do the inputs reach the network?"
    ),
    "by_heart_sooner": "First look longer, with a longer --horizon: what carries over may come "
    "late. More examples help as well.",
    "only_by_heart": "First look at how many examples there are for a network of this size.",
    "dead": (
        "No change that was tried revives the runs. First make the start one in which units are "
        "alive: zero biases (init=he leaves those of a network of your own as they are), an "
        "initial scheme for ReLU, or an activation with a slope below zero."
    ),
    "diverges": (
        "No lower rate that was tried keeps the runs from diverging: first look for numbers that "
        "are not finite, or enormous, in the inputs."
    ),
    "slow": "First look longer, with a longer --horizon.",
    "hard": "First check that labels and inputs belong to each other; if they do, look longer: "
    "give a longer --horizon, or more --minutes.",
    "nothing_helps": (
        "First look longer: give a longer --horizon or more --minutes. Nothing that was tried was "
        "seen, beyond chance, to help by enough."
    ),
}


class _Sayings(NamedTuple):
    """What a control shows, before and after its counts, if most runs learn and if they do not."""

    learned: tuple[str, str]
    stuck: tuple[str, str]


_OF_CONTROLS = {
    "one_batch": _Sayings(
        ("One batch, over and over, is learned", ": this network and this optimiser can learn"),
        (
            "Not even one batch, over and over, is learned by the horizon",
            ": what holds it is not the amount or the difficulty of the data",
        ),
    ),
    "linear_probe": _Sayings(
        ("A linear model of the inputs learns", ""),
        ("A linear model of the inputs learns nothing by the horizon", ": they tell nothing that is easily read"),
    ),
    "shuffled_labels": _Sayings(
        ("With shuffled labels it leaves chance level too, by learning examples by heart", ""),
        ("With shuffled labels it stays at chance", ""),
    ),
    "constant_inputs": _Sayings(
        ("With constant inputs it leaves chance level too", ": not by learning from the inputs"),
        ("With constant inputs it stays at chance, as it must", ""),
    ),
}


def headline(summary: Summary, record: DiagnosisRecord, evidence: Evidence, decision: Decision) -> str:
    """The verdict, and what to do."""
    arm = summary.arms[AS_GIVEN]
    given = evidence.given
    left = fraction(given.num_left, given.num_runs, arm.fraction)
    verdict = f"{decision.verdict[0].upper()}{decision.verdict[1:]}"
    text = f"{verdict}{';' if ':' in verdict else ':'} {left} left chance level"
    if given.num_left:
        horizon = summary.runs[AS_GIVEN].horizon / summary.steps_per_unit(AS_GIVEN)
        text += f", median {onset(arm, summary.unit, horizon)}"
        if arm.statuses["no_plateau"] > MOST_RUNS * given.num_runs:
            text += ", most of them without a plateau"
    if decision.waits_for is not None:
        text += f". The plateau before that is {decision.waits_for}"
    if decision.first is not None:
        advised = evidence.arms[decision.first]
        what = "To wait less" if decision.verdict == table.NORMAL else "Change first"
        change = f"{record.words[decision.first]} ({decision.first})"
        text += f". {what}: {change}, with which {advised.num_left} of {advised.num_runs} leave"
        if decision.verdict == table.DIVERGES and not advised.num_left:
            text += " by the horizon, but none diverges" * (not advised.num_diverged)
        elif advised.difference is not None:
            text += f", {_size(evidence, advised, advised.difference, summary.unit)}"
            if advised.num_left < advised.num_runs:
                text += " up to the horizon"
    lines = _of_the_network(summary)
    if decision.first is None and decision.verdict != table.NORMAL:
        lines.append(_BY_HAND.get(decision.row, _BY_HAND["nothing_helps"]))
    return " ".join([f"{text}.", *lines])


def _of_the_network(summary: Summary) -> list[str]:
    """What no change that was tried takes out of the network."""
    return [f"In the network: {line}." for line in summary.network_notes.get(AS_GIVEN, [])]


def _size(evidence: Evidence, arm: ArmEvidence, difference: Estimate, unit: str) -> str:
    """`9.7 epochs earlier`; `at least` where only runs as given are still waiting at the end."""
    word = "earlier" if difference.value < 0 else "later"
    is_whole = arm.num_left == arm.num_runs
    is_bound = is_whole and difference.value < 0 and evidence.given.num_left < evidence.given.num_runs
    return f"{'at least ' * is_bound}{number(abs(difference.value), unit)} {unit} {word}"


def what_it_means(summary: Summary, evidence: Evidence, decision: Decision) -> list[str]:
    """What the verdict means, and what it leaves open."""
    lines = [_MEANINGS[decision.row]] if decision.row in _MEANINGS else []
    if decision.waits_for is not None:
        lines.append(_WAITS[decision.waits_for])
        lines += _of_cause(summary, evidence, decision, table.CAUSES[decision.waits_for])
    if table.SCALE in (decision.verdict, decision.waits_for):
        lines += _of_scale(evidence)
    return [*lines, *_caveats(evidence, decision)]


def _of_cause(summary: Summary, evidence: Evidence, decision: Decision, name: str) -> list[str]:
    """What the change that names the cause does, where another one is advised."""
    difference = evidence.arms[name].difference
    if decision.first in (None, name) or difference is None:
        return []
    size = _size(evidence, evidence.arms[name], difference, summary.unit)
    first = evidence.arms[decision.first].difference
    does_more = first is not None and first.value < difference.value
    more = f"; {decision.first} does more" * does_more
    return [f"With {name} alone, which names that cause, it leaves {size}{more}."]


def _of_scale(evidence: Evidence) -> list[str]:
    size = conditions.size_of_start(evidence)
    return [] if size is None else [{"small": _SMALL, "large": _LARGE}[size]]


def _caveats(evidence: Evidence, decision: Decision) -> list[str]:
    """What the verdict leaves open."""
    given, lines = evidence.given, []
    if decision.verdict == table.NORMAL:
        if evidence.carries_over(AS_GIVEN) is None:
            lines.append("Whether what it learns carries over to other examples is not known.")
        if given.num_diverged:
            lines.append(f"Of {given.num_runs} runs {given.num_diverged} diverged.")
    first = decision.first
    if first is not None and evidence.leaves(first) and evidence.carries_over(first) is False:
        lines.append(f"What is learned with {first} does not carry over to other examples: check the labels as well.")
    is_sign = evidence.signs.num_dead and conditions.dies_on_the_way(evidence)
    if decision.verdict == table.SCALE and is_sign:
        lines.append(
            "Layers that are dead at the end were alive at the start: they have died while the start held the run."
        )
    if decision.verdict in (table.RATE, table.SCALE) and evidence.carries_over(AS_GIVEN):
        lines.append("Even as given, what it has learned by the horizon carries over: it is slow.")
    return lines


def what_was_seen(evidence: Evidence) -> list[str]:
    """What was seen inside the runs as given."""
    signs, lines = evidence.signs, []
    if signs.output_spread is not None:
        lines.append(
            f"At the start the outputs differ by {signs.output_spread:.2g} from example to example "
            f"(standard deviation, median over runs)."
        )
    if signs.below_epsilon is not None:
        lines.append(
            f"On the plateau √v̂ is below ε in {percent(signs.below_epsilon)} of the parameters "
            f"(median over its measurements, and over runs)."
        )
    if signs.num_dead:
        lines.append(
            f"A whole layer is dead in {signs.num_dead} of the {evidence.given.num_stuck} runs "
            f"still at chance, in {signs.num_born_dead} of them from the start"
            f"{_where_dead(signs)}."
        )
    return lines


def _where_dead(signs: Signs) -> str:
    return "" if signs.dead_layer is None else f"; in most of them first of all what enters {signs.dead_layer}"


def change_first(summary: Summary, record: DiagnosisRecord, evidence: Evidence, decision: Decision) -> list[str]:
    """The one change to make first, with its effect; where it is by hand, the headline has it."""
    nothing = "Besides that, nothing" if _of_the_network(summary) else "Nothing"
    if decision.first is None:
        if decision.verdict != table.NORMAL:
            return []
        return [
            f"{nothing} has to be changed, and nothing that was tried makes it leave in half the "
            f"time, beyond chance, without making something else worse."
        ]
    name, unit = decision.first, summary.unit
    arm = evidence.arms[name]
    left = fraction(arm.num_left, arm.num_runs, summary.arms[name].fraction)
    what = "First change"
    if decision.verdict == table.NORMAL:
        what = f"{nothing} has to be changed. To wait less"
    text = f"{what}: {record.words[name]} ({name}). With it {left} left chance level"
    if decision.verdict == table.DIVERGES and not arm.num_left:
        return [f"{text}: it does not diverge, but learns nothing by the horizon."]
    if arm.difference is not None:
        difference = arm.difference
        shown = (
            difference
            if difference.value >= 0
            else difference._replace(lower=-difference.upper, upper=-difference.lower)
        )
        text += (
            f", {_size(evidence, arm, difference, unit)} than as given, in the mean up to the "
            f"horizon (95 % CI {interval(shown, unit)})"
        )
    return [f"{text}."]


def what_controls_say(summary: Summary, evidence: Evidence) -> list[str]:
    """A sentence for every control that was run."""
    lines = []
    for name, sayings in _OF_CONTROLS.items():
        if name not in evidence.arms:
            continue
        arm = evidence.arms[name]
        has_learned = evidence.leaves(name) or bool(evidence.carries_over(name))
        what, so = sayings.learned if has_learned else sayings.stuck
        counts = fraction(arm.num_left, arm.num_runs, summary.arms[name].fraction)
        lines.append(f"{what} ({counts} left chance level{_carried(evidence, name)}){so}.")
    return lines


def _carried(evidence: Evidence, name: str) -> str:
    """Whether what is learned carries over, where most runs learn something."""
    carries = evidence.carries_over(name)
    if carries is None or not (carries or evidence.leaves(name)):
        return ""
    return f"; what they learn {'does' if carries else 'does not'} carry over to other examples"
