"""Training on one batch for a few hundred steps, by the configuration's optimiser and by a plain one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from ..errors import InputError
from ..lanes.least_cost import operations
from ..losses import Loss, Targets, are_tokens
from ..losses.constant import best_constant
from ..models.jaxpr import equations
from .passes import Passes, run_once

# Rates of the plain optimiser, Adam from He's start without noise, decay or schedule; the best one counts.
RATES = (3e-4, 3e-3, 3e-2)
_NUM_STARTS = 2
# Below it the batch has one class, or one value, and nothing to learn.
_LEAST_LOSS = 1e-6
_MOST_STEPS, _FEWEST_STEPS = 300, 100
# Multiplications and additions in all, which take about 2 s on two cores in programs that are compiled quickly.
_MOST_OPERATIONS = 4e9
# Forwards and backwards; what each number that a layer makes, and each parameter of Adam, costs besides its product.
_PASSES, _PER_NUMBER, _PER_PARAMETER = 3, 4, 20


class Learned(NamedTuple):
    """Losses of a batch after some steps on it alone, over that of a constant, each of the best start or rate.

    `unmoved` tells of every leaf whether the configuration's own optimiser has left it as it was, `[L]`.
    """

    steps: int
    own: float
    plain: float
    unmoved: np.ndarray = np.zeros(0, bool)


def learn_batch(passes: Passes) -> Learned | None:
    """Trains on the batch; returns `None` where too few steps fit, or the loss of a constant says nothing."""
    steps, trainer, batch = _steps_that_fit(passes), passes.trainer, passes.batch
    if steps < _FEWEST_STEPS or trainer.task.is_hit is not None:
        return None
    constant = loss_of_constant(passes)
    if not constant > _LEAST_LOSS:
        return None

    def loss(params: Any, state: Any) -> jax.Array:
        return jnp.mean(trainer.task.loss(trainer.batch_apply(params, state, batch.inputs), batch.targets))

    def own(key: jax.Array, drawn: Any) -> tuple[jax.Array, jax.Array]:
        start = passes.start(key, drawn)
        step = lambda _, state: trainer.step(state, passes.numbers, batch._asdict(), None).state  # noqa: E731
        state = lax.fori_loop(0, steps, step, start)
        pairs = zip(jax.tree.leaves(start.params), jax.tree.leaves(state.params), strict=True)
        return loss(state.params, state.model_state), jnp.stack([jnp.all(old == new) for old, new in pairs])

    def plain(rate: jax.Array) -> jax.Array:
        return _by_adam(lambda params: loss(params, start[1]), start[0], rate, steps)

    keys = jax.random.split(jax.random.key(1, impl="threefry2x32"), _NUM_STARTS)
    start = passes.he_start(keys[0])
    of_own, rates = (keys, trainer.drawn_at(range(_NUM_STARTS))), jnp.asarray(RATES)
    found = run_once({"own": (jax.vmap(own), of_own), "plain": (jax.vmap(plain), (rates,))})
    losses, unmoved = found["own"]
    own_loss, plain_loss = (float(np.min(np.nan_to_num(of, nan=np.inf))) for of in (losses, found["plain"]))
    return Learned(steps, own_loss / constant, plain_loss / constant, np.all(unmoved, axis=0))


def _by_adam(loss: Callable[[Any], jax.Array], params: Any, rate: jax.Array, steps: int) -> jax.Array:
    optimizer = optax.adam(rate)

    def step(_: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    return loss(lax.fori_loop(0, steps, step, (params, optimizer.init(params)))[0])


def _steps_that_fit(passes: Passes) -> int:
    """Returns how many steps cost no more than they may, from counted operations."""
    # The body of a loop is counted once.
    loops = [eqn.params.get("length", _MOST_OPERATIONS) for eqn in equations(passes.traced.program) if _is_loop(eqn)]
    forward = max(loops, default=1) * sum(
        operations(eqn) + _PER_NUMBER * sum(v.aval.size for v in eqn.outvars)
        for eqn in equations(passes.traced.program)
    )
    size = sum(leaf.size for leaf in jax.tree.leaves(passes.trainer.param_shapes))
    of_step = (_NUM_STARTS + len(RATES)) * (_PASSES * forward + _PER_PARAMETER * size)
    return min(_MOST_STEPS, int(_MOST_OPERATIONS / of_step))


def _is_loop(eqn: Any) -> bool:
    return eqn.primitive.name in ("scan", "while")


def loss_of_constant(passes: Passes) -> float:
    """Returns the loss of the best constant prediction of this batch; 0 where a chosen loss has none."""
    task, targets = passes.trainer.task, passes.batch.targets
    is_of_tokens = are_tokens(targets)
    if passes.trainer.arm.loss is not None or is_of_tokens:
        number = (
            task.num_outputs
            if is_of_tokens
            else targets.shape[1]
            if targets.ndim > 1
            else max(task.num_outputs, 1 + int(targets.max()))
        )
        try:
            found = best_constant(Loss(task.loss, task.num_outputs), Targets(np.asarray(targets), number))
        except InputError:
            return 0.0
        best = jnp.asarray(found, jnp.float32)
    elif task.correct is not None and targets.ndim == 1:
        best = jnp.log(jnp.maximum(jnp.bincount(targets, length=task.num_outputs) / len(targets), 1e-9))
    else:
        best = jnp.mean(targets, axis=0)
    positions = targets.shape[1:] if is_of_tokens else ()
    outputs = jnp.broadcast_to(best, (len(targets), *positions, task.num_outputs))
    return float(jnp.mean(task.loss(outputs, targets)))
