"""The curves of an arm as one: known answers."""

import numpy as np
import pyarrow as pa

from engine.observers.arm_curves import MAX_POINTS, ArmCurveBuilder, rows_of, used_fields
from tests.observers.rows import row_of


def _added(builder: ArmCurveBuilder, *rows) -> ArmCurveBuilder:
    for row in rows:
        builder.add(row)
    return builder


def _built(*rows) -> ArmCurveBuilder:
    return _added(ArmCurveBuilder(30, 10), *rows)


def test_quartiles_are_those_of_runs_that_exist():
    rows = [row_of(i, loss=np.full(4, value, np.float32)) for i, value in enumerate([4, 1, 3, 2])]
    curves = _built(*rows).curves()
    for values, expected in ((curves.lower, 1), (curves.median, 2), (curves.upper, 3)):
        np.testing.assert_array_equal(values, expected)
    assert curves.steps.tolist() == [0, 10, 20, 30]


def test_what_is_over_too_early_waits_for_its_turn():
    builder = _built(row_of(0), row_of(2, loss=np.zeros(4)))
    assert (len(builder.ended), builder.prefix.length, len(builder.waited()[0])) == (2, 1, 1)
    assert builder.curves().num_runs == 1
    np.testing.assert_array_equal(builder.curves().lower, row_of(0)["loss"])
    builder.add(row_of(1))
    assert builder.curves().num_runs == 3


def test_nothing_is_said_before_the_first_seed():
    assert _built(row_of(1)).curves() is None


def test_a_failed_run_is_over_and_says_nothing():
    failed = {**row_of(0), "status": "failed", "event": 0, "steps": None, "loss": None}
    builder = _built(failed, row_of(1))
    assert (builder.prefix.length, len(builder.waited()[0])) == (2, 1)
    # Done again, it counts; the other way round the outcome stays.
    builder.add(row_of(0))
    builder.add({**failed, "seed": 1})
    assert len(builder.waited()[0]) == 2


def test_an_early_end_keeps_its_value_and_a_divergence_is_infinite():
    short = {"steps": np.array([0, 10]), "loss": np.array([2.0, 1.0]), "steps_run": 10}
    settled = _built(row_of(0, **short)).curves()
    np.testing.assert_array_equal(settled.median, [2, 1, 1, 1])
    np.testing.assert_array_equal(settled.num_trained, [1, 1, 0, 0])
    gone = {"status": "diverged", "event": 2, "onset_step": None, **short}
    diverged = _built(row_of(0, **gone)).curves()
    np.testing.assert_array_equal(diverged.median, [2, 1, np.inf, np.inf])
    np.testing.assert_array_equal(diverged.share, 0)
    later = _built(row_of(0, is_diverged_later=True, **short)).curves()
    np.testing.assert_array_equal(later.median, [2, 1, np.inf, np.inf])
    np.testing.assert_array_equal(later.share, [0, 0, 1, 1])


def test_the_share_is_counted_where_nothing_is_censored_before():
    onsets = [10.0, 12.0, 29.0]
    rows = [row_of(i, onset_step=onset) for i, onset in enumerate(onsets)]
    stuck = row_of(3, status="stuck", event=0, onset_step=None)
    curves = _built(*rows, stuck).curves()
    np.testing.assert_allclose(curves.share, [0, 0.25, 0.5, 0.75], atol=1e-12)
    np.testing.assert_array_equal(curves.num_trained, 4)


def test_long_curves_are_thinned_to_their_ends():
    builder = ArmCurveBuilder(10**6, 10)
    steps = np.arange(0, 10**6 + 1, 10)
    builder.add(row_of(0, steps=steps, loss=steps.astype(np.float32), steps_run=10**6))
    curves = builder.curves()
    assert len(curves.steps) == MAX_POINTS
    np.testing.assert_array_equal(curves.median, curves.steps)
    assert curves.steps[[0, -1]].tolist() == [0, 10**6]


def test_runs_with_steps_of_their_own_keep_the_last_value():
    builder = ArmCurveBuilder(4, None)
    builder.add(row_of(0, steps=np.array([1, 3]), loss=np.array([5.0, 6.0]), steps_run=3))
    curves = builder.curves()
    assert curves.steps.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(curves.median, [5, 5, 5, 6, 6])
    # However long they are, there is room for their grid.
    assert len(_added(ArmCurveBuilder(2**50, None), row_of(0)).curves().steps) == MAX_POINTS


def test_rows_of_a_table():
    table = pa.table({"seed": [0, 1], "loss": pa.array([[1.0, 2.0], None], pa.list_(pa.float32()))})
    first, second = rows_of(table, ["loss"])
    np.testing.assert_array_equal(first["loss"], [1, 2])
    assert second == {"seed": 1, "loss": None}


def test_fields_lose_their_places():
    fields = {"model": "/home/somebody/net.py:Net", "momentum": None, "batch_size": 64}
    found = used_fields({"identity": {"arms": {"a": fields}}}, "a")
    assert found == {"model": "net.py:Net", "batch_size": 64}
