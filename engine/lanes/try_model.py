"""Takes one batch through the user's network before a long study starts.

What needs no computation (shapes, types, whether there is anything to train) is checked when the study is expanded, see
`engine.models.check_fit`.
"""

import hashlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine import models
from engine.errors import InputError
from engine.lanes.host_batches import opened
from engine.lanes.kept_answers import find_once
from engine.lanes.self_check import structure_key
from engine.lanes.spec import PoolSpec
from engine.models.initial import draw_params, kept_values, leaf_laws, leaf_names
from engine.models.model import Model
from engine.tasks import Batch, Task, build_task, fingerprint, first_batch
from engine.training.precision import compute_in

_NUM_KEYS = 2
# The first start of each key is the network's own, the second is He's.
_AS_WRITTEN = 0


class FirstBatch(NamedTuple):
    """What a batch has shown.

    Attributes:
        loss: of the batch, where the network starts as it is written.
        is_share: whether the outputs are shares that add up to 1, though the loss takes logits.
        spread, input_spread: standard deviation over examples of an output (the largest of all starts with finite
            outputs) and of an input.
        unreached: names of the parameters whose gradient is 0 wherever the network starts.
        unmoved: names of the other parameters whose gradient is 0 at the network's own start.
    """

    loss: float
    is_share: bool
    spread: float | None
    input_spread: float
    unreached: list[str]
    unmoved: list[str]


def try_network(spec: PoolSpec, cache_dir: str | None) -> FirstBatch:
    """Takes a batch forwards and backwards through the network of a pool; the answer is kept in `cache_dir`.

    Raises `InputError` where the loss is not a finite number, or the gradient reaches no parameter.
    """
    spec = spec._replace(data=opened(spec.data))
    task = build_task(spec.arm, spec.data)
    key = jax.random.key(0, impl="threefry2x32")
    batch = first_batch(task, spec.data, key)
    # The answer holds for these numbers, and others may lie in the same place next time.
    numbers = fingerprint({name: np.asarray(a) for name, a in batch._asdict().items()})
    name = hashlib.sha256(f"{structure_key(spec)} {numbers}".encode()).hexdigest()
    answer = find_once(
        cache_dir, "first_batches", name, FirstBatch._fields, lambda: _try(spec, task, batch, key)._asdict()
    )
    return FirstBatch(**answer)


def _try(spec: PoolSpec, task: Task, batch: Batch, key: jax.Array) -> FirstBatch:
    model = models.make_model(spec.arm, task.num_outputs)
    keys = jax.random.split(key, _NUM_KEYS)
    found = jax.jit(lambda keys: _gradients(spec, task, model, batch, keys))(keys)
    losses, is_reached, outputs = map(np.asarray, found)
    loss = float(losses[0])
    subject = f"model={spec.arm.model}"
    if not np.isfinite(loss):
        raise InputError(
            f"{subject}: the loss of the first batch is {loss} where the network starts as it is written: "
            f"expected a finite number"
        )
    names = leaf_names(jax.eval_shape(lambda: _start(model, task, key)[0]))
    unreached = [names[i] for i in np.flatnonzero(~np.any(is_reached, axis=(0, 1)))]
    if len(unreached) == len(names):
        raise InputError(f"{subject}: the gradient of the loss reaches none of its parameters")
    is_moved = np.any(is_reached[:, _AS_WRITTEN], axis=0)
    return FirstBatch(
        loss=loss,
        is_share=task.correct is not None and task.num_outputs > 1 and _are_shares(outputs),
        spread=largest_spread(outputs),
        input_spread=_spread(batch.inputs),
        unreached=unreached,
        unmoved=[names[i] for i in np.flatnonzero(~is_moved) if names[i] not in unreached],
    )


def largest_spread(outputs: np.ndarray) -> float | None:
    """Returns the largest spread of the outputs `[num_starts, batch, num_outputs]`, see `FirstBatch`."""
    finite = [rows for rows in outputs if np.all(np.isfinite(rows))]
    return max(map(_spread, finite), default=None)


def _spread(rows: Any) -> float:
    """Root mean square, over the numbers of an example, of the standard deviation over examples."""
    numbers = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return float(np.sqrt(np.mean(np.var(numbers, axis=0))))


def _are_shares(outputs: np.ndarray) -> bool:
    """Whether no output is negative and every row `[…, num_outputs]` adds up to 1."""
    rows = np.asarray(outputs, np.float64)
    return bool(np.all(rows >= 0) and np.allclose(rows.sum(axis=-1), 1, rtol=0, atol=1e-2))


def _start(model: Model, task: Task, key: jax.Array) -> tuple[Any, Any]:
    return model.init(key, jnp.zeros((1, *task.example_shape), jnp.float32))


def _gradients(
    spec: PoolSpec, task: Task, model: Model, batch: Batch, keys: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Differentiates the loss at two kinds of start: the network's own, and He's laid over it.

    A gradient may happen to be 0 at either alone, as where the output layer starts at 0.

    Returns:
        Losses `[num_keys · 2]`, whether the gradient of each leaf is not 0 `[num_keys, 2, num_leaves]`, and outputs
        `[num_keys · 2, batch, num_outputs]`.
    """
    apply = compute_in(model.train_apply, spec.arm.precision)

    def loss(params: Any, state: Any, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs, _ = apply(params, state, batch.inputs, key)
        return jnp.mean(task.loss(outputs, batch.targets)), outputs

    losses, is_reached, all_outputs = [], [], []
    for key in keys:
        written, state = _start(model, task, key)
        shapes = jax.eval_shape(lambda tree: tree, written)
        kept = kept_values(shapes)
        laws = leaf_laws(shapes, "he", {}, kept)
        # Biases too: a start at 0 may sit where a non-linearity is flat.
        laws[:, 1] = np.where(laws[:, 1] == 0, 0.1, laws[:, 1])
        laid = draw_params(key, shapes, jnp.asarray(laws), kept)
        for params in (written, laid):
            (value, outputs), gradient = jax.value_and_grad(loss, has_aux=True)(params, state, key)
            losses.append(value)
            all_outputs.append(outputs)
            is_reached.append(jnp.stack([jnp.any(leaf != 0) for leaf in jax.tree.leaves(gradient)]))
    by_start = jnp.stack(is_reached).reshape(len(keys), -1, len(is_reached[0]))
    return jnp.stack(losses), by_start, jnp.stack(all_outputs)
