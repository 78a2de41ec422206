"""A page while its study is under way: what it says, and what makes it load itself again."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from engine.report.findings import find
from engine.report.page import end_live, lay_out, make_live, make_waiting_page
from engine.report.summary import summarise
from engine.statistics import confidence_sequence
from engine.store import open_existing
from engine.store.run_table import RunTable

UPDATED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PAGE = "<!doctype html><html><head><title>t</title></head><body><main>\ntext</main></body></html>"


def _live(page: str = PAGE, interval: float = 30.4, num_over: int = 17, num_runs: int = 48) -> str:
    return make_live(page, UPDATED, interval, (num_over, num_runs, 0.351))


def test_a_live_page_says_how_far_it_is_and_loads_itself_again():
    page = _live()
    assert '<meta http-equiv="refresh" content="30">' in page
    assert re.search(r"updated at <time[^>]*>05:06:07</time>", page)
    assert "17 of 48 runs are over; 35 % of the steps of this launch are taken." in page
    assert '<progress value="17" max="48"' in page
    assert page.index("refresh") < page.index("</head>") < page.index("<progress")


def test_a_page_that_is_live_no_more_says_when_it_was_updated():
    ended = end_live(_live(), UPDATED.replace(hour=6))
    assert "refresh" not in ended
    assert "<script" not in ended
    assert "The launch ended at 06:06:07 without a last report." in ended
    assert "What follows is as of 05:06:07." in ended
    assert "text" in ended


def test_an_ordinary_page_is_left_alone():
    assert end_live(PAGE, UPDATED) is None


def test_nothing_planned_is_no_division_by_zero():
    assert 'max="1"' in _live(num_over=0, num_runs=0)
    assert 'content="1"' in _live(interval=0.2)


@pytest.mark.parametrize(
    ("num_over", "words"), [(0, "No run is over yet."), (1, "1 run is over, but"), (5, "5 runs are over, but")]
)
def test_a_page_without_runs_exists(num_over, words):
    page = make_waiting_page("study", "<script>alert(1)</script>", num_over)
    assert words in page
    assert "<script>alert" not in page
    assert "refresh" in _live(page)


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def test_every_element_is_closed():
    waiting = make_waiting_page("study", "", 0)
    for page in (_live(), _live(waiting), end_live(_live(waiting), UPDATED)):
        parser = _Balance()
        parser.feed(page)
        assert parser.open == []


def test_an_early_look_says_nothing_that_a_later_one_may_not_repeat(finished):
    """Fractions have a confidence sequence, comparisons a safe test: both hold at every look."""
    table = RunTable(open_existing(finished))
    early, last = summarise(table, (6, 96)), summarise(table)
    for name, arm in early.arms.items():
        num_left = int(np.sum(early.runs[name].event == 1))
        assert arm.fraction == confidence_sequence(num_left, 3)
        fixed = last.arms[name].fraction
        assert arm.fraction.upper - arm.fraction.lower > fixed.upper - fixed.lower
    assert early.comparisons["fast"].p_adjusted >= last.comparisons["fast"].p_adjusted
    page = lay_out(find(table, (6, 96))).html
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "The study is under way: 6 of 96 runs are over. So far:" in text
    assert "p at every look" in text
    assert "this is one of many looks" in text
    for words in ("Holm", "Clopper", "stratified by seed"):
        assert words not in text, words
    assert "Holm" in lay_out(find(table)).html
