"""Passes of one batch through a few starts of a network: forwards, backwards, one step, and in other precision."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from ..arms.arm import Arm
from ..models.initial import AS_WRITTEN, draw_params
from ..models.jaxpr import equations
from ..models.model import Model
from ..tasks import Batch
from ..training.optimization import Hyperparams, hyperparams
from ..training.precision import compute_in
from ..training.trainer import Keys, Trainer, TrainState
from .halves import has_halves, is_half, rounded_away, trace_gradient
from .positions import has_positions, reordered, root_mean_square, seen
from .traced import LIMITS, Traced, run, trace

NUM_STARTS = 4
# Lengths of a step along the gradient, as shares of the length of all parameters. The shortest are for steep losses,
# where weights are far too large.
_SLOPE_STEPS = (1e-5, 1e-4, 1e-3, 1e-2)
# A difference of losses, relative to them, below which rounding to single precision hides it.
_LEAST_DIFFERENCE = 1e-4
_WIDE = 30.0
# At biases of 0 a start may sit where a non-linearity is flat.
_BIASES = 0.1
# Of two examples every combination is one of them.
_FEWEST_COMBINED = 3
_QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Entering(NamedTuple):
    """Of an array that the first weights of a network are given; of one that is looked up its numbers say nothing.

    Attributes:
        size: root mean square.
        largest: largest size of a number.
        change: root mean square of what changes when the examples of the batch change places.
        ratio: largest standard deviation of a feature over the median one.
        offset: root mean square of the means of the features over that of their deviations.
    """

    size: float
    largest: float
    change: float
    ratio: float
    offset: float


class Passes(NamedTuple):
    """What is passed through which network: laws of the start, He's and the arm's, and numbers of the optimiser."""

    trainer: Trainer
    model: Model
    batch: Batch
    traced: Traced
    train_apply: Callable[..., Any]
    he: jax.Array
    laws: jax.Array
    numbers: Hyperparams

    def start(self, key: jax.Array, drawn: Any = None) -> TrainState:
        """Returns a start of the configuration; `drawn` is of `Trainer.drawn_at`."""
        return self.trainer.init(Keys(*jax.random.split(key, 3)), self.laws, self.numbers, drawn)

    def he_start(self, key: jax.Array, factor: float | jax.Array = 1.0, biases: float = 0.0) -> tuple[Any, Any]:
        """Returns parameters with He's weights, or a multiple of them, and the network's state.

        `biases` is the deviation of what would be 0.
        """
        laws = self.he * factor
        laws = laws.at[:, 1].set(jnp.where(laws[:, 1] == 0, biases, laws[:, 1]))
        params = draw_params(key, self.trainer.param_shapes, laws, self.trainer.kept)
        return params, self.model.init(key, self.batch.inputs[:1])[1] if self.trainer.state_shapes else {}


def make_passes(trainer: Trainer, model: Model, arm: Arm, batch: Batch) -> Passes:
    """Traces the evaluation of a network for the batch; of the arm start, precision and numbers are read."""
    he = jnp.asarray(trainer.laws("he", {}))
    laws = he
    if arm.init != AS_WRITTEN:
        laws = jnp.asarray(trainer.laws(str(arm.init), arm.options))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(arm).items()}
    traced = trace(trainer.batch_apply, trainer.param_shapes, trainer.state_shapes, batch.inputs)
    return Passes(
        trainer, model, batch, traced, compute_in(model.train_apply, arm.precision, model.are_whole), he, laws, numbers
    )


def run_passes(passes: Passes) -> dict[str, Any]:
    """Returns everything of a `Look` that is measured by passing the batch through the network."""
    found = run_once(_programs(passes))
    zeroed, displaced = found.pop("halves", (np.zeros(NUM_STARTS),) * 2)
    found.setdefault("seen", np.ones(1))
    at_starts = found.pop("one")
    own = {name: values[:NUM_STARTS] for name, values in at_starts.items()}
    he = {"he_sizes": passes.he[:, 1], "he_grads": at_starts["grads"][NUM_STARTS]}
    return {"zeroed": zeroed, "displaced": displaced, **he, **own, **found}


def _programs(passes: Passes) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Returns the functions that measure, and what they are given."""
    trainer, batch = passes.trainer, passes.batch
    shapes = (trainer.param_shapes, trainer.state_shapes, batch.inputs)
    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"), NUM_STARTS)
    in_training = jax.make_jaxpr(passes.train_apply)(*shapes, keys[0])
    is_noisy = any(eqn.primitive.name == "random_bits" for eqn in equations(in_training))
    mean_loss = lambda outputs: jnp.mean(trainer.task.loss(outputs, batch.targets))  # noqa: E731
    gradient = trace_gradient(trainer.native_apply, mean_loss, *shapes)

    def one(key: jax.Array, drawn: Any, is_he: jax.Array) -> dict[str, jax.Array]:
        state = passes.start(key, drawn)
        laid = passes.he_start(key, biases=_BIASES)[0]
        state = state._replace(params=jax.tree.map(lambda he, own: jnp.where(is_he, he, own), laid, state.params))
        found = {**_trained(passes, state), **_evaluated(passes, state)}
        return {**found, "noise": _noise(passes, state, found["outputs"], keys[:2]) if is_noisy else jnp.zeros(())}

    def wide(key: jax.Array, factor: jax.Array) -> jax.Array:
        outputs: jax.Array = run(passes.traced, *passes.he_start(key, factor), batch.inputs).outputs
        return outputs

    def in_halves(start: tuple[jax.Array, Any]) -> tuple[jax.Array, jax.Array]:
        state = passes.start(*start)
        return rounded_away(gradient, state.params, state.model_state, batch.inputs)

    # After the starts of the configuration, a start of He's.
    numbers = [*range(NUM_STARTS), 0]
    with_he = keys[jnp.asarray(numbers)], trainer.drawn_at(numbers), jnp.arange(NUM_STARTS + 1) == NUM_STARTS
    factors = jnp.asarray([1.0, *[_WIDE] * (NUM_STARTS - 1)])
    programs: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "one": (jax.vmap(one), with_he),
        "wide_outputs": (jax.vmap(wide), (keys, factors)),
    }
    if has_positions(batch.inputs):
        programs["seen"] = (functools.partial(_seen, passes), (keys[0],))
    if has_halves(gradient):
        starts = keys, trainer.drawn_at(range(NUM_STARTS))
        programs["halves"] = (functools.partial(jax.lax.map, in_halves), (starts,))
    return programs


def run_once(programs: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]) -> dict[str, Any]:
    """Compiles functions of given arguments at once, and returns by name what they return.

    Compiling takes longer than running, so the compiler leaves out what is expensive.
    """
    options = _QUICKLY if jax.default_backend() == "cpu" else None
    lowered = {name: jax.jit(fn).lower(*args) for name, (fn, args) in programs.items()}
    with ThreadPoolExecutor(len(programs)) as pool:
        compiled = dict(zip(lowered, pool.map(lambda one: one.compile(options), lowered.values()), strict=True))
    return {name: compiled[name](*args) for name, (_, args) in programs.items()}


def _trained(passes: Passes, state: TrainState) -> dict[str, jax.Array]:
    """Takes the batch forwards, backwards and through one step at one start."""
    trainer, batch = passes.trainer, passes.batch
    params, model_state, inputs = state.params, state.model_state, batch.inputs
    parts = trainer.step(state, passes.numbers, batch._asdict(), None)

    def loss(params: Any) -> jax.Array:
        # The noise is that of the step, whose gradient it is held against.
        key = jax.random.fold_in(state.noise_key, state.step)
        losses_of = lambda outputs: trainer.task.loss(outputs, batch.targets)  # noqa: E731
        return trainer.training_loss(params, model_state, inputs, key, losses_of)[0]

    by_leaf = {"params": params, "grads": parts.grads, "updates": parts.updates}
    return {
        "lost": _lost(params, parts.state.params, parts.updates),
        "clipped": jnp.minimum(1, passes.numbers.get("clip_norm", jnp.inf) / optax.tree.norm(parts.grads)),
        **{name: jnp.stack(list(map(root_mean_square, jax.tree.leaves(tree)))) for name, tree in by_leaf.items()},
        "slopes": _slope(loss, params, parts.grads, loss(params) if trainer.adds_loss else parts.info.batch_loss),
    }


def _lost(params: Any, new: Any, updates: Any) -> jax.Array:
    """Returns the share of the parameters of half precision that an update other than 0 leaves as they are."""
    leaves = zip(*map(jax.tree.leaves, (params, new, updates)), strict=True)
    halves = [(u != 0, (p == q) & (u != 0)) for p, q, u in leaves if is_half(p)]
    moved, lost = (sum(map(jnp.sum, part)) for part in zip(*halves, strict=True)) if halves else (0, jnp.zeros(()))
    return lost / jnp.maximum(1, moved)


def _evaluated(passes: Passes, state: TrainState) -> dict[str, jax.Array]:
    """Takes the batch forwards, without noise, at one start."""
    trainer, traced, batch = passes.trainer, passes.traced, passes.batch
    params, model_state, inputs = state.params, state.model_state, batch.inputs
    seen, others = (run(traced, params, model_state, x) for x in (inputs, jnp.roll(inputs, 1, axis=0)))
    shares = [
        jnp.mean(jnp.abs(z) > LIMITS[name]) for z, (_, name) in zip(seen.squashed, traced.saturating, strict=True)
    ]
    pairs = zip(seen.entering, others.entering, traced.entering, strict=True)
    entering = [measured(values, other, product.is_lookup) for values, other, product in pairs]
    outputs = seen.outputs

    def apply(inputs: jax.Array) -> jax.Array:
        applied: jax.Array = run(traced, params, model_state, inputs).outputs
        return applied

    return {
        "outputs": outputs,
        "entering": jnp.stack(entering) if entering else jnp.zeros((0, len(Entering._fields))),
        "bent": _bent(apply, inputs, outputs),
        "reordered": reordered(apply, inputs, outputs),
        "alone": trainer.batch_apply(params, model_state, inputs[len(inputs) // 2 :][::-1])[::-1],
        "losses": jnp.mean(trainer.task.loss(outputs, batch.targets)),
        "saturated": jnp.stack(shares) if shares else jnp.zeros(0),
    }


def measured(values: ArrayLike, others: ArrayLike, is_lookup: bool = False) -> jax.Array:
    """Returns the numbers of an `Entering` for an array, given that of the same examples in another order."""
    rows, others = (jnp.asarray(array, jnp.float32) for array in (values, others))
    change = root_mean_square(rows - others)
    rows = rows.reshape(len(rows), -1) if rows.ndim else rows[None, None]
    deviations, means = jnp.std(rows, axis=0), jnp.mean(rows, axis=0)
    varying = deviations > 0
    ratio = jnp.max(deviations) / jnp.nanmedian(jnp.where(varying, deviations, jnp.nan))
    offset = jnp.sqrt(jnp.sum(jnp.where(varying, means, 0) ** 2) / jnp.sum(deviations**2))
    if is_lookup:
        return jnp.stack([jnp.ones(()), jnp.ones(()), change, jnp.ones(()), jnp.zeros(())])
    return jnp.stack([root_mean_square(rows), jnp.max(jnp.abs(rows)), change, ratio, offset])


def _bent(apply: Callable[[jax.Array], jax.Array], inputs: jax.Array, outputs: jax.Array) -> jax.Array:
    """Returns how far outputs are from an affine function of the inputs, over how far they differ from each other."""
    if not jnp.issubdtype(inputs.dtype, jnp.floating) or len(inputs) < _FEWEST_COMBINED:
        return jnp.ones(())
    combine = lambda values: values + jnp.roll(values, 1, axis=0) - jnp.roll(values, 2, axis=0)  # noqa: E731
    return root_mean_square(apply(combine(inputs)) - combine(outputs)) / root_mean_square(
        outputs - jnp.mean(outputs, axis=0)
    )


def _seen(passes: Passes, key: jax.Array) -> jax.Array:
    """Returns how far the outputs depend on positions at a start of He's."""
    params, state = passes.he_start(key, biases=_BIASES)
    return seen(lambda x: run(passes.traced, params, state, x).outputs, passes.batch.inputs)


def _noise(passes: Passes, state: TrainState, outputs: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns how far an output differs between two draws of the noise, over how far between examples."""
    inputs = passes.batch.inputs
    draws = [passes.train_apply(state.params, state.model_state, inputs, key)[0] for key in keys]
    return root_mean_square(draws[0] - draws[1]) / jnp.sqrt(2.0) / root_mean_square(outputs - jnp.mean(outputs, axis=0))


def _slope(loss: Callable[[Any], jax.Array], params: Any, gradient: Any, value: jax.Array) -> jax.Array:
    """Returns the change of the loss along its gradient over what the gradient says, by central differences.

    Of several lengths of the step it is the one nearest to 1, because a short step drowns in rounding. One that is so
    long that the loss is more bent than it falls says nothing.
    """
    length, size = optax.tree.norm(gradient), optax.tree.norm(params)
    steps = jnp.asarray(_SLOPE_STEPS) * size / jnp.maximum(length, 1e-30)

    def moved(step: jax.Array) -> jax.Array:
        return loss(jax.tree.map(lambda p, g: p + step * g, params, gradient))

    back, forth = jax.vmap(moved)(jnp.concatenate([-steps, steps])).reshape(2, -1)
    differences = forth - back
    is_straight = jnp.abs(forth + back - 2 * value) < jnp.abs(differences)
    is_seen = is_straight & (jnp.abs(differences) > _LEAST_DIFFERENCE * jnp.abs(value))
    ratios = jnp.where(is_seen, differences / (2 * steps * length**2), jnp.nan)
    distances = jnp.abs(jnp.log(jnp.maximum(ratios, 1e-30)))
    return ratios[jnp.argmin(jnp.where(jnp.isnan(distances), jnp.inf, distances))]
