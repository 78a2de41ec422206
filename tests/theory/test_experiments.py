"""The experiments with a known answer, whole: every number within its bound."""

import pytest

from engine.commands.run import run
from tests.theory.measuring import STUDIES

# A pair of starts of `grokking` takes half an hour on two cores: benchmarks/STUDIES.md has what it shows.
NAMES = [name for name in STUDIES if name != "grokking"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_agrees_with_its_theory(name, tmp_path, data_dir, cache_dir):
    results = run(STUDIES[name], tmp_path / name, data_dir=data_dir, cache_dir=cache_dir)
    answer = results.summary["theory"]
    assert answer["checks"]
    assert answer["agrees"], [check for check in answer["checks"] if not check["agrees"]]
