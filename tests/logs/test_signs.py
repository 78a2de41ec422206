"""What a log shows by itself: each sign where it was planted, and none in healthy runs."""

import json
import math

import numpy as np
import pytest

import launch
from engine.logs import LoggedCurve, LoggedSeries
from engine.logs.next_step import find_next_step
from engine.logs.signs import SIGNS, find_signs
from engine.logs.signs.logged_run import LoggedRun

H = math.log(10)
STEPS = np.arange(0, 2000, 10)
TIME = STEPS / STEPS[-1]


def _curve(loss, run="", **others):
    """A run with a loss at all steps, and other metrics at the last of them."""
    series = {name: LoggedSeries(STEPS[-len(values) :], np.asarray(values)) for name, values in others.items()}
    return LoggedCurve("", run, "", LoggedSeries(STEPS[-len(loss) :], np.asarray(loss, np.float32)), series)


def _healthy(seed, noise=0.02):
    """A run that leaves a plateau, with its evaluation, after a warm-up and with a decay."""
    random = np.random.default_rng(seed)
    centre, width = random.uniform(0.2, 0.7), random.uniform(0.02, 0.1)
    rise = 0.9 / (1 + np.exp(-(TIME - centre) / width))
    loss, evaluated = (H * (1 - rise + noise * random.normal(size=(2, len(TIME)))))[:, :]
    rate = np.minimum(TIME / 0.1, 1) * np.cos(0.5 * math.pi * TIME) ** 2
    return _curve(loss, f"seed_{seed}", held_out_loss=1.1 * evaluated[9::10], learning_rate=0.1 * rate)


FLAT, FALLING = np.full(200, H), H * (1 - 0.9 * TIME)
PLANTED = {
    "at_chance": (
        _curve(np.round(np.where(TIME < 0.2, 3.0, H), 4)),
        "the loss is at chance level, 2.303 (ln 10), to within 0.1 % from step 400 to step 1990.",
    ),
    "at_chance in two decimals": (
        _curve(np.full(200, 2.3)), "the loss is at chance level, 2.303 (ln 10), to within 0.2 % from step 0"),
    "above_chance": (
        _curve(5 + np.cos(9 * TIME)), "as what guessing costs, 2.303 (ln 10): the lowest is 4, at step 690."),
    "not_finite": (
        _curve(np.where(TIME < 0.5, FLAT, np.nan)),
        "the loss is NaN at step 1000, and finite nowhere after; the last finite one is 2.303, at step 990.",
    ),
    "not_finite from the start": (_curve([np.inf] * 3), "at its first point, step 1970, and finite nowhere."),
    "learning_rate 0": (_curve(FLAT, learning_rate=0 * TIME), "the learning rate is 0 in all 200 rows that hold one"),
    "learning_rate rises": (
        _curve(FLAT, learning_rate=np.minimum(1e-3, 5e-4 * (TIME + 0.001))),
        "the learning rate only rises, from 5e-07 at step 0 to 0.0005 at step 1990",
    ),
    "learning_rate decayed": (
        _curve(FLAT, learning_rate=0.1 * (TIME < 0.5)),
        "the learning rate is 0 from step 1000 to step 1990, 50 % of the log; its largest was 0.1.",
    ),
    "learning_rate small": (
        _curve(FLAT, learning_rate=0.1 * np.exp(-20 * TIME)), "the learning rate is at most 9.73e-05"),
    "held_out": (
        _curve(FALLING, held_out_loss=FLAT[:100]),
        "falls from 1.16 to 0.329, while the loss on held-out examples goes from 2.3 to 2.3: as with overfitting, or",
    ),
    "held_out later": (
        _curve(FALLING, held_out_loss=1 + np.abs(TIME - 0.5)), "; its lowest was 1, at step 990: as with overfitting."),
}  # fmt: skip


def _seen(curve):
    run = LoggedRun(curve, H, None)
    found = {name: SIGNS.load(name).find(run) for name in SIGNS}
    return {name: words for name, words in found.items() if words is not None}


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_seen_and_nothing_else(name):
    curve, words = PLANTED[name]
    kind = name.split()[0]
    seen = _seen(curve)
    assert words in seen.pop(kind)
    assert set(seen) <= ({"at_chance"} if kind in ("learning_rate", "not_finite") else set())


def test_every_sign_was_planted():
    assert {name.split()[0] for name in PLANTED} == set(SIGNS)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1])
def test_healthy_runs_show_nothing(noise):
    assert [_seen(_healthy(seed, noise)) for seed in range(100)] == [{}] * 100


def test_a_plateau_at_chance_with_the_noise_of_batches_is_not_exactly_at_chance():
    noise = np.random.default_rng(0).normal(size=200)
    assert "at_chance" not in _seen(_curve(FLAT * (1 + 0.003 * noise)))
    assert "at_chance" in _seen(_curve(FLAT * (1 + 0.0001 * noise)))
    assert SIGNS.load("at_chance").find(LoggedRun(_curve(0 * FLAT), 0.004, None)) is None


def test_schedules_that_end_with_the_log_have_not_decayed_before():
    for rate in (1 - TIME, np.cos(0.5 * math.pi * TIME) ** 2, 0.1 ** (3 * TIME), np.ones(200)):
        assert "learning_rate" not in _seen(_curve(FALLING, learning_rate=rate))


def test_short_and_odd_curves_show_nothing_or_a_sentence():
    odd = [0.0, -1.0, 1e30, np.nan, np.inf, H]
    for loss in ([a, b, c] for a in odd for b in odd for c in odd):
        finite = np.nan_to_num(np.array(loss * 3))
        others = {"learning_rate": np.clip(finite, 0, 1e6), "held_out_loss": finite}
        for words in _seen(_curve(loss * 3, **others)).values():
            assert words.endswith(".")
            assert words[0].islower()


def test_runs_of_a_group_are_counted_and_groups_named():
    curve, _ = PLANTED["learning_rate 0"]
    arms = {"a": [curve._replace(run=f"seed_{i}") for i in range(3)], "b": [_healthy(0), _healthy(1)]}
    chance, rate = find_signs(arms, H, None)
    assert chance.startswith("“a”, 3 of 3 runs, for example “seed_0”: the loss is at chance level")
    assert rate.startswith("“a”, 3 of 3 runs, for example “seed_0”: the learning rate is 0")
    arms = {"a": [_healthy(0), curve._replace(run="x")]}
    assert find_signs(arms, H, None)[0].startswith("1 of 2 runs (“x”): the loss is at chance level")
    assert find_signs({"a": [curve]}, H, 10)[0].startswith("The loss is at chance level")
    assert "to epoch 199." in find_signs({"a": [curve]}, H, 10)[0]


def _row(curve, status="stuck"):
    return {"status": status, "steps": curve.loss.steps, "loss": curve.loss.values, "chance_loss": H}


def test_the_next_step_of_stuck_logs_is_a_diagnosis_at_their_rate():
    curve = _curve(FLAT, learning_rate=np.minimum(TIME, 0.003))
    (step,) = find_next_step([curve], [_row(curve)])
    assert "plateau diagnose --workdir=runs/why --model=… --dataset_dir=… --learning_rate=0.003 (" in step
    other = _curve(FLAT)
    (step,) = find_next_step([curve, other], [_row(curve), _row(other)])
    assert "--learning_rate=… (" in step
    assert find_next_step([curve, other], [_row(curve, "broke"), _row(other)]) == []
    short = _curve(FLAT[:4])
    assert find_next_step([short], [_row(short)]) == []
    falling = _curve(FALLING)
    assert find_next_step([falling], [_row(falling)]) == []


def test_the_report_says_what_the_terminal_says(tmp_path, capsys):
    rows = "".join(f"{step},2.3026,0.0\n" for step in range(20))
    (tmp_path / "a.csv").write_text(f"step,loss,lr\n{rows}")
    said = []
    for words in ([], [f"--workdir={tmp_path / 'out'}"]):
        assert launch.main(["launch.py", "read", f"--curves={tmp_path / 'a.csv'}", "--classes=10", *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        starts = ("The loss is at chance level", "The learning rate is 0", "To find out why")
        said.append([line for line in lines if line.startswith(starts)])
    assert len(said[0]) == 3
    assert said[1] == said[0] == json.loads((tmp_path / "out" / "summary.json").read_text())["signs"]
    assert "What the logs show by themselves" in (tmp_path / "out" / "report.html").read_text()
