"""How differences in time are written: which way they go, and how far."""

import math

import pytest

from engine.report.phrases import shift
from engine.statistics import Estimate


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Estimate(-9.8, -10.2, -9.4), "9.8 earlier (9.4–10.2)"),
        (Estimate(29.6, 29.4, 29.7), "29.6 later (29.4–29.7)"),
        (Estimate(0.4, -0.1, 0.9), "0.4 later (0.1 earlier to 0.9 later)"),
        (Estimate(-2.0, -math.inf, math.inf), "2.0 earlier (∞ earlier to ∞ later)"),
        (Estimate(0.0, 0.0, 0.0), "0.0 later (0.0–0.0)"),
    ],
)
def test_a_difference_says_its_direction(difference, words):
    assert shift(difference, "epochs") == words
