"""What a page begins with: the verdict, and beside it the curves of the baseline and of what helps."""

import pytest

from engine import store
from engine.report.findings import find
from engine.report.page import lay_out
from engine.store.run_table import RunTable
from tests.report.studies import early, late, store_and_summarise, stuck


def _page_of(path, arms, baseline):
    store_and_summarise(path, arms, baseline)
    found = find(RunTable(store.open_existing(path)))
    return found, lay_out(found)


@pytest.mark.parametrize(
    ("arms", "baseline", "first", "labels"),
    [
        ({"late": late(), "early": early()}, "late", "overview", ["late", "early"]),
        ({"held": stuck(), "late": late(), "early": early()}, "held", "overview", ["held", "early"]),
        ({"early": early(), "late": late()}, "early", "curves_1", None),
        ({"late": late(), "early": early()}, "early", "curves_2", None),
        ({"late": late()}, "late", "curves_1", None),
    ],
)
def test_the_first_figure_is_the_baseline_beside_the_best_remedy(arms, baseline, first, labels, tmp_path):
    found, page = _page_of(tmp_path, arms, baseline)
    assert found.first_drawing == first
    assert found.names_on_page[0] == first
    assert len(set(found.names_on_page)) == len(found.names_on_page)
    begin = page.html[: page.html.index("<h2>In numbers</h2>")]
    assert begin.count("<figure>") == 1
    assert page.html.count(page.vectors[first].split('id="')[1].split('"')[0] + '"') == 1, "it is there once"
    axes = page.figures[first].axes[0]
    if labels is None:
        assert axes.get_title() == baseline
    else:
        assert axes.get_legend_handles_labels()[1] == labels


def test_every_seed_of_both_is_drawn_with_its_onset(tmp_path):
    _, page = _page_of(tmp_path, {"late": late(), "early": early()}, "late")
    axes = page.figures["overview"].axes[0]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    steps_per_epoch = 22
    expected = [(220.0 + i) / steps_per_epoch for i in range(20)] + [
        (11.0 + i / 10) / steps_per_epoch for i in range(20)
    ]
    assert sorted(dots) == pytest.approx(sorted(expected))
