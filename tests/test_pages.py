"""Pages for people: every link leads somewhere, every page is reachable, and lines and pages stay short."""

import re
import shlex
from pathlib import Path

import pytest

from engine.commands.flags import make_flags
from engine.commands.verbs import VERBS

ROOT = Path(__file__).parent.parent
PAGES = sorted(path for folder in ("*", "docs/**/*", "benchmarks/*") for path in ROOT.glob(f"{folder}.md"))
# Paths of the tree, alone or in a command; what stands for a name is upper case.
PATH = re.compile(r"(?<![\w./-])(?:engine|tests|benchmarks|docs|experiments)/[a-z0-9_/]*(?:\.[a-z]+)?(?![\w*…])")
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")


def _anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have on common hosts."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links(page: Path) -> list[tuple[Path, str]]:
    found = LINK.findall(page.read_text())
    return [
        ((page.parent / place).resolve() if place else page, anchor) for place, anchor in found if "://" not in place
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target, anchor in _links(page):
        assert target.exists(), target
        if anchor:
            assert anchor in _anchors(target), f"{target.name}#{anchor}"


def test_every_page_can_be_reached_from_the_readme():
    reached, new = set(), {ROOT / "README.md"}
    while new:
        reached |= new
        new = {target for page in new if page.suffix == ".md" for target, _ in _links(page)} - reached
        new |= {folder / "README.md" for folder in new if folder.is_dir()} - reached
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_outside_tables_are_short(page):
    lines = page.read_text().splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


def test_pages_stay_short():
    limits = {"README.md": 120, "BUILD_NOTES.md": 150}
    limits |= {str(path.relative_to(ROOT)): 25 for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in limits}
    assert {name: length for name, length in lengths.items() if length > limits[name]} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_is_named_exists(page):
    if page.name != "CONTRIBUTING.md":  # its example adds a file
        code = re.findall(r"```.*?```|`[^`]+`", page.read_text(), re.DOTALL)
        named = {path for words in code for path in PATH.findall(words)}
        assert {path for path in named if not (ROOT / path).exists()} == set()


def test_every_table_that_takes_a_line_is_where_the_notes_say():
    found = re.findall(r"`(\w+)` of `([\w/]+\.py)`", (ROOT / "BUILD_NOTES.md").read_text())
    assert len(found) > 10
    assert [pair for pair in found if pair[0] not in (ROOT / pair[1]).read_text()] == []


def _commands(page: Path) -> list[str]:
    """The commands of a page that start Plateau, each as one line."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    blocks = re.findall(r"^```(?:\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [*lines, *re.findall(r"`((?:plateau|python launch\.py) [^`]+)`", text)]
    starts = r"^(?:\.venv/bin/)?(?:plateau|python launch\.py|launch\.py) "
    return [re.sub(r"\s+#.*", "", line.strip()) for line in found if re.match(starts, line.strip())]


def test_commands_are_found():
    assert len(_commands(ROOT / "docs" / "cookbook.md")) > 25
    assert len(_commands(ROOT / "README.md")) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_has_verbs_and_flags_that_there_are(page):
    for command in _commands(page):
        words = shlex.split(command.replace("…", "x").replace("'", "").replace('"', ""))
        words = words[words.index("launch.py") + 1 :] if "launch.py" in words else words[1:]
        verb = words.pop(0) if words and not words[0].startswith("-") else "run"
        assert verb in VERBS or verb in ("VERB", "help"), command
        for word in (word for word in words if word.startswith("--") and verb in VERBS):
            name = word[2:].split("=")[0]
            assert name in make_flags(verb) or name in ("help", "version") or _is_of_experiment(name), command


def _is_of_experiment(name: str) -> bool:
    """Options of experiments that the pages write themselves."""
    return name in ("units",)
