"""The page of a diagnosis, from rows whose outcomes are planted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import store
from engine.diagnosis import section, table
from engine.diagnosis.evidence import read_symptoms
from engine.preflight import causes
from engine.report import probes
from engine.report.findings import find
from engine.report.sections import Section
from engine.report.summary import summarise
from engine.store import WorkDirectory
from engine.store.run_table import RunTable
from tests.report.studies import STEPS, H, early, late, lost, stuck
from tests.stored import make_document

RUNS = 12
KINDS = {
    "as_given": "given",
    "init=he": "remedy",
    "epsilon=1e-12": "remedy",
    "learning_rate=×1/3": "remedy",
    "learning_rate=×3": "remedy",
    "linear_probe": "control",
    "one_batch": "control",
    "shuffled_labels": "control",
}
Rows = list[dict[str, Any]]


def _arm(name: str, make: Callable[[str, int], Rows], held_out: float | None = None) -> Rows:
    """Runs of an arm, whose held-out loss is that of the training examples or a constant ρ."""
    rows = make(name, RUNS)
    for row in rows:
        row["inspected_steps"] = STEPS[::8]
        loss = row["loss"][::8]
        row["held_out_loss"] = loss if held_out is None else np.full_like(loss, H * (1 - held_out))
    return rows


@pytest.fixture
def make_study(tmp_path: Path):
    """A function from the arms that are not stuck to the directory of a diagnosis."""

    def make(changed: dict[str, Rows]) -> WorkDirectory:
        kinds = {**dict.fromkeys(changed, "remedy"), **KINDS}
        fields = {name: {"init": name, "learning_rate": 0.1} for name in kinds}
        document = make_document(fields, 880, RUNS, name="diagnose", question="?", baseline="as_given")
        document["study"]["diagnosis"] = {
            "kinds": kinds,
            "words": {name: f"words of {name}" for name in kinds},
            "rates": {"learning_rate=×1/3": 1 / 3, "learning_rate=×3": 3.0},
            "skipped": {"batch_norm": "a network of your own is not rebuilt"},
            "minutes": 1.0,
            "budget": ["One minute buys 12 seeds."],
        }
        document["identity"] |= {"diagnostics": ["dead"], "diagnostics_every": 88}
        directory = store.create_or_resume(tmp_path / "study", document)
        rows = [row for name in kinds for row in changed.get(name, _arm(name, stuck, 0.0))]
        directory.append(rows)
        return directory

    return make


def _part(directory: WorkDirectory) -> Section:
    part = section.make_section(RunTable(directory), summarise(RunTable(directory)))
    assert part is not None
    return part


def test_a_cause_has_a_headline_and_a_change_with_its_size(make_study):
    part = _part(make_study({"init=he": _arm("init=he", early)}))
    # 40 epochs to the horizon, and onsets at 11 … 12.1 steps of 22 to the epoch.
    assert part.headline == (
        "Held by the initial scale: 0 of 12 runs (0 %, 95 % CI 0–26 %) left chance level. "
        "Change first: words of init=he (--init=init=he), with which 12 of 12 leave, at least 39.5 epochs "
        "earlier."
    )
    assert part.points["What is not known"] == ["Not tried: batch_norm, because a network of your own is not rebuilt."]
    assert {*part.lines, *part.points["What was run"]} < {*part.document["words"]}
    assert any("words of init=he (--init=init=he). With it 12 of 12 runs" in line for line in part.lines)
    assert not any("so small" in line for line in part.lines), "nothing was measured of the start"
    rows = {row[0]: row for row in part.tables[1].rows}
    assert rows["words of init=he"][2].startswith("12 of 12")
    assert [row[2] for row in part.tables[2].rows].count("yes: the verdict") == 1


def test_what_is_waited_for_is_not_at_least_where_all_leave(make_study):
    changed = {"as_given": _arm("as_given", late), "init=he": _arm("init=he", early)}
    part = _part(make_study(changed))
    assert part.headline is not None
    assert part.headline.startswith("Normal for this set-up: 12 of 12 runs")
    assert "The plateau before that is held by the initial scale. To wait less: words of init=he" in (part.headline)
    assert "at least" not in part.headline
    assert any(line.startswith("Nothing has to be changed. To wait less") for line in part.lines)


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({"epsilon=1e-12": early}, causes.EPSILON, "divides by √v̂ + ε"),
        ({"learning_rate=×3": early}, causes.SMALL_RATE, "too short"),
        ({"learning_rate=×1/3": early}, causes.LARGE_RATE, "too long"),
        ({"as_given": lost, "learning_rate=×1/3": early}, causes.LARGE_RATE, "blows up"),
        ({}, table.UNDECIDED, "First look longer"),
    ],
)
def test_every_cause_is_told_in_words(make_study, changed: dict, verdict: str, words: str):
    arms = {name: _arm(name, make) for name, make in changed.items()}
    part = _part(make_study(arms))
    assert part.document["verdict"] == verdict
    assert any(words in line for line in [*part.lines, str(part.headline)])


def test_of_several_causes_that_can_be_taken_away_the_others_are_named(make_study):
    less = _arm("dropout=0", early)
    for row in less:
        row["onset_step"] *= 2
    changed = {"weight_decay=0": _arm("weight_decay=0", early), "dropout=0": less}
    part = _part(make_study(changed))
    assert (part.document["verdict"], part.document["first"]) == ("weight decay too strong", "weight_decay=0")
    (line,) = [line for line in part.lines if line.startswith("On its own, another change does this as well")]
    assert "words of dropout=0 (--init=dropout=0); 12 of 12 runs" in line
    assert any("decay shrinks the weights" in line for line in part.lines)


def test_what_is_learned_of_scaled_targets_is_held_against_their_own_chance(make_study):
    name = "target_scaling=standard"
    directory = make_study({name: _arm(name, early, 0.5)})
    held_out = _part(directory).document["arms"][name]["held_out"]
    assert held_out == pytest.approx(0.5)
    directory.document["study"]["chance_loss"][name] = 2 * H
    assert _part(directory).document["arms"][name]["held_out"] == pytest.approx(0.75)


def test_a_change_that_saves_all_runs_is_seen_though_some_leave_sooner_as_given(make_study):
    """A test of when runs leave counts the pairs in which they do against the change."""
    name = "learning_rate=×1/3"
    given = _arm("as_given", early)[:3] + _arm("as_given", stuck, 0.0)[3:]
    directory = make_study({"as_given": given, name: _arm(name, late)})
    # 9 of 12 pairs are ahead: p = 0.15. All 9 pairs in which one leaves say the same: 2·2^−9, then
    # twice for two tests, and for four changes.
    assert summarise(RunTable(directory)).comparisons[name].test.p_value == pytest.approx(0.146, abs=1e-3)
    part = _part(directory)
    assert part.document["arms"][name]["p_value"] == pytest.approx(4 * 2 * 2 * 0.5**9)
    assert part.document["verdict"] == causes.LARGE_RATE


def test_what_does_not_carry_over_is_nothing_to_learn(make_study):
    by_heart = {name: _arm(name, late, -0.2) for name in ("as_given", "shuffled_labels")}
    part = _part(make_study(by_heart))
    assert part.document["verdict"] == causes.LABELS
    controls = part.points["What the controls say"]
    assert any("what they learn does not carry over" in line for line in controls)


@pytest.mark.parametrize(
    ("num_left", "words"),
    [(0, "Not even one batch"), (4, "is learned in some runs only (4 of 12"), (6, "this optimiser can learn")],
)
def test_a_control_that_some_runs_learn_is_not_called_learned(make_study, num_left: int, words: str):
    rows = _arm("one_batch", early, 0.5)[:num_left] + _arm("one_batch", stuck, 0.0)[num_left:]
    (line,) = [
        line
        for line in _part(make_study({"one_batch": rows})).points["What the controls say"]
        if "one batch" in line.lower()
    ]
    assert words in line


def test_a_loss_far_above_chance_is_not_called_at_chance(make_study):
    rows = [{**row, "end_loss": 22 * H} for row in _arm("as_given", stuck)]
    headline = str(_part(make_study({"as_given": rows})).headline)
    assert "Worse than a constant prediction: 12 of 12 runs have a loss above" in headline
    assert "in the median 22 times as high" in headline


@pytest.mark.parametrize(("end", "is_at_start"), [(0, True), (33, False)])
def test_what_is_not_finite_at_the_start_has_not_blown_up(make_study, end: int, is_at_start: bool):
    part = _part(make_study({name: [{**row, "steps_run": end} for row in _arm(name, lost)] for name in KINDS}))
    assert ("In 12 runs the loss is not finite before the first step" in str(part.headline)) == is_at_start
    assert any("blows up" in line for line in part.lines) != is_at_start


def test_nothing_is_said_while_runs_are_to_come(make_study):
    part = _part(make_study({"init=he": _arm("init=he", early)[:-1]}))
    assert part.document["row"] == "too_little"
    assert part.document["first"] is None


def test_a_diagnosis_whose_given_arm_has_not_begun_has_no_page_yet(make_study):
    directory = make_study({"as_given": _arm("as_given", stuck, 0.0)[1:]})
    summary = summarise(RunTable(directory))
    assert section.make_section(RunTable(directory), summary) is None
    assert probes.make_section(RunTable(directory), summary, 6) is None


def test_a_run_that_leaves_and_then_diverges_is_not_counted_twice(make_study):
    rows = _arm("as_given", late)[:4] + _arm("as_given", stuck, 0.0)[4:]
    for row in rows[:4]:
        row["is_diverged_later"] = True
    directory = make_study({"as_given": rows})
    given = _part(directory).document["arms"]["as_given"]
    assert (given["num_left"], given["num_stuck"], given["num_diverged"]) == (4, 8, 4)


def _seen(share: list[float], gradient: list[float], spread: float) -> dict[str, Any]:
    """Diagnostics of a run: of one layer, and of the outputs."""
    values = {
        ("dead_share", "Dense_0"): share,
        ("gradient_norm", "Dense_0/kernel"): gradient,
        ("output_spread", None): [spread] * len(share),
    }
    series = [{"name": name, "layer": layer, "values": numbers} for (name, layer), numbers in values.items()]
    return {"diagnostics_steps": np.arange(0, 88 * len(share), 88), "diagnostics": series}


def test_units_are_dead_where_no_gradient_passes(make_study):
    rows = _arm("as_given", stuck, 0.0)
    for row in rows[:5]:
        row.update(_seen([1.0, 1.0], [0.0, 0.0], 0.0))
    for row in rows[5:8]:
        row.update(_seen([0.2, 1.0], [0.1, 0.0], 2e-3))
    for row in rows[8:]:
        row.update(_seen([1.0, 1.0], [1e-9, 1e-9], 4e-3))
    directory = make_study({"as_given": rows})
    symptoms = read_symptoms(RunTable(directory), summarise(RunTable(directory)).runs["as_given"])
    assert (symptoms.num_dead, symptoms.num_born_dead, symptoms.below_epsilon) == (8, 5, None)
    assert symptoms.output_spread == pytest.approx(2e-3)
    part = _part(directory)
    assert part.document["verdict"] == causes.DEAD
    assert part.points["What was seen inside the runs as given"][-1] == (
        "A whole layer is dead in 8 of 12 runs that had not left chance level, in 5 of them from the start; "
        "in most of them first of all what enters Dense_0."
    )
    assert "First make the start one in which units are alive" in str(part.headline)


def test_the_share_below_epsilon_is_that_of_the_plateau(make_study):
    """Not of the last measurement before a run leaves, nor of the start alone."""
    slow, quick = _arm("as_given", late)[:8], _arm("as_given", early)[8:]
    for row, shares in [(row, [0.9, 0.9, 0.8, 0.1]) for row in slow] + [(row, [1.0, 0.0, 0.0, 0.0]) for row in quick]:
        row["diagnostics_steps"] = np.arange(0, 352, 88)
        row["diagnostics"] = [{"name": "below_epsilon", "layer": None, "values": shares}]
        row["onset_step"] = 300.0 if row["seed"] < 8 else 40.0
    directory = make_study({"as_given": slow + quick})
    symptoms = read_symptoms(RunTable(directory), summarise(RunTable(directory)).runs["as_given"])
    assert symptoms.below_epsilon == pytest.approx(0.85)
    seen = _part(directory).points["What was seen inside the runs as given"]
    assert any("On the plateau √v̂ is below ε in 85 %" in line for line in seen)


@pytest.mark.parametrize("flat", [0, 12])
def test_a_headline_says_that_there_is_no_plateau(make_study, flat):
    rows = _arm("as_given", late)
    for row in rows[:flat]:
        row["status"] = "no_plateau"
    directory = make_study({"as_given": rows})
    assert ("most of them without a plateau" in str(_part(directory).headline)) == bool(flat)


def test_what_names_the_cause_and_what_helps_most_are_told_apart(make_study):
    """Runs leave a plateau; a He start and, by more, a higher rate take it away."""
    he, faster = _arm("init=he", early), _arm("learning_rate=×3", early)
    for row in faster:
        row["onset_step"] /= 2
    rows = {"as_given": _arm("as_given", late), "init=he": he, "learning_rate=×3": faster}
    lines = _part(make_study(rows)).lines
    (line,) = [line for line in lines if "which names that cause" in line]
    assert line.startswith("With init=he alone")
    assert line.endswith("; learning_rate=×3 does more.")


def test_the_size_of_a_start_is_said_from_what_was_seen(make_study):
    rows = _arm("as_given", stuck, 0.0)
    for row in rows:
        row.update(_seen([0.0], [0.1], 1e-6))
    part = _part(make_study({"as_given": rows, "init=he": _arm("init=he", early)}))
    assert any("The start is so small" in line for line in part.lines)


def test_layers_that_die_while_a_start_holds_the_run_are_no_cause(make_study):
    rows = _arm("as_given", stuck, 0.0)
    for row in rows:
        row.update(_seen([0.2, 1.0], [0.1, 0.0], 1e-6))
    part = _part(make_study({"as_given": rows, "init=he": _arm("init=he", early)}))
    assert part.document["verdict"] == causes.SCALE
    assert any("have died while the start held the run" in line for line in part.lines)


def test_a_lower_rate_that_saves_runs_without_teaching_them_is_no_number_of_leavers(make_study):
    diverging = {name: _arm(name, lost) for name in KINDS if name != "learning_rate=×1/3"}
    headline = str(_part(make_study(diverging)).headline)
    assert "with which 0 of 12 leave by the horizon, but none diverges." in headline


def test_what_a_batch_has_shown_of_the_network_outranks_that_nothing_has_to_be_changed(make_study):
    directory = make_study({"as_given": _arm("as_given", late), "init=he": _arm("init=he", early)})
    directory.document["study"]["network_notes"] = {"as_given": ["the outputs are shares"]}
    found = find(RunTable(directory))
    fault, advice = (found.verdict.headline.index(words) for words in ("the outputs are shares", "To wait less"))
    assert fault < advice
    assert any(line.startswith("Besides that, nothing has to be changed") for line in found.first_lines)


def test_nothing_has_to_be_changed_besides_what_the_network_does(make_study):
    directory = make_study({"as_given": _arm("as_given", late)})
    assert _part(directory).lines[-1].startswith("Nothing has to be changed, and nothing that was")
    directory.document["study"]["network_notes"] = {"as_given": ["the outputs are shares"]}
    lines = _part(directory).lines
    assert lines[-1].startswith("Besides that, nothing has to be changed, and nothing that was")


def test_where_no_run_leaves_nothing_was_measured(make_study):
    part = _part(make_study({"init=he": _arm("init=he", early)}))
    rows = {row[0]: row[3:5] for row in part.tables[1].rows}
    assert rows["words of learning_rate=×3"] == ["neither left", "–"]
    assert rows["words of as_given"] == ["–", "–"]
    assert rows["words of init=he"][1].startswith("p = ")
