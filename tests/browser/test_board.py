"""The page of several studies in a browser: it fits, sorts, filters, and compares two."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from engine.commands.board import board
from engine.commands.report import report
from tests.report.studies import early, late, store_and_summarise, stuck

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def page_of_three(tmp_path_factory):
    root = tmp_path_factory.mktemp("board")
    for name, rows in (("slow", late("a", 4)), ("quick", early("a", 3)), ("held", stuck("a", 2))):
        store_and_summarise(root / name, {"a": rows}, "a", len(rows))
        report(root / name)
    return board(root)


def _names(page):
    return [cell.inner_text() for cell in page.locator("tbody td:nth-child(2)").all() if cell.is_visible()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_keeps_the_rules_of_accessibility(page_of_three, visit, scheme):
    for width in (320, 390, 768, 1280):
        page = visit(page_of_three, width, color_scheme=scheme)
        for box in page.locator("tbody input").all()[:2]:
            box.check()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        assert {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found} == {}


def test_headings_sort_by_what_is_meant(page_of_three, visit):
    page = visit(page_of_three)
    assert _names(page) == ["held", "quick", "slow"]
    page.get_by_role("button", name="when").click()
    assert _names(page) == ["quick", "slow", "held"], "never comes last"
    page.get_by_role("button", name="when").click()
    assert _names(page) == ["held", "slow", "quick"]
    page.get_by_role("button", name="runs").click()
    assert _names(page) == ["held", "quick", "slow"]
    page.get_by_role("button", name="study").click()
    assert _names(page) == ["held", "quick", "slow"]


def test_words_filter(page_of_three, visit):
    page = visit(page_of_three)
    page.get_by_role("searchbox").fill("SLOW 2026")
    assert _names(page) == ["slow"]
    assert page.locator("#found").inner_text() == "1 of 3"
    page.get_by_role("searchbox").fill("")
    assert len(_names(page)) == 3


def test_two_are_compared_and_reports_open(page_of_three, visit):
    page = visit(page_of_three)
    page.get_by_label("compare slow").check()
    assert page.locator("#compared").is_hidden()
    page.get_by_label("compare quick").check()
    assert page.locator("#compared polyline").count() == 2
    assert page.locator("#compared code").inner_text() == "plateau compare --workdir=slow --baseline=quick"
    page.get_by_label("compare held").check()
    assert page.locator("#compared code").inner_text() == "plateau compare --workdir=quick --baseline=held"
    page.get_by_role("link", name="slow").click()
    assert page.locator(".headline").inner_text().startswith("“a”: 4 of 4 runs")
