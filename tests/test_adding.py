"""Adding a section of the report, a format of logs and an experiment: one file and one line each."""

import sys

import pytest

import engine
from engine.logs import formats
from engine.report import sections
from experiments import EXPERIMENTS
from launch import main
from tests.conftest import small_study

SECTION = '''
"""Says how many runs there are."""
from engine.report.sections import Section

def make_section(table, summary):
    number = sum(arm.num_runs for arm in summary.arms.values())
    return Section("counted", "How many", [f"There are {number} runs."], [], {}, {"number": number})
'''
FORMAT = '''
"""Logs with a colon between step and loss."""
import pyarrow as pa
from engine.logs.formats import LogFormat
from engine.logs.log_table import LogTable

def _read(file, content, options):
    rows = [line.split(":") for line in content.decode().splitlines()]
    steps, losses = (pa.array([float(row[i]) for row in rows]) for i in (0, 1))
    return LogTable(file, "steps and losses", {"step": steps, "loss": losses})

FORMAT = LogFormat(lambda name, start: name.endswith(".colons"), _read)
'''
EXPERIMENT = '''
"""Does a small network kick in?

Time: a second.
"""
from engine import Arm, Study

def study():
    arms = {"only": Arm(model="mlp", dense_widths=(8,), init="he", learning_rate=1e-2)}
    return Study(name="added", arms=arms, seeds=2, horizon=22)
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


def test_a_section(package, monkeypatch, tmp_path, data_dir, cache_dir):
    monkeypatch.setattr(sections, "SECTIONS", (*sections.SECTIONS, package("section", SECTION)))
    options = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}
    results = engine.run(small_study(seeds=2, horizon=22), tmp_path / "work", **options)
    assert results.summary["counted"] == {"number": 4}
    assert "There are 4 runs." in (results.path / "report.html").read_text()


def test_a_format_of_logs(package, monkeypatch, tmp_path, capsys):
    import importlib

    added = importlib.import_module(package("colons", FORMAT)).FORMAT
    monkeypatch.setattr(formats, "FORMATS", {"colons": added, **formats.FORMATS})
    losses = [2.3] * 50 + [0.5] * 50
    log = tmp_path / "run.colons"
    log.write_text("".join(f"{10 * i}:{loss}\n" for i, loss in enumerate(losses)))
    assert main(["launch.py", "read", f"--curves={log}", "--classes=10"]) == 0
    assert "500" in capsys.readouterr().out


def test_an_experiment(package, tmp_path, data_dir, cache_dir, capsys):
    EXPERIMENTS["added"] = package("experiment", EXPERIMENT)
    try:
        assert main(["launch.py", "list"]) == 0
        assert "Does a small network kick in? a second." in capsys.readouterr().out
        places = [f"--workdir={tmp_path / 'work'}", f"--data_dir={data_dir}", f"--compilation_cache={cache_dir}"]
        assert main(["launch.py", "run", "--experiment=added", "--workers=0", *places]) == 0
    finally:
        del EXPERIMENTS["added"]
