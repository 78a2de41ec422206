"""What the report says of methods that fall short, against the table that was simulated."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from engine.statistics import planning
from engine.statistics.incidence import log_log_limits, logit_limits

TABLES = Path(__file__).parents[2] / "benchmarks" / "COVERAGE.md"


def _estimator(row):
    """The name that `caution` knows, None for rows that show what not to do, or another way."""
    if re.search("repeated|permuted|log-log", row):
        return None
    if row == "proportion, clopper_pearson":
        return "proportion"
    if row.startswith(("proportion, wilson", "weibull")):
        return row
    return re.split("[ ,]", row)[0]


def _worst():
    """From the printed tables: the least coverage and the largest size by estimator and number."""
    coverage, size = {}, {}
    for line in TABLES.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "±" not in line or len(cells) < 6 or _estimator(cells[0]) is None:
            continue
        table, worse = (coverage, min) if len(cells) == 8 else (size, max)
        share, num = float(cells[3].split(" ±")[0]), int(cells[2])
        found = table.setdefault(_estimator(cells[0]), {})
        found[num] = worse(found.get(num, share), share)
    return coverage, size


def test_the_table_is_the_one_that_was_printed():
    coverage, size = _worst()
    assert len(coverage) > 10
    assert len(size) > 5
    assert coverage == planning._LEAST_COVERAGE
    assert size == planning._LARGEST_SIZE


@pytest.mark.parametrize("name", [*(planning._LEAST_COVERAGE | planning._LARGEST_SIZE)])
@pytest.mark.parametrize("num_runs", [1, 10, 29, 30, 99, 100, 5000])
def test_a_caution_is_said_where_the_worst_law_is_out_of_bounds(name, num_runs):
    said = planning.caution(name, num_runs) or ""
    for tables, word in ((planning._LEAST_COVERAGE, "covers"), (planning._LARGEST_SIZE, "rejects")):
        table = tables.get(name, {10: 95.0 if word == "covers" else 5.0})
        size = max([n for n in table if n <= num_runs] or [min(table)])
        is_short = table[size] < 93.5 if word == "covers" else table[size] > 6
        assert (word in said) == is_short
        assert not is_short or f"at n = {size} " in said


def test_words(monkeypatch):
    monkeypatch.setattr(planning, "_LEAST_COVERAGE", {"mean": {10: 91.09, 30: 94.0}})
    monkeypatch.setattr(planning, "_LARGEST_SIZE", {"test": {10: 7.01, 30: 6.0}})
    assert planning.caution("mean", 29) == (
        "at n = 10 this interval covers down to 91 % in simulation, instead of 95 %"
    )
    assert planning.caution("test", 5) == (
        "at n = 10 in each arm this test rejects up to 7.1 % of true hypotheses in simulation, instead of 5 %"
    )
    monkeypatch.setattr(planning, "_LARGEST_SIZE", {"mean": {10: 7.0}, "test": {30: 6.0}})
    assert planning.caution("mean", 10).count(";") == 1
    assert planning.caution("mean", 30).startswith("at n = 10 in each arm")
    assert planning.caution("test", 30) is None


def test_unknown_names_and_no_runs_are_one_clear_error():
    with pytest.raises(ValueError, match="unknown estimator 'mean'"):
        planning.caution("mean", 10)
    with pytest.raises(ValueError, match="num_runs must be positive, got 0"):
        planning.caution("median_time", 0)


def _missed(limits, num, shares):
    """Exact probabilities `[2, num_shares]` that a share lies below and above limits of k of n."""
    value = np.arange(1, num) / num
    z = 1.959963984540054
    lower, upper = limits(value, np.sqrt(value * (1 - value) / num), z)
    none = -math.expm1(math.log(0.025) / num)
    lower, upper = np.r_[0, lower, 1 - none], np.r_[none, upper, 1]
    weight = binom.pmf(np.arange(num + 1), num, shares[:, None])
    below, above = shares[:, None] < lower, shares[:, None] > upper
    return np.array([(weight * below).sum(1), (weight * above).sum(1)])


@pytest.mark.parametrize("num", [30, 100])
def test_logit_limits_cover_all_shares(num):
    """Exact: without censoring a curve's limits are those of k of n."""
    missed = _missed(logit_limits, num, np.linspace(0.05, 0.95, 181)).sum(0)
    assert missed.max() <= 0.065


def test_log_log_limits_do_not():
    below, above = _missed(log_log_limits, 30, np.array([0.25, 0.8]))
    assert below[0] == pytest.approx(0.051, abs=5e-4)
    assert below[1] + above[1] == pytest.approx(0.070, abs=5e-4)
