"""One training: what names it, what it leaves behind on the way, and what is left in the end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from engine.arms.arm import Arm
from engine.lanes.lane import DiagnosticValues, Measurement, Record, Status
from engine.training.probes.measuring import DiagnosticSet, Series
from engine.training.stopping import NOT_DIVERGED, NOT_HIT


class Run(NamedTuple):
    """One training: an arm, its seeds, and how long it lasts.

    Attributes:
        arm_name, arm: what is trained; the arm is resolved.
        seed: number of the repetition.
        init_seed, order_seed, noise_seed: of its random streams.
        horizon: steps.
        fork_step: from which on data order and noise are those of `fork_order_seed`, a multiple of
            the evaluation interval; `None` for a run that follows its own streams to the end.
        fork_order_seed: of those streams.
    """

    arm_name: str
    arm: Arm
    seed: int
    init_seed: int
    order_seed: int
    noise_seed: int
    horizon: int
    fork_step: int | None = None
    fork_order_seed: int | None = None


class FinishedRun(NamedTuple):
    """A run that is over.

    Attributes:
        run: which.
        steps: at which the curves were evaluated, shape `[num_points]`, from 0; before the
            divergence where there was one.
        curves: evaluated metrics by name, each `[num_points]`.
        inspected_steps: at which the rarer curves were evaluated, shape `[num_inspections]`.
        inspected: rarer metrics by name, each `[num_inspections]`.
        batch_loss: loss of every mini-batch, shape `[num_steps]`.
        diverged_step: when it diverged, or `None`.
        hitting_step: when the task's own event happened, before it diverged, or `None`.
        stop_reason: `horizon`, `diverged`, `hit` or `settled`.
        diagnostics_steps: before which diagnostics were measured, `[num_measured]`; `None` where
            none were.
        diagnostics: what was found, each `[num_measured]`; `None` for a series that does not
            exist for its arm.
    """

    run: Run
    steps: np.ndarray
    curves: dict[str, np.ndarray]
    inspected_steps: np.ndarray
    inspected: dict[str, np.ndarray]
    batch_loss: np.ndarray
    diverged_step: int | None
    hitting_step: int | None
    stop_reason: str
    diagnostics_steps: np.ndarray | None = None
    diagnostics: dict[Series, np.ndarray | None] | None = None


class History(NamedTuple):
    """What a run in a lane has left behind so far, on the host.

    Attributes:
        run: which.
        records: of its chunks, each `[segments, …]`.
        measurements: where it started, and at the end of every chunk.
        diagnostics: of its chunks, each `[times, …]`; none without any.
    """

    run: Run
    records: list[Record]
    measurements: list[Measurement]
    diagnostics: list[DiagnosticValues]


class Shapes(NamedTuple):
    """Shapes and types of what a lane holds and leaves behind.

    Attributes:
        lane: of one lane.
        record, measurement: of one segment, and of one measurement.
        diagnostics: of one time, or `None`.
        segments_apart: from one measurement of these to the next.
    """

    lane: Any
    record: Record
    measurement: Measurement
    diagnostics: DiagnosticValues | None
    segments_apart: int


class Checkpoint(NamedTuple):
    """A run on its way: all that it takes to go on with it, bit for bit.

    Attributes:
        run: which.
        step: that it has reached.
        arrays: of its lane (state, monitor and detector) and of what it has left behind, by path.
    """

    run: Run
    step: int
    arrays: dict[str, np.ndarray]


def to_arrays(lane: Any, history: History) -> dict[str, np.ndarray]:
    """What a lane holds and has left behind, by path.

    Args:
        lane: leaves of one lane on the host, random keys as their data.
        history: of its run.
    """
    records = _concatenated(history.records)
    measurements = jax.tree.map(lambda *parts: np.stack(parts), *history.measurements)
    left = {"lane": lane, "records": records, "measurements": measurements}
    if history.diagnostics:
        left["diagnostics"] = _concatenated(history.diagnostics)
    return _by_path(left)


def from_arrays(checkpoint: Checkpoint, of: Shapes) -> tuple[Any, History] | None:
    """What `to_arrays` has taken apart, or `None` where it does not fit or makes no sense.

    Args:
        checkpoint: of a run.
        of: the pool that is to go on with it.
    """
    arrays = checkpoint.arrays
    none = np.zeros(0)
    num_segments = arrays.get("records/step", none).size
    num_measured = arrays.get("measurements/step", none).size

    def several(shapes: Any, num: int) -> Any:
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct((num, *a.shape), a.dtype), shapes)

    shapes = {
        "lane": of.lane,
        "records": several(of.record, num_segments),
        "measurements": several(of.measurement, num_measured),
    }
    if of.diagnostics is not None:
        shapes["diagnostics"] = several(of.diagnostics, -(-num_segments // of.segments_apart))
    expected = _by_path(shapes)
    if expected.keys() != arrays.keys():
        return None
    if any((a.shape, a.dtype) != (arrays[n].shape, arrays[n].dtype) for n, a in expected.items()):
        return None
    steps = (1 + np.arange(num_segments)) * of.record.batch_loss.shape[0]
    is_sound = num_segments > 0 and num_measured > 1
    if not (is_sound and np.array_equal(steps, arrays["records/step"])):
        return None
    if not steps[-1] == checkpoint.step == arrays["lane/train/step"] < checkpoint.run.horizon:
        return None
    if of.diagnostics is not None:
        starts = np.append(0, steps[:-1])[:: of.segments_apart]
        if not np.array_equal(starts, arrays["diagnostics/step"]):
            return None
    leaves = [arrays[name] for name in expected]
    found = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
    measurements = [copied(found["measurements"], (i,)) for i in range(num_measured)]
    diagnostics = [found["diagnostics"]] if "diagnostics" in found else []
    return found["lane"], History(checkpoint.run, [found["records"]], measurements, diagnostics)


def _concatenated(parts: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _by_path(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def copied(tree: Any, index: tuple[int | slice, ...]) -> Any:
    """One entry of stacked arrays, without a reference to the rest of them."""
    return jax.tree.map(lambda a: np.array(a[index]), tree)


def finish(history: History, status: Status, diagnostic_set: DiagnosticSet | None = None) -> FinishedRun:
    """The run that a lane leaves behind when it is over.

    Args:
        history: of the run.
        status: of the lane.
        diagnostic_set: of the pool; `None` without diagnostics.
    """
    records: Record = _concatenated(history.records)
    batch_loss = np.asarray(records.batch_loss).reshape(-1)
    diverged_step = None
    if status.diverged_step != NOT_DIVERGED:
        diverged_step = int(status.diverged_step)
        is_before = records.step < diverged_step
        records = jax.tree.map(lambda a: a[is_before], records)
    first, *later = history.measurements
    inspections = {
        int(m.step): m.inspection
        for m in (first, *later)
        if m is first or diverged_step is None or m.step < diverged_step
    }
    hitting_step = None
    if status.hitting_step != NOT_HIT:
        hitting_step = int(status.hitting_step)
    # What comes first counts; the rest of its evaluation interval was trained all the same.
    if hitting_step is not None and diverged_step is not None and hitting_step >= diverged_step:
        hitting_step = None
    reason = "settled" if status.step < history.run.horizon else "horizon"
    if hitting_step is not None:
        reason = "hit"
    elif diverged_step is not None:
        reason = "diverged"
    return FinishedRun(
        run=history.run,
        steps=np.append(0, records.step).astype(np.int64),
        curves=_joined(first.evaluation, records.evaluation),
        inspected_steps=np.asarray(list(inspections), np.int64),
        inspected=_stacked(list(inspections.values())),
        batch_loss=batch_loss,
        diverged_step=diverged_step,
        hitting_step=hitting_step,
        stop_reason=reason,
        **_diagnostics_of(history, diverged_step, diagnostic_set),
    )


def _diagnostics_of(
    history: History, diverged_step: int | None, diagnostic_set: DiagnosticSet | None
) -> dict[str, Any]:
    """What was found of a run, before it diverged where it did."""
    if diagnostic_set is None:
        return {}
    found: DiagnosticValues = _concatenated(history.diagnostics)
    is_before = found.step < (np.inf if diverged_step is None else diverged_step)
    curves: dict[Series, np.ndarray | None] = {
        series: np.asarray(found.values)[is_before, i] for i, series in enumerate(diagnostic_set.series)
    }
    absent = {Series(name, ""): None for name in diagnostic_set.absent}
    return {"diagnostics_steps": found.step[is_before].astype(np.int64), "diagnostics": {**curves, **absent}}


def _joined(first: Any, later: Any) -> dict[str, np.ndarray]:
    """Metrics by name, the first value before the later ones; those that are `None` left out."""
    return {
        name: np.append(getattr(first, name), getattr(later, name)).astype(np.float32)
        for name in first._fields
        if getattr(first, name) is not None
    }


def _stacked(infos: Sequence[Any]) -> dict[str, np.ndarray]:
    """Metrics by name, each with one entry per measurement; those that are `None` left out."""
    return {
        name: np.asarray([getattr(info, name) for info in infos], np.float32)
        for name in infos[0]._fields
        if getattr(infos[0], name) is not None
    }


def who(run: Run) -> dict[str, Any]:
    """Name of the arm and seeds of a run, by their columns in the store."""
    return {
        "arm": run.arm_name,
        "seed": run.seed,
        "init_seed": run.init_seed,
        "order_seed": run.order_seed,
        "noise_seed": run.noise_seed,
        "fork_step": run.fork_step,
        "fork_order_seed": run.fork_order_seed,
    }


def run_key(run: Run) -> tuple[Any, ...]:
    """What names the run in the store, see `store.RUN_KEY`."""
    return (run.arm_name, run.init_seed, run.order_seed, run.noise_seed, run.fork_step, run.fork_order_seed)
