"""The experiments with drawn examples, whole: every known answer is met."""

import json

import pytest

from engine.commands.run import run
from experiments import EXPERIMENTS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["committee", "sparse_parity", "modular_addition"])
def test_an_experiment_agrees_with_what_is_known(name, tmp_path, cache_dir):
    study = EXPERIMENTS.load(name).study()
    run(study, tmp_path / "study", is_quiet=True, num_workers=0, cache_dir=cache_dir)
    found = json.loads((tmp_path / "study" / "summary.json").read_text())["theory"]
    assert found["checks"]
    assert [check for check in found["checks"] if not check["agrees"]] == []
