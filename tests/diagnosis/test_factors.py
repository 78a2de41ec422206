"""What is changed around a configuration, one thing at a time."""

from typing import Any

import pytest

from engine.arms import arm as config
from engine.arms.arm import Arm
from engine.diagnosis.changes import Subject
from engine.diagnosis.factors import factors_of
from engine.studies.diagnosis import AS_GIVEN
from engine.studies.study import resolve_arm

CONTROLS = {"one_batch", "linear_probe", "shuffled_labels", "constant_inputs"}


def _resolved(**fields: object) -> Arm:
    return resolve_arm(Arm(**{"model": "mlp", **fields}))  # type: ignore[arg-type]


def _held(arm: Arm, **about: Any) -> Subject:
    return Subject(arm, num_examples=1438, **about)


def _subject(**fields: object) -> Subject:
    return _held(_resolved(**fields), has_values=True, inputs_off="far off", targets_off="far off")


def _changed(name: str, **fields: object) -> dict[str, object]:
    """The fields in which an arm of the diagnosis differs from the given one, resolved."""
    arm = _resolved(**fields)
    made = resolve_arm(factors_of(_subject(**fields)).arms[name])
    before, after = config.identity_fields(arm), config.identity_fields(made)
    return {name: after.get(name) for name in {**before, **after} if before.get(name) != after.get(name)}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "lion"])
@pytest.mark.parametrize("model", ["mlp", "cnn8"])
def test_every_arm_can_be_resolved_and_no_two_are_the_same(optimizer: str, model: str):
    factors = factors_of(_held(_resolved(model=model, optimizer=optimizer)))
    made = [resolve_arm(arm) for arm in factors.arms.values()]
    assert len(set(made)) == len(made)
    assert next(iter(factors.arms)) == AS_GIVEN
    assert not set(factors.arms) & set(factors.record.skipped)
    assert not any("the same" in reason for reason in factors.record.skipped.values())
    assert ("weight_decay=0" in factors.arms) == (optimizer in ("adamw", "lion"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("init=he", {"init": "he", "init_scale": None}),
        ("epsilon=1e-12", {"epsilon": 1e-12}),
        ("epsilon=1e-05", {"epsilon": 1e-5}),
        ("learning_rate=×1/3", {"learning_rate": 3.333e-4}),
        ("learning_rate=×3", {"learning_rate": 3e-3}),
        ("learning_rate=×1000", {"learning_rate": 1.0}),
        ("batch_norm", {"batch_norm": True}),
        ("leaky_relu", {"activation": "leaky_relu"}),
        ("one_batch", {"control": "one_batch"}),
        ("shuffled_labels", {"control": "shuffled_labels"}),
        ("constant_inputs", {"control": "constant_inputs"}),
    ],
)
def test_an_arm_differs_in_one_thing(name: str, expected: dict[str, object]):
    assert _changed(name) == expected


ADDED = {
    "dataset": "arrays",
    "dataset_dir": "data.npz",
    "optimizer": "adamw",
    "dropout": 0.3,
    "augment": "crop",
    "schedule": "cosine",
    "warmup_steps": 5,
    "decay_steps": 30,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scaling=standard", {"scaling": "standard"}),
        ("target_scaling=standard", {"target_scaling": "standard"}),
        ("weight_decay=0", {"weight_decay": 0.0}),
        ("dropout=0", {"dropout": 0.0}),
        ("augment=none", {"augment": "none"}),
        (
            "schedule=constant",
            {"schedule": "constant", "warmup_steps": None, "decay_steps": None, "end_fraction": None},
        ),
    ],
)
def test_what_a_configuration_adds_is_taken_away_one_at_a_time(name: str, expected: dict[str, object]):
    assert _changed(name, **ADDED) == expected


def test_decay_that_is_used_without_a_default_is_taken_away_with_its_number():
    assert _changed("weight_decay=0", optimizer="sgd", weight_decay=0.5) == {"weight_decay": None}


def test_a_change_that_takes_away_two_things_says_so():
    record = factors_of(_subject(**ADDED)).record
    assert "and without the weight decay" in record.words["optimizer=sgd"]
    assert "weight decay" not in factors_of(_subject()).record.words["optimizer=sgd"]


def test_batches_of_unusual_sizes_are_changed():
    assert _changed("batch_size=×4", batch_size=2) == {"batch_size": 8}
    assert _changed("batch_size=×1/4", batch_size=512) == {"batch_size": 128}
    assert factors_of(_subject()).record.skipped["batch_size=×4"] == "a batch of 64 is not small"
    few = Subject(_resolved(batch_size=16), num_examples=50)
    assert factors_of(few).record.skipped["batch_size=×4"] == "there are 50 examples to train on"


def test_a_saturating_activation_is_replaced():
    assert _changed("activation=relu", activation="sigmoid") == {"activation": "relu"}


def test_dropout_of_an_own_network_is_tried_where_there_is_some():
    arm = _resolved(model="net.py:Net", init="as_written")
    assert factors_of(_held(arm)).record.skipped["dropout=0"] == "there is no dropout"
    assert factors_of(_held(arm, has_own_dropout=True)).arms["dropout=0"].dropout == 0.0


def test_the_other_family_comes_with_a_rate_of_its_own():
    of_adam = _changed("optimizer=sgd")
    assert of_adam["optimizer"] == "sgd"
    assert of_adam["momentum"] == 0.9
    of_sgd = _changed("optimizer=adam", optimizer="sgd", momentum=0.5)
    assert of_sgd["optimizer"] == "adam"
    assert of_sgd["epsilon"] == 1e-8


def test_the_probe_is_linear_whatever_the_network_is():
    arm = _resolved(model="cnn8", batch_norm=True, dropout=0.5, optimizer="sgd")
    probe = resolve_arm(factors_of(_held(arm)).arms["linear_probe"])
    assert (probe.model, probe.dense_widths, probe.batch_norm, probe.dropout) == (
        "mlp", (), False, 0.0,
    )  # fmt: skip


def test_the_probe_inherits_nothing_that_could_hold_it():
    probe = resolve_arm(factors_of(_subject(**ADDED)).arms["linear_probe"])
    assert (probe.schedule, probe.augment, probe.dropout, probe.weight_decay) == ("constant", "none", 0.0, None)
    assert (probe.scaling, probe.target_scaling) == ("standard", "standard")


@pytest.mark.parametrize(
    ("fields", "name", "reason"),
    [
        ({"init": "he"}, "init=he", "it starts so already"),
        ({"optimizer": "sgd"}, "epsilon=1e-12", "sgd has no epsilon"),
        ({"optimizer": "lion"}, "epsilon=1e-05", "lion has no epsilon"),
        ({"epsilon": 1e-12}, "epsilon=1e-12", "it is that already"),
        ({"batch_norm": True}, "batch_norm", "it is normalised already"),
        ({"activation": "tanh"}, "leaky_relu", "its activation is tanh, not relu"),
        ({}, "scaling=standard", "of order one already"),
        ({}, "target_scaling=standard", "no values to predict"),
        ({}, "weight_decay=0", "no weight decay"),
        ({}, "dropout=0", "no dropout"),
        ({}, "augment=none", "nothing is augmented"),
        ({}, "schedule=constant", "constant already"),
        ({"schedule": "warmup"}, "schedule=constant", "constant already"),
        ({}, "activation=relu", "does not saturate"),
        ({"control": "one_batch"}, "shuffled_labels", "control=one_batch already"),
    ],
)
def test_what_does_not_apply_is_skipped_and_said(fields: dict, name: str, reason: str):
    factors = factors_of(_held(_resolved(**fields)))
    assert reason in factors.record.skipped[name]
    assert name not in factors.arms


def test_an_own_network_is_not_rebuilt():
    arm = _resolved(model="net.py:Net", init="as_written")
    skipped = factors_of(_held(arm)).record.skipped
    own = {name for name, reason in skipped.items() if "own" in reason}
    assert own == {"batch_norm", "leaky_relu", "activation=relu", "wider"}


def test_fresh_examples_have_no_controls():
    factors = factors_of(Subject(_resolved(dataset="teacher")))
    fresh = {name for name, reason in factors.record.skipped.items() if "fresh" in reason}
    assert fresh == CONTROLS | {"batch_size=×4", "batch_size=×1/4"}


def test_multiples_of_a_rate_of_zero_are_other_rates():
    arms = factors_of(_held(_resolved(learning_rate=0.0))).arms
    rates = {arm.learning_rate for name, arm in arms.items() if "rate" in name}
    assert len(rates) == 6
    assert 0.0 not in rates


def test_rates_that_no_arm_can_have_are_skipped():
    factors = factors_of(_held(_resolved(learning_rate=1e4)))
    assert "highest rate" in factors.record.skipped["learning_rate=×1000"]
    assert "learning_rate=×30" in factors.arms


def test_rates_are_remembered_relative_to_the_given_one():
    factors = factors_of(_held(_resolved(learning_rate=2e-4)))
    rates = factors.record.rates
    assert len(rates) == 6
    for name, relative in rates.items():
        assert factors.arms[name].learning_rate == pytest.approx(2e-4 * relative, rel=1e-3)
        assert f"{factors.arms[name].learning_rate:g}" in factors.record.words[name]
