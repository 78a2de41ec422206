"""Adding seeds until a question is decided."""

import dataclasses

import numpy as np
import pytest

from engine.commands.run import run
from engine.errors import InputError
from engine.statistics import confidence_sequence
from engine.store import open_existing
from engine.studies.until import SequentialSeeds, Until
from tests.conftest import small_arm, small_study


def _looks(goal: str = "fraction", arms: tuple[str, ...] = ("a", "b"), **numbers) -> SequentialSeeds:
    until = Until(goal, **{"block": 4, "max_seeds": 40, **numbers})
    return SequentialSeeds(until, dict.fromkeys(arms, 100.0), "a", [])


def _add(looks: SequentialSeeds, arm: str, seeds, time: float = 10.0, event: int = 1) -> None:
    for seed in seeds:
        looks.add(arm, seed, time, event)


def test_seeds_are_given_once_and_one_block_ahead():
    looks = _looks()
    assert looks.release() == {"a": range(8), "b": range(8)}
    assert looks.release() == {}
    _add(looks, "a", range(4))
    assert not looks.update()
    _add(looks, "b", range(4))
    assert looks.update()
    assert looks.release() == {"a": range(8, 12), "b": range(8, 12)}


def test_a_look_waits_for_the_longest_prefix():
    """Quick runs end first: seed 2 is missing, so the others do not count yet."""
    looks = _looks(arms=("a",))
    _add(looks, "a", [0, 1, 3, 4, 5, 6, 7])
    assert not looks.update()
    _add(looks, "a", [2])
    assert looks.update()
    assert [record["seeds"] for record in looks.records] == [4, 8]


def _trained(goal: str, generator: np.random.Generator, shares: dict[str, float], num_kills: int) -> tuple:
    """Ends runs in any order, with kills between that only leave what is stored; returns the runs and the looks."""

    def outcome(arm: str, seed: int) -> tuple[float, int]:
        draw = np.random.default_rng([seed, *arm.encode()])
        return (float(draw.uniform(1, 90)), 1) if draw.random() < shares[arm] else (100.0, 0)

    stored: dict[tuple[str, int], tuple[float, int]] = {}
    records: list = []
    for number in range(num_kills + 1):
        until = Until(goal, half_width=0.2, block=4, max_seeds=40)
        looks = SequentialSeeds(until, dict.fromkeys(shares, 100.0), "a", records)
        for (arm, seed), found in stored.items():
            looks.add(arm, seed, *found)
        looks.update()
        running = [(arm, seed) for arm, seeds in looks.release().items() for seed in seeds if (arm, seed) not in stored]
        left = generator.integers(60) if number < num_kills else 10_000
        while running and left:
            arm, seed = running.pop(generator.integers(len(running)))
            stored[arm, seed] = outcome(arm, seed)
            looks.add(arm, seed, *stored[arm, seed])
            if generator.random() < 0.3 or not running:
                looks.update()
                running += [(name, one) for name, seeds in looks.release().items() for one in seeds]
            left -= 1
        records = looks.records
    return set(stored), records


@pytest.mark.parametrize("goal", ["fraction", "comparison"])
@pytest.mark.parametrize("shares", [{"a": 0.5, "b": 1.0, "c": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 0.1, "b": 0.9}])
def test_which_runs_there_are_depends_on_no_order_and_no_kill(goal, shares):
    generator = np.random.default_rng(0)
    expected = _trained(goal, generator, shares, 0)
    for number in range(20):
        assert _trained(goal, generator, shares, number % 4) == expected


def test_a_fraction_is_decided_when_its_sequence_is_narrow():
    looks = _looks(arms=("a",), half_width=0.15)
    first = next(n for n in range(4, 41, 4) if np.ptp(confidence_sequence(n, n)[1:3]) <= 0.3)
    for block in range(10):
        looks.release()
        _add(looks, "a", range(4 * block, 4 * block + 4))
        looks.update()
    assert [record["seeds"] for record in looks.records] == list(range(4, first + 1, 4))
    assert looks.open == []
    assert looks.release() == {}
    value, lower, upper = looks.records[-1]["fractions"]["a"]
    assert value == 1.0
    assert (lower, upper) == confidence_sequence(first, first)[1:3]


def test_the_last_look_is_at_the_last_seed():
    looks = _looks(arms=("a",), half_width=0.01, max_seeds=10)
    _add(looks, "a", range(10))
    looks.update()
    assert [record["seeds"] for record in looks.records] == [4, 8, 10]
    assert looks.open == []


def test_a_comparison_is_decided_by_its_pairs():
    """Pair after pair one way: the e-value is ½(2θ/(1+θ))ⁿ + ½(2/(1+θ))ⁿ, and 20 decides."""
    looks = _looks("comparison", block=1)
    for seed in range(20):
        looks.add("a", seed, 20.0 + seed, 1)
        looks.add("b", seed, 5.0, 1)
        looks.update()
    expected = [0.5 * (4 / 3) ** n + 0.5 * (2 / 3) ** n for n in range(1, 14)]
    assert [r["e_values"]["b"] for r in looks.records] == pytest.approx(expected)
    assert expected[-2] < 20 <= expected[-1]
    assert looks.open == []


def test_arms_alike_are_not_told_apart():
    looks = _looks("comparison", block=1)
    generator = np.random.default_rng(0)
    for seed in range(40):
        for arm in ("a", "b"):
            looks.add(arm, seed, float(generator.exponential()), 1)
    looks.update()
    assert len(looks.records) == 40
    assert max(r["e_values"]["b"] for r in looks.records) < 20


def test_a_run_that_diverged_waits_for_ever():
    looks = _looks("comparison", block=1)
    for seed in range(20):
        looks.add("a", seed, 1.0, 2)
        looks.add("b", seed, 5.0, 1)
    looks.update()
    assert looks.open == []
    assert looks.records[-1]["e_values"]["b"] >= 20


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"goal": "fractions"}, "did you mean 'fraction'"),
        ({"goal": "fraction", "half_width": 0.6}, "half_width=0.6"),
        ({"goal": "fraction", "block": 0}, "block=0"),
        ({"goal": "comparison", "hazard_ratio": 1.0}, "more than 1"),
    ],
)
def test_until_checks_its_numbers(numbers, words):
    with pytest.raises(InputError, match=words):
        Until(**numbers)


def test_a_comparison_needs_two_arms():
    with pytest.raises(InputError, match="at least two arms"):
        _looks("comparison", arms=("a",))


@pytest.mark.long
def test_a_launch_stops_when_it_is_decided_and_goes_on_where_it_was(tmp_path, data_dir):
    """Two launches, the second with a narrower aim, equal one with a fixed number of seeds."""
    options = {"data_dir": data_dir, "num_workers": 0, "is_quiet": True}
    study = small_study()
    wide = Until("fraction", half_width=0.3, block=2, max_seeds=12)
    run(study, tmp_path / "a", until=wide, **options)
    first = open_existing(tmp_path / "a")
    looks = first.document["looks"]
    assert [look["seeds"] for look in looks] == list(range(2, looks[-1]["seeds"] + 1, 2))
    assert looks[-1]["seeds"] < 12
    for value, lower, upper in looks[-1]["fractions"].values():
        assert upper - lower <= 0.6
        assert lower <= value <= upper
    narrow = Until("fraction", half_width=0.2, block=2, max_seeds=12)
    summary = run(study, tmp_path / "a", until=narrow, **options).summary
    second = open_existing(tmp_path / "a")
    assert second.document["looks"][: len(looks)] == looks
    assert len(second.document["looks"]) > len(looks)
    arm = summary["arms"]["slow"]
    number = arm["num_runs"]
    assert arm["num_planned"] == number
    num_learned = sum(arm["statuses"][s] for s in ("broke", "no_plateau", "shoulder"))
    sequence = confidence_sequence(num_learned, number)
    assert arm["fraction"]["lower"] == pytest.approx(sequence.lower)

    run(dataclasses.replace(study, seeds=number), tmp_path / "b", **options)
    rows, fixed = (open_existing(tmp_path / d).read().to_pylist() for d in ("a", "b"))
    kept = [row for row in rows if row["seed"] < number]
    assert kept == fixed


@pytest.mark.parametrize(("half_width", "words"), [(0.05, "not decided for"), (0.4, "was decided")])
def test_the_report_says_whether_the_question_was_decided(half_width, words, tmp_path, data_dir):
    study = small_study(arms={"only": small_arm()}, baseline=None, horizon=110)
    until = Until("fraction", half_width=half_width, block=4, max_seeds=8)
    run(study, tmp_path / "a", until=until, data_dir=data_dir, num_workers=0, is_quiet=True)
    assert words in (tmp_path / "a" / "report.html").read_text()


def test_a_comparison_by_looks_is_reported_by_a_safe_test(tmp_path, data_dir):
    """Fewer pairs than could decide: the log-rank test would call it, the safe test must not."""
    study = small_study(horizon=220)
    until = Until("comparison", block=4, max_seeds=8)
    options = {"data_dir": data_dir, "num_workers": 0, "is_quiet": True}
    summary = run(study, tmp_path / "a", until=until, **options).summary
    comparison = summary["comparisons"]["fast"]
    assert comparison["test"]["p_value"] == pytest.approx(2 * 0.5**8)
    assert comparison["difference"]["upper"] < 0
    # Eight pairs one way: e = ½(4/3)⁸ + ½(2/3)⁸.
    assert comparison["p_adjusted"] == pytest.approx(2 / ((4 / 3) ** 8 + (2 / 3) ** 8))
    assert not comparison["is_earlier"]
    assert "safe log-rank test" in (tmp_path / "a" / "report.html").read_text()


def test_a_refused_question_leaves_the_study_as_it_is(tmp_path, data_dir):
    study = small_study(arms={"only": small_arm()}, baseline=None)
    options = {"data_dir": data_dir, "num_workers": 0, "is_quiet": True}
    run(study, tmp_path / "a", **options)
    before = (tmp_path / "a" / "study.json").read_bytes()
    with pytest.raises(InputError, match="at least two arms"):
        run(study, tmp_path / "a", until=Until("comparison"), **options)
    assert (tmp_path / "a" / "study.json").read_bytes() == before


def test_arms_alike_are_seldom_told_apart_whatever_their_horizons():
    """Half of the runs diverge; the two arms have one law, but horizons of 1,000 and 100."""
    generator = np.random.default_rng(0)
    num_rejected = 0
    for _ in range(100):
        looks = SequentialSeeds(Until("comparison", block=8, max_seeds=64), {"a": 1000.0, "b": 100.0}, "a", [])
        for seed in range(64):
            for arm, horizon in (("a", 1000.0), ("b", 100.0)):
                if generator.random() < 0.5:
                    looks.add(arm, seed, 10.0, 2)
                else:
                    time = generator.uniform(200, 900)
                    looks.add(arm, seed, min(time, horizon), int(time < horizon))
        looks.update()
        num_rejected += max(look["e_values"]["b"] for look in looks.records) >= 20
    # A bound of 5 of 100 and three standard errors.
    assert num_rejected <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_a_failed_run_is_over_and_counts_nowhere():
    """Seed 2 does not hold the look up, and is not among the trials."""
    looks = _looks(arms=("a",))
    _add(looks, "a", [0, 1, 3])
    looks.add("a", 2, 0.0, None)
    assert looks.update()
    assert looks.num_over("a") == 4
    (record,) = looks.records
    assert (record["seeds"], record["failed"]) == (4, {"a": 1})
    assert record["fractions"]["a"] == list(confidence_sequence(3, 3)[:3])


def test_an_arm_that_only_fails_is_never_decided():
    looks = _looks(arms=("a",), max_seeds=8, half_width=0.49)
    for seed in range(8):
        looks.add("a", seed, 0.0, None)
    looks.update()
    assert [record["fractions"] for record in looks.records] == [{}, {}]
    assert looks.records[-1]["undecided"] == ["a"]
    assert looks.open == []


@pytest.mark.parametrize("arm", ["a", "b"])
def test_a_pair_of_which_a_run_failed_is_left_out_whole(arm):
    looks, without = _looks("comparison", block=5), _looks("comparison", block=4)
    for seed in range(5):
        looks.add("a", seed, 20.0, None if arm == "a" and seed == 2 else 1)
        looks.add("b", seed, 5.0 + seed, None if arm == "b" and seed == 2 else 1)
    for new, seed in enumerate((0, 1, 3, 4)):
        without.add("a", new, 20.0, 1)
        without.add("b", new, 5.0 + seed, 1)
    assert looks.update()
    assert without.update()
    assert looks.records[0]["e_values"] == without.records[0]["e_values"]
    assert looks.records[0]["failed"] == {arm: 1}


def test_nothing_is_told_where_every_pair_failed():
    looks = _looks("comparison", block=2, max_seeds=2)
    for seed in range(2):
        looks.add("a", seed, 1.0, None)
        looks.add("b", seed, 5.0, 1)
    assert looks.update()
    assert looks.records[0]["e_values"] == {"b": 1.0}


def test_arms_alike_are_seldom_told_apart_where_long_runs_fail():
    """Failing may depend on the wait, as long as it does so alike in both arms."""
    generator = np.random.default_rng(1)
    num_rejected = 0
    for _ in range(100):
        looks = _looks("comparison", block=8, max_seeds=64)
        for seed in range(64):
            for arm in ("a", "b"):
                time = generator.exponential(60)
                has_failed = generator.random() < (0.7 if time > 60 else 0.1)
                event = None if has_failed else int(time < 100)
                looks.add(arm, seed, min(time, 100.0), event)
        looks.update()
        num_rejected += max(look["e_values"]["b"] for look in looks.records) >= 20
    assert num_rejected <= 5 + 3 * np.sqrt(100 * 0.05 * 0.95)


def test_until_needs_independent_repetitions(tmp_path):
    study = small_study(design="crossed", order_seeds=2)
    with pytest.raises(InputError, match="design=seeds"):
        run(study, tmp_path / "a", until=Until("fraction"))
    assert not (tmp_path / "a").exists()
