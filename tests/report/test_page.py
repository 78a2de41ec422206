"""The page fits a phone and a sheet of paper: what can be said of that without a browser."""

import re

import matplotlib as mpl
import pytest

from engine.report.arm_table import make_table
from engine.report.canvas import to_svg
from engine.report.figures import make_figures
from engine.report.page import make_page
from engine.report.phrases import label
from engine.report.variance_split import split_variances
from engine.report.verdict import make_verdict
from engine.store import open_existing
from tests.report.test_verdict import _early, _late, _summary

LONG = "learning_rate=0.0001,init_scale=0.05,dense_widths=128-64"


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    names = [f"{LONG},{i}" for i in range(9)]
    arms = {name: (_late if i % 2 else _early)(name, 6) for i, name in enumerate(names)}
    return _summary(tmp_path_factory.mktemp("page") / "study", arms, names[0]), names


@pytest.mark.parametrize("name", ["incidence", "aligned"])
def test_long_names_leave_room_for_the_curves(summary, name):
    figure = make_figures(summary[0], {})[name]
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_position().width > 0.75
    shown = {text.get_text() for text in figure.findobj(mpl.text.Text)}
    assert {label(long) for long in summary[1]} <= shown


def test_nothing_is_wider_than_the_window(summary, tmp_path):
    """Drawings scale, every table may wrap or scroll by itself, and paper has margins."""
    numbers = summary[0]
    splits = split_variances(numbers)
    svg = {name: to_svg(figure, name) for name, figure in make_figures(numbers, splits).items()}
    document = _document(tmp_path)
    verdict = make_verdict(numbers, splits)
    page = make_page(numbers, verdict, make_table(numbers), svg, document, splits)
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


def _document(path) -> dict:
    _summary(path / "study", {"one": _late("one", 2)}, "one")
    return open_existing(path / "study").document
