"""Arithmetic of a traced program: multiplications and additions of its products."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.workloads import NUM_CLASSES, Workload, flax_network


def of_a_step(workload: Workload) -> float:
    """Returns the operations of one training step: those of the gradient of its loss."""
    network = flax_network(workload)
    images = jnp.zeros((workload.batch_size, workload.size, workload.size, workload.channels), jnp.float32)
    variables = dict(network.init(jax.random.key(0), images[:1]))

    def loss(params: Any) -> jax.Array:
        rest = {name: value for name, value in variables.items() if name != "params"}
        logits = network.apply({"params": params, **rest}, images, mutable=list(rest))[0]
        return jnp.sum(logits * jnp.ones(NUM_CLASSES))

    return count(jax.make_jaxpr(jax.grad(loss))(variables["params"]).jaxpr)


def count(jaxpr: Any) -> float:
    """Operations of all convolutions and matrix products, also of those inside calls.

    A convolution counts its whole window at every output, padding included, as convention has it.
    """
    total = 0.0
    for eqn in jaxpr.eqns:
        out = eqn.outvars[0].aval
        if eqn.primitive.name == "dot_general":
            contracted = eqn.params["dimension_numbers"][0][0]
            depth = math.prod(eqn.invars[0].aval.shape[d] for d in contracted)
            total += 2.0 * out.size * depth
        elif eqn.primitive.name == "conv_general_dilated":
            total += _of_convolution(eqn)
        for param in eqn.params.values():
            inner = getattr(param, "jaxpr", param)
            if hasattr(inner, "eqns"):
                total += count(inner)
    return total


def _of_convolution(eqn: Any) -> float:
    """The least of what the three shapes allow, so that strides and dilations count no zeros."""
    numbers = eqn.params["dimension_numbers"]
    inputs, kernel = (v.aval for v in eqn.invars)
    out = eqn.outvars[0].aval
    channels = kernel.shape[numbers.rhs_spec[1]]
    window = math.prod(kernel.shape[d] for d in numbers.rhs_spec[2:])
    features = kernel.shape[numbers.rhs_spec[0]]
    by_output = 2.0 * out.size * window * channels
    by_input = 2.0 * inputs.size * window * features
    return min(by_output, by_input)
