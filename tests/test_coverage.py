"""The laws of the coverage benchmark, and a few of its rows at a small size."""

import math

import numpy as np
import pytest

from benchmarks.coverage import line, remark, simulate
from benchmarks.coverage_cases import Row, interval_case, size_case
from benchmarks.coverage_intervals import interval_cases
from benchmarks.coverage_sizes import size_cases
from benchmarks.laws import LAWS, paired_uniforms
from engine.statistics import Estimate


@pytest.mark.parametrize("name", LAWS)
def test_laws_are_what_they_draw(name):
    """20,000 runs: shares by three times within 4 standard errors, stopped runs aside."""
    law = LAWS[name]._replace(stopped=math.inf)
    time, event = law.observe(np.random.default_rng(0), 20_000)
    for at in (0.35, 0.9, law.horizon):
        share = float(law.incidence(at))
        found = np.mean((event == 1) & (time <= at + 1e-9))
        assert abs(found - share) <= 4 * math.sqrt(share * (1 - share) / 20_000)
    mean = np.where(event == 1, time, law.horizon)
    assert abs(mean.mean() - law.restricted_mean()) <= 4 * mean.std() / math.sqrt(20_000)


@pytest.mark.parametrize("name", LAWS)
def test_quartiles_are_reached_and_not_before(name):
    law = LAWS[name]
    for share in (0.25, 0.5):
        time = law.time_of(share)
        assert law.incidence(time) >= share - 1e-9
        assert law.incidence(time - 1e-6) < share
    assert LAWS["30 % never"].time_of(0.75) == math.inf


def test_closed_forms():
    assert LAWS["exponential"].restricted_mean() == pytest.approx(1 - math.exp(-2), abs=1e-9)
    slow = LAWS["exponential"].slowed(1.5)
    assert slow.restricted_mean() == pytest.approx(1.5 * (1 - math.exp(-4 / 3)), abs=1e-9)
    assert LAWS["on a grid"].time_of(0.5) == pytest.approx(0.8)


def test_pairs_are_uniform_and_correlated():
    """Normal correlation .6 is (6/π)·asin(.3) = .582 of uniforms; 4 standard errors of 1/√n."""
    first, second = paired_uniforms(np.random.default_rng(0), 20_000)
    assert abs(np.mean(first) - 0.5) < 4 / math.sqrt(12 * 20_000)
    assert abs(np.corrcoef(first, second)[0, 1] - 0.582) < 4 / math.sqrt(20_000)


def test_sides_and_what_is_left_out_are_counted():
    def study(generator):
        draw = generator.random()
        if draw < 0.25:
            raise ValueError("not defined")
        return {"": (0.5, Estimate(draw, draw, 0.75))}

    row = simulate(interval_case("made up", "uniform", 10, study), 4000)[0]
    # Above .5 in two thirds of what is left; 4 standard errors of 3,000 studies.
    assert abs(row.num_left_out - 1000) < 4 * math.sqrt(4000 * 0.25 * 0.75)
    assert abs(row.num_below / row.num_studies - 2 / 3) < 4 * math.sqrt(2 / 9 / 3000)
    assert row.num_above == 0
    assert row.share == pytest.approx(1 - row.num_below / row.num_studies)


def test_a_test_that_is_right_has_its_size():
    row = simulate(size_case("made up", "uniform", 10, np.random.Generator.random), 4000)[0]
    assert abs(row.share - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(
    ("share", "is_test", "num_runs", "note", "expected"),
    [
        (93.4, False, 30, "by design", "too short"),
        (93.5, False, 30, "", ""),
        (97.1, False, 30, "by design", "by design"),
        (97.1, False, 10, "", "cautious (few runs)"),
        (6.1, True, 100, "by design", "rejects too often"),
        (3.0, True, 30, "by design", "by design"),
    ],
)
def test_remarks(share, is_test, num_runs, note, expected):
    missed = round(10 * (share if is_test else 100 - share))
    row = Row("name", "law", num_runs, 1000, 0, missed, 0, is_test, note)
    assert remark(row) == expected
    assert f"| {share:.2f} ± " in line(row)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "law", "num_runs"),
    [
        ("kaplan_meier", "some stopped", 30),
        ("paired_difference", "20 % diverge", 30),
        ("log_rank, 2 groups", "on a grid", 30),
        ("safe_log_rank", "exponential", 30),
    ],
)
def test_rows_are_within_bounds(name, law, num_runs):
    """1,000 studies: three Monte-Carlo standard errors beyond 93.5 to 97 %, and 4 to 6 %."""
    cases = [*interval_cases(), *size_cases()]
    case = next(c for c in cases if (c.name, c.law, c.num_runs) == (name, law, num_runs))
    rows = simulate(case, 1000)
    assert rows
    for row in rows:
        if row.is_test:
            low = 0.0 if name.startswith("safe") else 0.04 - 3 * math.sqrt(0.04 * 0.96 / 1000)
            assert low <= row.share <= 0.06 + 3 * math.sqrt(0.06 * 0.94 / 1000)
        else:
            assert row.share >= 0.935 - 3 * math.sqrt(0.935 * 0.065 / 1000)
            assert row.share <= 0.97 + 3 * math.sqrt(0.97 * 0.03 / 1000)
