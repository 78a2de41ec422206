"""The page fits a phone and a sheet of paper: what can be said of that without a browser."""

import re

import matplotlib as mpl
import pytest

from engine import store
from engine.commands.report import report
from engine.report.figures import Figures, make_drawings
from engine.report.findings import find
from engine.report.page import lay_out
from engine.report.phrases import label
from engine.report.terms import explain
from engine.store.run_table import RunTable
from tests.report.studies import H, early, late, page_of, store_and_summarise

LONG = "learning_rate=0.0001,init_scale=0.05,dense_widths=128-64"


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    names = [f"{LONG},{i}" for i in range(9)]
    arms = {name: (late if i % 2 else early)(name, 6) for i, name in enumerate(names)}
    path = tmp_path_factory.mktemp("page") / "study"
    return store_and_summarise(path, arms, names[0]), names, path


@pytest.mark.parametrize("name", ["incidence", "aligned"])
def test_long_names_leave_room_for_the_curves(summary, name):
    figure = Figures(make_drawings(summary[0]))[name]
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_position().width > 0.7
    shown = {text.get_text() for text in figure.findobj(mpl.text.Text)}
    assert {label(long) for long in summary[1]} <= shown


def test_nothing_is_wider_than_the_window(summary):
    """Drawings scale, every table may wrap or scroll by itself, and paper has margins."""
    page, _, svg = lay_out(find(RunTable(store.open_existing(summary[2]))))
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    heads = re.findall(r"<svg[^>]*>", page)
    assert len(heads) == len(svg)
    assert not any(re.search(r'\s(width|height)="', head) for head in heads)
    assert all("viewBox" in head for head in heads)
    assert page.count("<table") == page.count('<div class="scroll">\n<table') == 2
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"[^-]width:\s*\d{3,}px", style)
    assert "overflow-wrap: anywhere" in style
    assert "pre { white-space: pre-wrap;" in style
    paper = style[style.index("@media print") :]
    assert ".scroll { overflow: visible; }" in paper
    assert "@page { margin" in style


def test_the_terminal_says_what_the_page_begins_with(tmp_path, capsys):
    rows = late()
    rows[1] |= {"status": "stuck", "event": 0, "onset_step": None, "best_minus_end": 0.75, "end_loss": 0.9 * H}
    store_and_summarise(tmp_path, {"late": rows}, "late")
    report(tmp_path)
    shown, page = capsys.readouterr().out, page_of(tmp_path)
    lines = find(RunTable(store.open_existing(tmp_path))).first_lines
    assert "fell back" in lines[0]
    assert any("median onset" in line for line in lines)
    for line in lines:
        _question, _, answer = line.rpartition("? ")
        assert line in shown
        assert answer in page


def test_every_status_and_estimate_of_the_table_is_explained(tmp_path):
    store_and_summarise(tmp_path, {"late": late(), "early": early()}, "late")
    found = find(RunTable(store.open_existing(tmp_path)))
    plain = [heading for heading in found.header if explain(heading) is None]
    assert plain == ["arm", "runs"]
    page = lay_out(found).html
    for heading in set(found.header) - set(plain):
        assert f'title="{explain(heading)}">{heading}</th>' in page
        assert f"<dt>{heading}</dt><dd>{explain(heading)}</dd>" in page
