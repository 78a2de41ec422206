"""Training of one run, as pure functions. No model and no data set is named here."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from engine.arms.arm import Arm
from engine.models import Model, lowering
from engine.models.initial import AS_WRITTEN, draw_params, kept_values, written_starts
from engine.tasks import Batch, Data, Task
from engine.training.optimization import Hyperparams, make_optimizer
from engine.training.precision import compute_in
from engine.user_code import is_reference

# No step has this number, so that dropout and augmentation never share a key.
_AUGMENTATION = 2**32 - 1


class Keys(NamedTuple):
    """The random streams of one run; each is held fixed or varied on its own."""

    init: jax.Array
    order: jax.Array
    noise: jax.Array


class TrainState(NamedTuple):
    """What the next step needs."""

    params: Any
    opt_state: Any
    model_state: Any
    step: jax.Array
    order_key: jax.Array
    noise_key: jax.Array


class StepInfo(NamedTuple):
    """What a step records, before the update.

    Attributes:
        batch_loss: loss of the mini-batch.
        is_hit: whether the task's event has happened; `None` for a task without one of its own.
    """

    batch_loss: jax.Array
    is_hit: jax.Array | None


class StepParts(NamedTuple):
    """One step, taken apart: the state after it, what it records, its gradients and updates."""

    state: TrainState
    info: StepInfo
    grads: Any
    updates: Any


class EvalInfo(NamedTuple):
    """What an evaluation records on the fixed evaluation set, normalised by its own batches."""

    loss: jax.Array
    accuracy: jax.Array | None


class InspectInfo(NamedTuple):
    """What is recorded more rarely; no break is detected by it.

    Attributes:
        held_out_loss, held_out_accuracy: on held-out examples.
        average_loss: loss on the evaluation set, normalised by running averages.
    """

    held_out_loss: jax.Array
    held_out_accuracy: jax.Array | None
    average_loss: jax.Array | None


class Trainer(NamedTuple):
    """Training of one run; no function has a seed axis.

    Attributes:
        init: from (keys, leaf laws `[num_leaves, 2]`, hyperparams, data) to the state at step 0.
        draw: from (state, data, number of steps) to what these steps need of the order stream.
        step: from (state, hyperparams, data, draw of one step) to (state, StepInfo).
        step_in_parts: the same step, with its gradients and updates.
        evaluate: from (state, data) to EvalInfo.
        inspect: from (state, data) to InspectInfo.
        batch_apply: the model's, in the arm's number format, with its convolutions as written.
        param_shapes: the parameter tree, of `ShapeDtypeStruct`.
        kept: where each leaf starts under every scheme, see `models.initial.kept_values`.
    """

    init: Callable[[Keys, jax.Array, Hyperparams, Data], TrainState]
    draw: Callable[[TrainState, Data, int], Any]
    step: Callable[[TrainState, Hyperparams, Data, Any], tuple[TrainState, StepInfo]]
    step_in_parts: Callable[[TrainState, Hyperparams, Data, Any], StepParts]
    evaluate: Callable[[TrainState, Data], EvalInfo]
    inspect: Callable[[TrainState, Data], InspectInfo]
    batch_apply: Callable[[Any, Any, jax.Array], jax.Array]
    param_shapes: Any
    kept: tuple[float | None, ...]


_OptimizerAt = Callable[[jax.Array, Hyperparams], optax.GradientTransformation]


def make_trainer(arm: Arm, task: Task, model: Model, form: str) -> Trainer:
    """Makes the trainer of a resolved arm.

    Args:
        arm: its structure, and whether its network starts as it is written.
        form: how convolutions are computed, see `engine.models.lowering`.
    """
    train_apply, batch_apply, average_apply = (
        lowering.lower(compute_in(apply, arm.precision), form)
        for apply in (model.train_apply, model.batch_apply, model.average_apply)
    )
    optimizer_at = make_optimizer(arm)
    network = _Network(arm, task, model)
    step_in_parts = _make_step(task, train_apply, optimizer_at)

    def step(state: TrainState, hyperparams: Hyperparams, data: Data, draw: Any) -> tuple[TrainState, StepInfo]:
        taken = step_in_parts(state, hyperparams, data, draw)
        return taken.state, taken.info

    def evaluate(state: TrainState, data: Data) -> EvalInfo:
        return EvalInfo(*_measure(task, batch_apply, state, task.evaluation(data)["loss"]))

    def inspect(state: TrainState, data: Data) -> InspectInfo:
        sets = task.evaluation(data)
        held_out = _measure(task, batch_apply, state, sets["held_out"])
        average_loss = _measure(task, average_apply, state, sets["loss"])[0] if network.has_state else None
        return InspectInfo(*held_out, average_loss)

    return Trainer(
        init=_make_init(network, optimizer_at),
        draw=lambda state, data, num_steps: task.draw(data, state.order_key, state.step, num_steps),
        step=step,
        step_in_parts=step_in_parts,
        evaluate=evaluate,
        inspect=inspect,
        batch_apply=compute_in(model.batch_apply, arm.precision),
        param_shapes=network.param_shapes,
        kept=network.kept,
    )


class _Network:
    """How the network of an arm starts."""

    def __init__(self, arm: Arm, task: Task, model: Model) -> None:
        self._model, self._example_shape = model, task.example_shape
        self.is_as_written = arm.init == AS_WRITTEN
        self.param_shapes, state_shapes = jax.eval_shape(self.fixed_start)
        self.has_state = bool(jax.tree.leaves(state_shapes))
        # A leaf that always starts at one number is told by its value: its name can be anything.
        written = written_starts(model.init, self._example()) if is_reference(arm.model) else None
        self.kept = kept_values(self.param_shapes, written)

    def _example(self) -> jax.Array:
        return jnp.zeros((1, *self._example_shape), jnp.float32)

    def start(self, key: jax.Array) -> tuple[Any, Any]:
        """Parameters and model state as the network is written."""
        return self._model.init(key, self._example())

    def fixed_start(self) -> tuple[Any, Any]:
        """The start with one key; the model state of every run starts like this."""
        return self.start(jax.random.key(0, impl="threefry2x32"))


def _make_init(
    network: _Network, optimizer_at: _OptimizerAt
) -> Callable[[Keys, jax.Array, Hyperparams, Data], TrainState]:
    def init(keys: Keys, laws: jax.Array, hyperparams: Hyperparams, data: Data) -> TrainState:
        if network.is_as_written:
            params, _ = network.start(keys.init)
        else:
            params = draw_params(keys.init, network.param_shapes, laws, network.kept)
        step = jnp.int32(0)
        return TrainState(
            params=params,
            opt_state=optimizer_at(step, hyperparams).init(params),
            model_state=network.fixed_start()[1] if network.has_state else {},
            step=step,
            order_key=keys.order,
            noise_key=keys.noise,
        )

    return init


def _make_step(
    task: Task, train_apply: Callable[..., Any], optimizer_at: _OptimizerAt
) -> Callable[[TrainState, Hyperparams, Data, Any], StepParts]:
    def step_in_parts(state: TrainState, hyperparams: Hyperparams, data: Data, draw: Any) -> StepParts:
        batch = task.sample(data, draw)
        noise_key = jax.random.fold_in(state.noise_key, state.step)
        inputs = _augmented(task, state, batch.inputs)

        def loss_fn(params: Any) -> tuple[jax.Array, Any]:
            outputs, model_state = train_apply(params, state.model_state, inputs, noise_key)
            is_hit = None if task.is_hit is None else task.is_hit(outputs)
            return jnp.mean(task.loss(outputs, batch.targets)), (model_state, is_hit)

        value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (model_state, is_hit)), grads = value_and_grad(state.params)
        optimizer = optimizer_at(state.step, hyperparams)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        new_state = state._replace(
            params=optax.apply_updates(state.params, updates),
            opt_state=opt_state,
            model_state=model_state,
            step=state.step + 1,
        )
        return StepParts(new_state, StepInfo(loss, is_hit), grads, updates)

    return step_in_parts


def _augmented(task: Task, state: TrainState, inputs: jax.Array) -> jax.Array:
    if task.augment is None:
        return inputs
    augmentation_key = jax.random.fold_in(state.noise_key, _AUGMENTATION)
    return task.augment(jax.random.fold_in(augmentation_key, state.step), inputs)


def _measure(
    task: Task, apply: Callable[..., jax.Array], state: TrainState, batches: Batch
) -> tuple[jax.Array, jax.Array | None]:
    """Mean loss and accuracy over batches `[num_batches, batch, …]`."""

    def one(batch: Batch) -> tuple[jax.Array, jax.Array | None]:
        outputs = apply(state.params, state.model_state, batch.inputs)
        loss = jnp.mean(task.loss(outputs, batch.targets))
        if task.correct is None:
            return loss, None
        return loss, jnp.mean(task.correct(outputs, batch.targets))

    return jax.tree.map(jnp.mean, lax.map(one, batches))
