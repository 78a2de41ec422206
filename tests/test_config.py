import dataclasses

import pytest

from engine.arms import arm as config
from engine.arms.arm import REQUIRED, Arm, fill_defaults, parse_value, structure
from engine.errors import InputError


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
    assert parse_value(name, text) == value


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
        parse_value(name, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "default"), [(n, d) for n, d in config.DEFAULTS.items() if d is not None])
def test_every_field_round_trips_through_text(name, default):
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    assert parse_value(name, text) == default


def test_an_arm_checks_itself():
    with pytest.raises(InputError, match="batch_size='64'"):
        Arm(batch_size="64")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="model=None"):
        dataclasses.replace(Arm(), model=None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_size=True"):
        Arm(batch_size=True)
    assert Arm(learning_rate=1).learning_rate == 1.0


def test_structure_holds_exactly_what_shapes_the_program():
    fields = structure(Arm())
    assert "model" in fields
    assert "image_size" in fields
    assert "dataset_dir" not in fields
    assert "optimizer" in fields
    assert not {"learning_rate", "epsilon", "init", "init_scale", "warmup_steps"} & set(fields)
    assert structure(Arm(learning_rate=1.0, init="he")) == structure(Arm())


def test_fill_defaults():
    arm = Arm(momentum=0.5)
    domain = ("momentum", "beta1", "decay_steps")
    used = {"momentum": 0.0, "beta1": 0.9}
    assert fill_defaults(arm, "x", domain, used) == {"momentum": 0.5, "beta1": 0.9}
    with pytest.raises(InputError, match="no effect with x"):
        fill_defaults(arm, "x", domain, {})
    with pytest.raises(InputError, match="x needs decay_steps"):
        fill_defaults(arm, "x", domain, {**used, "decay_steps": REQUIRED})
