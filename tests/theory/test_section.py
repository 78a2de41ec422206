"""The page on theory and measurement, with a theory whose answers are planted."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from engine import store
from engine.errors import InputError
from engine.report.findings import find
from engine.report.page import lay_out
from engine.statistics import Estimate
from engine.store.run_table import RunTable
from engine.theory import THEORIES
from engine.theory.comparison import Check, MeasuredCurve, Prediction, TheoryCurve, exactly
from engine.theory.section import draw_comparison
from tests.report.studies import STEPS, late, stuck
from tests.stored import make_document


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A function from what a theory predicts to the directory of a study that has it."""

    def make(predict, uses=("loss",)):
        theory = SimpleNamespace(USES=uses, predict=predict)
        monkeypatch.setitem(THEORIES, "planted", "planted_theory")
        monkeypatch.setitem(sys.modules, "planted_theory", theory)
        fields = {name: {"learning_rate": 0.1} for name in ("late", "held")}
        document = make_document(fields, 880, 20, name="test", question="?", baseline="late")
        document["study"]["theory"] = "planted"
        directory = store.create_or_resume(tmp_path / "study", document)
        directory.append([*late("late", 20), *stuck("held", 20)])
        return directory

    return make


def _checks(measured: float) -> list[Check]:
    return [
        Check("late", "half time", "steps", 200.0, exactly(measured), 0.005, "by hand"),
        Check("late", "share", "", 0.5, Estimate(0.4, 0.3, 0.6), None, "by hand"),
        Check("held", "distance", "", 0.0, exactly(0.001), 0.005, "by hand", scale=2.3),
    ]


def test_a_theory_is_given_what_the_runs_left_behind(study):
    seen = {}

    def predict(measured):
        seen.update(measured)
        return Prediction([], [], ["silent"])

    found = find(RunTable(study(predict, ("loss", "accuracy"))))
    late = seen["late"]
    assert late.arm.learning_rate == 0.1
    assert late.num_runs == len(late.status) == 20
    np.testing.assert_array_equal(late.init_seed, np.arange(20))
    np.testing.assert_array_equal(late.loss.steps, STEPS)
    assert late.loss.values.shape == (20, len(STEPS))
    # No run has a curve of it.
    assert set(late.curves) == {"loss"}
    assert found.document["theory"]["agrees"] is None
    (section,) = (section for section in found.sections if section.key == "theory")
    assert section.headline is None
    assert section.lines[-1] == "silent"


def test_agreement_is_the_headline_and_every_number_is_in_the_summary(study):
    directory = study(
        lambda measured: Prediction(
            [TheoryCurve("late", "a line", STEPS, STEPS / 400.0, "by hand")], _checks(200.9), []
        )
    )
    found = find(RunTable(directory))
    page = lay_out(found)
    assert "agree in all of 3 quantities" in found.verdict.headline
    numbers = json.loads(store.to_json(found.document))["theory"]
    assert numbers["agrees"]
    first = numbers["checks"][0]
    assert first["deviation"] == pytest.approx(0.0045)
    assert (first["theory"], first["measured"], first["tolerance"]) == (200.0, 200.9, 0.005)
    assert numbers["checks"][2]["deviation"] == pytest.approx(0.001 / 2.3)
    assert "Nearest to its bound: half time of “late”" in page.html
    assert "theory_1" in page.vectors
    assert page.html.count('<td data-label="agrees">yes</td>') == 3


def test_a_logarithmic_axis_has_numbers_that_can_be_read():
    curve = TheoryCurve("a", "a line", STEPS, 10.0 ** -(STEPS / 200.0), "by hand", is_log=True)
    figure = draw_comparison([curve], MeasuredCurve(STEPS, curve.values[None]))
    figure.canvas.draw()
    words = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "0.01" in words
    assert not any("$" in word for word in words)


@pytest.mark.parametrize("measured", [201.1, 198.9, float("nan"), float("inf")])
def test_a_deviation_outside_its_bound_is_said(study, measured):
    found = find(RunTable(study(lambda _: Prediction([], _checks(measured), []))))
    assert found.verdict.headline.startswith("Theory and measurement disagree in 1 of 3 quantities")
    assert "half time of “late”" in found.verdict.headline
    assert found.document["theory"]["agrees"] is False
    assert store.to_json(found.document)


def test_an_interval_without_the_known_answer_is_said(study):
    outside = Check("late", "share", "", 0.7, Estimate(0.4, 0.3, 0.6), None, "by hand")
    found = find(RunTable(study(lambda _: Prediction([], [outside], []))))
    assert "outside the interval 0.3 to 0.6" in found.verdict.headline


def test_a_theory_of_another_release_is_refused(tmp_path):
    document = make_document({"a": {}}, 880, 20, name="test", question="?", baseline="a")
    document["study"]["theory"] = "no such theory"
    directory = store.create_or_resume(tmp_path / "study", document)
    directory.append(late("a", 3))
    with pytest.raises(InputError, match="unknown theory 'no such theory'"):
        find(RunTable(directory))
