"""The runs of a study as an xarray dataset: outcomes by arm and seed, curves by arm, seed and step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ..errors import InputError, unknown_name
from ..outcomes.row import CURVE_STEPS, OUTCOME_SCHEMA
from ..store.run_table import RunTable
from .curves import MetricCurves, read_arm_curves

if TYPE_CHECKING:
    import xarray

_ATTRIBUTES = {
    "onset_step": {"long_name": "onset of learning", "units": "steps"},
    "half_step": {"long_name": "half of the rise", "units": "steps"},
    "hitting_step": {"long_name": "event of the task", "units": "steps"},
    "width_steps": {"long_name": "width of the rise", "units": "steps"},
    "steps_run": {"long_name": "length of the run", "units": "steps"},
    "event": {"long_name": "0 censored, 1 left chance level, 2 diverged"},
    "loss": {"long_name": "loss on the fixed evaluation set"},
}
# By the column of `CURVE_STEPS`, the dimension of a curve.
_DIMENSIONS = {"steps": "step", "inspected_steps": "inspected_step", None: "batch"}
_IS_OUTCOME = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)


def make_dataset(table: RunTable, metrics: Sequence[str]) -> "xarray.Dataset":
    """Makes a dataset of the repetitions that have an outcome.

    Args:
        metrics: of `CURVE_STEPS`.

    Returns:
        Variables `[arm, seed]` for outcomes and `[arm, seed, step]` for curves, where the last dimension is
        `inspected_step` of what is measured less often, and `batch` of `batch_loss`. What an arm, a seed or a step does
        not have is NaN, or "" in place of words.

    Raises:
        InputError: xarray is not installed, a metric is unknown, or no run is finished.
    """
    try:
        import xarray
    except ImportError:
        raise InputError("to_xarray needs xarray: pip install xarray") from None
    document = table.directory.document
    names = [name for name in document["arm_order"] if np.any(_of_arm(table, name))]
    if not names:
        raise InputError(f"no finished run in {str(table.directory.path)!r} yet")
    seeds = np.unique(np.concatenate([table.seed[_of_arm(table, name)] for name in names]))
    coordinates: dict[str, Any] = {"arm": names, "seed": seeds}
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]]
    variables = {name: (("arm", "seed"), values) for name, values in _outcomes(table, names, seeds).items()}
    for dimension, (steps, found) in _curves(table, names, seeds, metrics).items():
        coordinates[dimension] = steps
        variables |= {metric: (("arm", "seed", dimension), values) for metric, values in found.items()}
    return xarray.Dataset(
        {name: (*variable, _ATTRIBUTES.get(name, {})) for name, variable in variables.items()},
        coords=coordinates,
        attrs={"study": document["study"]["name"], "question": document["study"]["question"]},
    )


def _of_arm(table: RunTable, name: str) -> np.ndarray:
    return table.is_of(name) & table.is_repetition & table.has_outcome


def _outcomes(table: RunTable, names: Sequence[str], seeds: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the columns that hold one value of a run, `[num_arms, num_seeds]`."""
    found: dict[str, np.ndarray] = {}
    places = [np.searchsorted(seeds, table.seed[_of_arm(table, name)]) for name in names]
    columns = [table.columns(_of_arm(table, name)) for name in names]
    for field in OUTCOME_SCHEMA:
        if field.name in ("arm", "seed") or not any(is_it(field.type) for is_it in _IS_OUTCOME):
            continue
        is_word = pa.types.is_string(field.type)
        values = np.full((len(names), len(seeds)), "" if is_word else np.nan, object if is_word else float)
        for row, place, own in zip(values, places, columns, strict=True):
            row[place] = [("" if is_word else np.nan) if value is None else value for value in own[field.name]]
        found[field.name] = values.astype(str) if is_word else values
    return found


def _curves(
    table: RunTable, names: Sequence[str], seeds: np.ndarray, metrics: Sequence[str]
) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Returns the steps of each dimension, and its metrics `[num_arms, num_seeds, num_steps]`."""
    read: dict[str, dict[str, dict[int, MetricCurves]]] = {}
    for metric in metrics:
        if metric not in CURVE_STEPS:
            raise unknown_name("metric", metric, CURVE_STEPS)
        curves: dict[int, MetricCurves] = {}
        missing: InputError | None = None
        for i, name in enumerate(names):
            try:
                curves[i] = read_arm_curves(table, name, metric)
            except InputError as error:
                missing = error
        if not curves and missing is not None:
            raise missing
        read.setdefault(_DIMENSIONS[CURVE_STEPS[metric]], {})[metric] = curves
    found = {}
    for dimension, by_metric in read.items():
        steps = np.unique(np.concatenate([one.steps for curves in by_metric.values() for one in curves.values()]))
        arrays = {}
        for metric, curves in by_metric.items():
            arrays[metric] = np.full((len(names), len(seeds), len(steps)), np.nan, np.float32)
            for i, one in curves.items():
                place = np.ix_(np.searchsorted(seeds, one.seed), np.searchsorted(steps, one.steps))
                arrays[metric][i][place] = one.values
        found[dimension] = steps, arrays
    return found
