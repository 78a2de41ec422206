"""Pages for people: every link leads somewhere, every page is reachable, and lines and pages stay short."""

import re
from pathlib import Path

import pytest

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
