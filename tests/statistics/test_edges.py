"""One table of awkward data over all functions: a defined result, or one clear error."""

import numpy as np
import pytest

from engine import statistics as s

CURVES = {
    "kaplan_meier": lambda time, event: s.kaplan_meier(time, np.minimum(event, 1)),
    "aalen_johansen": s.aalen_johansen,
    "aalen_johansen of the other cause": lambda time, event: s.aalen_johansen(time, event, 2),
}
TESTS = {"log_rank": s.log_rank, "gray_test": s.gray_test}
ESTIMATES = {
    "median_time": s.median_time,
    "restricted_mean": lambda time, event: s.restricted_mean(time, event, 9.0),
    "restricted_mean_difference": lambda time, event: s.restricted_mean_difference(time, event, time, event, 9.0),
    "paired_difference": lambda time, event: s.paired_difference(time, event, time, event, 9.0),
}
WEIBULL = {"weibull": s.weibull}

# What a study can bring: times to a horizon of 9, events 0 censored, 1 broke, 2 diverged.
DATA = {
    "all censored": ([9, 9, 9, 9], [0, 0, 0, 0]),
    "none censored": ([1, 2, 3, 4], [1, 1, 1, 1]),
    "all diverged": ([1, 2, 3, 4], [2, 2, 2, 2]),
    "everything at step 0": ([0, 0, 0, 0], [1, 1, 1, 1]),
    "all at one time": ([5, 5, 5, 5], [1, 1, 1, 1]),
    "ties of all codes": ([5, 5, 5, 9], [0, 1, 2, 0]),
    "one event": ([9, 9, 9, 3], [0, 0, 0, 1]),
    "the last is an event": ([1, 1, 2, 9], [0, 2, 0, 1]),
    "censored at step 0": ([0, 0, 4, 9], [0, 1, 1, 0]),
}
ONE = {"one run that broke": ([3], [1]), "one run that did not": ([9], [0])}


@pytest.mark.parametrize("data", [*DATA, *ONE])
@pytest.mark.parametrize("name", CURVES)
def test_curves_stay_within_their_limits(name, data):
    curve = CURVES[name](*map(np.array, {**DATA, **ONE}[data]))
    assert np.all((curve.lower >= 0) & (curve.lower <= curve.value + 1e-12))
    assert np.all((curve.value <= curve.upper + 1e-12) & (curve.upper <= 1))
    assert np.all(curve.lower < curve.upper)
    assert np.all(np.isfinite(curve.standard_error))


@pytest.mark.parametrize("data", [*DATA, *ONE])
@pytest.mark.parametrize("name", ESTIMATES)
def test_estimates_lie_within_their_limits(name, data):
    found = ESTIMATES[name](*map(np.array, {**DATA, **ONE}[data]))
    assert found.lower <= found.value <= found.upper
    assert name == "median_time" or found.lower < found.upper


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("group", [[0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 2, 3]])
def test_tests_have_a_p_value(name, data, group):
    found = TESTS[name](*map(np.array, DATA[data]), np.array(group))
    assert found.statistic >= 0
    assert 0 <= found.p_value <= 1
    assert 1 <= found.degrees_of_freedom < len(set(group))


def _with_groups(function):
    return lambda time, event: function(time, event, np.arange(np.size(time)) % 2)


ALL = {**CURVES, **ESTIMATES, **WEIBULL, **{name: _with_groups(function) for name, function in TESTS.items()}}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("time", "event", "words"),
    [
        ([], [], "empty"),
        ([1.0, 2.0, 3.0], [1, 1], "shapes"),
        ([[1.0, 2.0]], [[1, 1]], "shapes"),
        ([1.0, np.nan], [1, 1], "finite"),
        ([1.0, np.inf], [1, 1], "finite"),
        ([1.0, -2.0], [1, 1], "negative"),
        ([1.0, 2.0], [1, -1], "event codes"),
        ([1.0, 2.0], [1, 0.5], "event codes"),
    ],
)
def test_bad_data_are_one_clear_error(name, time, event, words):
    with pytest.raises(ValueError, match=words):
        ALL[name](np.array(time), np.array(event))


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, 2.0], [1, 1], [0, 0]), "at least two groups"),
        (([1.0, 2.0], [1, 1], [0, 1, 2]), "group has shape"),
        (([1.0, 2.0], [1, 1], [0.0, np.nan]), "not a number"),
    ],
)
def test_bad_groups_are_one_clear_error(name, arguments, words):
    with pytest.raises(ValueError, match=words):
        TESTS[name](*arguments)
    with pytest.raises(ValueError, match="strata has shape"):
        TESTS[name]([1.0, 2.0], [1, 1], [0, 1], strata=[0])


def test_an_unknown_cause_is_one_clear_error():
    with pytest.raises(ValueError, match="cause must be 1 or 2, got 3"):
        s.gray_test([1.0, 2.0], [1, 1], [0, 1], cause=3)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_ten_thousand_distinct_times_are_soon_done(code):
    import time

    start = time.process_time()
    waits, events = np.arange(1.0, 10_001), np.full(10_000, code)
    for function in (*CURVES.values(), s.median_time):
        function(waits, events)
    horizon = 10_000.0
    s.restricted_mean(waits, events, horizon)
    s.paired_difference(waits, events, waits[::-1], events, horizon)
    # Some 20 ms of work; a call of SciPy for each time would take seconds.
    assert time.process_time() - start < 1
