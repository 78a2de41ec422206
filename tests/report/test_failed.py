"""Runs without an outcome: over, left out of every number, and said."""

import math

import numpy as np
import pytest

from engine import store
from engine.commands.compare import compare
from engine.commands.report import report
from engine.errors import InputError
from engine.report.arm_runs import read_runs
from engine.report.arm_table import make_table
from engine.report.figures import make_drawings
from engine.report.summary import summarise
from engine.report.summary_json import to_document
from engine.report.variance_split import split_variances
from engine.report.variance_split_section import make_split_section
from engine.report.verdict import make_verdict
from engine.statistics import confidence_sequence, proportion
from engine.store.run_table import RunTable
from engine.studies.designs import FIRST_FORK_SEED, FIRST_GRID_SEED, MAX_FORKS
from tests.report.studies import (
    early,
    failed_row,
    late,
    make_row,
    page_of,
    store_and_summarise,
    stuck,
    verdict_of,
    with_failed,
)


def test_a_failed_run_is_in_no_number_and_in_every_account(tmp_path):
    summary = store_and_summarise(tmp_path, {"late": with_failed(late(), 3, 7)}, "late")
    arm, runs = summary.arms["late"], summary.runs["late"]
    assert runs.seed.tolist() == [i for i in range(20) if i not in (3, 7)]
    assert (arm.num_runs, arm.num_failed) == (18, 2)
    assert arm.fraction == proportion(18, 18)
    assert arm.median_onset.value == pytest.approx((220 + 10) / 22)
    verdict = verdict_of(summary)
    document = to_document(summary, verdict._asdict())
    assert document["arms"]["late"]["statuses"]["failed"] == 2
    assert sum(document["arms"]["late"]["statuses"].values()) == 20
    assert not any("not complete" in line for line in verdict.limits)
    (line,) = [line for line in verdict.limits if "2 of 20 runs of “late”" in line]
    assert "it would be 18 of 20 runs (90 %, 95 % CI 68–99 %) that left chance level" in line
    assert "were none, 20 of 20 runs (100 %, 95 % CI 83–100 %)" in line
    assert "2 more failed" in verdict.answers["How often does it kick in?"]


def test_the_table_has_a_column_for_them_only_where_there_are_some(tmp_path):
    arms = {"late": with_failed(late(), 3), "early": early()}
    header, rows = make_table(store_and_summarise(tmp_path / "some", arms, "late"))
    assert [row[header.index("failed (left out)")] for row in rows] == ["1", "0"]
    assert all(len(row) == len(header) for row in rows)
    header, _ = make_table(store_and_summarise(tmp_path / "none", {"late": late()}, "late"))
    assert not any("failed" in cell for cell in header)


def test_curves_stay_with_their_runs(tmp_path):
    summary = store_and_summarise(tmp_path, {"late": with_failed(late(), 0, 5)}, "late")
    runs = summary.runs["late"]
    assert len(runs.curves) == len(runs.seed) == 18
    for curve, time in zip(runs.curves, runs.time, strict=True):
        # At the onset the planted curve is at a sigmoid of −3.
        level = 1 - 0.9 / (1 + math.exp(3))
        assert np.interp(time, curve.steps, curve.loss) / math.log(10) == pytest.approx(level, abs=0.01)
    assert make_drawings(summary)
    page = page_of(tmp_path)
    assert "<td>5</td><td>failed</td><td>–</td>" in page
    assert "in all 2 more failed" in page


def test_a_failed_run_is_over(tmp_path):
    """It does not end the prefix; one that is missing does."""
    rows = [row for row in with_failed(late(), 5) if row["seed"] != 12]
    summary = store_and_summarise(tmp_path, {"late": rows}, "late")
    assert summary.arms["late"].num_runs == 11
    limits = verdict_of(summary).limits
    assert any("19 of 20 runs are over, and the first 12 in" in line for line in limits)


@pytest.mark.parametrize("where", ["late", "held"])
def test_the_other_run_of_a_pair_is_left_out_of_the_comparison(tmp_path, where):
    def arms(*failed):
        found = {"late": late(), "held": stuck(num=20)}
        found["held"][2] = make_row("held", 2, 300.0, "broke", 1)
        return {n: with_failed(r, *failed) if n == where else r for n, r in found.items()}

    both = {
        name: [{**row, "seed": i} for i, row in enumerate(r for r in rows if r["seed"] != 4)]
        for name, rows in arms().items()
    }
    for rows in both.values():
        for row in rows:
            row |= dict.fromkeys(("init_seed", "order_seed", "noise_seed"), row["seed"])
    left = store_and_summarise(tmp_path / "failed", arms(4), "late").comparisons["held"]
    expected = store_and_summarise(tmp_path / "without", both, "late", seeds=19).comparisons["held"]
    assert left.is_paired
    assert left.num_pairs == 19
    assert left == expected


def test_a_pair_that_failed_is_no_stratum_of_a_safe_test(tmp_path):
    arms = {"late": with_failed(late(), 1), "early": with_failed(early(), 2)}
    store_and_summarise(tmp_path, arms, "late")
    directory = store.open_existing(tmp_path)
    directory.document["looks"] = [{"seeds": 20, "goal": "comparison", "undecided": []}]
    summary = summarise(RunTable(directory))
    # 18 pairs one way.
    assert summary.comparisons["early"].p_adjusted == pytest.approx(2 / ((4 / 3) ** 18 + (2 / 3) ** 18))
    assert summary.arms["late"].fraction == confidence_sequence(19, 19)
    assert any("same seed in the other arm" in line for line in verdict_of(summary).limits)


def test_an_arm_that_only_failed_is_left_out_and_named(tmp_path):
    arms = {"dead": [failed_row("dead", i) for i in range(3)], "late": late()}
    summary = store_and_summarise(tmp_path, arms, "dead")
    assert (list(summary.runs), summary.baseline) == (["late"], "late")
    assert (summary.failed, summary.missing) == ({"dead": 3}, [])
    verdict = verdict_of(summary)
    assert any(
        "“dead” is left out: none of its runs has an outcome, and 3 runs ended a worker" in line
        for line in verdict.limits
    )
    document = to_document(summary, verdict._asdict())
    assert document["failed_arms"] == {"dead": 3}


def test_a_study_that_only_failed_has_no_report(tmp_path):
    store_and_summarise(tmp_path, {"dead": [failed_row("dead", 0)]}, "dead", seeds=1)
    with pytest.raises(InputError, match=r"all finished runs .* failed"):
        report(tmp_path)


def test_a_first_run_that_failed_does_not_hide_the_others(tmp_path):
    summary = store_and_summarise(tmp_path, {"late": with_failed(late(), 0)}, "late")
    assert summary.arms["late"].num_runs == 19


def test_two_studies_are_compared_without_the_pair(tmp_path, capsys):
    for name, failed in (("a", (4,)), ("b", (6,))):
        store_and_summarise(tmp_path / name, {"late": with_failed(late(), *failed)}, "late")
    (contrast,) = compare(tmp_path / "a", tmp_path / "b")
    assert contrast.num_runs == (19, 19)
    assert contrast.num_failed == (1, 1)
    assert contrast.num_pairs == 18
    assert contrast.difference.value == 0
    shown = capsys.readouterr().out
    assert "1 and 1 more have no outcome" in shown
    assert "18 pairs of equal seeds" in shown


def test_cells_and_forks_that_failed_are_left_out(tmp_path):
    """A start whose own repetition failed keeps its row of the grid, and is not forked."""
    generator = np.random.default_rng(0)
    rows = with_failed(late("a", 6), 1)
    for seed in range(6):
        for order in range(3):
            onset = 200.0 + 10 * generator.random()
            cell = make_row("a", seed, onset, "broke", 1)
            if (seed, order) == (2, 1):
                cell = failed_row("a", seed)
            noise = FIRST_GRID_SEED + 3 * seed + order
            rows.append({**cell, "order_seed": FIRST_GRID_SEED + order, "noise_seed": noise})
        for fork in range(2):
            onset = 200.0 + 10 * generator.random()
            child = make_row("a", seed, onset, "broke", 1)
            if (seed, fork) == (3, 0):
                child = failed_row("a", seed)
            place = {"fork_step": 110, "fork_order_seed": FIRST_FORK_SEED + seed * MAX_FORKS + fork}
            rows += [{**child, **place}] * (seed != 1)
    store_and_summarise(tmp_path, {"a": rows}, "a", seeds=6)
    directory = store.open_existing(tmp_path)
    directory.read([])
    directory.document["identity"]["order_seeds"] = 3
    directory.document["study"]["forks"] = 2
    runs = read_runs(RunTable(directory))["a"]
    assert (len(runs.grid.time), runs.grid.num_missing, runs.grid.num_failed) == (17, 0, 1)
    assert set(runs.grid.init_seed) == set(range(6))
    assert (len(runs.forks.time_left), runs.forks.num_missing, runs.forks.num_failed) == (9, 0, 1)
    assert runs.grid.time.min() > 0
    assert runs.forks.time_left.min() > 0
    summary = summarise(RunTable(directory))
    splits = split_variances(summary)
    part = make_split_section(summary, splits)
    assert "failed and left out among the starts of the grid: 1 run." in " ".join(part.lines)
    assert {"grid_1", "forks_1"} == part.drawings.keys()
    make_verdict(summary, splits)
