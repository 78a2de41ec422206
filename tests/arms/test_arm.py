"""Arms and their options."""

import copy
import dataclasses
import pickle
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from engine.arms.arm import COMMON, Arm, fill_in, find_option, identity_fields, structure, without_options
from engine.arms.choices import KINDS, all_options, table_of
from engine.errors import InputError
from engine.studies.study import resolve_arm


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "3e-4", 3e-4),
        ("batch_size", "128", 128),
        ("batch_norm", "true", True),
        ("batch_norm", "no", False),
        ("model", "mlp", "mlp"),
        ("dense_widths", "128, 64", (128, 64)),
        ("conv_widths", "8", (8,)),
        ("epsilon", "1e-12", 1e-12),
        ("image_size", "32, 24", (32, 24)),
        ("input_arrays", "x_train, x_test", ("x_train", "x_test")),
        ("dataset_dir", "~/my pictures", "~/my pictures"),
    ],
)
def test_parses_what_a_person_types(name, text, value):
    assert find_option(name).parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("learning_rate", "abc", "expected a number"),
        ("learning_rate", "inf", "finite"),
        ("learning_rate", "-1", "at least 0"),
        ("batch_size", "2.5", "whole number"),
        ("batch_size", "0", "at least 1"),
        ("batch_norm", "maybe", "true or false"),
        ("dropout", "1", "less than 1"),
        ("beta2", "1.0", "less than 1"),
        ("dense_widths", "128,x", "whole number"),
        ("dense_widths", "128,0", "at least 1"),
        ("lerning_rate", "1", "did you mean 'learning_rate'"),
    ],
)
def test_refuses_with_what_was_expected(name, text, words):
    with pytest.raises(InputError, match=words) as caught:
        find_option(name).parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", [*COMMON.values(), *all_options().values()], ids=lambda option: option.name)
def test_every_default_round_trips_through_text(option):
    if option.default in (None, ()) or not isinstance(option.default, (bool, int, float, str, tuple)):
        return
    text = ",".join(map(str, option.default)) if isinstance(option.default, tuple) else str(option.default)
    assert option.parse(text) == option.default
    assert option.check(option.default) == option.default


@pytest.mark.parametrize("kind", KINDS)
def test_choices_declare_a_shared_option_alike(kind):
    """What is typed before the choice is known must mean the same for each; only defaults differ."""
    for choice in map(table_of(kind).load, table_of(kind)):
        for option in choice.OPTIONS:
            shared = all_options()[option.name]
            assert option.with_default(None) == shared.with_default(None)
            assert option.name not in COMMON


def test_an_arm_checks_itself():
    with pytest.raises(InputError, match="batch_size='64'"):
        Arm(batch_size="64")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="model=None"):
        dataclasses.replace(Arm(), model=None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_size=True"):
        Arm(batch_size=True)
    assert Arm(learning_rate=1).learning_rate == 1.0


def test_options_are_attributes_and_arms_are_values():
    arm = Arm(model="mlp", dense_widths=[8, 4], dropout=0)
    assert (arm.dense_widths, arm.dropout, arm.momentum) == ((8, 4), 0.0, None)
    assert arm == Arm(dropout=0.0, dense_widths=(8, 4), model="mlp")
    assert len({arm, arm.replace(dropout=0.0), arm.replace(dropout=0.5)}) == 2
    assert dataclasses.replace(arm, dropout=None).options == {"dense_widths": (8, 4)}
    assert pickle.loads(pickle.dumps(arm)) == copy.copy(arm) == arm
    with pytest.raises(AttributeError, match="widhts"):
        arm.dense_widhts  # noqa: B018
    with pytest.raises(InputError, match="did you mean 'dense_widths'"):
        Arm(dense_widht=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        arm.model = "cnn8"  # type: ignore[misc]


def test_structure_holds_exactly_what_shapes_the_program():
    arm = resolve_arm(Arm())
    fields = structure(arm)
    assert {"dataset", "model", "optimizer", "conv_widths", "batch_size", "augment"} <= set(fields)
    assert not {"learning_rate", "epsilon", "init", "init_scale", "dataset_dir", "options"} & set(fields)
    assert structure(resolve_arm(Arm(learning_rate=1.0, init="he"))) == fields
    numbers = ("learning_rate", "beta1", "beta2", "epsilon")
    assert fields.pop("hyperparams") == numbers
    assert set(identity_fields(arm)) == {*fields, *numbers, "init", "init_scale"}


def test_every_option_of_the_choices_is_filled_in():
    arm = fill_in(Arm(optimizer="sgd", momentum=0.5, init="he"))
    assert (arm.momentum, arm.nesterov, arm.conv_widths, arm.init_scale) == (0.5, False, (16, 16, 32, 32, 32), None)
    assert fill_in(arm) == arm
    with pytest.raises(InputError, match=r"beta1=0\.8 has no effect with optimizer=sgd"):
        fill_in(arm.replace(beta1=0.8))
    with pytest.raises(InputError, match=r"schedule=cosine needs decay_steps: .* \(steps\)"):
        fill_in(arm.replace(schedule="cosine"))
    with pytest.raises(InputError, match=r"unknown optimizer 'adm'.*did you mean 'adam'"):
        fill_in(Arm(optimizer="adm"))


def test_options_go_with_their_choice():
    arm = fill_in(Arm(optimizer="sgd", momentum=0.5, init="he"))
    assert fill_in(without_options(arm, "optimizer").replace(optimizer="adam")).momentum is None


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("learning_rate", np.float32(1e-3), 1e-3),
        ("learning_rate", np.float64(1e-3), 1e-3),
        ("batch_size", np.int64(32), 32),
        ("batch_norm", np.bool_(True), True),
        ("dense_widths", np.array([8, 4]), (8, 4)),
        ("dense_widths", [np.int32(8)], (8,)),
        ("dataset_dir", Path("here"), "here"),
        ("model_args", {"depth": 2, "kind": "a"}, ("depth=2", "kind=a")),
        ("batch_size", jnp.int32(32), 32),
    ],
)
def test_numbers_of_arrays_paths_and_mappings_are_taken(name, given, value):
    found = getattr(Arm(model="mlp", **{name: given}), name)
    assert found == value
    assert type(found) is type(value)
