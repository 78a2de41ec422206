"""Checks a rewritten network against the original before its study.

What was found is kept beside the compiled programs: one check per structure, machine and version.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .. import models
from ..arms import arm as config
from ..models import lowering
from ..models.initial import draw_params, kept_values, leaf_laws, leaf_names, written_starts
from ..tasks import build_task, first_batch
from ..training.precision import compute_in
from ..user_code import is_reference
from . import compilation
from .compilation import find_once
from .host_batches import opened
from .spec import PoolSpec
from .versions import versions

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
    model = models.make_model(arm, task.example_shape, task.num_outputs)
    key = jax.random.key(0, impl="threefry2x32")
    example = jnp.zeros((1, *task.example_shape), jnp.float32)
    written, state = model.init(key, example)
    kept = kept_values(written, written_starts(model, example) if is_reference(arm.model) else None)
    params = draw_params(key, written, jnp.asarray(leaf_laws(written, "he", {}, kept, model.fans)), kept)
    inputs, targets = (leaf[:_NUM_EXAMPLES] for leaf in first_batch(task, data, key))

    def in_form(form: str) -> _Program:
        train = lowering.lower(compute_in(model.train_apply, arm.precision, model.are_whole), form)
        test = lowering.lower(compute_in(model.batch_apply, arm.precision, model.are_whole), form)

        def loss(params: Any) -> tuple[jax.Array, Any]:
            outputs, _ = train(params, state, inputs, key)
            return jnp.mean(task.loss(outputs, targets)), test(params, state, inputs)

        program = jax.jit(jax.value_and_grad(loss, has_aux=True))
        return program.lower(params).compile(compilation.options())

    return params, in_form
