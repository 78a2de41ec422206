"""What is looked at: the data as they are trained on, and one batch through a few starts of the network.

A batch is taken forwards, backwards and through one step of the optimiser at the starts of the configuration, and
forwards alone at He's start and at some with thirty times its weights, which show what values the outputs can take.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from engine.arms.arm import Arm
from engine.lanes.host_batches import opened
from engine.lanes.spec import PoolSpec
from engine.models import make_model
from engine.models.initial import AS_WRITTEN, draw_params, leaf_laws, leaf_names
from engine.models.jaxpr import equations
from engine.models.model import Model
from engine.preflight.halves import has_halves, is_half, zeroed
from engine.preflight.traced import LIMITS, Traced, run, trace
from engine.tasks import Batch, build_task, first_batch
from engine.training.optimization import Hyperparams, hyperparams
from engine.training.precision import compute_in
from engine.training.trainer import Keys, Trainer, TrainState

NUM_STARTS = 4
# Examples that are looked at, evenly spread over the data.
MOST_EXAMPLES = 4096
# Lengths of a step along the gradient, as shares of the length of all parameters.
_SLOPE_STEPS = (1e-3, 1e-2)
# A difference of losses, relative to them, below which rounding to single precision hides it.
_LEAST_DIFFERENCE = 1e-4
_WIDE = 30.0
_QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Examples(NamedTuple):
    """Inputs `[num, …]` and targets, `[num]` of classes or `[num, num_outputs]`, in the order of the source."""

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Inputs in double precision, `[num, num_features]`."""
        return np.asarray(self.inputs, np.float64).reshape(len(self.inputs), -1)


class Look(NamedTuple):
    """What findings are made from. Starts come first in every array: `S` of them, `L` leaves, `B` examples of a batch.

    Attributes:
        horizon: steps of a run; `None` where it is not known.
        has_classes: whether the targets are numbers of classes, from 0 on.
        is_kept: whether the examples are kept in arrays, in the order of their source, rather than drawn.
        has_state: whether the network keeps statistics of its batches, which mix the examples of one.
        batch: the examples that were taken through the network.
        outputs, alone: of the batch and of its first half by itself, in an evaluation, `[S, B, K]`, `[S, B / 2, K]`.
        wide_outputs: of the batch at He's start, and then at such with larger weights, `[S, B, K]`.
        noise: standard deviation of an output between two draws of the noise, over that between examples, `[S]`.
        losses: of the batch in an evaluation, `[S]`.
        he_sizes: standard deviation of each leaf under He's law, `[L]`.
        params, grads, updates: root mean squares of each leaf, of its gradient and of its first update, `[S, L]`.
        saturating: name of the saturating non-linearity of each hidden layer that has one.
        saturated: share of the values that lie where such a layer is flat, `[S, number of them]`.
        narrowest: fewest numbers of an example that a place of the network passes on.
        zeroed: share of the weights whose gradient half precision makes 0, `[S]`; NaN where it overflows.
        lost: share of the parameters of half precision that the first step leaves as they are, `[S]`.
        slopes: change of the loss along the gradient, over what the gradient says, `[S]`; NaN where rounding hides it.
    """

    arm: Arm
    horizon: int | None
    chance_loss: float
    has_classes: bool
    is_kept: bool
    training: Examples
    held_out: Examples
    leaf_names: tuple[str, ...]
    leaf_ndims: tuple[int, ...]
    has_state: bool
    batch: Examples
    outputs: np.ndarray
    alone: np.ndarray
    wide_outputs: np.ndarray
    noise: np.ndarray
    losses: np.ndarray
    he_sizes: np.ndarray
    params: np.ndarray
    grads: np.ndarray
    updates: np.ndarray
    slopes: np.ndarray
    saturating: tuple[str, ...]
    saturated: np.ndarray
    narrowest: int
    zeroed: np.ndarray
    lost: np.ndarray

    @property
    def has_numbers(self) -> bool:
        """Whether the inputs are numbers that vary, rather than tokens, or nothing."""
        inputs = self.training.inputs
        return np.issubdtype(inputs.dtype, np.floating) and inputs.size > 0 and bool(np.ptp(inputs))

    @property
    def weights(self) -> list[int]:
        """Numbers of the leaves that are weights rather than biases or scales, in the order of the network."""
        return [i for i, ndim in enumerate(self.leaf_ndims) if ndim > 1]


def take_look(spec: PoolSpec, arm: Arm, horizon: int | None) -> Look:
    """Takes a batch through a network at a few starts of an arm; only the structure of the arm of `spec` is read."""
    data = opened(spec.data)
    task = build_task(spec.arm, data)
    batch = first_batch(task, data, jax.random.key(0, impl="threefry2x32"))
    # The batch is the data, so that a step takes nothing else to the device.
    given = task._replace(draw=lambda *_: None, sample=lambda data, _: Batch(**data), augment=None)
    model = make_model(spec.arm, task.num_outputs)
    trainer = Trainer(spec.arm, given, model, spec.form)
    traced = trace(trainer.batch_apply, trainer.param_shapes, trainer.state_shapes, batch.inputs)
    found = _through_network(trainer, model, arm, batch, traced)
    is_kept = "inputs" in data
    training = _examples(data, "" if is_kept else "loss_")
    shapes = jax.tree.leaves(trainer.param_shapes)
    return Look(
        arm=arm,
        horizon=horizon,
        chance_loss=task.chance_loss,
        has_classes=task.correct is not None and training.targets.ndim == 1 and training.targets.min() >= 0,
        is_kept=is_kept,
        training=training,
        held_out=_examples(data, "held_out_"),
        leaf_names=tuple(leaf_names(trainer.param_shapes)),
        leaf_ndims=tuple(leaf.ndim for leaf in shapes),
        has_state=bool(jax.tree.leaves(trainer.state_shapes)),
        batch=Examples(*map(np.asarray, batch)),
        saturating=tuple(name for _, name in traced.saturating),
        narrowest=traced.narrowest,
        **{name: np.asarray(value, np.float64) for name, value in found.items()},
    )


def _examples(data: Mapping[str, np.ndarray], part: str) -> Examples:
    """Returns examples of a part of the data, evenly spread over it."""
    name = next(name for name in ("labels", "targets") if part + name in data)
    inputs, targets = data[f"{part}inputs"], data[part + name]
    if part:
        inputs, targets = (array.reshape(-1, *array.shape[2:]) for array in (inputs, targets))
    rows = np.unique(np.linspace(0, len(inputs) - 1, min(len(inputs), MOST_EXAMPLES)).round().astype(int))
    return Examples(np.asarray(inputs[rows]), np.asarray(targets[rows]))


def _through_network(trainer: Trainer, model: Model, arm: Arm, batch: Batch, traced: Traced) -> dict[str, Any]:
    he = jnp.asarray(leaf_laws(trainer.param_shapes, "he", {}, trainer.kept))
    laws = he
    if arm.init != AS_WRITTEN:
        laws = jnp.asarray(leaf_laws(trainer.param_shapes, str(arm.init), arm.options, trainer.kept))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(arm).items()}
    train_apply = compute_in(model.train_apply, arm.precision)

    keys = jax.random.split(jax.random.key(0, impl="threefry2x32"), NUM_STARTS)
    in_training = jax.make_jaxpr(train_apply)(trainer.param_shapes, trainer.state_shapes, batch.inputs, keys[0])
    is_noisy = any(eqn.primitive.name == "random_bits" for eqn in equations(in_training))

    def one(key: jax.Array) -> dict[str, jax.Array]:
        state = trainer.init(Keys(*jax.random.split(key, 3)), laws, numbers)
        found = {
            **_from_start(trainer, state, numbers, train_apply, batch),
            **_evaluated(trainer, traced, state, batch),
        }
        if not is_noisy:
            return found
        draws = [train_apply(state.params, state.model_state, batch.inputs, key)[0] for key in keys[:2]]
        return {**found, "noise": _rms(draws[0] - draws[1]) / jnp.sqrt(2.0) / _spread(found["outputs"])}

    def wide(key: jax.Array, factor: jax.Array) -> jax.Array:
        params = draw_params(key, trainer.param_shapes, he * factor, trainer.kept)
        _, model_state = model.init(key, batch.inputs[:1])
        outputs: jax.Array = run(traced, params, model_state if trainer.state_shapes else {}, batch.inputs)[0]
        return outputs

    found: dict[str, Any] = {"zeroed": np.zeros(NUM_STARTS), **_compiled(jax.vmap(one))(keys)}
    native = jax.make_jaxpr(trainer.native_apply)(trainer.param_shapes, trainer.state_shapes, batch.inputs)
    if has_halves(native):
        loss = lambda outputs: jnp.mean(trainer.task.loss(outputs, batch.targets))  # noqa: E731

        def in_halves(key: jax.Array) -> jax.Array:
            state = trainer.init(Keys(*jax.random.split(key, 3)), laws, numbers)
            return zeroed(native, loss, state.params, state.model_state, batch.inputs)

        found["zeroed"] = _compiled(lambda keys: jax.lax.map(in_halves, keys))(keys)
    factors = jnp.asarray([1.0, *[_WIDE] * (NUM_STARTS - 1)])
    return {**found, "wide_outputs": _compiled(jax.vmap(wide))(keys, factors), "he_sizes": he[:, 1]}


def _compiled(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles what runs once: compiling takes longer than running, so the compiler leaves out what is expensive."""
    return jax.jit(fn, compiler_options=_QUICKLY if jax.default_backend() == "cpu" else None)


def _from_start(
    trainer: Trainer, state: TrainState, numbers: Hyperparams, train_apply: Callable[..., Any], batch: Batch
) -> dict[str, jax.Array]:
    """Takes a batch forwards, backwards and through one step at one start."""
    params, model_state, inputs = state.params, state.model_state, batch.inputs
    parts = trainer.step(state, numbers, batch._asdict(), None)

    def loss(params: Any) -> jax.Array:
        # The noise is that of the step, whose gradient it is held against.
        noisy, _ = train_apply(params, model_state, inputs, jax.random.fold_in(state.noise_key, state.step))
        return jnp.mean(trainer.task.loss(noisy, batch.targets))

    by_leaf = {"params": params, "grads": parts.grads, "updates": parts.updates}
    return {
        "noise": jnp.zeros(()),
        "lost": _lost(params, parts.state.params, parts.updates),
        **{name: jnp.stack(list(map(_rms, jax.tree.leaves(tree)))) for name, tree in by_leaf.items()},
        "slopes": _slope(loss, params, parts.grads, parts.info.batch_loss),
    }


def _lost(params: Any, new: Any, updates: Any) -> jax.Array:
    """Returns the share of the parameters of half precision that an update other than 0 leaves as they are."""
    leaves = zip(*map(jax.tree.leaves, (params, new, updates)), strict=True)
    halves = [(u != 0, (p == q) & (u != 0)) for p, q, u in leaves if is_half(p)]
    moved, lost = (sum(map(jnp.sum, part)) for part in zip(*halves, strict=True)) if halves else (0, jnp.zeros(()))
    return lost / jnp.maximum(1, moved)


def _evaluated(trainer: Trainer, traced: Traced, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
    """Takes a batch forwards, without noise, at one start."""
    params, model_state, inputs = state.params, state.model_state, batch.inputs
    outputs, before = run(traced, params, model_state, inputs)
    shares = [jnp.mean(jnp.abs(z) > LIMITS[name]) for z, (_, name) in zip(before, traced.saturating, strict=True)]
    return {
        "outputs": outputs,
        "alone": trainer.batch_apply(params, model_state, inputs[: len(inputs) // 2]),
        "losses": jnp.mean(trainer.task.loss(outputs, batch.targets)),
        "saturated": jnp.stack(shares) if shares else jnp.zeros(0),
    }


def _spread(outputs: jax.Array) -> jax.Array:
    return _rms(outputs - jnp.mean(outputs, axis=0))


def _rms(values: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(values.astype(jnp.float32))))


def _slope(loss: Callable[[Any], jax.Array], params: Any, gradient: Any, value: jax.Array) -> jax.Array:
    """Returns the change of the loss along its gradient over what the gradient says, by central differences.

    Of several lengths of the step it is the one nearest to 1, because a long step leaves the straight part and a short
    one drowns in rounding.
    """
    length, size = optax.tree.norm(gradient), optax.tree.norm(params)
    steps = jnp.asarray(_SLOPE_STEPS) * size / jnp.maximum(length, 1e-30)

    def moved(step: jax.Array) -> jax.Array:
        return loss(jax.tree.map(lambda p, g: p + step * g, params, gradient))

    differences = jnp.diff(jax.vmap(moved)(jnp.concatenate([-steps, steps])).reshape(2, -1), axis=0)[0]
    is_seen = jnp.abs(differences) > _LEAST_DIFFERENCE * jnp.abs(value)
    ratios = jnp.where(is_seen, differences / (2 * steps * length**2), jnp.nan)
    distances = jnp.abs(jnp.log(jnp.maximum(ratios, 1e-30)))
    return ratios[jnp.argmin(jnp.where(jnp.isnan(distances), jnp.inf, distances))]
