"""A run taken apart into named arrays, and put together again, bit for bit."""

from typing import Any, NamedTuple

import jax
import numpy as np

from .lane import DiagnosticValues, Measurement, Record
from .runs import History, Run, concatenated, copied


class Checkpoint(NamedTuple):
    """An unfinished run, the step it has reached, and what its lane holds and has left behind, by path."""

    run: Run
    step: int
    arrays: dict[str, np.ndarray]


class LaneShapes(NamedTuple):
    """Shapes of what one lane holds, random keys as their data, and of what it leaves behind at one time."""

    lane: Any
    record: Record
    measurement: Measurement
    diagnostics: DiagnosticValues | None
    segments_between_diagnostics: int


def to_arrays(lane: Any, history: History) -> dict[str, np.ndarray]:
    """Takes a run apart; `lane` is on the host, with random keys as their data."""
    tree = {
        "lane": lane,
        "records": concatenated(history.records),
        "measurements": jax.tree.map(lambda *parts: np.stack(parts), *history.measurements),
    }
    if history.diagnostics:
        tree["diagnostics"] = concatenated(history.diagnostics)
    return {name: array.astype(_kept_as(array.dtype)) for name, array in _by_path(tree).items()}


def variables_to_arrays(params: Any, state: Any) -> dict[str, np.ndarray]:
    """Takes the variables of a network apart: what is trained under `params`, the rest under its own names."""
    others = state if isinstance(state, dict) else {"state": state}
    tree = {"params": params, **others}
    return {name: np.asarray(array).astype(_kept_as(array.dtype)) for name, array in _by_path(tree).items()}


def _kept_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Returns the type of a checkpoint's array: NumPy's own, or float32, which holds every bfloat16."""
    return dtype if dtype.kind in "biufc" else np.dtype(np.float32)


def from_arrays(checkpoint: Checkpoint, shapes: LaneShapes) -> tuple[Any, History] | None:
    """Puts a run together again; returns `None` if its arrays do not fit the pool, or contradict each other."""
    arrays = checkpoint.arrays
    tree = _expected(arrays, shapes)
    expected = _by_path(tree)
    found, wanted = ({n: (a.shape, _kept_as(a.dtype)) for n, a in leaves.items()} for leaves in (arrays, expected))
    if found != wanted or not _is_sound(checkpoint, shapes):
        return None
    tree = jax.tree.unflatten(
        jax.tree.structure(tree), [arrays[name].astype(leaf.dtype) for name, leaf in expected.items()]
    )
    measurements = [copied(tree["measurements"], (i,)) for i in range(arrays["measurements/step"].size)]
    diagnostics = [tree["diagnostics"]] if "diagnostics" in tree else []
    return tree["lane"], History(checkpoint.run, [tree["records"]], measurements, diagnostics)


def _expected(arrays: dict[str, np.ndarray], shapes: LaneShapes) -> dict[str, Any]:
    """Returns the tree that a run of this pool with as many segments and measurements has."""
    none = np.zeros(0)
    num_segments = arrays.get("records/step", none).size
    num_measured = arrays.get("measurements/step", none).size

    def several(one: Any, num: int) -> Any:
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct((num, *a.shape), a.dtype), one)

    tree = {
        "lane": shapes.lane,
        "records": several(shapes.record, num_segments),
        "measurements": several(shapes.measurement, num_measured),
    }
    if shapes.diagnostics is not None:
        num_times = -(-num_segments // shapes.segments_between_diagnostics)
        tree["diagnostics"] = several(shapes.diagnostics, num_times)
    return tree


def _is_sound(checkpoint: Checkpoint, shapes: LaneShapes) -> bool:
    """Tells whether the steps of segments, diagnostics, lane and checkpoint agree."""
    arrays = checkpoint.arrays
    num_segments = arrays["records/step"].size
    if num_segments == 0 or arrays["measurements/step"].size < 2:
        return False
    steps = (1 + np.arange(num_segments)) * shapes.record.batch_loss.shape[0]
    if not np.array_equal(steps, arrays["records/step"]):
        return False
    if shapes.diagnostics is not None:
        starts = np.append(0, steps[:-1])[:: shapes.segments_between_diagnostics]
        if not np.array_equal(starts, arrays["diagnostics/step"]):
            return False
    return bool(steps[-1] == checkpoint.step == arrays["lane/train/step"] < checkpoint.run.horizon)


def _by_path(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
