"""Adding a diagnostic, a section of the report, a format of logs and an experiment: one file and one line each."""

import sys

import pytest

import engine
from engine.logs.formats import FORMATS
from engine.report.sections import SECTIONS
from engine.studies.shipped import EXPERIMENTS
from engine.training.probes import DIAGNOSTICS
from launch import main

DIAGNOSTIC = '''
"""Measures the largest parameter, raised to a power."""
import jax
import jax.numpy as jnp
from engine.arms.options import Option
from engine.training.probes.diagnostic import WHOLE, Diagnostic, Panel

OPTIONS = (Option("largest_power", float, 1.0, "power of the largest parameter", minimum=1, maximum=4),)

def _measure(subject, snapshot, memory):
    leaves = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(snapshot.state.params)]
    value = jnp.max(jnp.stack(leaves)) ** subject.options["largest_power"]
    return {"largest": {WHOLE: value}}, memory

DIAGNOSTIC = Diagnostic(
    {"largest": "the largest parameter"},
    _measure,
    (Panel("largest parameter", ("largest",), "linear", "the largest parameter", "it grows"),),
)
'''
SECTION = '''
"""Says how many runs there are."""
from engine.arms.options import Option
from engine.report.sections import Section

OPTIONS = (Option("counted_in", int, 1, "runs that are counted as one", part="none", minimum=1),)

def make_section(table, summary, counted_in):
    number = sum(arm.num_runs for arm in summary.arms.values()) // counted_in
    return Section("counted", "How many", [f"There are {number} times {counted_in}."], [], {}, {"number": number})
'''
FORMAT = '''
"""Logs with a sign between step and loss."""
import pyarrow as pa
from engine.arms.options import Option
from engine.logs.log_table import LogTable

OPTIONS = (Option("sign", str, ":", "sign between step and loss", part="none"),)

def matches(name, start):
    return name.endswith(".signs")

def read(file, content, options):
    rows = [line.split(options.format_options["sign"]) for line in content.decode().splitlines()]
    steps, losses = (pa.array([float(row[i]) for row in rows]) for i in (0, 1))
    return LogTable(file, "steps and losses", {"step": steps, "loss": losses})
'''
EXPERIMENT = '''
"""Does a small network kick in?

Time: a second.
"""
from engine import Arm, Option, Study

OPTIONS = (Option("units", int, 8, "units of the hidden layer", part="none", minimum=1, maximum=64),)

def study(units=8):
    arms = {"only": Arm(model="mlp", dense_widths=(units,), init="he", learning_rate=1e-2)}
    return Study(name="added", arms=arms, seeds=2, horizon=44, eval_every=11)
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that writes a module into a temporary package, and returns its name."""
    folder = tmp_path / "added_parts"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, source):
        (folder / f"{name}.py").write_text(source.lstrip())
        return f"added_parts.{name}"

    yield write
    for name in [name for name in sys.modules if name.startswith("added_parts")]:
        del sys.modules[name]


@pytest.fixture
def places(tmp_path, data_dir, cache_dir):
    """Flags of a small study in one process."""
    small = ["--experiment=single", "--model=mlp", "--dense_widths=8", "--seeds=2", "--horizon=44", "--eval_every=11"]
    where = [f"--workdir={tmp_path / 'work'}", f"--data_dir={data_dir}", f"--compilation_cache={cache_dir}"]
    return small, [*where, "--workers=0"]


def test_a_diagnostic(package, monkeypatch, tmp_path, places, capsys):
    monkeypatch.setitem(DIAGNOSTICS, "largest", package("largest", DIAGNOSTIC))
    small, where = places
    words = [*small, *where, "--diagnostics=largest"]
    assert main(["launch.py", "--help", "--diagnostics=largest"]) == 0
    assert "--largest_power: power of the largest parameter (default: 1.0" in capsys.readouterr().out
    assert main(["launch.py", *words, "--largest_power=9"]) == 2
    assert "expected at most 4" in capsys.readouterr().err
    assert main(["launch.py", *small, *where, "--diagnostics=norms", "--largest_power=2"]) == 2
    assert "largest_power=2.0 has no effect without diagnostic largest" in capsys.readouterr().err
    assert main(["launch.py", *words, "--largest_power=2"]) == 0
    results = engine.open(tmp_path / "work")
    assert "largest parameter" in (results.path / "report.html").read_text()
    # The weights of a start are below one, so that a square is below its root.
    assert 0 < results.diagnostics("arm").values["largest"][""][0, 0] < 0.1
    assert main(["launch.py", "verify", "--runs=1", where[0], where[1], where[2], "--workers=0"]) == 0
    assert main(["launch.py", *words]) == 2
    assert "largest_power" in capsys.readouterr().err


def test_a_section(package, monkeypatch, tmp_path, places, capsys):
    monkeypatch.setitem(SECTIONS, "counted", package("counted", SECTION))
    small, where = places
    assert main(["launch.py", *small, *where]) == 0
    assert "There are 2 times 1." in (tmp_path / "work" / "report.html").read_text()
    assert main(["launch.py", "report", where[0], "--counted_in=2"]) == 0
    assert "There are 1 times 2." in (tmp_path / "work" / "report.html").read_text()
    assert engine.open(tmp_path / "work").summary["counted"] == {"number": 2}
    assert main(["launch.py", "report", where[0], "--counted_in=0"]) == 2
    assert "counted_in=0: expected at least 1" in capsys.readouterr().err
    assert main(["launch.py", "report", "--help"]) == 0
    assert "--counted_in: runs that are counted as one (default: 1)" in capsys.readouterr().out


def test_a_format_of_logs(package, monkeypatch, tmp_path, capsys):
    last = FORMATS["csv"]
    monkeypatch.delitem(FORMATS, "csv")
    monkeypatch.setitem(FORMATS, "signs", package("signs", FORMAT))
    monkeypatch.setitem(FORMATS, "csv", last)
    log = tmp_path / "run.signs"
    log.write_text("".join(f"{10 * i}@{loss}\n" for i, loss in enumerate([2.3] * 50 + [0.5] * 50)))
    assert main(["launch.py", "read", f"--curves={log}", "--classes=10", "--sign=@"]) == 0
    assert "500" in capsys.readouterr().out
    assert main(["launch.py", "read", "--help"]) == 0
    assert "--sign: sign between step and loss (default: :)" in capsys.readouterr().out


def test_an_experiment(package, monkeypatch, tmp_path, places, capsys):
    monkeypatch.setitem(EXPERIMENTS, "added", package("experiment", EXPERIMENT))
    _, where = places
    assert main(["launch.py", "list"]) == 0
    assert "Does a small network kick in? (a second)" in capsys.readouterr().out
    assert main(["launch.py", "--experiment=added", "--help"]) == 0
    assert "--units: units of the hidden layer (default: 8)" in capsys.readouterr().out
    assert main(["launch.py", "--experiment=added", "--units=65", *where]) == 2
    assert "units=65: expected at most 64" in capsys.readouterr().err
    assert main(["launch.py", "--experiment=added", "--units=4", *where]) == 0
    assert engine.open(tmp_path / "work").study.arms["only"].dense_widths == (4,)
    assert main(["launch.py", "verify", "--runs=1", where[0], where[1], where[2], "--workers=0"]) == 0
