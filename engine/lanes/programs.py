"""The compiled programs of a pool: those of one lane, for all of them.

Lanes are computed in blocks: the lanes of a block by one vectorised program, the blocks one after
another. On an accelerator all lanes are one block. A CPU core is fastest with blocks that fit its
cache, and a step of a seed then costs the same with one lane as with a thousand.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from engine.lanes.lane import (
    DiagnosticValues,
    Lane,
    Measurement,
    PoolSpec,
    Record,
    Start,
    Status,
    advance_lane,
    diagnostics_of_lane,
    init_lane,
    is_over,
    measure_lane,
    status_of,
)
from engine.tasks import Data, Task
from engine.training.probes.measuring import DiagnosticSet, DiagnosticsSpec, make_diagnostic_set
from engine.training.trainer import Trainer

# Evaluations in a chunk: the host looks at the lanes this often.
SEGMENTS_PER_CHUNK = 8


class Programs:
    """The programs of all lanes, made of those of one.

    Args:
        trainer: of the spec.
        task: of the spec.
        spec: of the pool.
        data: as the programs will get them, or their shapes.

    Attributes:
        diagnostic_set: `None` without any diagnostics.
    """

    def __init__(self, trainer: Trainer, task: Task, spec: PoolSpec, data: Data) -> None:
        self._trainer, self._spec = trainer, spec
        self._chance_loss = task.chance_loss
        self.diagnostic_set = _diagnostic_set_of(trainer, task, spec, data)

    def new_lanes(self, root_seed: jax.Array, starts: Start, data: Data) -> Lane:
        """A new run in every lane."""

        def new(start: Start) -> Lane:
            return init_lane(self._trainer, self.diagnostic_set, root_seed, start, data)

        return jax.vmap(new)(starts)

    def start(self, lanes: Lane, is_new: jax.Array, root_seed: jax.Array, starts: Start, data: Data) -> Lane:
        """New runs in the lanes that `is_new` names; the others stay as they are."""

        def each(lane: Lane, is_new: jax.Array, start: Start) -> Lane:
            new = init_lane(self._trainer, self.diagnostic_set, root_seed, start, data)
            return jax.tree.map(lambda new, old: jnp.where(is_new, new, old), new, lane)

        def of_block(block: tuple[Lane, jax.Array, Start]) -> Lane:
            fill = self._over_block(each)
            return lax.cond(jnp.any(block[1]), lambda b: fill(*b), lambda b: b[0], block)

        return _by_block(of_block, (lanes, is_new, starts), self._spec)

    def advance(
        self, lanes: Lane, is_measured: jax.Array, num_segments: jax.Array, data: Data
    ) -> tuple[Lane, Record, Measurement, Status, DiagnosticValues | None]:
        """Every lane up to `num_segments` evaluations further, and measured at the end."""
        trainer, spec = self._trainer, self._spec
        chance_loss = self._chance_loss
        over_block = self._over_block
        # Nested jit, so that asking for shapes and using them trace the functions only once.
        segment = jax.jit(over_block(lambda lane: advance_lane(trainer, spec, chance_loss, lane, data)))
        measure = jax.jit(over_block(lambda lane: measure_lane(trainer, spec, chance_loss, lane, data)))
        shelf = _Shelf(0 if spec.block == 1 else 1)

        def of_block(
            block: tuple[Lane, jax.Array],
        ) -> tuple[Lane, Record, Measurement, Status, DiagnosticValues | None]:
            lanes, is_measured = block
            record = jax.eval_shape(segment, lanes)[1]
            measurement = jax.eval_shape(measure, lanes)[1]

            def goes_on(carry: _Carry) -> jax.Array:
                return (carry.segment < num_segments) & ~jnp.all(over_block(is_over)(carry.lanes))

            def body(carry: _Carry) -> _Carry:
                carry = self._with_diagnostics(carry, shelf, data)
                lanes, record = segment(carry.lanes)
                ahead = carry.segment + 1
                records = shelf.write(carry.records, record, carry.segment)
                return _Carry(ahead, lanes, records, carry.diagnostics)

            records = shelf.room(record, SEGMENTS_PER_CHUNK)
            diagnostics = self._room_for_diagnostics(lanes, shelf, data)
            start = _Carry(jnp.int32(0), lanes, records, diagnostics)
            _, lanes, records, diagnostics = lax.while_loop(goes_on, body, start)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), measurement)
            lanes, measured = lax.cond(jnp.any(is_measured), measure, lambda lanes: (lanes, nothing), lanes)
            return lanes, records, measured, over_block(status_of)(lanes), diagnostics

        return _by_block(of_block, (lanes, is_measured), spec)

    def _measure(self, lanes: Lane, data: Data) -> tuple[Any, DiagnosticValues]:
        trainer, spec, diagnostic_set = self._trainer, self._spec, self.diagnostic_set
        assert diagnostic_set is not None
        of_one = self._over_block(lambda lane: diagnostics_of_lane(trainer, spec, diagnostic_set, lane, data))
        return of_one(lanes)

    def _room_for_diagnostics(self, lanes: Lane, shelf: "_Shelf", data: Data) -> DiagnosticValues | None:
        if self.diagnostic_set is None:
            return None
        _, values = jax.eval_shape(lambda lanes: self._measure(lanes, data), lanes)
        return shelf.room(values, SEGMENTS_PER_CHUNK // self._segments_apart)

    def _with_diagnostics(self, carry: "_Carry", shelf: "_Shelf", data: Data) -> "_Carry":
        """With the diagnostics of the segment that begins, where it is their turn."""
        if self.diagnostic_set is None:
            return carry
        apart = self._segments_apart

        def measured(lanes: Lane, diagnostics: DiagnosticValues) -> tuple[Any, DiagnosticValues]:
            memory, values = self._measure(lanes, data)
            return memory, shelf.write(diagnostics, values, carry.segment // apart)

        # Not per lane, where both sides would be computed: all lanes are at the same segment.
        memory, diagnostics = lax.cond(
            carry.segment % apart == 0,
            measured,
            lambda lanes, diagnostics: (lanes.memory, diagnostics),
            carry.lanes,
            carry.diagnostics,
        )
        return carry._replace(lanes=carry.lanes._replace(memory=memory), diagnostics=diagnostics)

    @property
    def _segments_apart(self) -> int:
        return self._spec.diagnostics_every // self._spec.eval_every

    def _over_block(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn if self._spec.block == 1 else jax.vmap(fn)


class _Carry(NamedTuple):
    """What goes from segment to segment of a chunk."""

    segment: jax.Array
    lanes: Lane
    records: Record
    diagnostics: DiagnosticValues | None


class _Shelf(NamedTuple):
    """Puts what is left behind at different times side by side.

    Attributes:
        axis: of the times.
    """

    axis: int

    def room(self, shapes: Any, number: int) -> Any:
        """Zeros for a number of times."""
        axis = self.axis

        def of_leaf(leaf: Any) -> jax.Array:
            return jnp.zeros((*leaf.shape[:axis], number, *leaf.shape[axis:]), leaf.dtype)

        return jax.tree.map(of_leaf, shapes)

    def write(self, all: Any, one: Any, index: jax.Array) -> Any:
        """What one time has left in the place of that time."""

        def of_leaf(all: jax.Array, one: jax.Array) -> jax.Array:
            return lax.dynamic_update_index_in_dim(all, one, index, self.axis)

        return jax.tree.map(of_leaf, all, one)


def _diagnostic_set_of(trainer: Trainer, task: Task, spec: PoolSpec, data: Data) -> DiagnosticSet | None:
    if not spec.diagnostics:
        return None
    return make_diagnostic_set(trainer, diagnostics_spec_of(spec, task, data))


def diagnostics_spec_of(spec: PoolSpec, task: Task, data: Data) -> DiagnosticsSpec:
    """What the diagnostics of a pool are made for.

    Args:
        spec: of the pool.
        task: of the spec.
        data: as the programs will get them, or their shapes.
    """
    return DiagnosticsSpec(
        names=spec.diagnostics,
        arm=spec.arm,
        task=task,
        data=jax.eval_shape(lambda data: data, data),
        form=spec.form,
        eval_every=spec.eval_every,
        every=spec.diagnostics_every,
    )


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
