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
    """What a step records, both before the update.

    Attributes:
        batch_loss: of its mini-batch.
        is_hit: whether the task's event has happened; `None` where it has none of its own.
    """

    batch_loss: jax.Array
    is_hit: jax.Array | None


class StepParts(NamedTuple):
    """One step, taken apart.

    Attributes:
        state: after it.
        info: what it records.
        grads: of the mini-batch's loss, like the parameters.
        updates: what was added to the parameters.
    """

    state: TrainState
    info: StepInfo
    grads: Any
    updates: Any


class EvalInfo(NamedTuple):
    """What an evaluation records, on the fixed evaluation set; `None` where there is none.

    Attributes:
        loss, accuracy: normalised by the evaluation's batches.
    """

    loss: jax.Array
    accuracy: jax.Array | None


class InspectInfo(NamedTuple):
    """What is recorded more rarely: no break is detected by it.

    Attributes:
        held_out_loss, held_out_accuracy: on held-out examples.
        average_loss: loss on the evaluation set with running averages in the normalisation.
    """

    held_out_loss: jax.Array
    held_out_accuracy: jax.Array | None
    average_loss: jax.Array | None


class Trainer(NamedTuple):
    """Training of one run; no function has a seed axis.

    Attributes:
        init: from (keys, leaf laws `[num_leaves, 2]`, hyperparams, data) to the state at step 0.
        draw: from (state, data, number of steps) to what those steps need of the order stream.
        step: from (state, hyperparams, data, draw of one step) to (state, StepInfo).
        step_in_parts: the same step with all that it is made of.
        evaluate: from (state, data) to EvalInfo.
        inspect: from (state, data) to InspectInfo.
        batch_apply: of the model, in the arm's number format, as it is before its convolutions are
            given their form.
        param_shapes: the parameter tree, of `ShapeDtypeStruct`.
        kept: what each leaf starts at under every scheme, see `models.initial.kept_values`.
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


def make_trainer(arm: Arm, task: Task, model: Model, form: str) -> Trainer:
    """The trainer of a resolved arm.

    Args:
        arm: read for its structure, and for whether its network starts as it is written.
        task: the source of examples.
        model: the network.
        form: of the convolutions, see `engine.models.lowering`.
    """
    optimizer_at = make_optimizer(arm)
    train_apply, batch_apply, average_apply = (
        lowering.lower(compute_in(apply, arm.precision), form)
        for apply in (model.train_apply, model.batch_apply, model.average_apply)
    )

    def example() -> jax.Array:
        return jnp.zeros((1, *task.example_shape), jnp.float32)

    def fixed_init() -> tuple[Any, Any]:
        return model.init(jax.random.key(0, impl="threefry2x32"), example())

    param_shapes, state_shapes = jax.eval_shape(fixed_init)
    has_state = bool(jax.tree.leaves(state_shapes))
    # What starts at one number is told by its value, because nobody knows what it is called.
    written = written_starts(model.init, example()) if is_reference(arm.model) else None
    kept = kept_values(param_shapes, written)

    def init(keys: Keys, laws: jax.Array, hyperparams: Hyperparams, data: Data) -> TrainState:
        if arm.init == AS_WRITTEN:
            params, _ = model.init(keys.init, example())
        else:
            params = draw_params(keys.init, param_shapes, laws, kept)
        step = jnp.int32(0)
        return TrainState(
            params=params,
            opt_state=optimizer_at(step, hyperparams).init(params),
            model_state=fixed_init()[1] if has_state else {},
            step=step,
            order_key=keys.order,
            noise_key=keys.noise,
        )

    def draw(state: TrainState, data: Data, num_steps: int) -> Any:
        return task.draw(data, state.order_key, state.step, num_steps)

    def step_in_parts(state: TrainState, hyperparams: Hyperparams, data: Data, draw: Any) -> StepParts:
        batch = task.sample(data, draw)
        noise_key = jax.random.fold_in(state.noise_key, state.step)
        inputs = batch.inputs
        if task.augment is not None:
            of_images = jax.random.fold_in(state.noise_key, _AUGMENTATION)
            inputs = task.augment(jax.random.fold_in(of_images, state.step), inputs)

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

    def step(state: TrainState, hyperparams: Hyperparams, data: Data, draw: Any) -> tuple[TrainState, StepInfo]:
        taken = step_in_parts(state, hyperparams, data, draw)
        return taken.state, taken.info

    def measure(
        apply: Callable[..., jax.Array], state: TrainState, batches: Batch
    ) -> tuple[jax.Array, jax.Array | None]:
        def one(batch: Batch) -> tuple[jax.Array, jax.Array | None]:
            outputs = apply(state.params, state.model_state, batch.inputs)
            loss = jnp.mean(task.loss(outputs, batch.targets))
            if task.correct is None:
                return loss, None
            return loss, jnp.mean(task.correct(outputs, batch.targets))

        return jax.tree.map(jnp.mean, lax.map(one, batches))

    def evaluate(state: TrainState, data: Data) -> EvalInfo:
        return EvalInfo(*measure(batch_apply, state, task.evaluation(data)["loss"]))

    def inspect(state: TrainState, data: Data) -> InspectInfo:
        sets = task.evaluation(data)
        held_out = measure(batch_apply, state, sets["held_out"])
        average_loss = measure(average_apply, state, sets["loss"])[0] if has_state else None
        return InspectInfo(*held_out, average_loss)

    return Trainer(
        init=init,
        draw=draw,
        step=step,
        step_in_parts=step_in_parts,
        evaluate=evaluate,
        inspect=inspect,
        batch_apply=compute_in(model.batch_apply, arm.precision),
        param_shapes=param_shapes,
        kept=kept,
    )
