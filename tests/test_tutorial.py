"""Every command of the tutorial, and of the pages for other libraries, in its order, as a reader would type it."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text()


def _commands_of(page: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [line for language, block in blocks if not language for line in block.replace("\\\n", "").splitlines()]


COMMANDS = _commands_of(PAGE)


def _run(command: str, folder: Path) -> str:
    words = shlex.split(command)
    if words[0] == "plateau":
        words = ["python", "-m", "engine", *words[1:]]
    assert words[0] == "python"
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    done = subprocess.run([sys.executable, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.mark.guide
def test_every_command_of_the_tutorial_does_what_the_page_says(tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    said = {command: _run(command, tmp_path) for command in COMMANDS}
    assert len(said) == len(COMMANDS) == 8
    read, mine, wait, verified = list(said.values())[2:6]
    assert "A plateau that ends by itself" in read
    assert "One run cannot say" in read
    assert "This is normal for “arm”: 12 of 12 runs" in mine
    assert "init=he in place of as_written" in wait
    assert "all are identical to the last bit" in verified
    # Onsets depend on the processor by a fraction of an epoch.
    for arm, printed in (("as_written", 8.9), ("he", 2.3), ("rate_x3", 3.9)):
        assert f"{printed} (" in PAGE
        found = re.search(rf"^{arm} .*%\) +([\d.]+) \(", wait, re.MULTILINE)
        assert found is not None
        assert float(found[1]) == pytest.approx(printed, abs=0.5)


@pytest.mark.guide
def test_every_trainer_of_its_page_waits_as_long_as_the_page_says(tmp_path):
    page = (ROOT / "docs" / "trainers.md").read_text()
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    said = "".join(_run(command, tmp_path) for command in _commands_of(page))
    measured = [float(one) for one in re.findall(r"^(?:arm|trainer_arg\S+) .*%\) +([\d.]+) \(", said, re.MULTILINE)]
    table = page[page.index("| what | median") : page.index("## What is not there")]
    printed = [float(one) for one in re.findall(r"(\d+) \(\d+–\d+\)", table)]
    assert len(measured) == 6
    # Rounding, which differs between processors, moves the noise of the longest wait.
    np.testing.assert_allclose(measured, printed, rtol=0.25)


@pytest.mark.guide
@pytest.mark.parametrize(
    ("library", "page", "median", "of_he"), [("torch", "pytorch", 9.5, 2.5), ("keras", "keras", 9.8, 2.3)]
)
def test_a_script_of_another_library_gets_its_verdict(library, page, median, of_he, tmp_path):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    words = (ROOT / "docs" / f"{page}.md").read_text()
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    commands = _commands_of(words)
    _, _, read, mine, start = [_run(command, tmp_path) for command in commands]
    assert "A plateau that ends by itself" in read
    assert "This is normal for “arm”: 12 of 12 runs" in mine
    assert f"epoch {median} (" in words
    # Onsets depend on the processor by a fraction of an epoch.
    for arm, printed in (("init=as_written", median), ("init=he", of_he)):
        found = re.search(rf"^{arm} .*%\) +([\d.]+) \(", start, re.MULTILINE)
        assert found is not None
        assert float(found[1]) == pytest.approx(printed, abs=0.5)
