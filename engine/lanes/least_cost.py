"""Bounds what a step of one seed costs from below, from the traced network: nothing is compiled."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from .. import models
from ..models.jaxpr import equations
from ..tasks import build_task
from .host_batches import opened
from .spec import PoolSpec
from .tuning import StepCost

# Operations per second that no process exceeds. On a CPU it has one thread: OpenBLAS reaches 1.9e11 on a core with
# AVX-512, and networks a fifth of that.
_MOST_PER_SECOND = {"cpu": 2e11}
_MOST_ELSEWHERE = 4e15
# Seconds that it takes at least to trace a program and load it; measured with a full cache: 1.2 and 2.
_LEAST_START = 0.5
# The backward pass takes at least as long as the forward one.
_PASSES = 2


def least_step_cost(spec: PoolSpec, platform: str) -> StepCost:
    """Returns a lower bound of what `tuning.step_cost` measures."""
    arm, task = spec.arm, build_task(spec.arm, opened(spec.data))
    model = models.make_model(arm, task.example_shape, task.num_outputs)
    batch = jax.ShapeDtypeStruct((arm.batch_size, *task.example_shape), jnp.float32)
    params, state = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), batch)
    forward = jax.make_jaxpr(model.batch_apply)(params, state, batch)
    number = _PASSES * sum(map(operations, equations(forward)))
    return StepCost(number / _MOST_PER_SECOND.get(platform, _MOST_ELSEWHERE), _LEAST_START)


def operations(eqn: Any) -> int:
    """Counts multiplications and additions of a matrix product or a convolution; others count nothing."""
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        summed = math.prod(eqn.invars[0].aval.shape[axis] for axis in contracted)
    elif eqn.primitive.name == "conv_general_dilated":
        kernel, out_axis = eqn.invars[1].aval.shape, eqn.params["dimension_numbers"].rhs_spec[0]
        summed = math.prod(kernel) // kernel[out_axis]
    else:
        return 0
    return 2 * summed * math.prod(eqn.outvars[0].aval.shape)
