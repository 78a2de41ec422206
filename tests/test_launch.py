"""Words that a person types, and what comes back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import engine
import launch
from engine.arms.arm import COMMON
from engine.arms.choices import all_options, options_of
from engine.commands import launcher
from engine.commands.flags import make_flags
from engine.commands.verbs import VERBS


def _launch(*words: str) -> int:
    return launch.main(["launch.py", *words])


def _single(workdir: Path, data_dir: str, *words: str) -> list[str]:
    return [
        "--experiment=single",
        "--model=mlp",
        "--dense_widths=8",
        "--seeds=2",
        "--horizon=22",
        "--workers=0",
        f"--workdir={workdir}",
        f"--data_dir={data_dir}",
        *words,
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--lerning_rate=1"], "learning_rate"),
        (["--experiment=kick_im"], "did you mean 'kick_in'?"),
        (["--experiment=single", "--model=cnn9"], "did you mean 'cnn8'?"),
        (["--experiment=single", "--dataset=digit"], "did you mean 'digits'?"),
        (["--experiment=single", "--optimizer=adm"], "did you mean 'adam'?"),
        (["--experiment=single", "--init=hee"], "did you mean 'he'?"),
        (["--experiment=single", "--activation=rleu"], "expected one of"),
        (["--experiment=single", "--schedule=cosin"], "did you mean 'cosine'?"),
        (["--experiment=single", "--form=patch"], "did you mean 'patches'?"),
        (["--experiment=single", "--precision=float8"], "float32"),
        (["--experiment=single", "--precision=tf32"], "expected one of float32, bfloat16"),
        (["--experiment=single", "--stop=early"], "settled"),
        (["--experiment=single", "--tune", "--form=patches"], "give neither"),
        (["--experiment=single", "--learning_rate=-1"], "at least 0"),
        (["--experiment=single", "--learning_rate=fast"], "expected a number"),
        (["--experiment=single", "--batch_size=0"], "at least 1"),
        (["--experiment=single", "--batch_size=1e99"], "whole number"),
        (["--experiment=single", "--batch_norm=perhaps"], "batch_norm"),
        (["--experiment=single", "--seeds=-2"], "seeds=-2: expected at least 1"),
        (["--experiment=single", "--seeds=5000000000"], "at most 10000000"),
        (["--experiment=single", "--epochs=1e308"], "too long"),
        (["--experiment=single", "--dataset=teacher", "--horizon=10"], "cnn8 is for images"),
        (["--experiment=single", "--conv_widths=4,4,4,4", "--pool_after=1,2,3,4"], "after pooling"),
        (["--experiment=kick_in", "--init=he"], "arm 'as_asked': init_scale=0.05 has no effect"),
        (["--experiment=single", "--seeds=many"], "seeds"),
        (["--experiment=single", "--horizon=0"], "horizon=0"),
        (["--experiment=single", "--epochs=0"], "positive"),
        (["--experiment=single", "--epochs=2", "--horizon=2"], "exclude each other"),
        (["--experiment=single", "--workers=-1"], "workers=-1"),
        (["--experiment=single", "--width=0"], "width=0"),
        (["--experiment=single", "--baseline=nobody"], "unknown arm 'nobody'"),
        (["--experiment=single", "--sweep=learning_rate"], "field=value"),
        (["--experiment=single", "--sweep=rate=1,2"], "unknown field to sweep 'rate'"),
        (["--experiment=single", "--sweep=learning_rate=1,x"], "expected a number"),
        (["--experiment=single", "--sweep=learning_rate=1,1.0"], "appears twice"),
        (["--experiment=single", "--sweep=dense_widths=1,2"], "is a list itself"),
        (
            ["--experiment=single", "--sweep=learning_rate=log:0:1:3"],
            "expected log:FIRST:LAST:NUMBER with bounds above 0",
        ),
        (["--experiment=single", "--sweep=model_arg.scale=log:1:10"], "expected log:FIRST:LAST:NUMBER"),
        (["--experiment=single", "--sweep=dropout=linear:0.50001:0.50002:4"], "the same to four digits"),
        (["--experiment=single", "--sweep=dropout=linear:0:0.5:1"], "2 to 1000 values, as in linear:0:0.8:5"),
        (["--experiment=single", "--sweep=init=log:1:2:3"], "log spreads numbers, and this field has none"),
        (["--experiment=single", "--momentum=0.9"], "no effect with optimizer=adam"),
        (["--experiment=single", "--dataset=teacher", "--model=mlp", "--epochs=1"], "no epochs"),
        (["--experiment=single", "--design=crossed"], "design=crossed needs order_seeds"),
        (["--experiment=single", "--design=grid"], "unknown design 'grid'"),
        (["--experiment=single", "--order_seeds=3"], "no effect with design=seeds"),
        (["--experiment=single", "--init_seeds=3", "--seeds=3"], "are the same number"),
        (["--experiment=single", "--init_seeds=3"], "without a crossed design"),
        (["--experiment=single", "--until=fraction", "--hazard_ratio=2"], "no effect with --until"),
        (["--experiment=single", "--design=fork", "--forks=2", "--fork_step=7"], "nearest is 11"),
        (["--experiment=single", "--until=fractoin"], "did you mean 'fraction'"),
        (["--experiment=single", "--until=comparison"], "at least two arms"),
        (["--experiment=single", "--until=fraction", "--seeds=5"], "give --max_seeds"),
        (["--experiment=single", "--half_width=0.1"], "no effect without --until"),
        (["--experiment=single", "--gradient_noise=1"], "no effect with dataset=digits"),
        (["--experiment=single", "--live=0.5"], "live=0.5: expected at least 1 second"),
        (["--experiment=single", "--live=often"], "--live=often: expected seconds, such as 30"),
        (["--experiment=single", "--live=nan"], "live=nan: expected a finite number"),
        (["--experiment=single", "--tracked_runs=3"], "no effect without --track"),
        (["--experiment=single", "--track=mlfow"], "did you mean 'mlflow'"),
        (["--experiment=single", "--wandb"], "did you mean '--track'"),
        (["--experiment=single", "--tensorboard=here"], "tensorboard"),
        (["report", "--live"], "live"),
        (["verfy"], "did you mean 'verify'"),
        (["run", "stray"], "unexpected argument 'stray'"),
        (["report", "--seeds=3"], "seeds"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, expected, tmp_path, data_dir, capsys):
    workdir = tmp_path / "study"
    extra = []
    if words[0] not in ("verfy", "report", "run"):
        extra = [f"--workdir={workdir}", f"--data_dir={data_dir}"]
    assert _launch(*words, *extra) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    # Where the machine is slow, lines before it say what is waited for.
    *waited_for, last = captured.err.splitlines()
    assert last.startswith("error: ")
    assert not any("error" in line for line in waited_for)
    assert expected in last
    assert not workdir.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--workdir=x"], "--experiment is missing"),
        (["report"], "--workdir is missing"),
        (["report", "--workdir=/nonexistent/place"], "no study in"),
        (["--experiment=single", "--workdir=/proc/nothing/here"], "cannot use work directory"),
        (["--experiment=single", "--workdir=" + 300 * "x"], "cannot use work directory"),
    ],
)
def test_missing_and_unusable_places(words, expected, tmp_path, monkeypatch, capsys, data_dir):
    monkeypatch.chdir(tmp_path)
    if not any("data_dir" in word for word in words) and "report" not in words:
        words = [*words, f"--data_dir={data_dir}"]
    assert _launch(*words) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert expected in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_run_resume_report_and_refuse(tmp_path, data_dir, capsys):
    workdir = tmp_path / "study"
    assert _launch(*_single(workdir, data_dir, "--sweep=learning_rate=1e-3,1e-2")) == 0
    assert "learning_rate=0.01" in capsys.readouterr().out
    assert _launch("run", *_single(workdir, data_dir, "--sweep=learning_rate=1e-3,1e-2")) == 0
    summary = json.loads((workdir / "summary.json").read_text())
    assert set(summary["arms"]) == {"learning_rate=0.001", "learning_rate=0.01"}
    (workdir / "report.html").unlink()
    assert _launch("report", f"--workdir={workdir}") == 0
    assert (workdir / "report.html").exists()
    capsys.readouterr()
    assert _launch(*_single(workdir, data_dir, "--sweep=learning_rate=1e-3,2e-2")) == 2
    assert "holds another study" in capsys.readouterr().err
    (part,) = (workdir / "parts").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-9])
    assert _launch("report", f"--workdir={workdir}") == 2
    error = capsys.readouterr().err
    assert "no finished run" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [(), ("--model=transformer", "--schedule=cosine"), ("--optimizer=sgd", "--dataset=sparse_parity"), ("--init=he",)],
)
def test_help_shows_the_options_of_the_choices_that_were_named(words, capsys):
    assert _launch("run", *words, "--help") == 0
    shown = capsys.readouterr().out
    lines = {line.split(":")[0].strip(): line for line in shown.splitlines()}
    chosen = dict(word.removeprefix("--").split("=") for word in words)
    owned = {name for kind, choice in chosen.items() for name in options_of(kind, choice)}
    for name in {*COMMON, *owned} - {"model_args", "optimizer_args", "trainer_args"}:
        assert "(default: " in lines[f"--{name}"]
    assert not {f"--{name}" for name in set(all_options()) - owned} & set(lines)
    assert "cnn8, committee, decoder, lstm, mlp" in lines["--model"]
    assert {"--model_arg", "--optimizer_arg", "--trainer_arg"} <= set(lines)


def test_help_of_an_experiment_shows_the_options_of_its_first_arm(capsys):
    assert _launch("run", "--experiment=sparse_parity", "--help") == 0
    shown = capsys.readouterr().out
    assert "--parity_size: " in shown
    assert "--conv_widths" not in shown


@pytest.mark.parametrize(
    ("word", "seconds"), [("--live", 30.0), ("--live=5", 5.0), ("--live=true", 30.0), ("--nolive", None)]
)
def test_live_stands_alone_or_has_seconds(word, seconds):
    values = make_flags("run")
    values(["launch.py", word])
    assert values["live"].value == seconds


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_help_lists_the_verbs_that_exist(words, capsys):
    assert _launch() == 2
    assert "--help" in capsys.readouterr().err
    assert _launch(*words) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) < 20
    for verb in VERBS:
        assert f"\n  python launch.py {verb} " in shown


@pytest.mark.parametrize("words", [("run", "--help"), ("help", "run"), ("--experiment=kick_in", "--help")])
def test_help_of_a_verb_names_its_flags(words, capsys):
    assert _launch(*words) == 0
    shown = capsys.readouterr().out
    assert "--learning_rate: " in shown
    assert ("--conv_widths: " in shown) == ("--experiment=kick_in" in words)


def test_all_help_names_the_options_of_every_choice(capsys):
    assert _launch("run", "--help=all") == 0
    shown = capsys.readouterr().out
    assert {f"  --{name}: " for name in all_options() if f"  --{name}: " not in shown} == set()
    assert "Options of schedule=cosine:" in shown


def test_the_version_is_that_of_the_package(capsys):
    assert _launch("--version") == 0
    assert capsys.readouterr().out == f"plateau-engine {engine.__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--lr=1", "--learning_rate"),
        ("--wd=1", "--weight_decay"),
        ("--bs=4", "--batch_size"),
        ("--batch-size=4", "--batch_size"),
        ("--num_epochs=4", "--epochs"),
        ("--output_dir=x", "--workdir"),
        ("--lr_scheduler=cosine", "--schedule"),
        ("--ema=1", None),
        ("--schedule=linear", None),
        ("--optimizer=Adam", "adam"),
        ("--dataset=imdb", "imdb_reviews"),
        ("--model=resnet18", None),
    ],
)
def test_the_hint_is_what_was_meant_or_none(typed, meant, capsys):
    assert _launch("--experiment=single", "--workdir=x", typed) == 2
    said = capsys.readouterr().err
    assert ("did you mean" in said) == (meant is not None)
    assert meant is None or f"did you mean '{meant}'?" in said


def test_an_unknown_network_may_be_the_users_own(capsys):
    assert _launch("--experiment=single", "--workdir=x", "--model=resnet18") == 2
    assert "or a network of your own, path/to/file.py:NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "typed"),
    [
        (["launch.py", "--seeds=3"], [".venv/bin/python", "launch.py", "--seeds=3"]),
        (["/clone/engine/__main__.py", "--seeds=3"], ["python3", "-m", "engine", "--seeds=3"]),
        (["/clone/engine/__main__.py"], ["python3", "-m", "engine"]),
        (["/nowhere/bin/plateau", "--seeds=3"], ["/venv/bin/python", "/nowhere/bin/plateau", "--seeds=3"]),
    ],
)
def test_a_stopped_launch_goes_on_by_what_was_typed(argv, typed, monkeypatch, capsys):
    def stop(values):
        raise KeyboardInterrupt

    monkeypatch.setitem(VERBS, "run", VERBS["run"]._replace(call=stop))
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr("sys.orig_argv", typed)
    assert launch.main([argv[0], "--experiment=kick_in"]) == 130
    words = typed[1:2] if "plateau" in argv[0] else typed[: len(typed) - len(argv) + 1]
    assert f"to go on: {' '.join(words)} --experiment=kick_in\n" in capsys.readouterr().err


def test_a_command_on_the_path_is_named_as_it_is_typed(tmp_path, monkeypatch):
    program = tmp_path / "plateau"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launcher._program(str(program)) == ["plateau"]
    monkeypatch.setenv("PATH", str(tmp_path.parent))
    assert launcher._program(str(program)) == [str(program)]


def test_every_line_of_list_ends(capsys):
    assert _launch("list") == 0
    experiments = capsys.readouterr().out.partition("\n\n")[0].splitlines()[1:]
    assert [line for line in experiments if not line.endswith(")")] == []


@pytest.mark.trains
def test_a_study_has_a_place_by_its_name(tmp_path, data_dir, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [word for word in _single(tmp_path, data_dir, "--quiet") if not word.startswith("--workdir")]
    assert _launch(*words) == 0
    said = capsys.readouterr()
    assert "report: runs/single/report.html" in said.out
    assert "%" not in said.err
    assert _launch(*words, "--learning_rate=0.5") == 2
    assert "choose a new --workdir" in capsys.readouterr().err.lower()


def test_list_shows_what_there_is(capsys):
    assert _launch("list") == 0
    shown = capsys.readouterr().out
    for word in ("kick_in", "init_scale", "cnn8", "teacher", "rmsprop", "cosine", "glorot", "epsilon"):
        assert word in shown


def test_no_path_of_the_machine_is_stored(tmp_path, data_dir, monkeypatch):
    workdir = tmp_path / "study"
    words = _single(workdir, data_dir)
    monkeypatch.setattr("sys.argv", ["/somewhere/launch.py", *words])
    assert _launch(*words) == 0
    stored = (workdir / "study.json").read_text()
    assert str(tmp_path) not in stored
    assert "/somewhere" not in stored
    assert "--workdir=study" in stored


def test_a_reader_that_has_had_enough_sees_no_traceback():
    words = f"{sys.executable} launch.py --help | head -1"
    done = subprocess.run(words, shell=True, capture_output=True, text=True, cwd=Path(launch.__file__).parent)
    assert done.stdout.startswith("Plateau")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "environment", "code", "said"),
    [
        ("report --workdir=/nö", {"PYTHONIOENCODING": "ascii"}, 2, r"no study in '/n\xf6'"),
        ("report --workdir=/n$'\\xff'", {}, 2, r"no study in '/n\udcff'"),
        ("list >&-", {}, 0, ""),
        ("report --workdir=/nowhere 2>&-", {}, 2, ""),
        (
            "run --experiment=single --workdir=/nowhere",
            {"XLA_FLAGS": "--xla_nonsense=1"},
            2,
            "Unknown flag in XLA_FLAGS",
        ),
    ],
)
def test_whatever_the_terminal_lacks_there_is_one_line(words, environment, code, said):
    command = ["bash", "-c", f"{sys.executable} launch.py {words}"]
    root = Path(launch.__file__).parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env={**os.environ, **environment})
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == bool(said)
    assert said in done.stderr
