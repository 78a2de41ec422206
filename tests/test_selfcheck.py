"""A rule that gives wrong numbers is found before any of them is stored."""

import json
from pathlib import Path

import jax.numpy as jnp
import pytest

from engine.arms.arm import Arm
from engine.commands.run import run
from engine.lanes import self_check
from engine.lanes.spec import PoolSpec
from engine.models.lowering import convolutions, pooling
from engine.outcomes import DetectorSettings
from engine.studies.study import Study, resolve_arm
from engine.tasks import load_data
from tests.conftest import read_all

SMALL = Arm(conv_widths=(4, 6), pool_after=(1,), dense_widths=(8,))


@pytest.fixture
def spec(data_dir) -> PoolSpec:
    arm = resolve_arm(SMALL)
    return PoolSpec(arm, load_data(arm, 0, data_dir), 0, 1, 1, "direct", 11, DetectorSettings())


@pytest.mark.parametrize("form", ["direct", "patches", "native"])
@pytest.mark.parametrize("changes", [{}, {"batch_norm": True, "dropout": 0.5}])
def test_right_rules_agree(spec, form, changes):
    import dataclasses

    arm = resolve_arm(dataclasses.replace(SMALL, **changes))
    assert self_check.compare(spec._replace(form=form, arm=arm)) is None


def test_a_verdict_is_for_images_of_one_size(spec):
    """One arm may read images of any size, and a rule is tried on every geometry."""
    larger = {name: array.repeat(2, axis=-2) for name, array in spec.data.items() if array.ndim > 2}
    other = spec._replace(data={**spec.data, **larger})
    assert self_check.structure_key(other) != self_check.structure_key(spec)
    assert self_check.structure_key(spec) == self_check.structure_key(spec._replace(root_seed=1))


def _wrong_value(*args):
    return 1.01 * _REWRITE(*args)


def _wrong_gradient(x, k, geometry, arithmetic):
    """The kernel's gradient is left out; the value is right."""
    import jax

    return _DIRECT(x, jax.lax.stop_gradient(k), geometry, arithmetic)


def _lost(eqn, inputs):
    return jnp.nan * _POOL(eqn, inputs)


_REWRITE, _DIRECT, _POOL = convolutions.rewrite, convolutions.direct, pooling.rewrite


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [(convolutions, "rewrite", _wrong_value), (convolutions, "direct", _wrong_gradient), (pooling, "rewrite", _lost)],
)
def test_wrong_rules_are_found(spec, monkeypatch, module, name, wrong):
    monkeypatch.setattr(module, name, wrong)
    assert "differs by" in self_check.compare(spec)


def test_a_rule_that_raises_is_found(spec, monkeypatch):
    monkeypatch.setattr(convolutions, "rewrite", lambda *args: 1 / 0)
    assert self_check.compare(spec) == "the rewritten network fails: division by zero"


def test_a_verdict_is_kept(spec, monkeypatch, tmp_path):
    assert self_check.find_disagreement(spec, str(tmp_path)) is None
    monkeypatch.setattr(self_check, "compare", lambda spec: pytest.fail("compared again"))
    assert self_check.find_disagreement(spec, str(tmp_path)) is None
    monkeypatch.setattr(self_check, "compare", lambda spec: "other width")
    wider = resolve_arm(Arm(conv_widths=(4, 7), pool_after=(1,), dense_widths=(8,)))
    assert self_check.find_disagreement(spec._replace(arm=wider), str(tmp_path)) == "other width"
    for path in (tmp_path / "verdicts").glob("*.json"):
        path.write_text("damaged")
    assert self_check.find_disagreement(spec, str(tmp_path)) == "other width"


@pytest.mark.long
def test_a_study_falls_back_and_says_so(monkeypatch, tmp_path: Path, data_dir, capfd):
    """The wrong rule's rows are never stored; what is stored equals a native study's."""
    study = Study(name="small", arms={"small": SMALL}, seeds=2, horizon=22)
    options = {"num_workers": 0, "data_dir": data_dir, "is_quiet": True, "has_report": False}
    run(study, tmp_path / "native", form="native", cache_dir=str(tmp_path / "a"), **options)
    monkeypatch.setattr(convolutions, "rewrite", _wrong_value)
    run(study, tmp_path / "study", cache_dir=str(tmp_path / "b"), **options)
    assert "computed in the native form" in capfd.readouterr().err
    assert read_all(tmp_path / "study") == read_all(tmp_path / "native")
    document = json.loads((tmp_path / "study" / "study.json").read_text())
    assert document["identity"]["form"] == {"small": "native"}
    # The same command goes on in the recorded form.
    run(study, tmp_path / "study", cache_dir=str(tmp_path / "b"), **options)
    assert len(read_all(tmp_path / "study")) == 2
