"""Late breaks of the held-out loss, planted and not."""

import numpy as np
import pytest

from engine.studies.shipped import EXPERIMENTS
from engine.theory import modular_addition
from engine.theory.comparison import Measured, MeasuredCurve
from tests.theory.measuring import planted

(ARM,) = EXPERIMENTS.load("modular_addition").study().arms.values()
CHANCE = float(np.log(37))
STEPS = np.arange(0, 4001, 20)


def rise(middle: float, width: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(STEPS - middle) / width))


def measured(training: np.ndarray, held_out: np.ndarray, accuracy: np.ndarray) -> Measured:
    curves = {
        name: MeasuredCurve(STEPS, np.tile(values, (8, 1)))
        for name, values in zip(modular_addition.USES, (training, held_out, accuracy), strict=True)
    }
    return planted(ARM, curves, CHANCE)


AT_ONCE = CHANCE * np.exp(-STEPS / 80)
# Far above chance while the training pairs are learned by heart, and down late.
LATE = CHANCE * (1 + 1.2 * rise(100, 30)) * (1 - rise(2000, 100))
EARLY = CHANCE * np.exp(-STEPS / 100)


def test_grokking_is_found_with_its_delay():
    (first, *_) = modular_addition.delays(measured(AT_ONCE, LATE, rise(2200, 100)))
    assert first.training.status == "no_plateau"
    assert first.held_out.status == "broke"
    # Above chance until 2.2 (1 − rise) = 0.95, at 2000 + 100 ln(1.25/0.95).
    assert first.held_out.onset_step == pytest.approx(2000 + 100 * np.log(1.25 / 0.95), abs=20)
    assert first.half_accuracy_step == 2200
    assert first.ratio > 20
    prediction = modular_addition.predict({"a": measured(AT_ONCE, LATE, rise(2200, 100))})
    assert [check.is_met for check in prediction.checks] == [True] * 3
    assert "half of these pairs are right from step 2,200 on" in prediction.notes[-1]


def test_held_out_examples_may_be_far_from_chance_on_the_way():
    """Five times chance for a thousand steps, as at p = 113: not divergence."""
    sure = CHANCE * (1 + 4 * rise(150, 30)) * (1 - rise(2000, 100))
    (first, *_) = modular_addition.delays(measured(AT_ONCE, sure, rise(2200, 100)))
    assert first.held_out.status == "broke"
    # Above chance until 5 (1 − rise) = 0.95, at 2000 + 100 ln(4.05/0.95).
    assert first.held_out.onset_step == pytest.approx(2000 + 100 * np.log(4.05 / 0.95), abs=20)


@pytest.mark.parametrize(
    ("training", "held_out", "met"),
    [
        (AT_ONCE, EARLY, [True, False, False]),
        (AT_ONCE, np.full(len(STEPS), 2 * CHANCE), [True, False, False]),
        (CHANCE * (1 - rise(1800, 60)), CHANCE * (1 - rise(2000, 60)), [False, True, False]),
    ],
)
def test_what_is_no_grokking_is_said(training, held_out, met):
    prediction = modular_addition.predict({"a": measured(training, held_out, 0 * STEPS)})
    assert [check.is_met for check in prediction.checks] == met
