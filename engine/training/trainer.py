"""Training of one run, as pure functions. No model and no data set is named here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from ..arms.arm import Arm
from ..models import Model, lowering
from ..models.initial import AS_WRITTEN, draw_params, drawn_by_library, kept_values, leaf_laws, written_starts
from ..models.loading import load_start, put_in
from ..tasks import Batch, Data, Task
from ..user_code import is_reference
from .optimization import Hyperparams, make_optimizer
from .optimizers import updated
from .precision import compute_in

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
    """What a step records before the update; `is_hit` is `None` for a task without an event of its own."""

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
    metric: jax.Array | None = None


class InspectInfo(NamedTuple):
    """What is recorded more rarely; `average_loss` normalises by running averages. No break is detected by it."""

    held_out_loss: jax.Array
    held_out_accuracy: jax.Array | None
    average_loss: jax.Array | None
    held_out_metric: jax.Array | None = None


class Drawn(NamedTuple):
    """Starts that the host knows: whole ones that a library has drawn, and by leaf what was read, else `None`."""

    written: Any
    loaded: Any


class Trainer:
    """Training of one run, as pure functions without a seed axis.

    Of the arm only its structure and whether its network starts as written are read; `form` is of
    `engine.models.lowering`. `adds_loss` tells whether training makes more small than the
    loss that is recorded, see `training_loss`.
    `batch_apply` has the arm's number format, and so has `native_apply`, with convolutions as
    written; `kept` is where each leaf starts under every scheme, see `models.initial.kept_values`.
    """

    def __init__(self, arm: Arm, task: Task, model: Model, form: str) -> None:
        self.arm, self.task, self.form = arm, task, form
        self._model, self._optimizer_at = model, make_optimizer(arm)
        self.native_apply = compute_in(model.batch_apply, arm.precision, model.are_whole)
        self._train_apply, self.batch_apply, self._average_apply = (
            lowering.lower(compute_in(apply, arm.precision, model.are_whole), form)
            for apply in (model.train_apply, model.batch_apply, model.average_apply)
        )
        self._penalty, self._train_all = (
            None if one is None else lowering.lower(compute_in(one, arm.precision, model.are_whole), form)
            for one in (model.penalty, model.train_all if arm.auxiliary_weight else None)
        )
        self.adds_loss = self._penalty is not None or self._train_all is not None
        self.param_shapes, state_shapes = jax.eval_shape(self._fixed_start)
        self._has_state = bool(jax.tree.leaves(state_shapes))
        self.state_shapes = state_shapes if self._has_state else {}
        # A leaf that always starts at one number is told by its value: its name can be anything.
        written = written_starts(model, self._example()) if is_reference(arm.model) else None
        self.kept = kept_values(self.param_shapes, written)
        self.loaded = load_start(arm, self.param_shapes, self.state_shapes)

    def _example(self) -> jax.Array:
        return jnp.zeros((1, *self.task.example_shape), jnp.float32)

    def _fixed_start(self) -> tuple[Any, Any]:
        return self._model.init(jax.random.key(0, impl="threefry2x32"), self._example())

    def laws(self, scheme: str, options: Mapping[str, Any]) -> np.ndarray:
        """Returns the laws of the leaves under an initial scheme, see `models.initial.leaf_laws`."""
        return leaf_laws(self.param_shapes, scheme, options, self.kept, self._model.fans)

    def drawn_at(self, seeds: Sequence[int]) -> Any:
        """Returns what the host knows of the starts with some seeds, leaves `[len(seeds), …]`; `None`: nothing.

        That is a `Drawn`: what the network's library draws, and what is read from a file, the same for all.
        """
        is_drawn = self.arm.init == AS_WRITTEN and self._model.written is not None
        if not is_drawn and self.loaded is None:
            return None
        written = drawn_by_library(self._model.written, seeds) if is_drawn and self._model.written else None
        repeated = None
        if self.loaded is not None:
            each = (self.loaded.params, self.loaded.state)
            repeated = jax.tree.map(lambda array: np.broadcast_to(array, (len(seeds), *array.shape)), each)
        return Drawn(written, repeated)

    def init(self, keys: Keys, laws: jax.Array, hyperparams: Hyperparams, drawn: Any = None) -> TrainState:
        """Returns the state at step 0; `laws` are those of the leaves, `[num_leaves, 2]`, `drawn` of `drawn_at`."""
        if drawn is not None and drawn.written is not None:
            params, model_state = drawn.written
        elif self.arm.init == AS_WRITTEN:
            params, model_state = self._model.init(keys.init, self._example())
        else:
            params = draw_params(keys.init, self.param_shapes, laws, self.kept)
            model_state = self._fixed_start()[1]
        if drawn is not None and drawn.loaded is not None:
            of_params, of_state = drawn.loaded
            params, model_state = put_in(params, of_params), put_in(model_state, of_state)
        step = jnp.int32(0)
        return TrainState(
            params=params,
            opt_state=self._optimizer_at(step, hyperparams).init(params),
            model_state=model_state if self._has_state else {},
            step=step,
            order_key=keys.order,
            noise_key=keys.noise,
        )

    def draw(self, state: TrainState, data: Data, num_steps: int) -> Any:
        """Returns what the next steps need of the order stream."""
        return self.task.draw(data, state.order_key, state.step, num_steps)

    def step(self, state: TrainState, hyperparams: Hyperparams, data: Data, draw: Any) -> StepParts:
        """Takes one step."""
        task = self.task
        batch = task.sample(data, draw)
        noise_key = jax.random.fold_in(state.noise_key, state.step)
        inputs = batch.inputs
        augmentation_key = jax.random.fold_in(jax.random.fold_in(state.noise_key, _AUGMENTATION), state.step)
        if task.augment is not None:
            inputs = task.augment(augmentation_key, inputs)
        inputs, losses_of = _mixed(task, augmentation_key, inputs, batch.targets)

        def loss_fn(params: Any) -> tuple[jax.Array, Any]:
            given = params, state.model_state, inputs, noise_key
            total, (loss, outputs, model_state) = self.training_loss(*given, losses_of)
            is_hit = None if task.is_hit is None else task.is_hit(outputs)
            return total, (loss, model_state, is_hit)

        grads, (loss, model_state, is_hit) = jax.grad(loss_fn, has_aux=True)(state.params)
        optimizer = self._optimizer_at(state.step, hyperparams)
        updates, opt_state = updated(optimizer, grads, state.opt_state, state.params, loss)
        new_state = state._replace(
            params=optax.apply_updates(state.params, updates),
            opt_state=_in_types_of(state.opt_state, opt_state),
            model_state=_in_types_of(state.model_state, model_state),
            step=state.step + 1,
        )
        return StepParts(new_state, StepInfo(loss, is_hit), grads, updates)

    def training_loss(
        self,
        params: Any,
        model_state: Any,
        inputs: jax.Array,
        key: jax.Array,
        losses_of: Callable[[jax.Array], jax.Array],
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Any]]:
        """Returns what training makes small, and (loss, outputs, new state of the network).

        That is the loss of the outputs, with what layers add to it, and with those of auxiliary outputs; `losses_of`
        goes from outputs to the loss of each example.
        """
        given, auxiliary = (params, model_state, inputs, key), list[jax.Array]()
        if self._train_all is None:
            outputs, new_state = self._train_apply(*given)
        else:
            (outputs, auxiliary), new_state = self._train_all(*given)
        loss = jnp.mean(losses_of(outputs))
        total = loss
        if self._penalty is not None:
            total += self._penalty(*given)
        for one in auxiliary:
            total += self.arm.auxiliary_weight * jnp.mean(losses_of(one))
        return total, (loss, outputs, new_state)

    def evaluate(self, state: TrainState, data: Data) -> EvalInfo:
        """Evaluates the fixed set by which breaks are detected."""
        return self._measure(self.batch_apply, state, self.task.evaluation(data)["loss"])

    def inspect(self, state: TrainState, data: Data) -> InspectInfo:
        """Measures what is recorded more rarely."""
        sets = self.task.evaluation(data)
        held_out = self._measure(self.batch_apply, state, sets["held_out"])
        average_loss = self._measure(self._average_apply, state, sets["loss"]).loss if self._has_state else None
        return InspectInfo(held_out.loss, held_out.accuracy, average_loss, held_out.metric)

    def _measure(self, apply: Callable[..., jax.Array], state: TrainState, batches: Batch) -> EvalInfo:
        """Measures a set, each batch on its own; a metric sees the outputs of all of them together."""
        task = self.task

        def one(batch: Batch) -> tuple[EvalInfo, jax.Array | None]:
            outputs = apply(state.params, state.model_state, batch.inputs)
            loss = jnp.mean(task.loss(outputs, batch.targets))
            accuracy = None if task.correct is None else jnp.mean(task.correct(outputs, batch.targets))
            return EvalInfo(loss, accuracy), None if task.metric is None else outputs

        measured, outputs = lax.map(one, batches)
        found: EvalInfo = jax.tree.map(jnp.mean, measured)
        if task.metric is None:
            return found
        joined = [array.reshape(-1, *array.shape[2:]) for array in (outputs, batches.targets)]
        # What compares outputs would take those that are no numbers for the largest, or the least.
        return found._replace(metric=jnp.where(jnp.all(jnp.isfinite(outputs)), task.metric(*joined), jnp.nan))


def _mixed(
    task: Task, key: jax.Array, inputs: jax.Array, targets: jax.Array
) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
    """Mixes examples where the task says so; returns inputs, and from outputs the loss of each, mixed alike.

    Each example is mixed with another of its batch; all have the same share. Source: Zhang, Cisse, Dauphin and
    Lopez-Paz (2018), "mixup: Beyond Empirical Risk Minimization".
    """
    if not task.mixup:
        return inputs, lambda outputs: task.loss(outputs, targets)
    of_share, of_order = jax.random.split(jax.random.fold_in(key, 1))
    share = jax.random.beta(of_share, task.mixup, task.mixup)
    order = jax.random.permutation(of_order, len(inputs))

    def losses_of(outputs: jax.Array) -> jax.Array:
        return share * task.loss(outputs, targets) + (1 - share) * task.loss(outputs, targets[order])

    return share * inputs + (1 - share) * inputs[order], losses_of


def _in_types_of(old: Any, new: Any) -> Any:
    """Rounds a tree to the types of another: of parameters in half precision, what single precision made is such."""
    return jax.tree.map(lambda before, now: now.astype(before.dtype), old, new)
