"""Logs that are damaged, unusual or not logs: one line that names the file and the row."""

import gzip
import json

import pytest

import launch

_ROWS = "".join(f"{i},{2.3 if i < 30 else 0.5}\n" for i in range(60))
_LOG = "step,loss\n" + _ROWS
_TEXT_LINES = '{"step":0,"loss":2.3}\n{"step":1,"loss":"x"}\n{"step":2,"loss":2}\n'

BAD: dict[str, tuple[str, str | bytes, str]] = {
    "nothing": ("a.csv", "", "a.csv: empty"),
    "blank lines": ("a.csv", "\n\n \n", "a.csv: empty"),
    "header only": ("a.csv", "step,loss\n", "a.csv: a header and no rows"),
    "a cell without an end": ("a.csv", "step," + 200_000 * "l" + "\n0,1\n1,2\n", "a.csv: its first line is no row"),
    "one point": ("a.csv", "step,loss\n0,2.3\n", "a.csv: one point"),
    "text in a cell": (
        "a.csv", _LOG.replace("17,2.3", "17,oops"), "a.csv, row 19: 'loss' is 'oops'"),
    "text in a step": ("a.csv", _LOG.replace("17,2.3", "x17,2.3"), "a.csv, row 19: 'step' is"),
    "a cell too few": ("a.csv", _LOG.replace("17,2.3", "17"), "a.csv, row 19: 1 cells, expected 2"),
    "a cell too many": ("a.csv", _LOG.replace("17,2.3", "17,2.3,4"), "a.csv, row 19: 3 cells"),
    "empty cells": ("a.csv", "step,loss\n0,\n1,\n", "a.csv: not a single loss in 'loss'"),
    "huge step": ("a.csv", _LOG + "99999999999999999999,1\n", "row 62: 'step' is 1e+20"),
    "large step": ("a.csv", _LOG + "5000000000,1\n", "row 62: 'step' is 5e+09"),
    "infinite step": ("a.csv", _LOG + "1e400,1\n", "row 62: 'step' is inf"),
    "negative step": ("a.csv", "step,loss\n-1,2\n0,2\n", "row 2: 'step' is -1"),
    "step with a fraction": ("a.csv", "step,loss\n0.5,2\n1.5,2\n", "row 2: 'step' is 0.5"),
    "dates": ("a.csv", "step,loss\n2020-01-01,2\n2020-01-02,2\n", "'step' holds date"),
    "truth": ("a.csv", "step,loss\n0,true\n1,false\n", "row 2: 'loss' is 'true'"),
    "no loss": ("a.csv", "step,a,b\n0,1,2\n1,1,2\n", "give --loss_column=NAME"),
    "two losses": ("a.csv", "step,x_loss,y_loss\n0,1,2\n1,1,2\n", "'x_loss', 'y_loss' could be"),
    "a name twice": ("a.csv", "step,loss,loss\n0,1,2\n1,1,2\n", "two columns are called 'loss'"),
    "runs in one": ("a.csv", _LOG + _ROWS, "row 62: two runs in one"),
    "a header within": ("a.csv", _LOG + _LOG, "row 62: 'loss' is 'loss': expected a number, not"),
    "runs mixed": (
        "a.csv",
        "step,s,loss\n" + "".join(f"{i},{s},2.3\n" for i in range(9) for s in range(2)),
        "'s' would do"),
    "no step": ("a.csv", "loss,val_loss\n2,\n,2\n1,\n,2\n", "a.csv, row 3: there is no step"),
    "step of an epoch": (
        "a.csv",
        "epoch,batch,loss\n" + "".join(f"{e},{b},2\n" for e in range(6) for b in range(10)),
        "give --steps_per_epoch (the largest is 9: perhaps 10)"),
    "infinite epoch": ("a.csv", "epoch,loss\n1e400,2\n1,2\n", "row 2: 'epoch' is inf"),
    "part of an epoch": ("a.csv", "epoch,loss\n0.5,2\n1,2\n", "give --steps_per_epoch"),
    "bytes": ("a.csv", bytes(range(256)) * 9, "neither text nor a TensorBoard event file"),
    "pickle": ("a.pkl", b"\x80\x04\x95\n.", "a.pkl"),
    "gzip of nothing": ("a.csv.gz", gzip.compress(b""), "a.csv.gz: empty"),
    "no gzip": ("a.csv.gz", b"\x1f\x8bjunk", "damaged gzip"),
    "half of UTF-16": ("a.csv", _LOG.encode("utf-16")[:-1], "UTF-16"),
    "a state without rows": ("a.json", '{"log_history": []}', "logging_steps of TrainingArguments"),
    "a state of a last row": (
        "a.json",
        '{"log_history": [{"step": 5, "train_runtime": 3, "train_loss": 2}]}',
        "no row in 'log_history' holds a loss"),
    "half of a state": ("trainer_state.json", '{"log_history": [{"st', "it ends in the middle"),
    "a state of something else": ("trainer_state.json", "[1]", "no list 'log_history' in it"),
    "a state of numbers": ("a.json", '{"log_history": [{"step": 5, "loss": 2}, 5]}', "row 2: '5' in"),
    "text in a state": ("a.json", '{"log_history": [{"step": 5, "loss": "x"}]}', "row 1: 'loss' is 'x'"),
    "JSON of nothing": ("a.json", " \n", "a.json: empty"),
    "no JSON": ("a.json", "{nope", "a.json: no JSON"),
    "deep JSON": ("a.json", "[" * 100_000, "nested too deeply"),
    "list of numbers": ("a.json", "[1, 2, 3]", "JSON without a curve"),
    "text as JSON": ("a.json", '"hi"', "JSON without a curve"),
    "a list as a line": ("a.jsonl", '{"step":0,"loss":2}\n[1]\n{"step":1}\n', "a.jsonl, row 2"),
    "text in a line": ("a.jsonl", _TEXT_LINES, "a.jsonl, row 2: 'loss' is 'x'"),
    "no events": ("events.out.tfevents.1", b"not really" * 9, "no TensorBoard event file"),
}  # fmt: skip

GOOD: dict[str, tuple[str, str | bytes, str]] = {
    "as it is": ("a.csv", _LOG, ""),
    "byte order mark": ("a.csv", b"\xef\xbb\xbf" + _LOG.encode(), ""),
    "UTF-16": ("a.csv", _LOG.encode("utf-16"), ""),
    "lines of Windows": ("a.csv", _LOG.replace("\n", "\r\n"), ""),
    "Latin-1": ("a.csv", _LOG.replace("step,loss", "step,loss,\xe4").encode("latin-1"), None),
    "tabs": ("a.txt", _LOG.replace(",", "\t"), ""),
    "semicolons": ("a.csv", _LOG.replace(",", ";").replace(".", ","), ""),
    "spaces after commas": ("a.csv", _LOG.replace(",", ", "), ""),
    "quotes": ("a.csv", "\n".join('"' + r.replace(",", '","') + '"' for r in _LOG.split()), ""),
    "blank lines first": ("a.csv", "\n\n" + _LOG, ""),
    "no end of line": ("a.csv", _LOG.rstrip(), ""),
    "no header": ("a.csv", _ROWS, ""),
    "numbers only": ("a.csv", "\n".join(r.split(",")[1] for r in _ROWS.split()), ""),
    "a sign before the header": ("a.csv", "# " + _LOG, ""),
    "an index": ("a.csv", _LOG.replace("step,", ","), ""),
    "packed": ("a.csv.gz", gzip.compress(_LOG.encode()), ""),
    "half a line at the end": ("a.csv", _LOG + "60", "last line is incomplete"),
    "half a line of JSON": (
        "a.jsonl", '{"step":0,"loss":2.3}\n{"step":1,"loss":2.3}\n{"st', "line is incomplete"),
    "reversed": (
        "a.csv", "step,loss\n" + "".join(reversed(_ROWS.splitlines(True))), "not in order"),
    "restarted": ("a.csv", _LOG + "40,0.4\n41,0.4\n", "the step goes back once"),
    "a step twice": ("a.csv", _LOG + "59,0.4\n", "more than once"),
    "a gap": ("a.csv", _LOG.replace("40,0.5", "40,nan"), "1 of 60 losses are not finite"),
    "an empty cell": ("a.csv", _LOG.replace("40,0.5", "40,"), ""),
    "rows": ("a.json", json.dumps([{"step": i, "loss": 2.3} for i in range(9)]), ""),
    "rows of a trainer": (
        "a.json",
        json.dumps({"log_history": [{"step": i, "loss": 2.0} for i in range(9)], "best": None}),
        ""),
    "lists of rates": ("a.csv", "step,loss,lr\n0,2.3,[0.1]\n1,2.3,[0.1]\n", ""),
    "text for numbers": ("a.jsonl", '{"step":0,"loss":"2.3"}\n{"step":1,"loss":"2.2"}\n', ""),
    "JSON within": (
        "a.jsonl", '{"step":0,"train":{"loss":2.3}}\n{"step":1,"train":{"loss":2}}', ""),
}  # fmt: skip


def _read(path, name, content, *words):
    file = path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return launch.main(["launch.py", "read", f"--curves={file}", "--classes=10", *words])


@pytest.mark.parametrize("kind", BAD)
def test_bad_logs_are_one_line_and_leave_nothing(kind, tmp_path, capsys):
    name, content, words = BAD[kind]
    workdir = tmp_path / "study"
    assert _read(tmp_path, name, content, f"--workdir={workdir}") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not workdir.exists()


@pytest.mark.parametrize("kind", GOOD)
def test_unusual_logs_are_read_and_what_was_done_is_said(kind, tmp_path, capsys):
    name, content, words = GOOD[kind]
    if words is None:
        words, content = "no UTF-8, read as Latin-1", content.replace(b".3\n", b".3,\n")
        content = content.replace(b".5\n", b".5,\n")
    assert _read(tmp_path, name, content) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("1 run from 1 file")
    assert "“a”: " in captured.out
    assert words in captured.err
    assert bool(words) == bool(captured.err)
    if len(content) > 400:
        assert "leaves chance level (2.303) at step 29" in captured.out


def test_a_loss_that_blows_up_is_a_divergence(tmp_path, capsys):
    for end in ("nan", "inf", "1e400"):
        ended = _LOG.split("30,0.5")[0] + f"30,{end}\n31,{end}\n"
        assert _read(tmp_path, "a.csv", ended) == 0
        assert "the loss blew up at step 30, before it had left chance" in capsys.readouterr().out
    assert _read(tmp_path, "a.csv", _LOG + "60,nan\n") == 0
    assert "and blew up later" in capsys.readouterr().out
    assert _read(tmp_path, "a.csv", "step,loss\n0,nan\n1,nan\n") == 0
    assert "the loss blew up at step 0" in capsys.readouterr().out


def test_flags_overrule_what_is_guessed(tmp_path, capsys):
    assert _read(tmp_path, "a.csv", _LOG + _ROWS, "--restarts=separate") == 0
    assert "2 runs from 1 file" in capsys.readouterr().out
    assert _read(tmp_path, "a.csv", _LOG + _ROWS, "--restarts=replace") == 0
    assert "1 run from 1 file" in capsys.readouterr().out
    batches = "epoch,batch,loss\n" + "".join(f"{e},{b},{2.3 if e < 3 else 0.5}\n" for e in range(6) for b in range(10))
    assert _read(tmp_path, "a.csv", batches, "--steps_per_epoch=10") == 0
    assert "step from 'epoch' × 10 + 'batch'" in (out := capsys.readouterr().out)
    assert "at epoch 2.9" in out
    mixed = "step,s,loss\n" + "".join(f"{i},{s},2.3\n" for i in range(9) for s in range(2))
    assert _read(tmp_path, "a.csv", mixed, "--run_column=s") == 0
    assert "2 runs from 1 file" in capsys.readouterr().out
    wide = "t,a,b\n" + "".join(f"{i},2.3,2.2\n" for i in range(9))
    assert _read(tmp_path, "a.csv", wide, "--layout=wide", "--step_column=t") == 0
    assert "2 runs from 1 file" in capsys.readouterr().out
    epochs = "epoch,loss\n" + "".join(f"{i},2.3\n" for i in range(9))
    assert _read(tmp_path, "a.csv", epochs, "--first_epoch=1") == 0
    assert "the log ends at epoch 8" in capsys.readouterr().out
    odd = "step@loss\n0@2,3\n1@2,3\n"
    assert _read(tmp_path, "a.csv", odd, "--delimiter=@", "--decimal=,") == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--curves is missing"),
        (["--curves=nothing.csv"], "no such file"),
        (["--curves=LOG"], "the first losses are 2.3, about ln 10: perhaps --classes=10"),
        (["--curves=LOG", "--classes=1"], "classes=1: expected a whole number from 2"),
        (["--curves=LOG", "--classes=10", "--chance_loss=2"], "give one"),
        (["--curves=LOG", "--class_counts=5"], "at least two classes"),
        (["--curves=LOG", "--class_counts=5,-1"], "expected numbers from 0 on"),
        (["--curves=LOG", "--class_counts=5;1"], "expected numbers with commas"),
        (["--curves=LOG", "--chance_loss=nan"], "chance_loss=nan: expected a finite number"),
        (["--curves=LOG", "--chance_loss=0"], "chance_loss=0.0: expected a positive number"),
        (["--curves=LOG", "--classes=10", "--average=0"], "average=0"),
        (["--curves=LOG", "--classes=10", "--baseline=he"], "unknown arm 'he'"),
        (["--curves=LOG", "--classes=10", "--layout=tall"], "unknown layout 'tall'"),
        (["--curves=LOG", "--classes=10", "--restarts=drop"], "unknown restarts 'drop'"),
        (["--curves=LOG", "--classes=10", "--loss_column=los"], "did you mean 'loss'"),
        (["--curves=LOG", "--classes=10", "--delimiter=abc"], "expected one character"),
        (["--curves=LOG", "--classes=10", "--decimal=;"], "decimal=;: expected one of ., ,"),
        (["--curves=LOG", "--classes=10", "--steps_per_epoch=0"], "steps_per_epoch=0"),
        (["--curves=LOG", "--classes=10", "--first_epoch=7"], "first_epoch=7"),
        (["--curves=LOG", "--classes=10", "--workdir=FULL"], "neither empty nor a study"),
        (["--curves=LOG", "--clases=10"], "classes"),
    ],
)
def test_bad_flags_are_one_line(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text(_LOG)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("mine")
    words = [word.replace("LOG", "log.csv").replace("FULL", "full") for word in words]
    assert launch.main(["launch.py", "read", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert expected in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "log.csv"]


def test_an_option_of_a_format_that_no_file_has_is_refused(tmp_path, capsys):
    rows = "".join(json.dumps({"step": 10 * i, "loss": 2.3}) + "\n" for i in range(9))
    assert _read(tmp_path, "a.jsonl", rows, "--decimal=,") == 2
    assert capsys.readouterr().err == "error: decimal=, has no effect: no file is in the format csv\n"
