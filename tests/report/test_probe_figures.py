"""The panels of what happens on the plateau: one colour per layer, and nothing that is hidden."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from engine.report.curves import ArmProbes
from engine.report.probe_panels import draw_panels

STEPS = np.arange(0, 88, 22)
SEEDS = np.arange(3)


def _found(**values: dict[str, list[float]]) -> ArmProbes:
    """The same of three runs."""
    by_layer = {
        name: {layer: np.tile(numbers, (len(SEEDS), 1)) for layer, numbers in layers.items()}
        for name, layers in values.items()
    }
    return ArmProbes(STEPS, by_layer, SEEDS, ())


def _panels(found: ArmProbes, origin: float = 0.0) -> dict:
    figure = draw_panels(found, np.full(len(SEEDS), origin), 22, "epochs")
    figure.draw_without_rendering()
    return {axes.get_title().partition(" (")[0]: axes for axes in figure.axes}


def test_a_layer_has_one_colour_in_all_panels_and_in_the_legend():
    layers = ("Conv_0", "Conv_1", "Conv_10")
    found = _found(
        spread={name: [0.5, 0.4, 0.3, 0.2] for name in layers},
        # Nothing is known to be dead of what enters the first layer; arrays come by their names.
        dead_share={"": [0.1] * 4, **{name: [0.1] * 4 for name in layers[1:]}},
        gradient_norm={
            "": [1.0] * 4,
            **{f"{name}/kernel": [1.0 + i] * 4 for i, name in enumerate(sorted(layers))},
            "other": [9.0] * 4,
        },
    )
    panels = _panels(found)
    (legend,) = panels["spread"].figure.legends
    lines = zip(legend.get_texts(), legend.get_lines(), strict=True)
    colours = {text.get_text(): to_hex(line.get_color()) for text, line in lines}
    assert list(colours) == list(layers)

    def drawn(title: str) -> list[str]:
        return [to_hex(line.get_color()) for line in panels[title].lines if line.get_lw() < 1]

    assert drawn("spread") == [colours[name] for name in layers]
    assert drawn("dead units") == [colours[name] for name in layers[1:]]
    assert drawn("gradient norm")[:3] == [colours[name] for name in sorted(layers)]
    assert drawn("gradient norm")[3] not in colours.values()


@pytest.mark.parametrize("origin", [0.0, 44.0])
def test_what_is_above_zero_once_is_a_point_with_a_tick(origin):
    panels = _panels(_found(output_spread={"": [3e-6, 0.0, 0.0, 0.0]}), origin)
    axes = panels["spread of outputs"]
    assert axes.get_title().endswith("(0 where no line)")
    low, high = axes.get_ylim()
    assert low < 3e-6 < high < 1e-3, "the line of the onset is no number"
    markers = [line.get_marker() for line in axes.lines]
    assert markers == ["o", *["None"] * (origin > 0)]
    assert any(low <= tick <= high for tick in axes.get_yticks())


def test_lines_that_are_seen_have_no_points():
    axes = _panels(_found(output_spread={"": [2.0, 2.1, 2.2, 2.3]}))["spread of outputs"]
    assert [line.get_marker() for line in axes.lines] == ["None"]
    assert axes.get_title() == "spread of outputs"
    assert sum(2.0 <= tick <= 2.3 for tick in axes.get_yticks()) >= 1
