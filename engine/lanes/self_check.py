"""Checks a network before its study: the rewritten one against the original, and the user's with one batch.

What was found is kept beside the compiled programs: one check per structure, machine and version.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine import models
from engine.arms import arm as config
from engine.errors import InputError
from engine.lanes import compilation
from engine.lanes.compilation import find_once
from engine.lanes.host_batches import opened
from engine.lanes.spec import PoolSpec
from engine.lanes.versions import versions
from engine.models import lowering
from engine.models.initial import draw_params, kept_values, leaf_laws, leaf_names, written_starts
from engine.models.model import Model
from engine.tasks import Batch, Task, build_task, fingerprint, first_batch
from engine.training.precision import compute_in
from engine.user_code import is_reference

_NUM_EXAMPLES = 8
# Rounding in float32 stays below 1e-5 of the largest gradient, a wrong rule does not.
_TOLERANCE = {"float32": 1e-3, "tf32": 2e-2, "bfloat16": 1e-1}
_SMALL_LEAF = 1e-2

# From parameters to ((loss, outputs), gradients).
_Program = Callable[[Any], tuple[tuple[jax.Array, jax.Array], Any]]


def find_disagreement(spec: PoolSpec, cache_dir: str | None) -> str | None:
    """Says why the rewritten network of a pool must not be used; `None` if it may."""
    if spec.form == "native":
        return None
    name = f"{structure_key(spec)}-{spec.form}"
    found = find_once(cache_dir, "verdicts", name, ["disagreement"], lambda: {"disagreement": compare(spec)})
    return found["disagreement"]


def structure_key(spec: PoolSpec) -> str:
    """Digests what the compiled program depends on, except its form and width."""
    device = jax.local_devices()[0]
    task = build_task(spec.arm, opened(spec.data))
    about = [
        config.structure(spec.arm),
        task.example_shape,
        task.num_outputs,
        device.platform,
        device.device_kind,
        versions(),
        models.source_fingerprint(spec.arm),
        lowering.source_fingerprint(),
        compilation.options(),
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def compare(spec: PoolSpec) -> str | None:
    """Compares the networks now, whatever is kept; returns as `find_disagreement`."""
    params, in_form = _prepare(spec)
    try:
        (loss, outputs), gradients = in_form(spec.form)(params)
    except Exception as error:
        return f"the rewritten network fails: {str(error).splitlines()[0]}"
    (native_loss, native_outputs), native_gradients = in_form("native")(params)
    native_leaves = jax.tree.leaves(native_gradients)
    # A gradient that is small everywhere is compared with a share of the largest one.
    least = _SMALL_LEAF * max(float(jnp.max(jnp.abs(leaf))) for leaf in native_leaves)
    leaves = zip(leaf_names(gradients), jax.tree.leaves(gradients), native_leaves, strict=True)
    compared = [
        ("the loss", loss, native_loss, 0.0),
        ("the outputs", outputs, native_outputs, 0.0),
        *((f"the gradient of {name}", ours, native, least) for name, ours, native in leaves),
    ]
    for name, ours, native, smallest in compared:
        scale = max(float(jnp.max(jnp.abs(native))), smallest)
        difference = float(jnp.max(jnp.abs(ours - native)))
        # Written so that NaN counts as a difference.
        if not difference <= _TOLERANCE[spec.arm.precision] * scale:
            return f"{name} differs by {difference:.1e} where it is {scale:.1e}"
    return None


def _prepare(spec: PoolSpec) -> tuple[Any, Callable[[str], _Program]]:
    """Returns parameters of the network, and what compiles its loss and gradients in a form."""
    data, arm = opened(spec.data), spec.arm
    task = build_task(arm, data)
    model = models.make_model(arm, task.num_outputs)
    key = jax.random.key(0, impl="threefry2x32")
    example = jnp.zeros((1, *task.example_shape), jnp.float32)
    written, state = model.init(key, example)
    kept = kept_values(written, written_starts(model.init, example) if is_reference(arm.model) else None)
    params = draw_params(key, written, jnp.asarray(leaf_laws(written, "he", {}, kept)), kept)
    inputs, targets = (leaf[:_NUM_EXAMPLES] for leaf in first_batch(task, data, key))

    def in_form(form: str) -> _Program:
        train = lowering.lower(compute_in(model.train_apply, arm.precision), form)
        test = lowering.lower(compute_in(model.batch_apply, arm.precision), form)

        def loss(params: Any) -> tuple[jax.Array, Any]:
            outputs, _ = train(params, state, inputs, key)
            return jnp.mean(task.loss(outputs, targets)), test(params, state, inputs)

        program = jax.jit(jax.value_and_grad(loss, has_aux=True))
        return program.lower(params).compile(compilation.options())

    return params, in_form


class FirstBatch(NamedTuple):
    """What the first batch has shown.

    `loss` is at the network's own start. `is_share`: the outputs add up to 1, though the loss takes logits. `spread`
    and `input_spread` are standard deviations over examples of an output (the largest of all starts with finite
    outputs) and of an input. The gradient is 0 at every start in `unreached`, and in `unmoved` only at its own start.
    """

    loss: float
    is_share: bool
    spread: float | None
    input_spread: float
    unreached: list[str]
    unmoved: list[str]


def try_network(spec: PoolSpec, cache_dir: str | None) -> FirstBatch:
    """Takes a batch forwards and backwards through a network; raises InputError if it cannot be trained."""
    data, key = opened(spec.data), jax.random.key(0, impl="threefry2x32")
    task = build_task(spec.arm, data)
    batch = first_batch(task, data, key)
    # The answer holds for these numbers, and others may lie in the same place next time.
    numbers = fingerprint({name: np.asarray(a) for name, a in batch._asdict().items()})
    name = hashlib.sha256(f"{structure_key(spec)} {numbers}".encode()).hexdigest()
    answer = find_once(
        cache_dir, "first_batches", name, FirstBatch._fields, lambda: _try(spec, task, batch, key)._asdict()
    )
    return FirstBatch(**answer)


def _try(spec: PoolSpec, task: Task, batch: Batch, key: jax.Array) -> FirstBatch:
    model = models.make_model(spec.arm, task.num_outputs)
    keys = jax.random.split(key, 2)
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
    is_moved = np.any(is_reached[:, 0], axis=0)
    return FirstBatch(
        loss=loss,
        is_share=task.correct is not None and task.num_outputs > 1 and are_shares(outputs),
        spread=largest_spread(outputs),
        input_spread=spread_of(batch.inputs),
        unreached=unreached,
        unmoved=[names[i] for i in np.flatnonzero(~is_moved) if names[i] not in unreached],
    )


def largest_spread(outputs: np.ndarray) -> float | None:
    """Returns the largest spread of the outputs `[num_starts, batch, num_outputs]`, see `FirstBatch`."""
    finite = [rows for rows in outputs if np.all(np.isfinite(rows))]
    return max(map(spread_of, finite), default=None)


def spread_of(rows: Any) -> float:
    """Root mean square, over the numbers of an example, of the standard deviation over examples."""
    numbers = np.asarray(rows, np.float64).reshape(len(rows), -1)
    return float(np.sqrt(np.mean(np.var(numbers, axis=0))))


def are_shares(outputs: np.ndarray) -> bool:
    """Whether no output is negative and every row `[…, num_outputs]` adds up to 1."""
    rows = np.asarray(outputs, np.float64)
    return bool(np.all(rows >= 0) and np.allclose(rows.sum(axis=-1), 1, rtol=0, atol=1e-2))


def _start(model: Model, task: Task, key: jax.Array) -> tuple[Any, Any]:
    return model.init(key, jnp.zeros((1, *task.example_shape), jnp.float32))


def _gradients(
    spec: PoolSpec, task: Task, model: Model, batch: Batch, keys: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Differentiates the loss at the network's own start and at He's, because a gradient may happen to be 0 at either.

    Returns losses `[num_keys · 2]`, whether the gradient of each leaf is not 0 `[num_keys, 2, num_leaves]`, and
    outputs `[num_keys · 2, batch, num_outputs]`; the network's own start comes first.
    """
    apply = compute_in(model.train_apply, spec.arm.precision)

    def loss(params: Any, state: Any, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs, _ = apply(params, state, batch.inputs, key)
        return jnp.mean(task.loss(outputs, batch.targets)), outputs

    losses, is_reached, all_outputs = [], [], []
    for key in keys:
        written, state = _start(model, task, key)
        kept = kept_values(written)
        laws = leaf_laws(written, "he", {}, kept)
        # Biases too: a start at 0 may sit where a non-linearity is flat.
        laws[:, 1] = np.where(laws[:, 1] == 0, 0.1, laws[:, 1])
        laid = draw_params(key, written, jnp.asarray(laws), kept)
        for params in (written, laid):
            (value, outputs), gradient = jax.value_and_grad(loss, has_aux=True)(params, state, key)
            losses.append(value)
            all_outputs.append(outputs)
            is_reached.append(jnp.stack([jnp.any(leaf != 0) for leaf in jax.tree.leaves(gradient)]))
    by_start = jnp.stack(is_reached).reshape(len(keys), -1, len(is_reached[0]))
    return jnp.stack(losses), by_start, jnp.stack(all_outputs)
