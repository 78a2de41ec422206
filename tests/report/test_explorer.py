"""What a page holds of single runs: the very curves and outcomes that are stored."""

import base64
import json

import numpy as np
import pytest

from engine import store
from engine.report import explorer
from engine.report.explorer import collect_runs
from engine.report.findings import find
from engine.report.page import lay_out
from engine.store.run_table import RunTable
from tests.report.studies import STEPS, early, late, store_and_summarise, stuck


def _unpack(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def _curves(document, panel):
    """Takes the curves of a panel apart as the script does: by run, steps and values."""
    curves, begin = document["panels"][panel]["curves"], 0
    values, found = _unpack(curves["values"]), {}
    for run, grid, points in zip(curves["run"], curves["grid"], curves["points"], strict=True):
        found[run] = _unpack(document["grids"][grid])[:points], values[begin : begin + points]
        begin += points
    assert begin == len(values)
    return found


def _stored(path, arms, seeds=20):
    summary = store_and_summarise(path, arms, next(iter(arms)), seeds)
    return RunTable(store.open_existing(path)), summary


def test_curves_and_outcomes_are_those_that_are_stored(tmp_path):
    arms = {"late": late(num=3), "early": early(num=2), "held": stuck(num=1)}
    for i, row in enumerate(arms["late"]):
        inspected = STEPS[:: 2 + i]
        row |= {"inspected_steps": inspected, "held_out_loss": np.linspace(2, 1, len(inspected))}
    # A run that was stopped early has fewer points on the same grid.
    arms["early"][1] |= {"steps": STEPS[:30], "loss": arms["early"][1]["loss"][:30], "steps_run": int(STEPS[29])}
    document = collect_runs(*_stored(tmp_path, arms))
    assert [arm["name"] for arm in document["arms"]] == ["late", "early", "held"]
    assert document["runs"]["arm"] == [0, 0, 0, 1, 1, 2]
    assert document["runs"]["name"] == ["seed 0", "seed 1", "seed 2", "seed 0", "seed 1", "seed 0"]
    assert document["runs"]["status"] == ["broke"] * 3 + ["no plateau"] * 2 + ["stuck"]
    assert document["runs"]["onset"][:5] == pytest.approx([10, 221 / 22, 222 / 22, 0.5, 11.1 / 22], rel=1e-4)
    assert document["runs"]["onset"][5] is None
    assert [panel["name"] for panel in document["panels"]] == ["loss", "held-out loss"]
    rows = [row for own in arms.values() for row in own]
    for run, (steps, values) in _curves(document, 0).items():
        np.testing.assert_array_equal(steps, rows[run]["steps"])
        np.testing.assert_array_equal(values, np.asarray(rows[run]["loss"], np.float32))
    for run, (steps, values) in _curves(document, 1).items():
        np.testing.assert_array_equal(steps, rows[run]["inspected_steps"])
        np.testing.assert_array_equal(values, np.asarray(rows[run]["held_out_loss"], np.float32))
    assert len(_curves(document, 1)) == 3
    assert len(document["grids"]) == 4, "one for the loss, whoever ended early, and one for each way of inspecting"


def test_the_share_that_left_is_the_one_of_the_statistics(tmp_path):
    document = collect_runs(*_stored(tmp_path, {"late": late(num=4), "held": stuck(num=4)}))
    left = document["arms"][0]["left"]
    assert left["x"] == pytest.approx([0, 10, 221 / 22, 222 / 22, 223 / 22], rel=1e-4)
    assert left["y"] == [0, 0.25, 0.5, 0.75, 1]
    assert set(document["arms"][1]["left"]["y"]) == {0}


def test_a_page_holds_at_most_so_many_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(explorer, "MOST_RUNS", 6)
    document = collect_runs(*_stored(tmp_path, {"late": late(num=5), "early": early(num=2)}))
    assert [(arm["runs"], arm["of"]) for arm in document["arms"]] == [(3, 5), (2, 2)]
    assert len(_curves(document, 0)) == 5


def test_what_is_in_a_page_is_json_and_cannot_end_the_script(tmp_path):
    name = "</script><b>arm"
    table, _ = _stored(tmp_path, {name: late(name, 2), "early": early(num=2)})
    html = lay_out(find(table), table).html
    begin = html.index('id="explorer-data">') + len('id="explorer-data">')
    document = json.loads(html[begin : html.index("</script>", begin)])
    assert document["arms"][0]["name"] == name
    assert html.count("</script>") == 4


def test_values_that_are_no_numbers_are_left_out_or_kept_as_such(tmp_path):
    rows = late(num=2)
    rows[0]["loss"] = np.where(STEPS > 400, np.inf, rows[0]["loss"])
    rows[0] |= {"end_loss": float("inf"), "suddenness": 1 / 3}
    document = collect_runs(*_stored(tmp_path, {"late": rows}))
    json.dumps(document, allow_nan=False)
    assert np.isinf(_curves(document, 0)[0][1]).any()
    assert document["runs"]["end_loss"][0] is None
    assert document["runs"]["suddenness"][0] == 0.33333


def test_a_page_of_a_study_under_way_holds_no_script(tmp_path):
    table, _ = _stored(tmp_path, {"late": late(num=2)})
    assert "<script" not in lay_out(find(table, (2, 4))).html
