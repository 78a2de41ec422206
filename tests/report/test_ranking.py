"""A study of more arms than anybody looks at one by one."""

import re

import pytest

from engine import store
from engine.commands.open import Results
from engine.commands.report import report
from engine.report.ranking import MOST_ARMS
from tests.stored import make_document, make_row

NUM_ARMS = 60


def _make(path, num_arms):
    """Arms that leave chance level later and later; of every tenth no run does."""
    names = [f"arm {i:03}" for i in range(num_arms)]
    order = names[1::2] + names[::2]
    directory = store.create_or_resume(path, make_document({name: {} for name in order}, seeds=3, baseline=order[0]))
    rows = []
    for i, name in enumerate(names):
        for seed in range(3):
            stuck = {"status": "stuck", "event": 0, "onset_step": None, "steps_run": 880}
            later = {"onset_step": 100.0 + 10 * i + seed, "steps_run": 880}
            rows.append(make_row(name, seed, num_points=81, chance_loss=2.3, **(stuck if i % 10 == 9 else later)))
    directory.append(rows)
    return names, order


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "study"
    names, order = _make(path, NUM_ARMS)
    document = report(path)
    return path, names, order, document


def test_the_table_is_ranked_and_whole_and_figures_are_of_some(many, capsys):
    path, names, order, document = many
    page = (path / "report.html").read_text()
    first, every = (re.findall(r'data-label="arm">([^<]+)<', part) for part in page.split("<details>", 1))
    assert len(first) == MOST_ARMS
    listed = every[:NUM_ARMS]
    assert first == [name for name in listed if name in first]
    assert listed[0] == order[0]
    assert sorted(listed) == names
    leaving = [name for name in names if name[-1] != "9" and name != order[0]]
    assert listed[1 : len(leaving) + 1] == leaving
    assert f"Of {NUM_ARMS} arms the baseline is shown" in page
    curves = sorted((path / "figures").glob("curves_*.svg"))
    assert len(curves) == MOST_ARMS
    assert document["arms"].keys() == set(names)


def test_any_figure_is_drawn_when_it_is_asked_for(many):
    path, _, order, _ = many
    results = Results(path)
    index = order.index("arm 030") + 1
    assert not (path / "figures" / f"curves_{index}.svg").exists()
    assert f"curves_{index}" in results.figures
    assert results.figures[f"curves_{index}"].axes[0].get_title() == "arm 030"


def test_the_terminal_shows_some_arms(many, capsys):
    path, names, *_ = many
    report(path)
    printed = capsys.readouterr().out
    assert sum(name in printed for name in names) <= MOST_ARMS + 5
    assert f"Of {NUM_ARMS} arms" in printed


def test_few_arms_stay_in_the_order_of_the_study(tmp_path):
    _, order = _make(tmp_path, 4)
    report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert re.findall(r'data-label="arm">([^<]+)<', page) == order
    assert "arms the baseline is shown" not in page
