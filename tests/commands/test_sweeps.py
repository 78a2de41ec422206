"""What --sweep stands for."""

import pytest

from engine.commands.typed import parse_sweeps


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("learning_rate=1e-3,2e-3", [1e-3, 2e-3]),
        ("learning_rate=log:1e-5:1e-1:5", [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        ("learning_rate=log:1e-1:1e-3:3", [1e-1, 1e-2, 1e-3]),
        ("init_scale=log:1:3:3", [1.0, 1.732, 3.0]),
        ("dropout=linear:0:0.8:5", [0.0, 0.2, 0.4, 0.6, 0.8]),
        # Whole numbers that fall together are one arm.
        ("batch_size=log:1:8:7", [1, 2, 3, 4, 6, 8]),
        ("model_arg.width=log:8:32:3", ["8", "16", "32"]),
        ("dropout=linear:0.99991:0.99999:2", [0.99991, 0.99999]),
        ("optimizer_arg.shift=linear:-0.2:0.15:8", ["-0.2", "-0.15", "-0.1", "-0.05", "0", "0.05", "0.1", "0.15"]),
    ],
)
def test_a_sweep_has_the_values_that_are_listed_or_spread(text, values):
    assert parse_sweeps([text]) == {text.partition("=")[0]: values}


def test_two_ranges_make_a_grid():
    axes = parse_sweeps(["learning_rate=log:1e-4:1e-2:3", "batch_size=linear:16:64:4"])
    assert axes == {"learning_rate": [1e-4, 1e-3, 1e-2], "batch_size": [16, 32, 48, 64]}
