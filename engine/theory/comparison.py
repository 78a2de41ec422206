"""What a theory is given about the runs of an arm, and what it answers."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..statistics import Estimate


class MeasuredCurve(NamedTuple):
    """A metric of every run of an arm, `[num_runs, num_points]`, by step; NaN where a run was not measured."""

    steps: np.ndarray
    values: np.ndarray

    def of_run(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the steps at which a run was measured, and its values there."""
        is_known = np.isfinite(self.values[row])
        return self.steps[is_known], self.values[row, is_known]


class MeasuredGrid(NamedTuple):
    """The runs of an arm's crossed grid, for the starts that are complete; curves by metric, seeds `[num_runs]`."""

    curves: Mapping[str, MeasuredCurve]
    init_seed: np.ndarray
    order: np.ndarray


class Measured(NamedTuple):
    """The repetitions of a resolved arm that did not fail: a seed and a status per run, the horizon in steps.

    The curves are those that the theory uses and some run has.
    """

    arm: Arm
    root_seed: int
    curves: Mapping[str, MeasuredCurve]
    init_seed: np.ndarray
    status: list[str]
    horizon: int
    chance_loss: float
    grid: MeasuredGrid | None = None

    @property
    def num_runs(self) -> int:
        """Number of runs, at least one."""
        return len(self.init_seed)

    @property
    def loss(self) -> MeasuredCurve:
        """Loss on the fixed evaluation set, which every run has."""
        return self.curves["loss"]


class TheoryCurve(NamedTuple):
    """A predicted curve, `[num_points]` or a row for each run, to be drawn over the measured ones of its metric.

    The words are its entry in the legend, the source is a formula or a paper.
    """

    arm: str
    words: str
    steps: np.ndarray
    values: np.ndarray
    source: str
    metric: str = "loss"
    is_log: bool = False


class Check(NamedTuple):
    """One number of an arm, predicted and measured.

    Attributes:
        unit: of both numbers, or empty.
        measured: with its interval; both limits equal the value where nothing was estimated.
        tolerance: largest deviation as a share of the scale; `None`: the interval has to contain the prediction.
        scale: by default the predicted number.
    """

    arm: str
    quantity: str
    unit: str
    theory: float
    measured: Estimate
    tolerance: float | None
    source: str
    scale: float | None = None

    @property
    def deviation(self) -> float | None:
        """Measured minus predicted number, as a share of the scale; `None` where the scale is zero."""
        scale = abs(self.theory) if self.scale is None else self.scale
        return (self.measured.value - self.theory) / scale if scale else None

    @property
    def is_met(self) -> bool:
        """Whether the deviation is within its bound; a deviation that does not exist is not."""
        if self.tolerance is None:
            return self.measured.lower <= self.theory <= self.measured.upper
        deviation = self.deviation
        return deviation is not None and abs(deviation) <= self.tolerance


class Prediction(NamedTuple):
    """What a theory says about the arms of a study; the notes tell which arms it does not cover and why."""

    curves: list[TheoryCurve]
    checks: list[Check]
    notes: list[str]


def exactly(value: float) -> Estimate:
    """Returns a number that was read off rather than estimated: its interval is itself."""
    return Estimate(value, value, value)


def starts_of(runs: Measured, num_inputs: int) -> list[np.ndarray]:
    """Draws the initial parameter leaves of runs by the public scheme, in double precision, each `[num_runs, …]`.

    The network of the arm must have one output and an initial scheme.
    """
    import jax
    import jax.numpy as jnp

    from ..models import make_model
    from ..models.initial import draw_params, leaf_laws
    from ..tasks import random_streams

    arm = runs.arm
    key = jax.eval_shape(lambda: random_streams.root_key(0))
    example = jax.ShapeDtypeStruct((1, num_inputs), np.float32)
    shapes, _ = jax.eval_shape(make_model(arm, example.shape[1:], 1).init, key, example)
    laws = jnp.asarray(leaf_laws(shapes, str(arm.init), arm.options))

    def start(seed: jax.Array) -> list[jax.Array]:
        return jax.tree.leaves(draw_params(random_streams.stream(runs.root_seed, "init", seed), shapes, laws))

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        drawn = jax.vmap(start)(jnp.asarray(runs.init_seed, jnp.uint32))
    return [np.asarray(leaf, np.float64) for leaf in drawn]


def covered_arms(
    measured: Mapping[str, Measured],
    allowed: Mapping[str, tuple[Any, ...]],
    find_reason: Callable[[Measured], str | None] = lambda runs: None,
) -> tuple[dict[str, Measured], Prediction]:
    """Returns the arms that a theory covers, and a prediction that only says why the others are not compared.

    A covered arm has one of the allowed values in each of these fields, and `find_reason` has nothing against it.
    """
    reasons = {name: _find_other_value(runs.arm, allowed) or find_reason(runs) for name, runs in measured.items()}
    covered = {name: runs for name, runs in measured.items() if reasons[name] is None}
    notes = [f"“{name}” is not compared: {why}." for name, why in reasons.items() if why is not None]
    return covered, Prediction([], [], notes)


def _find_other_value(arm: Arm, allowed: Mapping[str, tuple[Any, ...]]) -> str | None:
    for field, values in allowed.items():
        value = getattr(arm, field)
        if value not in values:
            expected = " or ".join(str(one) for one in values if one is not None)
            return f"this theory holds for {field} {expected}, not for {field}={value}"
    return None
