"""What the engine sees of a task: where examples come from, and what a loss is."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..errors import InputError
from ..losses import Targets
from ..losses.making import chance_level, make_loss
from ..metrics import Metric
from ..metrics.making import make_metric
from ..outcomes.event import Event
from .augmentation import Augment, check_mixup, make_augmentation
from .controls import controlled
from .parts import PARTS
from .reading import Reading
from .registry import TASKS

Data = Mapping[str, Any]


class Batch(NamedTuple):
    """Inputs and targets of some examples, `[batch, …]` each."""

    inputs: jax.Array
    targets: jax.Array


class Task(NamedTuple):
    """A source of examples, written for one run.

    Data are an argument of every function: captured arrays would end up inside the compiled program. Random numbers are
    drawn for many steps at once, outside the training step, which would otherwise make a permutation each time.

    Attributes:
        draw: from (data, key of the `order` stream, first step, number of steps) to a tree with one entry per step,
            which depends on the key and the step alone. The number of steps is static and divides the first step.
        sample: from (data, the draw of one step) to a `Batch`.
        loss: from (outputs, targets) to the loss of each example, in nats for classification.
        chance_loss: loss of the best constant prediction; NaN where none tells it, until it is measured.
        num_positions: outputs are `[batch, num_positions, num_outputs]`; `None` where they are `[batch, num_outputs]`.
        correct: from (outputs, targets) to whether each example is right; `None` for regression.
        metric: from the same, of a whole evaluation set, to the number that the arm has chosen; `None` without one.
        steps_per_epoch: `None` where every example is fresh.
        augment: from (key, inputs of a mini-batch) to the inputs that are trained on; `None` for no change.
        mixup: parameter of the Beta distribution of shares in which training mixes examples and losses; 0 for none.
        is_hit: from outputs to whether they have reached the set that ends the run, a scalar; `None` where the event
            is the break of the loss curve.
        streamed: arrays that may stay on the host, with examples on their first axis; `draw` returns the rows
            `[num_steps, batch]` of them that `sample` takes, without reading the data.
    """

    draw: Callable[[Data, jax.Array, jax.Array, int], Any]
    sample: Callable[[Data, Any], Batch]
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    chance_loss: float
    example_shape: tuple[int, ...]
    num_outputs: int
    num_positions: int | None = None
    correct: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    metric: Metric | None = None
    steps_per_epoch: int | None = None
    augment: Augment | None = None
    mixup: float = 0.0
    is_hit: Callable[[jax.Array], jax.Array] | None = None
    streamed: tuple[str, ...] = ()

    @property
    def event(self) -> Event:
        """What a run of this task waits for."""
        return Event.BREAK if self.is_hit is None else Event.HIT

    def evaluation(self, data: Data) -> dict[str, Batch]:
        """Returns the evaluation sets, `[num_batches, batch, …]`: `loss` detects, `held_out` is never trained on."""
        targets = "labels" if "loss_labels" in data else "targets"
        return {part: Batch(data[f"{part}_inputs"], data[f"{part}_{targets}"]) for part in ("loss", "held_out")}


def load_data(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading | None = None) -> dict[str, np.ndarray]:
    """Returns a task's arrays in host memory; `reading` collects what the user should know about them."""
    arrays = TASKS.load(arm.dataset).load(arm, root_seed, data_dir, reading or Reading())
    if arm.reconstruct:
        arrays = _reconstructing(arrays)
    return controlled(arrays, arm.control, root_seed, arm.task_seed or 0)


def _reconstructing(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays of a task with the inputs, flattened, as targets."""
    flat = {}
    for part, num_axes in (("", 1), ("loss_", 2), ("held_out_", 2)):
        inputs = arrays[f"{part}inputs"]
        flat[f"{part}targets"] = inputs.reshape(*inputs.shape[:num_axes], -1)
    kept = {name: array for name, array in arrays.items() if name.endswith("inputs") or name == PARTS}
    return kept | flat


def build_task(arm: Arm, data: Data) -> Task:
    """Returns the functions of a task for arrays from `load_data`; raises InputError where the arm does not fit."""
    built: Task = TASKS.load(arm.dataset).build(arm, data)
    task = built if arm.loss is None else _with_loss(built, arm, data)
    metric = None
    if arm.metric is not None:
        sets = [_evaluated(data, built.num_outputs, part) for part in ("loss", "held_out")]
        metric = make_metric(arm, sets, task.num_outputs)
    shape = task.example_shape
    return task._replace(metric=metric, augment=make_augmentation(arm, shape), mixup=check_mixup(arm, shape))


def _with_loss(task: Task, arm: Arm, data: Data) -> Task:
    """Returns the task with the loss that its arm names; raises InputError where it does not fit the targets."""
    if "inputs" not in data:
        raise InputError(f"loss={arm.loss} has no effect with dataset={arm.dataset}, to which a loss belongs")
    targets = Targets(np.asarray(data["labels" if "labels" in data else "targets"]), task.num_outputs)
    loss = make_loss(arm, targets)
    # Where no constant tells the level, it was measured and stands beside the arrays.
    measured = data.get("chance_loss")
    if measured is None:
        measured = chance_level(arm, loss, targets, _evaluated(data, task.num_outputs))
    return task._replace(
        loss=loss.of_examples, correct=loss.correct, num_outputs=loss.num_outputs, chance_loss=float(measured)
    )


def _evaluated(data: Data, num_outputs: int, part: str = "loss") -> Targets:
    """Returns the targets of the examples by which runs are evaluated, or of those that are held out."""
    array = np.asarray(data[f"{part}_{'labels' if 'loss_labels' in data else 'targets'}"])
    return Targets(array.reshape(-1, *array.shape[2:]), num_outputs)


def first_batch(task: Task, data: Data, key: jax.Array) -> Batch:
    """Returns the first batch of a data order from arrays on the host; nothing else goes to the device."""
    draws = task.draw(data, key, jnp.int32(0), 1)
    batch = task.sample(data, jax.tree.map(lambda leaf: leaf[0], draws))
    return Batch(*map(jnp.asarray, batch))


def fingerprint(data: Mapping[str, np.ndarray]) -> str:
    """Returns the SHA-256 over names, types, shapes and bytes of all arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(data):
        array = np.ascontiguousarray(data[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
