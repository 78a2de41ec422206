"""A rewritten network against the same network as it is: value and gradients on a few examples.

No rule of `engine.models.lowering` is trusted with a structure it has not been tried on. A verdict is kept
beside the compiled programs, so that every structure is checked once per machine and version.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from engine import models
from engine.arms import arm as config
from engine.lanes import compilation
from engine.lanes.compilation import one_process_at_a_time
from engine.lanes.host_batches import opened
from engine.lanes.kept_answers import keep, recall
from engine.lanes.lane import PoolSpec
from engine.lanes.versions import versions
from engine.models import lowering
from engine.models.initial import draw_params, kept_values, leaf_laws, leaf_names, written_starts
from engine.tasks import build_task, first_batch
from engine.training.precision import compute_in
from engine.user_code import is_reference

_NUM_EXAMPLES = 8
# Rounding in float32 stays below 1e-5 of the largest gradient, a wrong rule does not.
_TOLERANCE = {"float32": 1e-3, "tf32": 2e-2, "bfloat16": 1e-1}
_SMALL_LEAF = 1e-2

logger = logging.getLogger(__name__)


def find_disagreement(spec: PoolSpec, cache_dir: str | None) -> str | None:
    """Why the rewritten network of a pool must not be used, in words; `None` where it may.

    Args:
        spec: of the pool.
        cache_dir: where verdicts are kept, or `None`.
    """
    if spec.form == "native":
        return None
    name = f"{structure_key(spec)}-{spec.form}"
    path = None if cache_dir is None else Path(cache_dir) / "verdicts" / f"{name}.json"
    with one_process_at_a_time(f"verdict-{name}"):
        verdict = recall(path, {"disagreement"})
        if verdict is None:
            verdict = {"disagreement": compare(spec)}
            keep(path, verdict)
    return verdict["disagreement"]


def structure_key(spec: PoolSpec) -> str:
    """Of what the compiled program of a structure depends on, its form and width left out."""
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
    """Compares without looking for a kept verdict; see `find_disagreement`."""
    data = opened(spec.data)
    task = build_task(spec.arm, data)
    model = models.make_model(spec.arm, task.num_outputs)
    key = jax.random.key(0, impl="threefry2x32")
    example = jnp.zeros((1, *task.example_shape), jnp.float32)
    shapes, _ = jax.eval_shape(model.init, key, example)
    _, state = model.init(key, example)
    is_own = is_reference(spec.arm.model)
    kept = kept_values(shapes, written_starts(model.init, example) if is_own else None)
    params = draw_params(key, shapes, jnp.asarray(leaf_laws(shapes, "he", {}, kept)), kept)
    inputs, targets = (leaf[:_NUM_EXAMPLES] for leaf in first_batch(task, data, key))

    def in_form(form: str) -> Callable[..., Any]:
        train = lowering.lower(compute_in(model.train_apply, spec.arm.precision), form)
        test = lowering.lower(compute_in(model.batch_apply, spec.arm.precision), form)

        def loss(params: Any) -> tuple[jax.Array, Any]:
            outputs, _ = train(params, state, inputs, key)
            return jnp.mean(task.loss(outputs, targets)), test(params, state, inputs)

        program = jax.jit(jax.value_and_grad(loss, has_aux=True))
        return program.lower(params).compile(compilation.options())

    try:
        (ours, our_outputs), our_gradients = in_form(spec.form)(params)
    except Exception as error:
        return f"the rewritten network fails: {str(error).splitlines()[0]}"
    (native, outputs), gradients = in_form("native")(params)
    pairs = {"the loss": (ours, native), "the outputs": (our_outputs, outputs)}
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(gradients))
    scales = dict.fromkeys(pairs, 0.0)
    leaves = (leaf_names(gradients), *map(jax.tree.leaves, (gradients, our_gradients)))
    for leaf, gradient, our_gradient in zip(*leaves, strict=True):
        name = f"the gradient of {leaf}"
        pairs[name], scales[name] = (our_gradient, gradient), _SMALL_LEAF * largest
    for name, (a, b) in pairs.items():
        scale = max(float(jnp.max(jnp.abs(b))), scales[name])
        difference = float(jnp.max(jnp.abs(a - b)))
        # Written so that NaN counts as a difference.
        if not difference <= _TOLERANCE[spec.arm.precision] * scale:
            return f"{name} differs by {difference:.1e} where it is {scale:.1e}"
    return None
