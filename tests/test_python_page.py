"""The examples of docs/python.md, which use every public name, run from top to bottom."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine import statistics

ROOT = Path(__file__).parent.parent
CODE = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL))


def test_every_public_name_has_an_example():
    functions = [name for name, member in vars(statistics).items() if inspect.isfunction(member)]
    wanted = [*engine.__all__, *functions, *(name for name in vars(engine.Results) if not name.startswith("_"))]
    used = set(re.findall(r"\w+", CODE))
    # What a study without diagnostics does not have, and what every result says of itself.
    assert set(wanted) - used == {"diagnostics", "study", "arms", "path"} - used


@pytest.mark.guide
def test_the_examples_run(tmp_path):
    (tmp_path / "page.py").write_text(CODE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    # A clone, which knows both names once one is imported.
    code = "import engine; exec(open('page.py').read())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "did you mean 'adam'" in done.stdout
    assert (tmp_path / "incidence.png").exists()
    assert (tmp_path / "runs" / "why" / "report.html").exists()
