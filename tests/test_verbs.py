"""`compare` and `plan`, on studies that were really run."""

import copy

import numpy as np
import pytest

import launch
from engine import statistics
from engine.commands.compare import compare
from engine.commands.run import run
from engine.commands.sample_size import plan
from engine.errors import InputError
from engine.report.contrast import in_steps
from engine.store import create_or_resume, open_existing
from tests.conftest import small_arm, small_study


@pytest.fixture(scope="module")
def studies(tmp_path_factory, data_dir):
    """A study, one with a single arm that learns faster, and one with another root seed."""
    root = tmp_path_factory.mktemp("studies")
    options = {"data_dir": data_dir, "num_workers": 0, "is_quiet": True, "has_report": False}
    run(small_study(seeds=4, horizon=220), root / "both", **options)
    fast = {"only": small_arm(learning_rate=1e-2)}
    single = small_study(arms=fast, baseline=None, seeds=4, horizon=110)
    run(single, root / "single", **options)
    run(small_study(seeds=3, horizon=220, root_seed=1), root / "other", **options)
    return root


def test_a_study_is_no_different_from_itself(studies, capsys):
    contrasts = compare(studies / "both", studies / "both")
    assert [c.arm for c in contrasts] == ["slow", "fast"]
    for contrast in contrasts:
        assert contrast.num_pairs == 4
        assert contrast.difference.value == 0
        assert contrast.test.p_value == 1
    assert "no difference beyond chance" in capsys.readouterr().out


def test_arms_of_two_studies_are_paired_by_their_seeds(studies):
    """The same network under other names: its onsets in both are the same numbers."""
    (contrast,) = compare(studies / "single", studies / "both", baseline_arm="fast")
    assert (contrast.num_pairs, contrast.horizon) == (4, 5.0)
    rows = {name: open_existing(studies / name).read().to_pylist() for name in ("single", "both")}
    onsets = [np.array([row["onset_step"] for row in of if row["arm"] in ("only", "fast")]) for of in rows.values()]
    assert np.all(onsets[0] < 110)
    assert np.array_equal(onsets[0], onsets[1])
    assert contrast.difference.value == 0


def test_two_horizons_are_read_at_the_shorter_one(studies, tmp_path, data_dir):
    """The same seeds to 110 and to 220 steps do not differ, whatever each said at its own end."""
    short = small_study(seeds=4, horizon=110)
    options = {"data_dir": data_dir, "num_workers": 0, "is_quiet": True, "has_report": False}
    run(short, tmp_path / "short", **options)
    for contrast in compare(studies / "both", tmp_path / "short"):
        assert contrast.horizon == 5.0
        assert contrast.num_pairs == 4
        assert contrast.difference.value == 0
        assert contrast.fractions[0] == contrast.fractions[1]
        assert contrast.test.p_value == 1


@pytest.mark.parametrize("unit", [1.0, 22.0, 100.0, 45.0])
def test_a_horizon_in_epochs_is_the_same_steps(unit):
    """29 steps of 100 an epoch are 0.29 epochs, and 100 times that is less than 29 in floating point."""
    assert [in_steps(steps / unit, unit) for steps in range(1, 3000)] == list(range(1, 3000))


def test_another_root_seed_is_not_paired(studies):
    slow, _ = compare(studies / "both", studies / "other")
    assert slow.num_pairs == 0
    assert slow.num_runs == (4, 3)
    rows = [open_existing(studies / d).read().to_pylist() for d in ("both", "other")]
    times = [np.array([r["onset_step"] or r["steps_run"] for r in of if r["arm"] == "slow"]) / 22 for of in rows]
    events = [np.array([r["event"] for r in of if r["arm"] == "slow"]) for of in rows]
    expected = statistics.restricted_mean_difference(times[0], events[0], times[1], events[1], slow.horizon)
    assert slow.difference == pytest.approx(expected)


def test_contrasts_are_adjusted_for_their_number(studies):
    contrasts = compare(studies / "both", studies / "other")
    raw = np.array([c.test.p_value for c in contrasts])
    assert [c.p_holm for c in contrasts] == pytest.approx(statistics.holm(raw).tolist())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["identity"]["detector"].update(low=0.1), "detector.low is 0.05"),
        (lambda d: d["identity"]["data"].update(slow="x"), "data is"),
        (lambda d: d["study"]["event"].update(slow="hit"), "event is break"),
    ],
)
def test_studies_that_ask_different_things_are_refused(studies, tmp_path, change, words):
    both, other = open_existing(studies / "both"), tmp_path / "changed"
    document = copy.deepcopy(both.document)
    change(document)
    create_or_resume(other, document).append(both.read().to_pylist())
    with pytest.raises(InputError, match=words):
        compare(studies / "both", other)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--workdir={0}/single", "--baseline={0}/both"], "share no arm"),
        (["--workdir={0}/single", "--baseline={0}/both", "--arm=onyl"], "did you mean 'only'"),
        (["--workdir={0}/single", "--baseline={0}/both", "--arm=only"], "--baseline_arm among"),
        (["--workdir={0}/single", "--baseline={0}/none"], "no study in"),
        (["--workdir={0}/single"], "--baseline is missing"),
    ],
)
def test_comparisons_that_cannot_be_made(studies, words, expected, capsys):
    assert launch.main(["launch.py", "compare", *(w.format(studies) for w in words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert expected in error


def test_a_plan_takes_numbers_and_cost_from_a_pilot(studies, capsys):
    answer = plan("comparison", {"hazard_ratio": 2.0}, pilot=studies / "both")
    assert answer.needed == (44, 88)
    document = open_existing(studies / "both").document
    (launched,) = document["launches"]
    rate = launched["seed_steps"] / launched["seconds"]
    assert answer.seconds == pytest.approx(44 * 2 * 220 / rate)
    assert "44 seeds of every arm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--question=fraction", "--half_width=0.1", "--fraction=0.9"], "fraction"),
        (["--question=failure", "--rate=0.05"], "59 seeds"),
        (["--question=comparison", "--hazard_ratio=1.5"], "256 events"),
        (["--question=comparison", "--hazard_ratio=3"], "35 events"),
        (["--question=median", "--relative_half_width=0.1", "--log_deviation=1.28"], "seeds"),
    ],
)
def test_questions_are_answered_without_a_study(words, expected, capsys):
    assert launch.main(["launch.py", "plan", *words]) == 0
    shown = capsys.readouterr().out
    assert expected in shown
    assert "give --pilot" in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--question=frction"], "did you mean 'fraction'"),
        ([], "--question is missing"),
        (["--question=fraction"], "needs --half_width"),
        (["--question=median", "--relative_half_width=0.1"], "needs --log_deviation, or --pilot"),
        (["--question=failure", "--rate=0.05", "--power=0.9"], "power has no effect"),
        (["--question=failure", "--rate=2"], "rate must lie between 0 and 1"),
        (["--question=comparison", "--hazard_ratio=1"], "hazard_ratio is 1"),
        (["--question=failure", "--rate=0.1", "--pilot=x", "--experiment=single"], "give one"),
        (["--question=failure", "--rate=0.1", "--pilot=/nonexistent"], "no study in"),
    ],
)
def test_questions_that_cannot_be_answered(words, expected, capsys):
    assert launch.main(["launch.py", "plan", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert expected in error


def test_a_plan_can_measure_the_cost_here(data_dir, cache_dir, capsys):
    study = small_study(horizon=110)
    answer = plan("failure", {"rate": 0.2}, study=study, data_dir=data_dir, cache_dir=cache_dir)
    assert answer.needed.seeds == 14
    assert answer.seconds is not None
    assert answer.seconds > 0
    assert "measured now" in capsys.readouterr().out
