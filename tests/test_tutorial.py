"""Every command of the tutorial, in its order, as a reader would type it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", "").splitlines()]


def _run(command: str, folder: Path) -> str:
    words = shlex.split(command)
    if words[0] == "plateau":
        words = ["python", "-m", "engine", *words[1:]]
    assert words[0] == "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
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
