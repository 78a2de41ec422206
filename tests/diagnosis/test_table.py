"""The decision table, on evidence that is written down."""

import pytest

from engine.diagnosis import table
from engine.diagnosis.evidence import ArmEvidence, Evidence, Signs
from engine.diagnosis.table import decide
from engine.statistics import Estimate

RUNS = 12
SLOWEST, SLOWER = "learning_rate=×1/30", "learning_rate=×1/3"
FASTER, FASTEST = "learning_rate=×3", "learning_rate=×30"


def _arm(
    left: int = 0, earlier: float = 0.0, kind: str = "remedy", diverged: int = 0,
    held_out: float | None = None, waited: int | None = None,
) -> ArmEvidence:  # fmt: skip
    """An arm of 12 runs, `earlier` epochs earlier than as given, to within a tenth."""
    if held_out is None:
        held_out = 0.5 if left else 0.0
    return ArmEvidence(
        kind=kind, num_runs=RUNS, num_left=left, num_waited=left if waited is None else waited,
        num_diverged=diverged, held_out=held_out,
        mean_wait=20.0 * (1 - left / RUNS) + (10.0 - earlier) * left / RUNS,
        difference=Estimate(-earlier, -earlier - 0.1, -earlier + 0.1),
        p_value=1e-3 if earlier > 0.1 else 0.5,
    )  # fmt: skip


NO_SIGNS = Signs(input_spread=0.7, dead=0.0, born_dead=0.0, below_epsilon=0.0)
STUCK = {
    "as_given": _arm(kind="given"),
    "init=he": _arm(),
    "epsilon=1e-12": _arm(),
    "epsilon=1e-05": _arm(),
    SLOWEST: _arm(kind="far"),
    SLOWER: _arm(),
    FASTER: _arm(),
    FASTEST: _arm(kind="far"),
    "batch_norm": _arm(),
    "one_batch": _arm(kind="control"),
    "linear_probe": _arm(RUNS, kind="control"),
    "shuffled_labels": _arm(kind="control"),
}
RATES = {
    SLOWEST: 1 / 30,
    SLOWER: 1 / 3,
    FASTER: 3.0,
    FASTEST: 30.0,
}


def _with(arms: dict[str, ArmEvidence], signs: Signs = NO_SIGNS) -> table.Decision:
    return decide(Evidence({**STUCK, **arms}, RATES, signs))


ALL = _arm(RUNS, 9.0)
FAR = _arm(RUNS, 9.0, "far")
DEAD = NO_SIGNS._replace(dead=0.8)
NO_INPUTS = NO_SIGNS._replace(input_spread=0.0)


def _given(left: int = 0, diverged: int = 0, **more: object) -> ArmEvidence:
    return _arm(left, kind="given", diverged=diverged, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arms", "verdict", "first"),
    [
        ({}, table.UNDECIDED, None),
        ({"as_given": _given(RUNS)}, table.NORMAL, None),
        ({"as_given": _given(11), "init=he": ALL}, table.NORMAL, "init=he"),
        ({"init=he": ALL, "batch_norm": _arm(RUNS, 8.0)}, table.SCALE, "init=he"),
        ({"init=he": ALL, "batch_norm": _arm(RUNS, 9.5)}, table.SCALE, "batch_norm"),
        ({"init=he": ALL, "epsilon=1e-12": _arm(9, 5.0)}, table.EPSILON, "epsilon=1e-12"),
        ({"init=he": ALL, "epsilon=1e-12": _arm(3, 5.0)}, table.SCALE, "init=he"),
        ({FASTER: _arm(7, 3), FASTEST: FAR}, table.RATE, FASTEST),
        ({FASTER: ALL, FASTEST: FAR}, table.RATE, FASTER),
        ({FASTER: ALL, "init=he": _arm(RUNS, 2.0)}, table.SCALE, "init=he"),
        ({"as_given": _given(0, RUNS), SLOWEST: FAR}, table.DIVERGES, SLOWEST),
        ({"as_given": _given(5, 4)}, table.DIVERGES, SLOWER),
        ({"as_given": _given(5, 3), "init=he": ALL}, table.SCALE, "init=he"),
    ],
)  # fmt: skip
def test_the_first_row_that_holds_is_the_verdict(arms: dict, verdict: str, first: str | None):
    decision = _with(arms)
    assert (decision.verdict, decision.first) == (verdict, first)


@pytest.mark.parametrize(
    ("arms", "signs", "verdict", "first"),
    [
        ({"init=he": ALL}, DEAD, table.DEAD, "init=he"),
        ({}, DEAD, table.DEAD, None),
        ({"epsilon=1e-12": _arm(9, 5.0)}, DEAD, table.EPSILON, "epsilon=1e-12"),
        ({"as_given": _given(RUNS)}, DEAD, table.NORMAL, None),
        ({"init=he": ALL}, NO_INPUTS, table.NOTHING, None),
        ({"as_given": _given(RUNS)}, NO_INPUTS, table.NOTHING, None),
    ],
)
def test_what_is_seen_inside_the_runs_counts(
    arms: dict, signs: Signs, verdict: str, first: str | None
):
    decision = _with(arms, signs)
    assert (decision.verdict, decision.first) == (verdict, first)


def test_what_is_learned_by_heart_is_nothing():
    probe = _arm(kind="control", held_out=0.01)
    by_heart = {"as_given": _given(RUNS, held_out=-0.3), "linear_probe": probe}
    assert _with(by_heart).verdict == table.NOTHING


@pytest.mark.parametrize("who", ["linear_probe", "init=he"])
def test_one_arm_that_carries_over_shows_that_there_is_something_to_learn(who: str):
    arms = {
        "as_given": _arm(RUNS, kind="given", held_out=-0.3),
        "linear_probe": _arm(kind="control", held_out=0.01),
        who: _arm(RUNS, held_out=0.3),
    }
    assert _with(arms).verdict == table.NORMAL


def test_what_nobody_measured_on_held_out_examples_is_not_called_by_heart():
    nothing = _arm(RUNS, kind="given")._replace(held_out=None)
    assert _with({"as_given": nothing}).verdict == table.NORMAL


def test_a_normal_plateau_is_told_from_no_plateau():
    he = {"init=he": _arm(RUNS, 9.0)}
    waited = _with({"as_given": _arm(RUNS, kind="given"), **he})
    assert waited.waits_for == table.SCALE
    hardly = _with({"as_given": _arm(RUNS, kind="given", waited=2), **he})
    assert hardly.waits_for is None


def test_a_difference_beyond_chance_may_be_too_small_to_be_the_cause():
    arms = {"as_given": _given(RUNS), "epsilon=1e-12": _arm(RUNS, 0.2), "init=he": _arm(RUNS, 9.0)}
    decision = _with(arms)
    assert (decision.waits_for, decision.first) == (table.SCALE, "init=he")
    few = {"as_given": _given(9), "epsilon=1e-12": _arm(9, 0.2)}
    assert _with(few).verdict == table.UNDECIDED


def test_a_row_holds_whatever_the_evidence_is():
    only = Evidence({"as_given": _arm(kind="given")}, {}, Signs())
    assert decide(only).verdict == table.UNDECIDED


def test_verdicts_are_those_of_the_documentation():
    assert {rule.verdict for rule in table.RULES} == {
        "normal for this set-up", "held by the initial scale", "held by epsilon", "dead units",
        "rate too small", "diverges", "nothing to learn: check labels and inputs", "not decided",
    }  # fmt: skip
