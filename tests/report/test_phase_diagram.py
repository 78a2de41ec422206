"""Over one or two numbers the report finds where half of the runs leave, and says how sure that is."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import store
from engine.report.canvas import to_svg
from engine.report.figures import Figures
from engine.report.findings import find
from engine.report.phase_diagram import Axis, find_crossings
from engine.statistics import Estimate
from engine.store.run_table import RunTable
from tests.report.studies import make_row
from tests.stored import make_document

RATES, SCALES = (1e-4, 1e-3, 1e-2, 1e-1), (0.01, 0.03, 0.1)


def _study(path: Path, fields: dict[str, dict[str, Any]], num_left: dict[str, int], num: int = 12) -> RunTable:
    """A study of arms in which so many runs leave, and the others stay."""
    directory = store.create_or_resume(path, make_document(fields, 880, num, name="map"))
    for name, left in num_left.items():
        rows = [make_row(name, i, 220.0 + i, "broke", 1) for i in range(left)]
        directory.append(rows + [make_row(name, i, None, "stuck", 0) for i in range(left, num)])
    return RunTable(directory)


def _section(table: RunTable) -> Any:
    return next((one for one in find(table).sections if one.key == "phase_diagram"), None)


def _share(value: float, half_width: float = 0.1) -> Estimate:
    return Estimate(value, max(0.0, value - half_width), min(1.0, value + half_width))


def test_a_crossing_lies_between_neighbours_and_is_bounded_by_decided_places():
    axis = Axis("x", (1.0, 2.0, 3.0, 4.0, 5.0))
    [one] = find_crossings(axis, [_share(0), _share(0.2), _share(0.45), _share(0.55), _share(1)])
    assert one == pytest.approx((3.5, 2.0, 5.0))
    up, down = find_crossings(axis, [_share(0), _share(1), _share(1), _share(0.25), _share(0.45)])
    assert up == pytest.approx((1.5, 1.0, 2.0))
    assert down == pytest.approx((3 + 2 / 3, 3.0, 4.0))
    [wide] = find_crossings(axis, [_share(0.4, 0.5), None, _share(0.6, 0.5), None, None])
    assert wide == pytest.approx((2.0, -math.inf, math.inf))


def test_values_that_grow_by_factors_are_spread_by_factors():
    axis = Axis("rate", RATES)
    assert axis.is_logarithmic
    [one] = find_crossings(axis, [_share(0), _share(0), _share(1), _share(1)])
    assert one.value == pytest.approx(math.sqrt(1e-3 * 1e-2))
    np.testing.assert_allclose(np.exp(axis.edges), [10**e for e in (-4.5, -3.5, -2.5, -1.5, -0.5)])
    assert not Axis("share", (0.0, 0.5, 100.0)).is_logarithmic


def test_no_crossing_where_shares_only_touch_one_half():
    for edge in (0.0, 1.0):
        assert find_crossings(Axis("x", (1.0, 2.0, 3.0)), [_share(edge), _share(0.5), _share(edge)]) == []


def test_a_bracket_has_its_ends_on_both_sides():
    """Beyond an undecided place lies another that is decided, but on the other side."""
    axis = Axis("x", (1.0, 2.0, 3.0, 4.0))
    up, down = find_crossings(axis, [_share(0.1), _share(0.55), _share(0.45), _share(1.0)])[:2]
    assert (up.lower, up.upper) == (1.0, 4.0)
    assert (down.lower, down.upper) == (-math.inf, math.inf)


def test_one_number_makes_a_curve(tmp_path):
    fields = {f"learning_rate={rate:g}": {"init": "he", "learning_rate": rate} for rate in RATES}
    section = _section(_study(tmp_path, fields, dict(zip(fields, (0, 0, 12, 12), strict=True))))
    assert section.title == "Over learning_rate"
    assert section.lines[0].startswith(
        "Of 4 places, more than half of the runs left chance level in 2, and fewer in 2, both beyond"
    )
    assert "at about learning_rate=0.00316, between learning_rate=0.001 and learning_rate=0.01." in section.lines[1]
    assert [row[0] for row in section.tables[0].rows] == ["0.0001", "0.001", "0.01", "0.1"]
    assert section.document["axes"] == {"learning_rate": list(RATES)}


def test_two_numbers_make_a_map(tmp_path):
    places = {(rate, scale): f"{rate:g},{scale:g}" for rate in RATES for scale in SCALES}
    fields = {name: {"init": "normal", "learning_rate": r, "init_scale": s} for (r, s), name in places.items()}
    left = {name: 12 if r * s > 2e-4 else 0 for (r, s), name in places.items()}
    table = _study(tmp_path, fields, left)
    section = _section(table)
    assert section.title == "Over learning_rate and init_scale"
    # Half of them leave between the neighbours of the boundary in every row.
    bounds = {0.01: (1e-2, 1e-1), 0.03: (1e-3, 1e-2), 0.1: (1e-3, 1e-2)}
    for found in section.document["crossings"]:
        assert (found["lower"], found["upper"]) == bounds[found["at"]]
    assert len(section.document["crossings"]) == 3
    drawn = to_svg(Figures(find(table).drawings)["phase_diagram"], "map")
    assert "init_scale" in drawn
    assert "share of the runs" in drawn


@pytest.mark.parametrize(
    "fields",
    [
        {f"{i}": {"learning_rate": 0.1 * (i + 1)} for i in range(3)},
        {f"{i}": {"learning_rate": 0.1 * (i + 1), "init": "he" if i else "normal"} for i in range(5)},
        {f"{i}": {"learning_rate": 0.1 * (i + 1), "dropout": 0.1 * i, "epsilon": 1e-8 * (i + 1)} for i in range(9)},
        {f"{i}": {"learning_rate": 0.1 * (i + 1), "dropout": 0.1 * i} for i in range(9)},
        {f"{i}": {"model_args": [f"clip={value}"]} for i, value in enumerate((1, 2, 4, "inf"))},
        {f"{i}": {"shuffle": bool(i % 2), "learning_rate": 0.1 * (i + 1)} for i in range(5)},
    ],
    ids=["few", "other choices", "three numbers", "a diagonal", "no end", "yes and no"],
)
def test_what_is_no_curve_and_no_map_has_no_section(fields, tmp_path):
    assert _section(_study(tmp_path, fields, dict.fromkeys(fields, 6))) is None


def test_arguments_of_the_users_code_count(tmp_path):
    fields = {f"w{w}": {"model": "net.py:Net", "model_args": [f"width={w}", "kind=a"]} for w in (8, 16, 32, 64)}
    section = _section(_study(tmp_path, fields, dict(zip(fields, (0, 12, 12, 12), strict=True))))
    assert section.title == "Over model_arg.width"
