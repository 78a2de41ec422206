"""One contract over every theory, and over every experiment that has one."""

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.outcomes.row import CURVE_STEPS
from engine.theory import THEORIES
from engine.theory.comparison import Measured, MeasuredCurve
from tests.theory.measuring import STUDIES, planted

# Runs of a committee are each followed by its equations, a fraction of a second.
NUM_RUNS, NUM_FOLLOWED = 64, 6


def flat(arm: Arm, uses: tuple[str, ...], horizon: int = 1000, num_runs: int = NUM_RUNS) -> Measured:
    """Runs of which no curve has moved by the horizon: what no theory of ours predicts."""
    steps = np.arange(0, horizon + 1, max(1, horizon // 100))
    curve = MeasuredCurve(steps, np.full((num_runs, len(steps)), 0.7))
    return planted(arm, dict.fromkeys(uses, curve), 0.7, status=["stuck"] * num_runs, horizon=horizon)


@pytest.mark.parametrize("name", list(THEORIES))
def test_a_theory_is_documented_and_names_metrics(name):
    theory = THEORIES.load(name)
    assert "Source" in (theory.__doc__ or "")
    assert set(theory.USES) <= set(CURVE_STEPS)


@pytest.mark.parametrize("name", list(THEORIES))
def test_a_theory_is_silent_where_it_says_nothing(name):
    """Of an arm that it is not about it says that, and compares nothing."""
    theory = THEORIES.load(name)
    prediction = theory.predict({"other": flat(Arm(), theory.USES)})
    assert not prediction.checks
    assert not prediction.curves
    assert any("other" in note for note in prediction.notes)
    assert not theory.predict({}).checks


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_arm_is_predicted_and_flat_curves_are_refused(name):
    study = STUDIES[name]
    theory = THEORIES.load(study.theory)
    horizons = study.horizons_by_arm
    num_runs = NUM_FOLLOWED if name == "committee" else NUM_RUNS
    measured = {arm: flat(fields, theory.USES, horizons[arm] or 1000, num_runs) for arm, fields in study.arms.items()}
    prediction = theory.predict(measured)
    checked = {check.arm for check in prediction.checks}
    assert checked == set(study.arms)
    refused = {check.arm for check in prediction.checks if not check.is_met}
    assert refused == set(study.arms)
    for check in prediction.checks:
        assert check.quantity
        assert check.source
        assert np.isfinite(check.theory)
        assert check.tolerance is None or 0 < check.tolerance <= 0.15
    for curve in prediction.curves:
        assert curve.metric in theory.USES
        assert np.shape(curve.values)[-1] == len(curve.steps)
