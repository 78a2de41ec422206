"""The runs of a study as an xarray dataset: the same values as the rows, under their names."""

import sys

import numpy as np
import pytest

import engine
from engine.errors import InputError
from tests.report.studies import STEPS, early, failed_row, late, store_and_summarise, stuck

xarray = pytest.importorskip("xarray")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    arms = {"late": [*late(num=3), failed_row("late", 3)], "early": early(num=2), "held": stuck(num=1)}
    for row in arms["late"][:3]:
        row |= {"inspected_steps": STEPS[::5], "held_out_loss": np.linspace(2, 1, len(STEPS[::5]))}
    arms["early"][0] |= {"steps": STEPS[:30], "loss": arms["early"][0]["loss"][:30]}
    path = tmp_path_factory.mktemp("dataset")
    store_and_summarise(path, arms, "late")
    return arms, engine.open(path)


def test_outcomes_and_curves_are_those_of_the_rows(rows):
    arms, results = rows
    data = results.to_xarray()
    assert data.sizes == {"arm": 3, "seed": 3, "step": len(STEPS)}
    assert data.attrs == {"study": "test", "question": "Why <b>so</b> long?"}
    for name, own in arms.items():
        for row in own[:3]:
            run = data.sel(arm=name, seed=row["seed"])
            assert str(run.status.item()) == row["status"]
            np.testing.assert_equal(run.onset_step.item(), np.nan if row["onset_step"] is None else row["onset_step"])
            of_run = run.loss.dropna("step")
            np.testing.assert_array_equal(of_run.step, row["steps"])
            np.testing.assert_array_equal(of_run, np.asarray(row["loss"], np.float32))
    assert data.status.sel(arm="held", seed=2).item() == ""
    assert np.isnan(data.event.sel(arm="held", seed=2))
    assert data.onset_step.attrs["units"] == "steps"


def test_metrics_on_other_steps_have_a_dimension_of_their_own(tmp_path):
    own = late(num=2)
    for row in own:
        row |= {"inspected_steps": STEPS[::5], "held_out_loss": np.linspace(2, 1, len(STEPS[::5]))}
    store_and_summarise(tmp_path, {"late": own}, "late")
    data = engine.open(tmp_path).to_xarray(["loss", "held_out_loss"])
    assert data.held_out_loss.dims == ("arm", "seed", "inspected_step")
    np.testing.assert_array_equal(data.inspected_step, STEPS[::5])
    assert data.loss.dims == ("arm", "seed", "step")


def test_it_is_saved_and_renamed_as_others_expect(rows):
    data = rows[1].to_xarray().rename(arm="chain", seed="draw")
    assert set(data.onset_step.dims) == {"chain", "draw"}
    assert list(data.to_dataframe().index.names) == ["chain", "draw", "step"]


def test_what_is_not_there_is_said_in_a_line(rows, monkeypatch):
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        rows[1].to_xarray(["acuracy"])
    with pytest.raises(InputError, match="no finished run of 'held' has a curve of accuracy"):
        rows[1].to_xarray(["accuracy"])
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match="pip install xarray"):
        rows[1].to_xarray()


def test_arms_without_a_metric_are_empty_in_it(rows):
    data = rows[1].to_xarray(["held_out_loss"])
    assert np.isfinite(data.held_out_loss.sel(arm="late")).any()
    assert np.isnan(data.held_out_loss.sel(arm=["early", "held"])).all()
