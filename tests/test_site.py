"""The documentation as a site: it is built without a warning, and a broken link is an error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine.commands.verbs import VERBS

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.long


def _build(config: Path, place: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--config-file={config}", f"--site-dir={place}"]
    return subprocess.run(words, env=environment, capture_output=True, text=True)


def test_the_site_has_every_page_verb_and_public_name(tmp_path):
    done = _build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr
    for page in (
        "index.html",
        "docs/tutorial/index.html",
        "benchmarks/RESULTS/index.html",
        "docs/decisions/index.html",
    ):
        assert (tmp_path / page).exists()
    verbs = (tmp_path / "reference" / "verbs" / "index.html").read_text()
    assert all(f'id="{name}"' in verbs for name in VERBS)
    python = (tmp_path / "reference" / "python" / "index.html").read_text()
    assert all(f".{name}" in python for name in engine.__all__)
    assert "median_time" in (tmp_path / "reference" / "statistics" / "index.html").read_text()
    assert "https://fonts" not in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("link", ["docs/nowhere.md", "docs/tutorial.md#nowhere"])
def test_a_broken_link_is_an_error(link, tmp_path):
    for name in ("docs", "benchmarks", "engine", "mkdocs.yml", "LICENSE", "CITATION.cff", "CHANGELOG.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("BUILD_NOTES.md", "CONTRIBUTING.md"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "README.md").write_text(f"# Start\n\n[broken]({link})\n")
    (tmp_path / "mkdocs.yml").unlink()
    (tmp_path / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text())
    (tmp_path / "docs").unlink()
    (tmp_path / "docs").mkdir()
    for path in (ROOT / "docs").iterdir():
        if path.name == "site.py":
            (tmp_path / "docs" / "site.py").write_text(path.read_text())
        else:
            (tmp_path / "docs" / path.name).symlink_to(path)
    done = _build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert link.split("#")[-1].split("/")[-1] in done.stderr
