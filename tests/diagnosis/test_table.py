"""The decision table, on evidence that is written down."""

import pytest

from engine.diagnosis import conditions, table
from engine.diagnosis.evidence import FEWEST_RUNS, MOST_RUNS, ArmEvidence, Evidence, Followed, Symptoms
from engine.diagnosis.suspects import Suspect, rank
from engine.diagnosis.table import decide
from engine.preflight import causes
from engine.preflight.findings import Finding
from engine.statistics import Estimate, proportion

RUNS = 12
SLOWEST, SLOWER = "learning_rate=×1/30", "learning_rate=×1/3"
FASTER, FASTEST = "learning_rate=×3", "learning_rate=×30"


def _arm(
    left: int = 0, earlier: float = 0.0, kind: str = "remedy", diverged: int = 0,
    held_out: float | None = None, waited: int | None = None, falling: int = 0,
    later: int = 0,
) -> ArmEvidence:  # fmt: skip
    """An arm of 12 runs, `earlier` epochs earlier than as given, to within a tenth.

    Of those that left, `later` diverged afterwards.
    """
    if held_out is None:
        held_out = 0.5 if left else 0.0
    return ArmEvidence(
        kind=kind, num_runs=RUNS, num_left=left, num_waited=left if waited is None else waited,
        num_stuck=RUNS - left - diverged, num_falling=falling, num_diverged=diverged + later,
        held_out=held_out,
        mean_wait=20.0 * (1 - left / RUNS) + (10.0 - earlier) * left / RUNS,
        difference=Estimate(-earlier, -earlier - 0.1, -earlier + 0.1),
        p_value=1e-3 if abs(earlier) > 0.1 else 0.5,
    )  # fmt: skip


NO_SYMPTOMS = Symptoms(num_dead=0, num_born_dead=0, below_epsilon=0.0, output_spread=1.0)
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
    "optimizer=sgd": _arm(),
    "one_batch": _arm(kind="control"),
    "linear_probe": _arm(RUNS, kind="control"),
    "shuffled_labels": _arm(kind="control"),
}
RATES = {SLOWEST: 1 / 30, SLOWER: 1 / 3, FASTER: 3.0, FASTEST: 30.0}
ALL = _arm(RUNS, 9.0)
FAR = _arm(RUNS, 9.0, "far")
DEAD = NO_SYMPTOMS._replace(num_dead=8, num_born_dead=8)
DIED = NO_SYMPTOMS._replace(num_dead=8, num_born_dead=0)
NO_SIGNAL = NO_SYMPTOMS._replace(output_spread=1e-6)


def _with(arms: dict[str, ArmEvidence], symptoms: Symptoms = NO_SYMPTOMS, **more: object) -> table.Decision:
    return decide(Evidence({**STUCK, **arms}, RATES, symptoms, **more))  # type: ignore[arg-type]


def _given(left: int = 0, diverged: int = 0, **more: object) -> ArmEvidence:
    return _arm(left, kind="given", diverged=diverged, **more)  # type: ignore[arg-type]


def _control(left: int = 0, **more: object) -> ArmEvidence:
    return _arm(left, kind="control", **more)  # type: ignore[arg-type]


BLIND = {"linear_probe": _control(held_out=0.01)}


@pytest.mark.parametrize(
    ("arms", "verdict", "first"),
    [
        ({}, table.UNDECIDED, None),
        ({"as_given": _given(RUNS)}, table.NORMAL, None),
        ({"as_given": _given(11), "init=he": ALL}, table.NORMAL, "init=he"),
        ({"as_given": _given(RUNS, later=2)}, table.DIVERGES, SLOWER),
        ({"as_given": _given(4, later=4), "init=he": ALL}, causes.SCALE, "init=he"),
        ({"init=he": ALL, "batch_norm": _arm(RUNS, 8.0)}, causes.SCALE, "init=he"),
        ({"init=he": ALL, "batch_norm": _arm(RUNS, 9.5)}, causes.SCALE, "batch_norm"),
        ({"init=he": ALL, "epsilon=1e-12": _arm(9, 5.0)}, causes.EPSILON, "epsilon=1e-12"),
        ({"init=he": ALL, "epsilon=1e-12": _arm(3, 5.0)}, causes.SCALE, "init=he"),
        ({FASTER: _arm(7, 3), FASTEST: FAR}, causes.SMALL_RATE, FASTEST),
        ({FASTER: ALL, FASTEST: FAR}, causes.SMALL_RATE, FASTER),
        ({FASTER: _arm(RUNS, 4.0), FASTEST: FAR}, causes.SMALL_RATE, FASTEST),
        ({FASTER: _arm(RUNS, 8.2), FASTEST: FAR}, causes.SMALL_RATE, FASTER),
        ({FASTER: ALL, "init=he": _arm(RUNS, 2.0)}, causes.SCALE, "init=he"),
        ({SLOWER: ALL, SLOWEST: FAR}, causes.LARGE_RATE, SLOWER),
        ({SLOWEST: FAR}, causes.LARGE_RATE, SLOWEST),
        ({"as_given": _given(0, RUNS), SLOWEST: FAR}, causes.LARGE_RATE, SLOWEST),
        ({"as_given": _given(5, 4)}, table.DIVERGES, SLOWER),
        ({"as_given": _given(0, RUNS), "init=he": ALL}, causes.SCALE, "init=he"),
        ({"as_given": _given(0, RUNS), "init=he": ALL, SLOWER: ALL}, causes.LARGE_RATE, SLOWER),
        ({"as_given": _given(0, RUNS), "init=he": _arm(9, 5.0, diverged=3)}, table.DIVERGES, "init=he"),
        ({"as_given": _given(5, 3), "init=he": ALL}, causes.SCALE, "init=he"),
        ({"optimizer=sgd": ALL}, table.UNDECIDED, "optimizer=sgd"),
        ({"batch_norm": ALL}, table.UNDECIDED, "batch_norm"),
        ({"batch_norm": ALL, FASTER: _arm(RUNS, 8.0)}, causes.SMALL_RATE, FASTER),
    ],
)  # fmt: skip
def test_the_first_row_that_holds_is_the_verdict(arms: dict, verdict: str, first: str | None):
    decision = _with(arms)
    assert (decision.verdict, decision.first) == (verdict, first)


@pytest.mark.parametrize(
    ("arms", "symptoms", "verdict", "first"),
    [
        ({"init=he": ALL}, DEAD, causes.DEAD, "init=he"),
        ({}, DEAD, causes.DEAD, None),
        ({}, DIED, causes.DEAD, None),
        ({"init=he": ALL}, DIED, causes.DEAD, "init=he"),
        ({"init=he": ALL}, DIED._replace(output_spread=1e-6), causes.SCALE, "init=he"),
        ({"init=he": ALL, "leaky_relu": _arm()}, DIED, causes.SCALE, "init=he"),
        ({"init=he": ALL, "leaky_relu": _arm(RUNS, 9.5)}, DIED, causes.DEAD, "leaky_relu"),
        ({SLOWER: ALL}, DEAD, causes.DEAD, SLOWER),
        ({SLOWER: ALL}, DIED, causes.LARGE_RATE, SLOWER),
        ({"epsilon=1e-12": _arm(9, 5.0)}, DEAD, causes.EPSILON, "epsilon=1e-12"),
        ({"as_given": _given(RUNS)}, DEAD, table.NORMAL, None),
        ({"as_given": _given(9)}, NO_SYMPTOMS._replace(num_dead=2), table.UNDECIDED, None),
        ({"batch_norm": ALL}, NO_SIGNAL, table.UNDECIDED, "batch_norm"),
    ],
)
def test_what_is_seen_inside_the_runs_counts(arms: dict, symptoms: Symptoms, verdict: str, first: str | None):
    decision = _with(arms, symptoms)
    assert (decision.verdict, decision.first) == (verdict, first)


REMOVAL_VERDICTS = {
    "scaling=standard": "inputs not scaled",
    "target_scaling=standard": "targets not scaled",
    "weight_decay=0": "weight decay too strong",
    "dropout=0": "dropout too strong",
    "schedule=constant": "held by the learning-rate schedule",
    "augment=none": "augmentation too strong",
}


@pytest.mark.parametrize("name", REMOVAL_VERDICTS)
def test_what_the_configuration_adds_comes_before_what_else_relieves(name: str):
    every = {"init=he": ALL, "epsilon=1e-12": ALL, FASTER: ALL, "optimizer=sgd": ALL}
    for given, symptoms in ((_given(), NO_SYMPTOMS), (_given(), DEAD), (_given(0, RUNS), NO_SYMPTOMS)):
        decision = _with({"as_given": given, **every, name: ALL}, symptoms)
        assert (decision.verdict, decision.first) == (REMOVAL_VERDICTS[name], name)
    assert _with({**every, name: _arm(RUNS, 4.4)}).verdict == causes.EPSILON, "others do twice as much"
    assert _with({**every, name: _arm(5, 4.0)}).verdict == causes.EPSILON, "most runs stay"
    assert _with({"as_given": _given(RUNS), name: ALL}).verdict == table.NORMAL
    few = {"as_given": _given()._replace(num_runs=10, num_stuck=10), name: ALL}
    assert _with(few).row == "too_few_seeds"


def test_of_several_that_are_added_the_one_that_does_most_is_the_cause():
    arms = {"scaling=standard": _arm(RUNS, 8.0), "weight_decay=0": _arm(RUNS, 9.0), "dropout=0": _arm(RUNS, 4.4)}
    assert _with(arms).verdict == "weight decay too strong"
    evidence = Evidence({**STUCK, **arms}, RATES)
    assert conditions.removals(evidence) == ["weight_decay=0", "scaling=standard"]


def test_an_activation_is_a_cause_where_no_start_is():
    relu = {"activation=relu": ALL, FASTEST: FAR, "optimizer=adam": ALL, "batch_norm": _arm(RUNS, 9.5)}
    assert (_with(relu).verdict, _with(relu).first) == (causes.SATURATING, "activation=relu")
    assert _with({**relu, "init=he": ALL}).verdict == causes.SCALE


@pytest.mark.parametrize(
    ("name", "verdict"), [("batch_size=×4", "batch too small"), ("batch_size=×1/4", "batch too large")]
)
def test_a_batch_is_the_cause_where_no_rate_is(name: str, verdict: str):
    assert (_with({name: ALL}).verdict, _with({name: ALL}).first) == (verdict, name)
    assert _with({name: _arm(RUNS, 5.0), SLOWER: ALL}).verdict == causes.LARGE_RATE
    assert _with({name: ALL, FASTER: ALL}).verdict == causes.SMALL_RATE


def test_a_batch_that_does_as_much_as_any_lower_rate_shows_that_steps_are_not_too_long():
    decision = _with({"batch_size=×4": ALL, SLOWER: ALL})
    assert (decision.verdict, decision.first) == (causes.SMALL_BATCH, "batch_size=×4")
    assert _with({"batch_size=×1/4": ALL, SLOWER: ALL}).verdict == causes.LARGE_RATE


def test_inputs_that_are_all_the_same_teach_nothing():
    found = (_finding(causes.CONSTANT), _finding(causes.UNTRAINED))
    assert _with({"init=he": ALL}, DEAD, findings=found).verdict == causes.CONSTANT
    learned = _with({"as_given": _given(RUNS)}, findings=found)
    assert learned.verdict == table.NORMAL, "what looks constant beside its size may tell enough"


def test_nothing_is_said_before_there_is_enough():
    assert _with({"as_given": _given(RUNS)}, num_missing=1).row == "too_little"
    for number, row in ((5, "too_little"), (6, "normal")):
        few = _given(RUNS)._replace(num_runs=number, num_left=number, num_stuck=0)
        assert _with({"as_given": few}).row == row
    nine_of_ten = _given()._replace(num_runs=10, num_left=9, num_stuck=1, held_out=0.5)
    assert _with({"as_given": nine_of_ten}).verdict == table.NORMAL


def test_what_is_learned_by_heart_is_nothing():
    by_heart = {"as_given": _given(RUNS, held_out=-0.3), **BLIND}
    assert _with(by_heart).verdict == causes.LABELS
    for unknown in ("linear_probe", "shuffled_labels"):
        arms = {name: arm for name, arm in STUCK.items() if name != unknown} | by_heart
        arms.pop(unknown, None)
        assert decide(Evidence(arms, RATES)).row == "only_by_heart"


def test_what_another_arm_learns_by_heart_says_nothing_of_why_the_given_one_waits():
    assert _with({"init=he": _arm(RUNS, 9.0, held_out=-0.3), **BLIND}).row == "scale"
    assert _with({FASTEST: _arm(7, kind="far", held_out=-0.3), **BLIND}).row == "nothing_helps"


def test_labels_that_are_learned_sooner_than_shuffled_ones_belong_to_the_inputs():
    by_heart = {"as_given": _given(RUNS, held_out=-0.3), **BLIND}
    for later, p_value, row in (
        (6.0, 1e-3, "by_heart_sooner"),
        (6.0, 0.02, "by_heart"),
        (4.0, 1e-3, "by_heart"),
        (-6.0, 1e-3, "by_heart"),
    ):
        shuffled = _control(RUNS, earlier=-later, held_out=-0.4)._replace(p_value=p_value)
        assert _with({**by_heart, "shuffled_labels": shuffled}).row == row


def test_carrying_over_is_measured_against_shuffled_labels():
    """The best of many inspections, of a held-out set of another mixture, may be above chance."""
    arms = {
        "as_given": _given(RUNS, held_out=0.12),
        "linear_probe": _control(held_out=0.1),
        "shuffled_labels": _control(RUNS, held_out=0.1),
    }
    assert _with(arms).verdict == causes.LABELS
    assert _with({**arms, "shuffled_labels": _control(RUNS, held_out=0.01)}).verdict == table.NORMAL


@pytest.mark.parametrize(("who", "first"), [("linear_probe", None), ("init=he", "init=he")])
def test_learning_by_heart_is_not_normal_where_something_carries_over(who: str, first: str | None):
    kind = STUCK[who].kind
    arms = {"as_given": _given(RUNS, held_out=-0.3), **BLIND, who: _arm(RUNS, 0, kind, 0, 0.3)}
    decision = _with(arms)
    assert (decision.row, decision.first) == ("only_by_heart", first)


def test_what_nobody_measured_on_held_out_examples_is_not_called_by_heart():
    nothing = _given(RUNS)._replace(held_out=None)
    assert _with({"as_given": nothing}).verdict == table.NORMAL


def test_a_normal_plateau_is_told_from_no_plateau():
    he = {"init=he": _arm(RUNS, 9.0)}
    waited = _with({"as_given": _given(RUNS), **he})
    assert waited.waits_for == causes.SCALE
    hardly = _with({"as_given": _given(RUNS, waited=2), **he})
    assert hardly.waits_for is None
    faster = _with({"as_given": _given(RUNS), FASTER: _arm(RUNS, 9.0)})
    assert (faster.waits_for, faster.first) == (None, FASTER)


def test_a_difference_beyond_chance_may_be_too_small_to_be_the_cause():
    arms = {"as_given": _given(RUNS), "epsilon=1e-12": _arm(RUNS, 0.2), "init=he": _arm(RUNS, 9.0)}
    decision = _with(arms)
    assert (decision.waits_for, decision.first) == (causes.SCALE, "init=he")
    few = {"as_given": _given(5, held_out=0.0), "epsilon=1e-12": _arm(6, 0.2)}
    assert _with(few).row == "nothing_helps"


def test_most_runs_that_leave_by_themselves_are_held_by_nothing():
    """Half the wait is gone with a third of the steps, but there is no cause to explain."""
    most = {"as_given": _given(9)}
    assert _with({**most, FASTER: _arm(9, 9.0)}).row == "slow"
    assert _with({**most, FASTER: _arm(11, 9.0)}).row == "slow"
    assert _with({**most, FASTER: _arm(RUNS, 9.0)}).row == "small_rate"
    nearly = _given()._replace(num_runs=24, num_left=21, num_stuck=3, held_out=0.5)
    assert _with({"as_given": nearly, FASTER: ALL}).row == "normal"


def test_fewer_seeds_than_can_show_a_cause_show_none():
    few = {name: arm._replace(num_runs=8, num_stuck=8) if name == "as_given" else arm for name, arm in STUCK.items()}
    assert decide(Evidence({**few, "init=he": ALL}, RATES)).row == "too_few_seeds"


def test_what_makes_something_worse_is_no_advice():
    normal = {"as_given": _given(RUNS)}
    assert _with({**normal, FASTER: _arm(10, 9.0, diverged=2)}).first is None
    assert _with({**normal, FASTER: _arm(RUNS, 9.0, held_out=-1.0)}).first is None
    both = {FASTER: _arm(RUNS, 9.0, held_out=-1.0), FASTEST: FAR}
    assert _with(both).first == FASTEST
    lost = _given(9, 3)
    slower = {SLOWER: _arm(6), "batch_norm": ALL}
    assert _with({"as_given": lost, **slower}).first == "batch_norm"


@pytest.mark.parametrize(
    ("arms", "row"),
    [
        ({"as_given": _given(falling=8)}, "slow"),
        ({"as_given": _given(held_out=0.15)}, "slow"),
        ({"as_given": _given(falling=8), "init=he": ALL}, "scale"),
        ({"one_batch": _control(RUNS), **BLIND}, "hard"),
        ({"one_batch": _control(RUNS)}, "nothing_helps"),
    ],
)
def test_what_is_not_decided_has_a_reason(arms: dict, row: str):
    assert _with(arms).row == row


def test_against_divergence_a_rate_that_learns_comes_before_one_that_is_only_tame():
    diverging = {"as_given": _given(0, RUNS), SLOWER: _arm(0)}
    assert _with(diverging).first == SLOWER
    assert _with({**diverging, SLOWEST: FAR}).first == SLOWEST
    assert _with({**diverging, "init=he": ALL}).first == "init=he"
    hardly = FAR._replace(num_runs=40, num_left=39, num_diverged=1)
    assert _with({**diverging, SLOWEST: hardly}).first == SLOWEST


def test_a_far_rate_is_advised_only_where_nothing_near_helps():
    evidence = Evidence({**STUCK, FASTEST: FAR, FASTER: _arm(RUNS, 3.0)}, RATES)
    assert evidence.best() == FASTER
    assert Evidence({**STUCK, FASTEST: FAR}, RATES).best() == FASTEST


def test_words_for_too_few_runs_are_those_of_the_interval():
    assert proportion(FEWEST_RUNS, FEWEST_RUNS).lower >= MOST_RUNS
    assert proportion(FEWEST_RUNS - 1, FEWEST_RUNS - 1).lower < MOST_RUNS


def test_a_row_holds_whatever_the_evidence_is():
    only = Evidence({"as_given": _arm(kind="given")}, {})
    assert decide(only).verdict == table.UNDECIDED


def test_rows_have_keys_of_their_own_and_the_verdicts_are_those_of_the_documentation():
    assert len({rule.key for rule in table.RULES}) == len(table.RULES)
    named = {name for key, name in vars(causes).items() if key.isupper()} - {causes.ORDER}
    assert {rule.verdict for rule in table.RULES} == named | {table.NORMAL, table.DIVERGES, table.UNDECIDED}


def _finding(cause: str, strength: str = "fault", name: str = "one") -> Finding:
    return Finding(name, strength, f"a {strength} was seen", "repair it", cause)


@pytest.mark.parametrize("cause", [causes.MISFIT, causes.UNREACHABLE, causes.MIXED])
def test_a_mistake_in_the_code_comes_before_any_rate_and_stays_one_where_runs_leave(cause: str):
    found = (_finding(cause),)
    for arms in ({}, {"as_given": _given(RUNS)}, {FASTER: ALL}, {"scaling=standard": ALL}):
        decision = _with(arms, findings=found)
        assert (decision.verdict, decision.first, decision.advice) == (cause, None, "First repair it.")


def test_a_network_that_scales_its_inputs_wrongly_comes_before_what_any_change_relieves():
    found = (_finding(causes.INPUTS, "fault", "rescaled_inputs"),)
    assert _with({FASTER: ALL, "init=he": ALL}, findings=found).verdict == causes.INPUTS
    assert _with({FASTER: ALL}, findings=(_finding(causes.INPUTS),)).verdict == causes.SMALL_RATE


def test_half_precision_that_breaks_a_network_comes_before_what_it_breaks():
    found = (_finding(causes.UNTRAINED), _finding(causes.PRECISION))
    blown_up = {"as_given": _given(0, RUNS), SLOWEST: FAR}
    for arms in ({}, blown_up, {"scaling=standard": ALL}):
        assert _with(arms, findings=found).verdict == causes.PRECISION
    assert _with({"precision=float32": ALL}, findings=found).first == "precision=float32"


@pytest.mark.parametrize(
    ("name", "cause"), [("blind_to_order", causes.CAPACITY), ("unseen_positions", causes.CONSTANT)]
)
def test_a_network_that_does_not_see_something_is_named_only_where_nothing_carries_over(name: str, cause: str):
    found = (_finding(cause, "note", name), _finding(causes.LABELS, "sign", "unrelated_labels"))
    assert _with({}, findings=found).verdict == cause
    assert _with({}, findings=found[1:]).verdict == causes.LABELS
    assert _with({FASTER: ALL}, findings=found).verdict == causes.HARD


@pytest.mark.parametrize("cause", [causes.ALTERED, causes.UNTRAINED, causes.LABELS, causes.NOT_FINITE])
def test_what_does_no_harm_in_a_normal_training_is_no_cause(cause: str):
    assert _with({"as_given": _given(RUNS)}, findings=(_finding(cause),)).verdict == table.NORMAL
    assert _with({"optimizer=sgd": ALL}, findings=(_finding(cause),)).verdict == cause


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("scaling=standard", causes.INPUTS),
        ("weight_decay=0", causes.DECAY),
        ("schedule=constant", causes.SCHEDULE),
        ("batch_size=×4", causes.SMALL_BATCH),
    ],
)
@pytest.mark.parametrize("found", [causes.ALTERED, causes.UNTRAINED, causes.NOT_FINITE, causes.LABELS])
def test_an_experiment_that_relieves_by_taking_away_one_thing_decides_against_a_fault_elsewhere(change, cause, found):
    assert _with({change: ALL}, findings=(_finding(found),)).verdict == cause
    assert _with({change: _arm(2, 1.0)}, findings=(_finding(found),)).verdict == found
    assert _with({"init=he": ALL, FASTER: ALL}, findings=(_finding(found),)).verdict == found


def test_sigmoids_that_are_flat_are_not_dead():
    found = (_finding(causes.SATURATING, "sign"), _finding(causes.UNTRAINED, "sign"))
    assert _with({"init=he": ALL}, DEAD, findings=found[:1]).verdict == causes.SATURATING
    assert _with({"init=he": ALL}, DEAD).verdict == causes.DEAD


def test_what_diverges_under_every_change_is_put_down_to_the_fault_that_was_found():
    blown_up = {"as_given": _given(0, RUNS), "scaling=standard": _arm(), "linear_probe": _control()}
    assert _with(blown_up, findings=(_finding(causes.INPUTS),)).verdict == causes.INPUTS
    assert _with({**blown_up, SLOWEST: FAR}, findings=(_finding(causes.INPUTS),)).verdict == causes.LARGE_RATE
    assert _with(blown_up).verdict == table.DIVERGES


def test_nobody_sees_what_carries_over_to_classes_that_hardly_any_example_has():
    unread, rare = _finding(causes.LABELS, "sign", "unrelated_labels"), _finding(causes.IMBALANCE, "sign")
    by_heart = {**BLIND, "linear_probe": _control(0, held_out=0.0), FASTEST: _arm(RUNS, 9.0, "far", held_out=0.0)}
    assert _with(by_heart, findings=(unread,)).row == "by_heart"
    assert _with(by_heart, findings=(unread, rare)).verdict == causes.IMBALANCE


def test_a_sign_counts_where_no_change_takes_it_away():
    sign = (_finding(causes.SATURATING, "sign"),)
    assert _with({FASTER: ALL}, findings=sign).verdict == causes.SATURATING
    assert _with({FASTER: ALL, "activation=relu": _arm()}, findings=sign).verdict == causes.SMALL_RATE
    assert _with({FASTER: ALL}, findings=(_finding(causes.VANISHING, "note"),)).verdict == causes.SMALL_RATE


def test_a_fault_that_halves_the_wait_is_the_cause_though_runs_leave():
    arms = {"as_given": _given(RUNS), "scaling=standard": _arm(RUNS, 8.0)}
    assert _with(arms).verdict == table.NORMAL
    assert _with(arms, findings=(_finding(causes.INPUTS),)).verdict == causes.INPUTS


def test_held_out_examples_of_another_kind_are_told_from_wrong_labels():
    by_heart = {"as_given": _given(RUNS, held_out=-0.3), **BLIND}
    assert _with(by_heart, findings=(_finding(causes.MIXTURE, "sign"),)).verdict == causes.MIXTURE


def test_labels_that_nothing_reads_are_wrong_unless_a_change_learns_what_carries_over():
    unread = (_finding(causes.LABELS, "sign", "unrelated_labels"),)
    stuck = {**BLIND, "one_batch": _control(RUNS)}
    assert _with(stuck, findings=unread).verdict == causes.LABELS
    assert _with({**stuck, FASTER: ALL}, findings=unread).verdict == causes.HARD
    short = _finding(causes.SMALL_RATE, "sign")
    assert _with({**stuck, FASTER: ALL}, findings=(*unread, short)).verdict == causes.SMALL_RATE


def _followed(num_kept: int, held_out: float = 0.5) -> Followed:
    return Followed(8, num_kept, 8 - num_kept, held_out, 160.0)


def test_where_nothing_tells_the_examples_of_a_batch_apart_the_inputs_are_suspected():
    evidence = Evidence({**STUCK, "linear_probe": _control(0, held_out=0.0)}, RATES, NO_SYMPTOMS)
    decision = decide(evidence)
    assert decision.verdict == table.UNDECIDED
    named = [suspect.cause for suspect in rank(evidence, decision)]
    assert {causes.CONSTANT, causes.CAPACITY} <= set(named)


def test_what_falls_back_when_it_is_followed_is_not_advised():
    arms = {"init=he": ALL, "batch_norm": _arm(RUNS, 8.0)}
    assert _with(arms, followed={"init=he": _followed(8)}).first == "init=he"
    fell = _with(arms, followed={"init=he": _followed(3)})
    assert (fell.verdict, fell.first) == (causes.SCALE, None)
    assert "(init=he), so that no change is advised" in fell.advice
    kept = {"init=he": _followed(3), "batch_norm": _followed(8)}
    assert _with(arms, followed=kept).first == "batch_norm"
    both = {"init=he": _followed(3), "batch_norm": _followed(7)}
    assert _with(arms, followed=both).first is None


def test_what_is_only_slow_leaves_when_it_is_followed():
    later = {"as_given": _followed(8)}
    assert _with({}).verdict == table.UNDECIDED
    assert _with({}, followed=later).verdict == causes.HARD
    assert _with({}, followed={"as_given": _followed(2)}).verdict == table.UNDECIDED
    assert _with({"init=he": ALL}, followed=later).verdict == causes.SCALE


def test_the_next_to_follow_is_what_would_be_advised():
    arms = {"init=he": ALL, "batch_norm": _arm(RUNS, 8.0)}

    def following(**followed: Followed) -> str | None:
        named = {"he": "init=he", "norm": "batch_norm", "given": "as_given"}
        return table.next_to_follow(
            Evidence({**STUCK, **arms}, RATES, NO_SYMPTOMS, followed={named[k]: v for k, v in followed.items()})
        )

    assert following() == "init=he"
    assert following(he=_followed(8)) is None
    assert following(he=_followed(3)) == "batch_norm"
    arms = {}
    assert following() == "as_given"
    assert following(given=_followed(0)) is None


def test_what_was_asked_for_is_ranked_with_what_speaks_for_and_against_it():
    evidence = Evidence(
        {**STUCK, "init=he": ALL, FASTER: _arm(RUNS, 8.0), "epsilon=1e-12": _arm(2, 1.0)},
        RATES,
        NO_SYMPTOMS,
        findings=(_finding(causes.EPSILON, "sign"),),
    )
    ranked = {one.cause: one for one in rank(evidence, decide(evidence))}
    assert list(ranked) == [causes.SCALE, causes.SMALL_RATE, causes.EPSILON]
    assert ranked[causes.SCALE].relieving == ["init=he"]
    assert ranked[causes.EPSILON] == Suspect(
        causes.EPSILON, ["a sign was seen"], [], ["epsilon=1e-12"], None, "repair it"
    )


def test_where_nothing_is_decided_two_causes_are_named():
    evidence = Evidence(STUCK, RATES, NO_SYMPTOMS)
    decision = decide(evidence)
    assert decision.verdict == table.UNDECIDED
    assert len(rank(evidence, decision)) >= 2


@pytest.mark.parametrize("cause", [causes.INPUTS, causes.TARGETS, causes.DROPOUT, causes.SCHEDULE])
def test_a_fault_that_no_change_takes_away_is_named_where_nothing_else_helps(cause: str):
    found = (_finding(cause), _finding(causes.LABELS, "sign", "unrelated_labels"))
    decision = _with({"scaling=standard": _arm(), **BLIND}, findings=found)
    assert (decision.verdict, decision.first) == (cause, None)
    assert "no change that was tried was enough" in decision.advice
    assert _with({FASTER: ALL}, findings=found[:1]).verdict == causes.SMALL_RATE


def test_a_start_at_zero_is_no_case_of_dead_units():
    found = (_finding(causes.SCALE),)
    decision = _with({"init=he": ALL}, DEAD, findings=found)
    assert (decision.row, decision.first) == ("zero_start", "init=he")


def test_a_linear_network_is_too_small_only_where_a_linear_model_is():
    found = (_finding(causes.CAPACITY, "sign", "linear_layers"),)
    assert _with({**BLIND, "linear_probe": _control(0, held_out=0.0)}, findings=found).verdict == causes.CAPACITY
    assert _with({}, findings=found).verdict != causes.CAPACITY


def test_epsilon_is_the_cause_where_it_was_seen_and_a_finer_one_helps_some():
    found = (_finding(causes.EPSILON, "sign"),)
    some = {"epsilon=1e-12": _arm(4, 3.0), FASTEST: FAR}
    assert _with(some, findings=found).verdict == causes.EPSILON
    assert _with({**some, "epsilon=1e-12": _arm(0, -1.0)}, findings=found).verdict == causes.SMALL_RATE


def test_what_takes_longer_than_the_horizon_is_slow_but_sure_before_a_change_that_tells_no_cause():
    later = {"as_given": _followed(8)}
    assert _with({"optimizer=sgd": ALL}, followed=later).row == "later"
    assert _with({"optimizer=sgd": ALL}).row == "another_change"


def test_what_helps_some_runs_comes_into_question_before_what_is_only_left():
    arms = {**STUCK, **BLIND, FASTEST: FAR, "batch_size=×1/4": _arm(4, 8.0), "wider": _arm(1, 8.0)}
    evidence = Evidence(arms, RATES, NO_SYMPTOMS)
    assert [suspect.cause for suspect in rank(evidence, decide(evidence))] == [
        causes.SMALL_RATE, causes.LARGE_BATCH, causes.HARD,
    ]  # fmt: skip


def test_a_network_that_learns_not_even_one_batch_of_what_a_linear_model_reads_is_suspected_itself():
    evidence = Evidence(STUCK, RATES, NO_SYMPTOMS)
    suspects = rank(evidence, decide(evidence))
    assert [suspect.cause for suspect in suspects[:2]] == [causes.MISFIT, causes.ALTERED]
    learned = Evidence({**STUCK, "one_batch": _control(RUNS)}, RATES, NO_SYMPTOMS)
    assert causes.MISFIT not in [suspect.cause for suspect in rank(learned, decide(learned))]


def test_a_signal_that_hardly_arrives_is_named_where_a_linear_model_learns_and_not_even_one_batch_is():
    faint = NO_SYMPTOMS._replace(output_spread=0.005)
    assert _with({}, faint).verdict == causes.VANISHING
    assert _with({}).verdict == table.UNDECIDED
    assert _with({"one_batch": _control(RUNS)}, faint).verdict == table.UNDECIDED
    assert _with(BLIND, faint).verdict == table.UNDECIDED
    assert _with({"init=he": ALL}, faint).verdict == causes.SCALE
