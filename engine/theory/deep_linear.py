"""`deep_linear`: chains of weights that learn a line, against gradient flow and Adam's recursion.

Plain SGD at a small learning rate is gradient flow in the time steps × learning rate. Adam is held
against its own recursion in double precision. The starts are read from the seeds through the
initial scheme, as they are drawn; from there on nothing of the engine is used.

Source: Saxe, McClelland and Ganguli (2014), ICLR; Kingma and Ba (2015), ICLR.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engine.arms.arm import Arm
from engine.statistics import LEVEL, median_time
from engine.theory import chain
from engine.theory.comparison import Check, Measured, Prediction, TheoryCurve, exactly
from engine.theory.starts import starts_of

USES = ("loss",)

_SAME = 0.005
_SLOPE = 0.05
# Levels of u/s between which the slope of the escape is read: above the rounding of the loss near
# chance, and so low that s − u is still s to 1.3 % in the mean.
_ESCAPE = (0.005, 0.02)
# A balanced start below this share of ε^{1/(D−1)} is held by ε alone, to a few per cent.
_FAR_BELOW = 0.4
# A half time so near to the horizon may not be seen.
_SEEN = 0.98
# Of Adam's recursion, half a minute.
_MOST_STEPS = 2_000_000
_OF_ADAM = ("beta1", "beta2", "epsilon")
_FLOW = "Gradient flow with its conserved quantities, by quadrature"
_RECURSION = "Adam’s recursion in double precision"


class _Case(NamedTuple):
    """An arm that there is a theory of.

    Attributes:
        name: of the arm.
        runs: what was measured.
        weights: at the start, a row for each run, or one where all are alike.
        clock: how long a step is in the time unit of the theory.
        unit: of that time.
        theory: u at the measured steps, rows as the weights.
        measured: the same as it was, `[num_runs, num_points]`.
        source: of the theory.
    """

    name: str
    runs: Measured
    weights: np.ndarray
    clock: float
    unit: str
    theory: np.ndarray
    measured: np.ndarray
    source: str


def predict(measured: Mapping[str, Measured]) -> Prediction:
    """The loss of every run, and what follows from it.

    Args:
        measured: what the runs of each arm left behind.
    """
    curves: list[TheoryCurve] = []
    checks: list[Check] = []
    notes: list[str] = []
    cases = []
    for name, runs in measured.items():
        why = _unlike(runs.arm, runs.horizon)
        if why is None:
            cases.append(_case(name, runs))
        else:
            notes.append(f"“{name}” is not compared: {why}.")
    num_laws = sum(map(_has_law, cases))
    for case in cases:
        curves.append(_curve(case))
        checks += [*_half_times(case, notes), _distance(case), *_escape(case), *_held(case)]
        if _has_law(case):
            checks += _law(case, num_laws, notes)
    if num_laws:
        notes.append("The intervals of medians hold at 95 % for all arms together.")
    return Prediction(curves, checks, notes)


def _unlike(arm: Arm, horizon: int) -> str | None:
    """Why there is no theory of an arm, or `None`."""
    if (arm.dataset, arm.model) != ("line", "chain"):
        return f"dataset={arm.dataset} with model={arm.model} is no chain that learns a line"
    if arm.optimizer not in ("sgd", "adam") or arm.momentum:
        what = f"momentum={arm.momentum}" if arm.momentum else f"optimizer={arm.optimizer}"
        return f"{what} has no known answer here"
    for field, value in (("schedule", "constant"), ("precision", "float32")):
        if getattr(arm, field) != value:
            return f"{field}={getattr(arm, field)} has no known answer here"
    if arm.init not in ("constant", "normal"):
        return f"init={arm.init} has no known answer here"
    needed = ("slope", "depth", "init_scale", *(_OF_ADAM if arm.optimizer == "adam" else ()))
    missing = [field for field in needed if getattr(arm, field) is None]
    if missing:
        return f"its {missing[0]} is not stored"
    if arm.optimizer == "adam" and horizon > _MOST_STEPS:
        return f"{horizon} steps of Adam’s recursion take too long"
    return None


def _is_flow(case: _Case) -> bool:
    return case.runs.arm.optimizer == "sgd"


def _has_law(case: _Case) -> bool:
    """Whether the law of its starts says when half of them are past half."""
    return case.runs.arm.init == "normal" and _is_flow(case)


def _case(name: str, runs: Measured) -> _Case:
    arm = runs.arm
    assert arm.slope is not None
    weights = _starts(runs)
    steps = runs.loss.steps
    if arm.optimizer == "sgd":
        clock, unit, source = arm.learning_rate, "steps × learning rate", _FLOW
        theory = chain.product_at(chain.gradient_flow(weights, arm.slope), steps * clock)
    else:
        clock, unit, source = 1.0, "steps", _RECURSION
        theory = chain.adam(weights, arm.slope, _numbers(arm), int(steps[-1]))[:, steps]
    products = arm.slope - np.sqrt(2.0 * runs.loss.values)
    return _Case(name, runs, weights, clock, unit, theory, products, source)


def _numbers(arm: Arm) -> chain.Adam:
    assert arm.beta1 is not None
    assert arm.beta2 is not None
    assert arm.epsilon is not None
    return chain.Adam(arm.learning_rate, arm.beta1, arm.beta2, arm.epsilon)


def _starts(runs: Measured) -> np.ndarray:
    """The weights that each run starts from, `[num_runs, depth]`; one row where all are alike."""
    arm = runs.arm
    assert arm.depth is not None
    if arm.init == "constant":
        return np.full((1, arm.depth), np.float32(arm.init_scale), np.float64)
    leaves = starts_of(arm, runs.root_seed, runs.init_seed, num_inputs=1)
    return np.stack([weights.reshape(-1) for weights in leaves], axis=1)


def _curve(case: _Case) -> TheoryCurve:
    assert case.runs.arm.slope is not None
    loss = 0.5 * (case.runs.arm.slope - case.theory) ** 2
    words = "gradient flow" if _is_flow(case) else "Adam’s recursion"
    return TheoryCurve(case.name, words, case.runs.loss.steps, loss, case.source)


def _half_times(case: _Case, notes: list[str]) -> list[Check]:
    """Half times, of the run that is furthest from its own."""
    assert case.runs.arm.slope is not None
    level = 0.5 * case.runs.arm.slope
    known = np.broadcast_to(_first(case, case.theory, level), case.runs.num_runs)
    found = _first(case, case.measured, level)
    is_asked = (known > 0) & (known < _SEEN * case.runs.horizon * case.clock)
    if not is_asked.any():
        notes.append(
            f"“{case.name}” has no half time to compare: in theory no run that starts below half "
            f"passes it well before the horizon."
        )
        return []
    known, found = known[is_asked], found[is_asked]
    worst = int(np.argmax(np.abs(found / known - 1.0)))
    quantity = "half time"
    if len(known) > 1:
        quantity += f", of {len(known)} runs the one furthest off"
    numbers = (float(known[worst]), exactly(float(found[worst])))
    return [Check(case.name, quantity, case.unit, *numbers, _SAME, case.source)]


def _first(case: _Case, products: np.ndarray, level: float) -> np.ndarray:
    """When u first reaches a level, between evaluations by a line, `[num_rows]`; else infinite."""
    times = case.runs.loss.steps * case.clock
    with np.errstate(invalid="ignore"):
        is_reached = products >= level
    after = is_reached.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(products))
    low, high = products[rows, before], products[rows, after]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(after > before, (level - low) / (high - low), 1.0)
    crossing = times[before] + share * (times[after] - times[before])
    return np.where(is_reached.any(axis=1), crossing, np.inf)


def _distance(case: _Case) -> Check:
    """The largest distance of a measured loss from its curve, as a share of chance."""
    assert case.runs.arm.slope is not None
    known = 0.5 * (case.runs.arm.slope - case.theory) ** 2
    gaps = np.abs(case.runs.loss.values - known) / case.runs.chance_loss
    gap = float(np.nanmax(gaps)) if np.isfinite(gaps).any() else np.inf
    numbers = (0.0, exactly(gap), _SAME, case.source, 1.0)
    return Check(case.name, "whole curve, largest distance", "of chance loss", *numbers)


def _escape(case: _Case) -> list[Check]:
    """The slope of the escape from a balanced start: of ln u, or of u^{−(D−2)/D}."""
    arm = case.runs.arm
    assert arm.slope is not None
    depth = case.weights.shape[1]
    low, high = (share * arm.slope for share in _ESCAPE)
    # A start at the lower level itself, up to the rounding of the loss, will do.
    is_below = case.weights[0].prod() <= 1.001 * low
    if not _is_flow(case) or arm.init != "constant" or depth < 2 or not is_below:
        return []
    if not np.isfinite(_first(case, case.theory, high)[0]):
        return []
    times = [float(_first(case, case.measured[:1], level)[0]) for level in (low, high)]
    if depth == 2:
        quantity, rise, known = "slope of the escape, ln u", np.log(high / low), 2.0 * arm.slope
    else:
        power = (2.0 - depth) / depth
        quantity = f"slope of the escape, u^(−{depth - 2}/{depth})"
        rise, known = high**power - low**power, (2.0 - depth) * arm.slope
    waited = times[1] - times[0]
    found = exactly(float(rise / waited) if np.isfinite(waited) and waited > 0 else np.nan)
    source = "Linear order at the saddle" if depth == 2 else "Leading order at the saddle"
    return [Check(case.name, quantity, f"per {case.unit}", known, found, _SLOPE, source)]


def _held(case: _Case) -> list[Check]:
    """How long ε holds a balanced start far below it."""
    arm = case.runs.arm
    depth, start = case.weights.shape[1], float(case.weights[0, 0])
    if _is_flow(case) or arm.init != "constant" or depth < 3 or start <= 0:
        return []
    assert arm.slope is not None
    numbers = _numbers(arm)
    wait = chain.epsilon_wait(start, depth, arm.slope, numbers)
    is_far = start < _FAR_BELOW * numbers.epsilon ** (1.0 / (depth - 1))
    if not is_far or wait > _SEEN * case.runs.horizon:
        return []
    found = exactly(float(_first(case, case.measured[:1], 0.5 * arm.slope)[0]))
    source = "Adam as gradient flow at the rate lr/ε"
    return [Check(case.name, "half time, law of ε", "steps", wait, found, _SLOPE, source)]


def _law(case: _Case, num_laws: int, notes: list[str]) -> list[Check]:
    """The median half time over normal starts; the intervals hold for all such arms together."""
    arm = case.runs.arm
    assert arm.slope is not None
    assert arm.init_scale is not None
    depth = case.weights.shape[1]
    known = chain.median_half_time(depth, arm.init_scale, arm.slope)
    times = _first(case, case.measured, 0.5 * arm.slope)
    is_seen = np.isfinite(times)
    ends = np.where(is_seen, times, case.runs.horizon * case.clock)
    found = median_time(ends, is_seen.astype(int), confidence=1.0 - LEVEL / num_laws)
    if not np.isfinite(found.upper):
        notes.append(
            f"The median half time of “{case.name}” is not compared: its interval has no end, for "
            f"want of runs or of steps."
        )
        return []
    source = "Quadrature over normal starts"
    numbers = (case.unit, known, found, None, source)
    return [Check(case.name, "median half time over starts", *numbers)]
