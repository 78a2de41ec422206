"""Choosing width and form by measurement."""

import json
import math
from pathlib import Path

import pytest

from engine import Arm
from engine.commands.run import run
from engine.errors import InputError
from engine.lanes import tuning
from engine.lanes.least_cost import least_step_cost
from engine.lanes.spec import PoolSpec
from engine.lanes.tuning import Choice, StepCost
from engine.outcomes import DetectorSettings
from engine.studies.expand import expand
from engine.studies.study import resolve_arm
from engine.tasks import load_data
from engine.workers import processes
from tests.conftest import read_all, small_arm, small_study


@pytest.fixture
def spec(data_dir) -> PoolSpec:
    arm = resolve_arm(small_arm())
    return PoolSpec(arm, load_data(arm, 0, data_dir), 0, 1, 1, "direct", 11, DetectorSettings())


def _costs(table):
    """A measurement that knows the answer; what is not in the table does not fit."""

    def seconds(spec, limit):
        if (spec.form, spec.width) not in table:
            raise InputError("too wide")
        assert spec.block == spec.width
        return StepCost(table[spec.form, spec.width], 0.0)

    return seconds


def test_the_fastest_that_fits_is_taken_and_remembered(spec, monkeypatch, tmp_path):
    monkeypatch.setattr(tuning, "compare", lambda spec: None)
    table = {("direct", 1): 3e-3, ("direct", 4): 2e-3, ("patches", 2): 1e-3}
    monkeypatch.setattr(tuning, "step_cost", _costs(table))
    choice, measured = tuning.tune(spec, "cpu", None, str(tmp_path))
    assert choice == Choice(2, 2, "patches")
    assert measured == {"direct 1": 3.0, "direct 4": 2.0, "patches 2": 1.0}
    monkeypatch.setattr(tuning, "step_cost", _costs({}))
    assert tuning.tune(spec, "cpu", None, str(tmp_path)) == (choice, measured)
    with pytest.raises(InputError, match="no width fits"):
        tuning.tune(spec, "cpu", None, None)


def test_a_form_that_gives_wrong_numbers_is_not_tried(spec, monkeypatch):
    monkeypatch.setattr(tuning, "compare", lambda s: "wrong" if s.form == "patches" else None)
    table = {("direct", 1): 3e-3, ("patches", 2): 1e-3}
    monkeypatch.setattr(tuning, "step_cost", _costs(table))
    assert tuning.tune(spec, "cpu", None, None)[0] == Choice(1, 1, "direct")


@pytest.mark.long
def test_a_tuned_study_records_what_it_chose_and_keeps_it(monkeypatch, tmp_path, data_dir):
    tried = [Choice(2, 2, "direct"), Choice(4, 4, "patches")]
    monkeypatch.setattr(tuning, "candidates", lambda platform, arm: tried)
    monkeypatch.setattr(processes, "call", lambda devices, cache, fn, *args: fn(*args))
    options = {"num_workers": 0, "data_dir": data_dir, "is_quiet": True, "has_report": False}
    cache = str(tmp_path / "cache")
    run(small_study(), tmp_path / "study", is_tuned=True, cache_dir=cache, **options)
    document = json.loads((tmp_path / "study" / "study.json").read_text())
    chosen = document["identity"]
    picked = (chosen["width"]["slow"], chosen["block"]["slow"], chosen["form"]["slow"])
    assert Choice(*picked) in tried
    assert set(document["tuned_milliseconds"]["slow"]) == {"direct 2", "patches 4"}
    assert len(read_all(tmp_path / "study")) == 6
    monkeypatch.setattr(tuning, "tune_here", lambda *args: pytest.fail("tuned again"))
    run(small_study(seeds=4), tmp_path / "study", is_tuned=True, cache_dir=cache, **options)
    document = json.loads((tmp_path / "study" / "study.json").read_text())
    assert document["identity"] == chosen
    assert len(read_all(tmp_path / "study")) == 8


def test_tuning_excludes_choosing(tmp_path):
    with pytest.raises(InputError, match="give neither"):
        run(small_study(), tmp_path, is_tuned=True, width=3)


def test_operations_are_counted_without_compiling(spec):
    """Each of a forward and a backward pass multiplies and adds, at 2e11 operations per second."""
    batch, inputs = 16, math.prod(spec.data["inputs"].shape[1:])
    dense = spec._replace(arm=resolve_arm(small_arm(batch_size=batch)))
    found = least_step_cost(dense, "cpu").seconds_per_step
    assert found == pytest.approx(2 * 2 * batch * (inputs * 16 + 16 * 10) / 2e11)
    assert least_step_cost(dense, "gpu").seconds_per_step < found
    # A kernel of 3 × 3 at every place, and the dense layer on the rest.
    arm = small_arm(model="cnn8", conv_widths=(4,), pool_after=(), dense_widths=(), batch_size=batch)
    convolved = spec._replace(arm=resolve_arm(arm))
    products = inputs * (9 * 4 + 4 * 10)
    assert least_step_cost(convolved, "cpu").seconds_per_step == pytest.approx(2 * 2 * batch * products / 2e11)


def test_no_step_costs_less_than_the_bound(spec):
    measured, least = tuning.step_cost(spec, None), least_step_cost(spec, "cpu")
    assert least.seconds_per_step < measured.seconds_per_step
    assert least.start_seconds < measured.start_seconds


def test_steps_that_end_every_run_cost_something_too(data_dir):
    network = Path(__file__).parent / "preflight" / "mistakes.py"
    arm = Arm(model=f"{network}:Net", model_args=("end=root",))
    plan = expand(small_study(arms={"one": arm}, baseline=None), "cpu", data_dir=data_dir)
    assert tuning.step_cost(plan.programs[0].spec, None).seconds_per_step > 0
