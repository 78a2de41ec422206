"""`read`: what a person with a log is told, and what is left on disk."""

import html
import json
import math

import numpy as np
import pytest

import engine
import launch
from engine.commands.compare import compare
from engine.errors import InputError
from engine.logs import LoggedCurve, LoggedSeries
from engine.logs.to_rows import averaged, detect, with_averages
from engine.outcomes import DetectorSettings
from engine.report.limits import find_limits
from engine.report.summary import summarise
from engine.store import OUTCOME_SCHEMA, open_existing
from engine.store.run_table import RunTable
from tests.conftest import read_all

H = math.log(10)


def _write(path, centre, num=400, level=H, seed=0):
    """A log of one run that leaves a plateau around a step."""
    steps = np.arange(0, 5 * num, 5)
    rise = 0.9 / (1 + np.exp(-np.clip((steps - centre) / 30, -50, 50)))
    noise = 0.003 * np.random.default_rng(seed).normal(size=num)
    path.parent.mkdir(exist_ok=True, parents=True)
    rows = (f"{s},{v}\n" for s, v in zip(steps, level * (1 - rise) + noise, strict=True))
    path.write_text("step,loss\n" + "".join(rows))


@pytest.fixture
def logs(tmp_path):
    """Twelve runs that break late, of different lengths, and ten that break early."""
    for seed in range(12):
        centre = 1e9 if seed == 11 else 700 + 20 * seed
        _write(tmp_path / "slow" / f"seed_{seed}.csv", centre, 400 - seed, seed=seed)
    for seed in range(10):
        _write(tmp_path / "fast" / f"seed_{seed}.csv", 300 + 5 * seed, seed=seed)
    return tmp_path


def _launch(*words: object) -> int:
    return launch.main(["launch.py", *map(str, words)])


def _groups(logs):
    return [f"--curves=slow={logs / 'slow'}", f"--curves=fast={logs / 'fast'}"]


def test_one_log_and_nothing_else(tmp_path, monkeypatch, capsys):
    """No claim of how often, and no file."""
    _write(tmp_path / "metrics.csv", 900)
    monkeypatch.chdir(tmp_path)
    assert _launch("read", "--curves=metrics.csv", "--classes=10") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == ("1 run from 1 file. CSV: step from 'step', loss from 'loss'; chance loss 2.303")
    words = "\n".join(lines)
    assert "“metrics”: a plateau that ends by itself: the loss leaves chance level (2.303) at" in (words)
    assert "Is the loss at chance level at all? Yes. Up to the onset, or else the end, the median loss is 2.30" in (
        words
    )
    assert "One run cannot say" in words
    assert "normal for “metrics”" not in words
    assert "random starts" not in words
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize(
    ("level", "classes", "words"),
    [
        (math.log(10), 100, "training was under way before it, or guessing costs less; 2.3"),
        (math.log(10), 4, "No, it lies above, by 66 %"),
        (0.9 * math.log(10), 10, "No, it lies below, by 10 %"),
    ],
)
def test_a_loss_that_is_not_at_chance_is_doubted(level, classes, words, tmp_path, capsys):
    _write(tmp_path / "a.csv", 1e9, level=level)
    assert _launch("read", f"--curves={tmp_path / 'a.csv'}", f"--classes={classes}") == 0
    headline = next(line for line in capsys.readouterr().out.splitlines() if line[:1] == "“")
    assert words in headline
    assert ("among 10 costs" in headline) == (classes != 10)


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([H] * 60 + [math.nan] * 40, "Yes. Up to the onset, or else the end, the median loss is 2.303"),
        ([H * 1.05**i for i in range(100)], "No, it rises above, by 75 %"),
        ([2.3 + 0.01 * i for i in range(100)], "No, it rises above, by 21 %"),
        ([math.nan] * 100, "There is no loss to look at"),
    ],
)
def test_a_loss_that_rises_or_blows_up_is_called_neither_falling_nor_not_come_down(losses, words, tmp_path, capsys):
    (tmp_path / "a.csv").write_text("step,loss\n" + "".join(f"{i},{loss}\n" for i, loss in enumerate(losses)))
    assert _launch("read", f"--curves={tmp_path / 'a.csv'}", "--classes=10") == 0
    said = capsys.readouterr().out
    assert words in said
    assert "the log ends at step 99" in said
    for wrong in ("falls from there", "has not come down", "at step 99 with a loss of 2.3"):
        assert wrong not in said, wrong


def _write_line(path, end):
    steps = np.arange(10)
    path.parent.mkdir(exist_ok=True)
    path.write_text("epoch,loss\n" + "".join(f"{s},{2.31 + (end - 2.31) * s / 9:.4f}\n" for s in steps))


@pytest.mark.parametrize("num_runs", [1, 7])
def test_a_steady_fall_is_called_one(num_runs, tmp_path, capsys):
    for i in range(num_runs):
        _write_line(tmp_path / "logs" / f"{i}.csv", 1.88 - 0.001 * i)
    assert _launch("read", f"--curves={tmp_path / 'logs'}", "--classes=10") == 0
    words = capsys.readouterr().out
    assert "the loss falls steadily from the start" in words
    assert "no plateau" in words
    assert ("stuck" in words) == (num_runs > 1)  # the name of a column
    assert "the loss falls from there at once" in words
    for wrong in ("held at chance", "at chance at the end", "median loss", "diagnose"):
        assert wrong not in words, wrong


def test_one_steady_fall_among_plateaus_changes_nothing(logs, capsys):
    _write_line(logs / "slow" / "line.csv", 1.88)
    (logs / "slow" / "line.csv").write_text((logs / "slow" / "line.csv").read_text().replace("epoch", "step"))
    assert _launch("read", f"--curves={logs / 'slow'}", "--classes=10") == 0
    assert "This is normal for “slow”" in capsys.readouterr().out


def test_the_chance_loss_from_what_is_known_of_the_labels(tmp_path, capsys):
    _write(tmp_path / "a.csv", 900)
    curves = f"--curves={tmp_path / 'a.csv'}"
    assert _launch("read", curves, "--class_counts=50,30,20") == 0
    assert "chance loss 1.03" in capsys.readouterr().out
    assert _launch("read", curves, "--class_counts=50,50,0") == 0
    assert "chance loss 0.6931" in capsys.readouterr().out
    assert _launch("read", curves, "--chance_loss=2.5") == 0
    assert "chance loss 2.5" in capsys.readouterr().out


def test_a_report_of_groups_of_runs(logs, capsys):
    workdir = logs / "out"
    assert _launch("read", *_groups(logs), "--classes=10", f"--workdir={workdir}") == 0
    assert "22 runs in 2 arms from 22 files" in capsys.readouterr().out
    summary = json.loads((workdir / "summary.json").read_text())
    assert summary["of_logs"]
    slow = summary["arms"]["slow"]
    assert (slow["statuses"]["broke"], slow["statuses"]["stuck"]) == (11, 1)
    comparison = summary["comparisons"]["fast"]
    assert comparison["is_earlier"]
    assert comparison["num_pairs"] == 0
    verdict = summary["verdict"]
    fix = verdict["answers"]["Is something wrong, and what would fix it?"]
    assert "“fast”: the median onset is step" in fix
    assert "whether it is the cause, only you know" in fix
    limits = " ".join(verdict["limits"])
    assert "taken for independent repetitions" in limits
    page = html.unescape((workdir / "report.html").read_text())
    for absent in ("random starts", "init=", "JAX", "fixed evaluation set", "root seed", "--sweep"):
        assert absent not in page.split("<svg")[0] + page.split("</svg>")[-1], absent
    assert "seed_11" in page
    assert "Gray’s" in page
    assert str(logs) not in page + (workdir / "study.json").read_text()
    rows = read_all(workdir)
    assert [row["run_name"] for row in rows[:3]] == ["seed_0", "seed_1", "seed_2"]
    assert "run_name" in OUTCOME_SCHEMA.names


def _read(curves, workdir, classes=10):
    """Rows without a report, which takes a second or two."""
    return engine.read(curves, classes=classes, workdir=workdir, has_report=False)


def test_logs_of_different_length_are_censored_where_they_end(logs):
    """The last one that is still watched ends before the longest log: means reach no further."""
    for seed in (3, 4):
        _write(logs / "slow" / f"seed_{seed}.csv", 1e9, 150 + 50 * seed, seed=seed)
    _write(logs / "slow" / "seed_11.csv", 1e9, 380, seed=11)
    _read(logs / "slow", logs / "out")
    summary = summarise(RunTable(open_existing(logs / "out")))
    assert summary.arms["slow"].statuses["stuck"] == 3
    assert summary.runs["slow"].horizon == 1895
    assert summary.runs["slow"].time.max() == 1895
    assert any("have not left chance level end between 1495 and 1895 steps" in x for x in find_limits(summary))
    (contrast,) = compare(logs / "out", logs / "out")
    assert contrast.difference.value == 0
    assert contrast.num_pairs == 0


def test_a_work_directory_may_be_in_a_home(logs, monkeypatch):
    monkeypatch.setenv("HOME", str(logs))
    monkeypatch.chdir(logs)
    _read(logs / "fast", "~/out")
    assert (logs / "out" / "study.json").exists()
    assert not (logs / "~").exists()


def test_the_directory_can_be_compared_but_not_run(logs, data_dir, capsys):
    slow, fast, other = (logs / name for name in ("out_slow", "out_fast", "out_other"))
    _read(logs / "slow", slow)
    _read(logs / "fast", fast)
    _read(logs / "fast", other, classes=3)
    capsys.readouterr()
    assert _launch("compare", f"--workdir={fast}", f"--baseline={slow}") == 0
    assert "the first is earlier" in capsys.readouterr().out
    assert _launch("compare", f"--workdir={other}", f"--baseline={slow}") == 2
    assert "do not measure the same thing: chance loss" in capsys.readouterr().err
    assert _launch("verify", f"--workdir={slow}") == 2
    assert "read from logs, so there is nothing to run again" in capsys.readouterr().err
    words = ["--model=mlp", "--horizon=22", "--workers=0", f"--data_dir={data_dir}"]
    assert _launch("run", "--experiment=single", *words, f"--workdir={slow}") == 2
    assert "holds curves that were read from logs" in capsys.readouterr().err


def test_logs_that_have_grown_take_the_place_of_what_was_read(logs):
    workdir = logs / "out"
    _read(logs / "fast", workdir)
    parts = sorted(path.name for path in (workdir / "parts").iterdir())
    _read(logs / "fast", workdir)
    assert sorted(path.name for path in (workdir / "parts").iterdir()) == parts
    _write(logs / "fast" / "seed_0.csv", 300, 500)
    _write(logs / "fast" / "seed_10.csv", 300)
    _read(logs / "fast", workdir)
    rows = read_all(workdir)
    assert len(rows) == 11
    assert rows[0]["steps_run"] == 2495
    directory = open_existing(workdir)
    assert directory.num_left_out == 0
    assert len(directory.document["launches"]) == 3
    with pytest.raises(InputError, match="holds curves of other logs"):
        _read(logs / "slow", workdir)
    assert len(read_all(workdir)) == 11


def test_groups_from_a_column_and_a_baseline(tmp_path, capsys):
    lines = ["config,seed,step,loss"]
    for config, centre in (("late", 700), ("early", 200)):
        for seed in range(4):
            for step in range(0, 2000, 10):
                rise = 0.9 / (1 + math.exp(-min(50, max(-50, (step - centre - 9 * seed) / 30))))
                lines.append(f"{config},{seed},{step},{H * (1 - rise):.5f}")
    (tmp_path / "all.csv").write_text("\n".join(lines))
    summary = engine.read(tmp_path / "all.csv", classes=10, baseline="early")
    assert list(summary["arms"]) == ["late", "early"]
    assert summary["baseline"] == "early"
    assert summary["comparisons"]["late"]["is_later"]
    with pytest.raises(InputError, match="unknown arm 'lat'"):
        engine.read(tmp_path / "all.csv", classes=10, baseline="lat")


def _noisy(kind: str, seed: int) -> LoggedCurve:
    """Losses of mini-batches at every step, from the first one on; noise is 20 % of chance."""
    generator, steps = np.random.default_rng(seed), np.arange(1, 8001)
    if kind == "broke":
        rise = 0.9 / (1 + np.exp(-(steps - generator.uniform(2500, 5000)) / 150))
    elif kind == "stuck":
        rise = np.zeros(len(steps))
    else:
        rise = 0.9 * (1 - np.exp(-steps / generator.uniform(300, 1500)))
    loss = H * (1 - rise + 0.2 * generator.normal(size=len(steps)))
    return LoggedCurve(kind, str(seed), "", LoggedSeries(steps, loss.astype(np.float32)), {})


@pytest.mark.parametrize("kind", ["broke", "stuck", "no_plateau"])
def test_noisy_losses_of_every_step_are_told_apart_once_averaged(kind):
    """Twelve of each: were one in five wrong, all would be right in 7 % of trials."""
    curves = [_noisy(kind, seed) for seed in range(12)]
    means = [with_averages(curve, 8) for curve in curves]
    found = detect({kind: means}, H, DetectorSettings())
    assert [row["status"] for row in found.rows] == [kind] * 12
    plain = detect({kind: curves}, H, DetectorSettings())
    assert plain.noise == pytest.approx(0.2, rel=0.1)
    assert found.noise == pytest.approx(0.2 / math.sqrt(8), rel=0.15)


def test_noise_is_said_with_what_helps(tmp_path, capsys):
    steps, loss = _noisy("broke", 0).loss
    rows = (f"{s},{v},0.5,{v}\n" for s, v in zip(steps, loss, strict=True))
    (tmp_path / "a.csv").write_text("step,loss,acc,val_loss\n" + "".join(rows))
    assert _launch("read", f"--curves={tmp_path / 'a.csv'}", "--classes=10") == 0
    assert "--average=8 makes plateaus surer to tell" in capsys.readouterr().err
    words = ["--classes=10", "--average=8", f"--workdir={tmp_path / 'out'}"]
    assert _launch("read", f"--curves={tmp_path / 'a.csv'}", *words) == 0
    assert capsys.readouterr().err == ""
    (row,) = read_all(tmp_path / "out")
    assert len(row["steps"]) == 1000
    assert row["inspected_steps"][-1] == row["steps"][-1] == 7997
    assert row["end_accuracy"] == 0.5
    assert "as means of 8 points" in (tmp_path / "out" / "report.html").read_text()
    before = (tmp_path / "out" / "summary.json").read_text()
    assert _launch("report", f"--workdir={tmp_path / 'out'}") == 0
    assert (tmp_path / "out" / "summary.json").read_text() == before


def test_means_lie_in_the_middle_and_keep_what_is_not_finite():
    series = LoggedSeries(np.arange(0, 70, 10), np.array([1, 2, 3, 4, 5, np.nan, 7], np.float32))
    found = averaged(series, 3)
    assert found.steps.tolist() == [10, 40]
    assert found.values[0] == 2
    assert np.isnan(found.values[1])
    assert averaged(series, 1) is series
    assert averaged(series, 5) is series
