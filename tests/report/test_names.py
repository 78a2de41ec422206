"""Names may come from strangers: whatever they are, they are shown, and do nothing."""

import html.parser
import os
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from engine import store
from engine.commands.compare import compare
from engine.commands.report import report
from engine.errors import one_line, visible
from engine.report.explorer import SCRIPTS
from engine.report.phrases import label
from tests.stored import make_document, make_row

_NAMES = (
    '<script>alert("1")</script>&amp;\'',
    "_hidden $\\frac{a$b_$",
    "",
    "x" * 3000,
    "\x1b[2J\x00\x07 \u202egnp\n\ttwo",
    "../../../etc/passwd {{ 7 * 7 }}</svg></title>{% raw %}",
)


# Elements of a figure, none of which does anything.
_DRAWN = {"svg", "defs", "style", "g", "path", "use", "text", "tspan", "clipPath", "rect", "image"}


class _Page(html.parser.HTMLParser):
    """The elements of a page, and all its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "study"
    document = make_document({name: {"init": name} for name in _NAMES}, seeds=3)
    document["study"] |= {"name": "".join(_NAMES), "question": "<img src=x onerror=alert(1)>\x00"}
    document["launches"][0]["command"] = list(_NAMES)
    document["launches"][0]["code"] = {"revision": None}
    workdir = store.create_or_resume(path, document)
    steps = np.arange(0, 881, 11)
    curve = {"steps": steps, "loss": 2.3 / (1 + np.exp((steps - 400) / 20)), "steps_run": 880}
    more = {"accuracy": None, "held_out_accuracy": None, "batch_loss": None, "onset_step": 300.0}
    for name in _NAMES:
        workdir.append([make_row(name, seed, **curve, **more) for seed in range(3)])
    return path


def test_the_report_of_a_study_with_any_names(workdir, capfd):
    before = set(os.listdir(workdir.parent))
    report(workdir)
    printed = capfd.readouterr().out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", printed)
    text = (workdir / "report.html").read_text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", text)
    page = _Page(text)
    assert "img" not in page.elements
    assert page.elements.count("script") == 1 + len(SCRIPTS), "what it draws single runs from, and with"
    assert all(text.count(script.read_text()) == 1 for script in SCRIPTS)
    for name in _NAMES:
        assert visible(name) in page.text
        assert text.count(label(name)) + page.text.count(label(name)) > 1
    assert page.elements.count("svg") == len(_NAMES) + 3
    for figure in (workdir / "figures").glob("*.svg"):
        assert {element.tag.split("}")[1] for element in ET.fromstring(figure.read_text()).iter()} <= _DRAWN
    assert set(os.listdir(workdir.parent)) == before
    assert set(os.listdir(workdir)) == {
        *("parts", "figures", "study.json", "study.json.bak"),
        *("outcomes.parquet", "summary.json", "report.html"),
    }


def test_every_figure_names_its_arm(workdir):
    """Also one whose name Matplotlib would leave out of a legend, or would set as a formula."""
    drawn = (workdir / "figures" / "incidence.svg").read_text()
    texts = [text for text in ET.fromstring(drawn).itertext() if text.strip()]
    for name in _NAMES:
        assert label(name) in texts


def test_a_comparison_prints_no_control_characters(workdir, capsys):
    compare(workdir, workdir)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", capsys.readouterr().out)


def test_what_is_shown_of_a_name():
    assert one_line("a\x1b[2J\nb\t\u202ec") == "a\N{REPLACEMENT CHARACTER}[2J b \N{REPLACEMENT CHARACTER}c"
    assert visible("two\nlines\x00") == "two\nlines\N{REPLACEMENT CHARACTER}"
    assert visible("ünï 日本 👩\u200d🔬") == "ünï 日本 👩\u200d🔬"
    assert label("plain") == "plain"
    assert label("") == label("\n") == "(no name)"
    assert len(label("x" * 3000)) == 48
