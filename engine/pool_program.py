"""The compiled programs of a pool: those of one lane, for all of them.

Lanes are computed in blocks: the lanes of a block by one vectorised program, the blocks one after
another. On an accelerator all lanes are one block. A CPU core is fastest with blocks that fit its
cache, and a step of a seed then costs the same with one lane as with a thousand.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from engine.lane_program import (
    Lane,
    Measurement,
    PoolSpec,
    Record,
    Start,
    Status,
    advance_lane,
    init_lane,
    is_over,
    measure_lane,
    status_of,
)
from engine.tasks import Data, Task
from engine.training import Trainer

# Evaluations in a chunk: the host looks at the lanes this often.
SEGMENTS_PER_CHUNK = 8


class Programs:
    """The programs of all lanes, made of those of one."""

    def __init__(self, trainer: Trainer, task: Task, spec: PoolSpec) -> None:
        self._trainer, self._spec = trainer, spec
        self._chance_loss = task.chance_loss

    def new_lanes(self, root_seed: jax.Array, starts: Start, data: Data) -> Lane:
        """A new run in every lane."""
        return jax.vmap(lambda start: init_lane(self._trainer, root_seed, start, data))(starts)

    def start(
        self, lanes: Lane, is_new: jax.Array, root_seed: jax.Array, starts: Start, data: Data
    ) -> Lane:
        """New runs in the lanes that `is_new` names; the others stay as they are."""

        def each(lane: Lane, is_new: jax.Array, start: Start) -> Lane:
            new = init_lane(self._trainer, root_seed, start, data)
            return jax.tree.map(lambda new, old: jnp.where(is_new, new, old), new, lane)

        def of_block(block: tuple[Lane, jax.Array, Start]) -> Lane:
            fill = self._over_block(each)
            return lax.cond(jnp.any(block[1]), lambda b: fill(*b), lambda b: b[0], block)

        return _by_block(of_block, (lanes, is_new, starts), self._spec)

    def advance(
        self, lanes: Lane, is_measured: jax.Array, num_segments: jax.Array, data: Data
    ) -> tuple[Lane, Record, Measurement, Status]:
        """Every lane up to `num_segments` evaluations further, and measured at the end."""
        trainer, spec = self._trainer, self._spec
        chance_loss = self._chance_loss
        over_block = self._over_block
        # Nested jit, so that asking for shapes and using them trace the functions only once.
        segment = jax.jit(
            over_block(lambda lane: advance_lane(trainer, spec, chance_loss, lane, data))
        )
        measure = jax.jit(
            over_block(lambda lane: measure_lane(trainer, spec, chance_loss, lane, data))
        )
        axis = 0 if spec.block == 1 else 1

        def of_block(
            block: tuple[Lane, jax.Array],
        ) -> tuple[Lane, Record, Measurement, Status]:
            lanes, is_measured = block
            record = jax.eval_shape(segment, lanes)[1]
            measurement = jax.eval_shape(measure, lanes)[1]

            def room(leaf: Any) -> jax.Array:
                shape = (*leaf.shape[:axis], SEGMENTS_PER_CHUNK, *leaf.shape[axis:])
                return jnp.zeros(shape, leaf.dtype)

            def goes_on(carry: tuple[jax.Array, Lane, Record]) -> jax.Array:
                return (carry[0] < num_segments) & ~jnp.all(over_block(is_over)(carry[1]))

            def body(carry: tuple[jax.Array, Lane, Record]) -> tuple[jax.Array, Lane, Record]:
                i, lanes, records = carry
                lanes, record = segment(lanes)

                def write(all: jax.Array, one: jax.Array) -> jax.Array:
                    return lax.dynamic_update_index_in_dim(all, one, i, axis)

                return i + 1, lanes, jax.tree.map(write, records, record)

            start = (jnp.int32(0), lanes, jax.tree.map(room, record))
            _, lanes, records = lax.while_loop(goes_on, body, start)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), measurement)
            lanes, measured = lax.cond(
                jnp.any(is_measured), measure, lambda lanes: (lanes, nothing), lanes
            )
            return lanes, records, measured, over_block(status_of)(lanes)

        return _by_block(of_block, (lanes, is_measured), spec)

    def _over_block(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn if self._spec.block == 1 else jax.vmap(fn)


def _by_block(fn: Callable[..., Any], lanes: Any, spec: PoolSpec) -> Any:
    """Applies a function of one block to all of them; leaves are `[width, …]` in and out."""
    if spec.block == spec.width > 1:
        return fn(lanes)
    if spec.block == 1:
        return lax.map(fn, lanes)
    blocks = jax.tree.map(lambda a: a.reshape(-1, spec.block, *a.shape[1:]), lanes)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), lax.map(fn, blocks))


def inside(num_axes: int, shapes: Any) -> Any:
    """Shapes without their first axes."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[num_axes:], a.dtype), shapes)


def without_keys(lanes: Any) -> Any:
    """Random keys as their data, which NumPy can hold."""

    def plain(leaf: Any) -> Any:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(plain, lanes)


def with_key(like: Any, leaf: jax.Array) -> jax.Array:
    """The key of some data, where the leaf that it is like is one."""
    is_key = jnp.issubdtype(like.dtype, jax.dtypes.prng_key)
    return jax.random.wrap_key_data(leaf, impl="threefry2x32") if is_key else leaf


def empty(leaf: jax.ShapeDtypeStruct) -> Any:
    """Zeros, made on the host: every shape that is made on the device would be compiled first."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return with_key(leaf, jax.device_put(np.zeros((*leaf.shape, 2), np.uint32)))
    return np.zeros(leaf.shape, leaf.dtype)
