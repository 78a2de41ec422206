"""Diagnostics of a study: asked for, stored, read, drawn, and part of what it is."""

import dataclasses
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import engine
from engine.errors import InputError
from engine.registry import Registry
from engine.report.curves import ArmProbes
from engine.report.probe_panels import aligned, changes_of, panels, series_names
from engine.store import ROW_SCHEMA, open_existing
from engine.store.files import DamagedError
from engine.store.rows import check_rows
from engine.store.run_table import RunTable
from engine.store.study_json import identity_of, study_of
from engine.studies.expand import expand
from tests.conftest import small_arm, small_study

pytestmark = pytest.mark.long

_NAMES = ("epsilon", "dead", "spread", "outputs", "displacement")


@pytest.fixture(scope="module")
def diagnosed(tmp_path_factory, data_dir, cache_dir):
    """Two arms of three seeds, without an ε."""
    from engine.commands.run import run

    rates = {"slow": 1e-3, "fast": 1e-1}
    arms = {n: small_arm(optimizer="sgd", learning_rate=rate) for n, rate in rates.items()}
    study = small_study(arms=arms, baseline="slow", horizon=132, diagnostics=_NAMES, diagnostics_every=22)
    options: dict[str, Any] = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir}
    return run(study, tmp_path_factory.mktemp("diagnostics"), is_quiet=True, **options).path


def test_a_notebook_has_them_as_arrays(diagnosed):
    found = engine.open(diagnosed).diagnostics("fast")
    np.testing.assert_array_equal(found.steps, np.arange(0, 132, 22))
    np.testing.assert_array_equal(found.seed, [0, 1, 2])
    assert found.values["spread"].keys() == {"Dense_0", "Dense_1"}
    assert found.values["dead_share"][""].shape == (3, 6)
    # The data do not change, and what is learned does.
    data = found.values["spread"]["Dense_0"]
    np.testing.assert_array_equal(data, data[0, 0])
    assert np.all(np.diff(found.values["null_displacement"][""]) > 0)


def test_what_does_not_exist_is_null_and_said(diagnosed):
    found = engine.open(diagnosed).diagnostics("slow")
    assert found.absent == ("below_epsilon",)
    rows = engine.open(diagnosed).rows(["arm", "diagnostics"]).to_pylist()
    series = [s for row in rows if row["arm"] == "slow" for s in row["diagnostics"]]
    assert {s["name"] for s in series if s["values"] is None} == {"below_epsilon"}
    page = (diagnosed / "report.html").read_text()
    assert "the share of numbers below ε does not exist for this arm" in page


def test_the_report_has_a_part_of_its_own(diagnosed):
    page = (diagnosed / "report.html").read_text()
    assert "What happens on the plateau" in page
    summary = json.loads((diagnosed / "summary.json").read_text())
    of_fast = summary["diagnostics"]["fast"]
    assert of_fast["num_aligned"] + of_fast["num_waiting"] == 3
    drawn = {path.stem for path in (diagnosed / "figures").glob("plateau_*.svg")}
    assert drawn
    assert drawn <= {f"plateau_{i}{end}" for i in (0, 1) for end in ("", "_waiting")}


def test_a_study_without_them_has_no_such_part(finished):
    from engine.report.probes import make_section
    from engine.report.summary import summarise

    directory = open_existing(finished)
    assert make_section(RunTable(directory), summarise(RunTable(directory)), 6) is None
    with pytest.raises(InputError, match="--diagnostics=all"):
        engine.open(finished).diagnostics("slow")
    with pytest.raises(InputError, match="did you mean"):
        engine.open(finished).diagnostics("slo")


def test_they_are_part_of_what_a_study_is_only_where_there_are_some(data_dir, diagnosed):
    plain = expand(small_study(), "cpu", data_dir=data_dir)
    assert "diagnostics" not in identity_of(plain, "cpu")
    stored = open_existing(diagnosed).document
    assert stored["identity"]["diagnostics"] == list(_NAMES)
    study = study_of(stored)
    assert (study.diagnostics, study.diagnostics_every) == (_NAMES, 22)
    again = expand(study, "cpu", data_dir=data_dir)
    assert identity_of(again, "cpu") == stored["identity"]
    assert again.programs[0].spec.diagnostics_every == 22
    asked = dataclasses.replace(small_study(), diagnostics=("all",))
    assert expand(asked, "cpu", data_dir=data_dir).programs[0].spec.diagnostics_every == 44


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"diagnostics": ("dead",), "diagnostics_every": 30}, "expected 11, 22, 44 or 88"),
        ({"diagnostics": ("dead",), "eval_every": 1}, "--eval_every=2"),
    ],
)
def test_times_that_cannot_be_are_refused(changes, words, data_dir):
    with pytest.raises(InputError, match=words):
        expand(small_study(**changes), "cpu", data_dir=data_dir)


def test_times_without_diagnostics_are_refused():
    with pytest.raises(InputError, match="no effect without diagnostics"):
        small_study(diagnostics_every=44)


@pytest.mark.parametrize(
    "series",
    [
        [{"name": None, "layer": None, "values": [1.0] * 6}],
        [{"name": "dead_share", "layer": None, "values": [1.0] * 5}],
        [None],
    ],
)
def test_rows_that_cannot_be_are_refused(series, diagnosed):
    directory = open_existing(diagnosed)
    row = directory.read().slice(0, 1).to_pylist()[0]
    sound = pa.Table.from_pylist([row], schema=ROW_SCHEMA)
    check_rows(sound, directory.document)
    damaged = pa.Table.from_pylist([{**row, "diagnostics": series}], schema=ROW_SCHEMA)
    with pytest.raises(DamagedError, match="diagnostics"):
        check_rows(damaged, directory.document)


def _planted(onsets: list[float]) -> ArmProbes:
    """Outputs that are ten times as far apart every 10 steps, and a share that never changes."""
    steps = np.arange(0, 100, 10)
    outputs = np.stack([10.0 ** ((steps - onset) / 10) for onset in onsets])
    values = {"output_spread": {"": outputs}, "dead_share": {"": np.full_like(outputs, 0.25)}}
    return ArmProbes(steps, values, np.arange(len(onsets)), ())


def test_runs_are_aligned_at_their_onsets():
    onsets = np.asarray([40.0, 60.0, np.nan])
    found = _planted([40.0, 60.0, 1e9])
    time, quartiles = aligned(found, found.values["output_spread"][""], onsets)
    # Both runs are measured at whole tens from their onsets; the one without an onset is not there.
    np.testing.assert_array_equal(time, np.arange(-60, 60, 10))
    for quartile in quartiles:
        np.testing.assert_allclose(quartile, 10.0 ** (time / 10), rtol=1e-6)


def test_what_changes_before_the_onset_is_told_with_its_lead():
    changes = changes_of(_planted([60.0, 60.0]), np.asarray([60.0, 60.0]))
    # From step 0 to 50 it grows 10^5-fold; half of that is behind it from step 25, last seen at 20.
    change = changes["output_spread"]
    assert change.end / change.start == pytest.approx(1e5)
    assert (change.lead, change.num_runs, change.layer) == (40.0, 2, "")
    assert change.size > 1
    assert changes["dead_share"].size == 0
    assert changes_of(_planted([60.0]), np.asarray([np.nan])) == {}


def test_a_diagnostic_says_itself_how_the_report_shows_it(tmp_path, monkeypatch):
    """One file and one line: its panel and its words follow from its declaration."""
    (tmp_path / "largest_probe.py").write_text(
        "from engine.training.probes.diagnostic import Diagnostic, Panel\n"
        "PANEL = Panel('largest weight', ('largest',), 'log', 'what', 'look for', told='whole')\n"
        "DIAGNOSTIC = Diagnostic({'largest': 'the largest weight'}, lambda *args: None, (PANEL,))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("engine.report.probe_panels.DIAGNOSTICS", Registry("diagnostic", {"largest": "largest_probe"}))
    assert [panel.title for panel in panels()] == ["largest weight"]
    assert series_names() == {"largest": "the largest weight"}
    found = _planted([60.0, 60.0])
    found.values["largest"] = found.values.pop("output_spread")
    changes = changes_of(found, np.asarray([60.0, 60.0]))
    assert (changes["largest"].lead, changes["largest"].layer) == (40.0, "")


def test_every_series_has_a_panel_and_a_name():
    assert {series for panel in panels() for series in panel.series} == series_names().keys()
    assert all(panel.dashed in (None, *panel.series) for panel in panels())


def test_an_option_of_a_diagnostic(data_dir):
    study = small_study(diagnostics=("curvature",), diagnostic_options={"curvature_dimensions": 4})
    plan = expand(study, "cpu", data_dir=data_dir)
    assert plan.programs[0].spec.diagnostic_options == {"curvature_dimensions": 4}
    assert identity_of(plan, "cpu")["diagnostic_options"] == {"curvature_dimensions": 4}
    assert small_study(diagnostics=("curvature",)).diagnostic_options == {"curvature_dimensions": 2}
    with pytest.raises(InputError, match="curvature_dimensions=4 has no effect without diagnostic curvature"):
        small_study(diagnostics=("norms",), diagnostic_options={"curvature_dimensions": 4})
    with pytest.raises(InputError, match="expected at least 2"):
        small_study(diagnostics=("curvature",), diagnostic_options={"curvature_dimensions": 1})
    with pytest.raises(InputError, match="did you mean 'curvature_dimensions'"):
        small_study(diagnostics=("curvature",), diagnostic_options={"curvature_dimension": 4})
