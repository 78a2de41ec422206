"""Every finding: said of the fault that it is about, and of nothing else."""

import re

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.preflight.causes import ALTERED, CONSTANT, SCALE, UNREACHABLE, UNTRAINED, VANISHING
from engine.preflight.findings import FINDINGS, amount, find_all
from engine.preflight.learning import Learned
from engine.preflight.look import Examples, Look
from engine.preflight.passes import Entering

_ARM = Arm(model="mlp", dense_widths=(16, 16), init="he")
# Standardised inputs, and the ratio and offset of uneven ones.
_AS_GIVEN = Entering(size=1.4, largest=5.0, change=2.0, ratio=1.1, offset=20.0)


def _healthy(seed: int = 0, **changes: object) -> Look:
    """Four classes of clusters, and a small network at He's start, as far as the numbers of a look tell."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(4, 8))

    def examples(number: int) -> Examples:
        targets = draw.integers(4, size=number)
        return Examples((centres[targets] + draw.normal(size=(number, 8))).astype(np.float32), targets)

    outputs = draw.normal(size=(4, 32, 4))
    of_leaf = np.tile([0.3, 0.0, 0.3, 0.0, 0.3, 0.0], (4, 1))
    look = Look(
        arm=_ARM,
        horizon=1000,
        chance_loss=float(np.log(4)),
        has_classes=True,
        is_kept=True,
        training=examples(400),
        held_out=examples(100),
        leaf_names=("a/kernel", "a/bias", "b/kernel", "b/bias", "c/kernel", "c/bias"),
        leaf_ndims=(2, 1) * 3,
        has_state=False,
        batch=examples(32),
        outputs=outputs,
        alone=outputs[:, 16:],
        wide_outputs=30 * draw.normal(size=(4, 32, 4)),
        entering=np.tile(_AS_GIVEN, (4, 1, 1)),
        bent=np.ones(4),
        reordered=np.ones(4),
        seen=np.ones(8),
        noise=np.zeros(4),
        losses=np.full(4, 1.5),
        he_sizes=of_leaf[0],
        params=of_leaf,
        grads=np.full((4, 6), 1e-2),
        updates=np.full((4, 6), 1e-3),
        clipped=np.ones(4),
        slopes=np.ones(4),
        he_grads=np.full(6, 1e-2),
        saturating=(),
        saturated=np.zeros((4, 0)),
        narrowest=4,
        zeroed=np.zeros(4),
        displaced=np.zeros(4),
        lost=np.zeros(4),
        learned=Learned(300, 0.2, 0.1),
        has_tokens=False,
    )
    return look._replace(**changes)  # type: ignore[arg-type]


def _regression(targets: np.ndarray, **changes: object) -> Look:
    look = _healthy(has_classes=False, outputs=np.random.default_rng(1).normal(size=(4, 32, 1)), **changes)
    rows = look.training.inputs[:, :1].astype(np.float64)
    values = targets + rows * (np.std(targets) or 1.0)
    held_out = np.mean(targets) + look.held_out.inputs[:, :1] * (np.std(targets) or 1.0)
    return look._replace(
        training=look.training._replace(targets=values),
        held_out=look.held_out._replace(targets=held_out),
        alone=look.outputs[:, 16:],
        wide_outputs=changes.get("wide_outputs", 30 * np.random.default_rng(2).normal(size=(4, 32, 1))),  # type: ignore[arg-type]
    )


def _with_inputs(change: object) -> Look:
    look = _healthy()
    return look._replace(
        training=look.training._replace(inputs=change(look.training.inputs)),  # type: ignore[operator]
        held_out=look.held_out._replace(inputs=change(look.held_out.inputs)),  # type: ignore[operator]
    )


def _with_targets(training: object, held_out: object | None = None) -> Look:
    look = _healthy()
    parts = {"training": look.training._replace(targets=training(look.training.targets))}  # type: ignore[operator]
    if held_out is not None:
        parts["held_out"] = look.held_out._replace(targets=held_out(look.held_out.targets))  # type: ignore[operator]
    return look._replace(**parts)


def _copied() -> Look:
    """Of 400 examples 20 have a copy with another label."""
    look = _healthy()
    inputs, targets = look.training.inputs.copy(), look.training.targets.copy()
    inputs[:20], targets[:20] = inputs[20:40], (targets[20:40] + 1) % 4
    return look._replace(training=Examples(inputs, targets))


def _sorted() -> Look:
    look = _healthy()
    order = np.argsort(look.training.targets, kind="stable")
    return look._replace(training=Examples(look.training.inputs[order], look.training.targets[order]))


def _numbered(first: float, number: int = 5) -> Look:
    """Values that are numbers of groups of examples."""
    look = _regression(np.zeros((400, 1)))
    centres = np.sort(look.training.inputs[:, 0])[:: -(-400 // number)]
    parts = {"training": look.training, "held_out": look.held_out}
    numbered = {
        name: part._replace(targets=first + np.searchsorted(centres[1:], part.inputs[:, :1]))
        for name, part in parts.items()
    }
    return look._replace(**numbered)


def _leaf(name: str, leaf: int, value: float) -> Look:
    values = getattr(_healthy(), name).copy()
    values[:, leaf] = value
    return _healthy(**{name: values})


def _entering(**changes: float) -> np.ndarray:
    """What the first weights are given, at four starts."""
    return np.tile(_AS_GIVEN._replace(**changes), (4, 1, 1))


_SHARES = np.random.default_rng(3).dirichlet(np.ones(4), size=(4, 32))
_FAULTS = {
    "constant_inputs": _with_inputs(np.ones_like),
    "lost_inputs": _healthy(entering=_entering(change=0.0)),
    "input_scale": _with_inputs(lambda x: 255 * x)._replace(entering=_entering(size=300.0)),
    "rescaled_inputs": _healthy(entering=_entering(size=1e-3, largest=0.01)),
    "uneven_inputs": _with_inputs(lambda x: np.float32(0.3) * x + np.float32(6)),
    "constant_features": _with_inputs(lambda x: np.concatenate([x, np.zeros((len(x), 9), np.float32)], axis=1)),
    "target_scale": _regression(np.full((400, 1), 2e5) + np.linspace(-4e4, 4e4, 400)[:, None]),
    "classes_as_values": _numbered(1),
    "rare_classes": _with_targets(lambda y: np.where(np.arange(len(y)) % 20 == 0, y, 0), np.zeros_like),
    "contradicting_labels": _copied(),
    "unrelated_labels": _with_targets(lambda y: np.random.default_rng(4).permutation(y)),
    "held_out_labels": _with_targets(lambda y: y, lambda y: (y + 1) % 4),
    "sorted_examples": _sorted(),
    "other_mixture": _with_targets(lambda y: y, lambda y: np.where(y == 0, 1, y)),
    "no_loss": _healthy(losses=np.full(4, np.nan)),
    "no_gradient": _healthy(grads=np.zeros((4, 6)), he_grads=np.zeros(6)),
    "softmax_inside": _healthy(outputs=_SHARES, wide_outputs=_SHARES, alone=_SHARES[:, 16:]),
    "log_softmax_inside": _healthy(
        outputs=np.log(_SHARES), wide_outputs=np.log(_SHARES), alone=np.log(_SHARES[:, 16:])
    ),
    "bounded_outputs": _regression(
        np.linspace(-3, -1, 400)[:, None], wide_outputs=np.maximum(0, np.arange(-64, 64.0)).reshape(4, 32, 1)
    ),
    "constant_outputs": _healthy(
        outputs=np.full((4, 32, 4), 0.1), alone=np.full((4, 16, 4), 0.1), wide_outputs=np.zeros((4, 32, 4))
    ),
    "mixed_examples": _healthy(alone=_healthy().outputs[:, 16:] * 1.1),
    "narrow_layer": _healthy(narrowest=1),
    "linear_layers": _healthy(bent=np.full(4, 1e-6)),
    "blind_to_order": _healthy(reordered=np.full(4, 1e-6)),
    "unseen_positions": _healthy(seen=np.array([0, 0, 0, 0, 0, 1, 1, 1])),
    "initial_loss": _healthy(losses=np.full(4, 60.0)),
    "broken_gradient": _leaf("grads", 0, np.nan),
    "unreached_parameters": _leaf("grads", 0, 0.0)._replace(he_grads=np.array([0.0, *[1e-2] * 5])),
    "altered_gradient": _healthy(slopes=np.array([1e5, 2e5, np.nan, 1e5])),
    "saturating_layers": _healthy(saturating=("tanh", "tanh"), saturated=np.full((4, 2), [0.1, 0.7])),
    "gradient_by_depth": _leaf("grads", 0, 1e-6),
    "below_epsilon": _healthy(arm=_ARM.replace(optimizer="adam", epsilon=1e-8), grads=np.full((4, 6), 1e-10)),
    "low_precision": _healthy(zeroed=np.full(4, 0.4)),
    "strong_dropout": _healthy(noise=np.full(4, 300.0)),
    "strong_decay": _healthy(arm=_ARM.replace(optimizer="adamw", weight_decay=50.0)),
    "warm_up": _healthy(arm=_ARM.replace(schedule="warmup", warmup_steps=100_000)),
    "one_batch": _healthy(learned=Learned(300, 1.0, 0.99)),
    "step_size": _healthy(updates=np.full((4, 6), 1.0)),
}


@pytest.mark.parametrize("name", list(FINDINGS))
def test_every_finding_is_about_its_fault(name):
    found = find_all(_FAULTS[name])
    assert name in [finding.name for finding in found]
    # A fault may have consequences, which are found beside it.
    also = {"constant_inputs": {"unrelated_labels"}, "rare_classes": {"sorted_examples", "unrelated_labels"}}
    assert {finding.name for finding in found} <= {name} | also.get(name, set())


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_set_up_has_none(seed):
    assert find_all(_healthy(seed)) == []
    assert find_all(_regression(np.random.default_rng(seed).normal(size=(400, 1)))) == []


@pytest.mark.parametrize("name", list(FINDINGS))
def test_a_finding_is_defined_with_its_threshold_and_false_alarms(name):
    module = FINDINGS.load(name)
    assert "Definition" in module.__doc__
    assert "False alarms" in module.__doc__
    for finding in find_all(_FAULTS[name]):
        assert not finding.sentence.endswith(".")
        assert not re.search(r"\bnan\b|\binf\b", finding.sentence)


def test_faults_come_before_signs():
    strengths = [finding.strength for finding in find_all(_healthy(losses=np.full(4, 60.0), noise=np.full(4, 300.0)))]
    assert strengths == ["fault", "sign"]


def test_a_saturating_activation_is_named_only_where_it_costs_the_gradient():
    layers = {"saturating": ("logistic",) * 6, "saturated": np.full((4, 6), 0.15)}
    assert find_all(_healthy(**layers)) == []
    found = find_all(_leaf("grads", 0, 1e-6)._replace(**layers))
    assert [finding.name for finding in found] == ["saturating_layers", "gradient_by_depth"]
    assert "sigmoid in 6 layers" in found[0].sentence
    assert find_all(_healthy(saturating=("tanh",), saturated=np.full((4, 1), 0.9))) == []


def test_only_numbers_without_gaps_look_like_classes():
    assert [finding.name for finding in find_all(_numbered(0))] == ["classes_as_values"]
    assert find_all(_numbered(7)) == []
    assert find_all(_numbered(0.5)) == []
    assert find_all(_numbered(0, 40)) == []


def test_a_layer_is_narrow_for_its_classes_and_inputs():
    assert find_all(_healthy(narrowest=2)) == []
    found = find_all(_healthy(narrowest=1))[0]
    assert found.sentence.startswith("a layer passes on 1 number of each example, and 4 classes need 2")
    one = _with_inputs(lambda x: np.concatenate([x[:, :1], np.zeros_like(x[:, :1])], axis=1))
    assert "narrow_layer" not in [finding.name for finding in find_all(one._replace(narrowest=1))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zeroed": np.full(4, np.nan)}, "not finite"),
        ({"displaced": np.full(4, 0.7)}, "changes the outputs by 70 %"),
        ({"displaced": np.full(4, 0.1)}, None),
        ({"lost": np.full(4, 0.9)}, "rounded away in 90 %"),
        ({"zeroed": np.full(4, 0.05), "lost": np.full(4, 0.3)}, None),
    ],
)
def test_what_half_precision_loses(changes, words):
    found = find_all(_healthy(**changes))
    assert [words in finding.sentence for finding in found] == ([] if words is None else [True])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize(("decay", "horizon", "is_found"), [(10.0, 1000, True), (10.0, 5, False), (0.1, 1000, False)])
def test_a_decay_in_the_gradient_is_held_against_it(optimizer, decay, horizon, is_found):
    arm = _ARM.replace(optimizer=optimizer, weight_decay=decay, learning_rate=1e-2)
    found = find_all(_healthy(arm=arm, horizon=horizon))
    assert [(finding.name, finding.strength) for finding in found] == [("strong_decay", "sign")] * is_found
    # 10 · 0.3 against 0.01.
    assert all("pulls the weights 300 times as hard" in finding.sentence for finding in found)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"arm": _ARM.replace(epsilon=1e-8, clip_norm=1e-8)}, "below_epsilon"),
        ({"arm": _ARM.replace(optimizer="sgd", clip_norm=1e-8), "updates": np.full((4, 6), 1e-8)}, "step_size"),
    ],
)
def test_what_clipping_leaves_is_put_down_to_it(changes, name):
    found = find_all(_healthy(clipped=np.full(4, 1e-7), **changes))
    assert [(finding.name, finding.strength, finding.cause) for finding in found] == [(name, "sign", ALTERED)]
    # 1,000 steps of 1e-8 against weights of 0.3.
    assert all("0.003 %" in finding.sentence for finding in found if name == "step_size")


@pytest.mark.parametrize("name", ["input_scale", "rescaled_inputs", "uneven_inputs", "target_scale", "step_size"])
def test_what_its_own_optimiser_copes_with_is_a_sign(name):
    strengths = [
        next(one.strength for one in find_all(_FAULTS[name]._replace(learned=learned)) if one.name == name)
        for learned in (None, Learned(300, 0.2, 0.1), Learned(300, 0.01, 0.1))
    ]
    assert strengths == ["fault", "fault", "sign"]


def test_what_the_gradient_reaches_from_another_start_is_held_by_the_start():
    unreached = _FAULTS["unreached_parameters"]
    found = [find_all(look)[0] for look in (unreached, unreached._replace(he_grads=np.full(6, 1e-2)))]
    assert [(one.name, one.cause) for one in found] == [
        ("unreached_parameters", UNTRAINED),
        ("unreached_parameters", SCALE),
    ]


def test_inputs_are_judged_where_the_first_weights_meet_them():
    large = _with_inputs(lambda x: 255 * x)
    assert [finding.name for finding in find_all(large._replace(entering=np.zeros((4, 0, 5))))] == ["input_scale"]
    assert find_all(large) == []
    # Evened out only if the batch itself is seen to be uneven.
    uneven = _with_inputs(lambda x: np.float32(0.3) * x + np.float32(6))
    even = _entering(ratio=1.0, offset=0.0)
    assert [finding.name for finding in find_all(uneven._replace(entering=even))] == ["uneven_inputs"]
    batch = Examples(uneven.training.inputs[:32], uneven.training.targets[:32])
    assert find_all(uneven._replace(entering=even, batch=batch)) == []


@pytest.mark.parametrize(
    ("learned", "is_found"), [(Learned(300, np.inf, np.inf), True), (Learned(300, np.inf, 1.0), False), (None, False)]
)
def test_a_loss_that_ends_in_no_number_under_every_rate(learned, is_found):
    assert ("broken_gradient" in [finding.name for finding in find_all(_healthy(learned=learned))]) == is_found


def test_what_half_precision_breaks_is_not_said_of_the_gradient():
    look = _leaf("grads", 0, np.nan)._replace(zeroed=np.full(4, np.nan))
    assert [finding.name for finding in find_all(look)] == ["low_precision"]


def test_a_linear_model_lacks_capacity_where_neighbours_read_what_it_cannot():
    draw = np.random.default_rng(0)
    centres = np.asarray([[-2, -2], [2, 2], [-2, 2], [2, -2]])

    def examples(number: int) -> Examples:
        which = draw.integers(4, size=number)
        return Examples((centres[which] + 0.3 * draw.normal(size=(number, 2))).astype(np.float32), which // 2)

    single = {"leaf_names": ("a/kernel",), "leaf_ndims": (2,), "bent": np.full(4, 1e-6)}
    linear = _healthy(**single, training=examples(400), held_out=examples(100))
    assert "linear_layers" in [finding.name for finding in find_all(linear)]
    assert "linear_layers" not in [finding.name for finding in find_all(_healthy(**single))]


def test_one_hot_rows_are_of_order_one():
    look = _healthy()
    rows = np.eye(5000, dtype=np.float32)[:400]
    assert find_all(look._replace(training=Examples(rows, look.training.targets), is_kept=False)) == []


@pytest.mark.parametrize(
    ("learned", "horizon", "words"),
    [
        (Learned(300, 1.0, 0.98), 1_000_000, "cannot learn"),
        (Learned(300, 0.99, 0.1), 2000, "too slow"),
        (Learned(300, np.inf, 0.1), 2000, "beyond all numbers"),
        # A plateau that a longer training is meant to leave, and what is neither.
        (Learned(300, 0.99, 0.1), 4000, None),
        (Learned(300, 0.99, 0.7), 2000, None),
        (Learned(300, 0.9, 0.99), 2000, None),
        (None, 2000, None),
    ],
)
def test_what_cannot_learn_is_told_from_what_is_slow(learned, horizon, words):
    found = find_all(_healthy(learned=learned, horizon=horizon))
    assert [words in finding.sentence for finding in found] == ([] if words is None else [True])


def test_constant_inputs_are_seen_number_by_number():
    """Up to rounding; a large number that never changes hides no small one that does."""
    large = np.full((400, 1), 1e9, np.float32)

    def names(inputs: np.ndarray) -> list[str]:
        return [finding.name for finding in find_all(_with_inputs(lambda x: inputs[: len(x)].astype(np.float32)))]

    assert "constant_inputs" in names(large * (1 + 1e-7 * (np.arange(400) % 2)[:, None]))
    assert "constant_inputs" not in names(np.concatenate([large, np.linspace(0, 1, 400)[:, None]], axis=1))


def test_targets_that_the_loss_begins_far_from_are_a_sign():
    look = _regression(np.full((400, 1), 18.0) + np.linspace(-3, 3, 400)[:, None], chance_loss=6.0)
    assert find_all(look._replace(losses=np.full(4, 40.0))) == []
    found = find_all(look._replace(losses=np.full(4, 160.0)))
    assert [(finding.name, finding.strength) for finding in found] == [("target_scale", "sign")]


def test_what_comes_after_the_same_words_may_differ():
    look = _copied()
    tokens = np.unique(look.training.inputs, axis=0, return_inverse=True)[1].reshape(-1, 1)
    found = find_all(look._replace(training=Examples(tokens.astype(np.int32), look.training.targets)))
    assert [(finding.name, finding.strength) for finding in found] == [("contradicting_labels", "sign")]


def test_tokens_are_not_held_to_be_numbers():
    look = _healthy()
    tokens = np.arange(400 * 8, dtype=np.int32).reshape(400, 8)
    assert find_all(look._replace(training=Examples(tokens, look.training.targets))) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [(2e5, "200,000"), (44_321.0, "44,300"), (280.0, "280"), (1.5, "1.5"), (1e-19, "1e-19"), (-300.0, "-300")],
)
def test_amounts(value, words):
    assert amount(value) == words


def test_outputs_of_order_one_that_are_alike_lack_what_tells_the_examples_apart():
    alike = _FAULTS["constant_outputs"]
    wide, tiny = np.full((4, 32, 4), 0.1), _healthy().wide_outputs.copy()
    tiny[0] *= 1e-7
    causes = [find_all(alike._replace(wide_outputs=values))[0].cause for values in (wide, tiny)]
    assert causes == [CONSTANT, VANISHING]
    saturated = alike._replace(wide_outputs=wide, saturating=("logistic",) * 2, saturated=np.zeros((4, 2)))
    assert find_all(saturated)[0].cause == VANISHING


def test_texts_of_one_token_differ_in_nothing_but_their_length():
    lengths, places = np.arange(400) % 7 + 1, np.arange(8)

    def is_found(tokens):
        look = _healthy()
        found = find_all(look._replace(training=look.training._replace(inputs=tokens)))
        return "constant_inputs" in [one.name for one in found]

    filled = np.where(places < lengths[:, None], 1, 0)
    assert is_found(filled)
    assert is_found(filled[:, ::-1])
    assert not is_found(np.where(places % 2, filled, 1))
    assert not is_found(np.where(places < lengths[:, None], 1 + places % 2, 0))
    # Bits that are drawn are no texts of one token.
    assert not is_found(np.random.default_rng(0).integers(2, size=(400, 8)))


def test_outputs_that_do_not_differ_at_all_do_not_see_the_inputs():
    cut = _healthy(outputs=np.zeros((4, 32, 4)), alone=np.zeros((4, 16, 4)), wide_outputs=np.zeros((4, 32, 4)))
    (found,) = find_all(cut)
    assert (found.name, found.cause) == ("constant_outputs", CONSTANT)


def test_outputs_that_are_always_one_number_are_said_to_be_that():
    ones = np.ones((4, 32, 1))
    always = _regression(np.zeros((400, 1)), wide_outputs=ones)._replace(
        outputs=ones, alone=ones[:, 16:], grads=np.zeros((4, 6)), he_grads=np.zeros(6)
    )
    (found,) = find_all(always)
    assert (found.name, found.cause) == ("no_gradient", UNREACHABLE)
    assert found.sentence.startswith("the outputs are 1 for all examples")


def test_positions_are_unseen_where_the_others_are_seen_as_well_as_each_other():
    def found(*seen):
        return [one.name for one in find_all(_healthy(seen=np.array(seen)))]

    assert found(0, 0, 0.5, 1) == ["unseen_positions"]
    assert found(0, 1, 1, 1, 1) == found(0, 0, 0, 0) == []
    # A signal that fades, and places where all tokens are alike.
    assert found(0, 0, 1e-6, 1) == found(np.nan, np.nan, 1, 1) == []
    assert "the first" in find_all(_healthy(seen=np.array([0, 0, 1, 1])))[0].sentence
