"""A run taken apart into named arrays, and put together again, bit for bit."""

from typing import Any, NamedTuple

import jax
import numpy as np

from engine.lanes.lane import DiagnosticValues, Measurement, Record
from engine.lanes.runs import History, Run, concatenated, copied


class Checkpoint(NamedTuple):
    """An unfinished run.

    Attributes:
        step: the step that it has reached.
        arrays: what its lane holds and what it has left behind, by path.
    """

    run: Run
    step: int
    arrays: dict[str, np.ndarray]


class LaneShapes(NamedTuple):
    """Shapes and types of what one lane of a pool holds and leaves behind.

    Attributes:
        lane: with random keys as their data.
        record, measurement: of one segment, and of one measurement.
        diagnostics: of one time, or `None`.
        segments_between_diagnostics: evaluation intervals between two such times.
    """

    lane: Any
    record: Record
    measurement: Measurement
    diagnostics: DiagnosticValues | None
    segments_between_diagnostics: int


def to_arrays(lane: Any, history: History) -> dict[str, np.ndarray]:
    """Takes a run apart.

    Args:
        lane: leaves of its lane on the host, random keys as their data.
        history: what it has left behind.
    """
    tree = {
        "lane": lane,
        "records": concatenated(history.records),
        "measurements": jax.tree.map(lambda *parts: np.stack(parts), *history.measurements),
    }
    if history.diagnostics:
        tree["diagnostics"] = concatenated(history.diagnostics)
    return _by_path(tree)


def from_arrays(checkpoint: Checkpoint, shapes: LaneShapes) -> tuple[Any, History] | None:
    """Puts a run together again; returns its lane's leaves and its history.

    Returns:
        `None` where the arrays do not fit the pool, or contradict each other.
    """
    arrays = checkpoint.arrays
    tree = _expected(arrays, shapes)
    expected = _by_path(tree)
    if expected.keys() != arrays.keys():
        return None
    if any((a.shape, a.dtype) != (arrays[name].shape, arrays[name].dtype) for name, a in expected.items()):
        return None
    if not _is_sound(checkpoint, shapes):
        return None
    found = jax.tree.unflatten(jax.tree.structure(tree), [arrays[name] for name in expected])
    measurements = [copied(found["measurements"], (i,)) for i in range(arrays["measurements/step"].size)]
    diagnostics = [found["diagnostics"]] if "diagnostics" in found else []
    return found["lane"], History(checkpoint.run, [found["records"]], measurements, diagnostics)


def _expected(arrays: dict[str, np.ndarray], shapes: LaneShapes) -> dict[str, Any]:
    """The tree that a run of this pool with as many segments and measurements has."""
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
    """Whether all steps agree: those of the segments, of the diagnostics, of the lane and of the checkpoint."""
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
