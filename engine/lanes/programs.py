"""The compiled programs of a pool: the functions of one lane, batched over all of them.

One vectorised program computes the lanes of a block; blocks follow one another. An accelerator computes all lanes as
one block. A CPU core is fastest with blocks that fit its cache.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..tasks import Data
from ..training.own import OwnTrainer
from ..training.probes.measuring import make_diagnostic_set
from ..training.trainer import Trainer
from .lane import DiagnosticValues, Lane, LaneProgram, Measurement, Record, Start, Status
from .spec import PoolSpec

# The host looks at the lanes every so many evaluations.
SEGMENTS_PER_CHUNK = 8


class ChunkResult(NamedTuple):
    """What a chunk leaves behind: `[width, segments, …]`, and measurements and status at its end, `[width, …]`."""

    records: Record
    measurements: Measurement
    status: Status
    diagnostics: DiagnosticValues | None


class _Carry(NamedTuple):
    segment: jax.Array
    lanes: Lane
    records: Record
    diagnostics: DiagnosticValues | None


class Programs:
    """The programs of all lanes; `data` are their argument, or its shapes."""

    def __init__(self, trainer: Trainer | OwnTrainer, spec: PoolSpec, data: Data) -> None:
        self.diagnostic_set = None
        if spec.diagnostics:
            assert isinstance(trainer, Trainer)
            self.diagnostic_set = make_diagnostic_set(
                trainer, spec.diagnostics, data, spec.eval_every, spec.diagnostics_every, spec.diagnostic_options
            )
        self._spec = spec
        self._lane = LaneProgram(trainer, spec, self.diagnostic_set)
        # Where the times of a chunk lie in what a block leaves behind.
        self._axis = 0 if spec.block == 1 else 1

    def new_lanes(self, root_seed: jax.Array, starts: Start) -> Lane:
        """Starts a new run in every lane."""
        return jax.vmap(lambda start: self._lane.init(root_seed, start))(starts)

    def start(self, lanes: Lane, is_new: jax.Array, root_seed: jax.Array, starts: Start) -> Lane:
        """Starts new runs in the lanes that `is_new` marks; the others stay as they are."""

        def each(lane: Lane, is_new: jax.Array, start: Start) -> Lane:
            new = self._lane.init(root_seed, start)
            return jax.tree.map(lambda new, old: jnp.where(is_new, new, old), new, lane)

        def fill_block(block: tuple[Lane, jax.Array, Start]) -> Lane:
            fill = self._over_block(each)
            return lax.cond(jnp.any(block[1]), lambda b: fill(*b), lambda b: b[0], block)

        return _by_block(fill_block, (lanes, is_new, starts), self._spec)

    def advance(
        self, lanes: Lane, is_measured: jax.Array, num_segments: jax.Array, data: Data
    ) -> tuple[Lane, ChunkResult]:
        """Advances every lane by up to `num_segments` evaluations, and measures the marked ones at the end."""
        over_block, axis = self._over_block, self._axis
        # Nested jit, so that asking for shapes and using them trace the functions only once.
        segment = jax.jit(over_block(lambda lane: self._lane.advance(lane, data)))
        measure = jax.jit(over_block(lambda lane: self._lane.measure(lane, data)))

        def goes_on(carry: _Carry) -> jax.Array:
            return (carry.segment < num_segments) & ~jnp.all(over_block(Lane.is_over)(carry.lanes))

        def body(carry: _Carry) -> _Carry:
            carry = self._with_diagnostics(carry, data)
            lanes, record = segment(carry.lanes)
            ahead = carry.segment + 1
            return _Carry(ahead, lanes, _write(carry.records, record, carry.segment, axis), carry.diagnostics)

        def advance_block(block: tuple[Lane, jax.Array]) -> tuple[Lane, ChunkResult]:
            lanes, is_measured = block
            record = jax.eval_shape(segment, lanes)[1]
            measurement = jax.eval_shape(measure, lanes)[1]
            records = _room(record, SEGMENTS_PER_CHUNK, axis)
            diagnostics = self._room_for_diagnostics(lanes, data)
            start = _Carry(jnp.int32(0), lanes, records, diagnostics)
            _, lanes, records, diagnostics = lax.while_loop(goes_on, body, start)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), measurement)
            lanes, measured = lax.cond(jnp.any(is_measured), measure, lambda lanes: (lanes, nothing), lanes)
            return lanes, ChunkResult(records, measured, over_block(Lane.status)(lanes), diagnostics)

        return _by_block(advance_block, (lanes, is_measured), self._spec)

    def _diagnose(self, lanes: Lane, data: Data) -> tuple[Any, DiagnosticValues]:
        return self._over_block(lambda lane: self._lane.diagnose(lane, data))(lanes)

    def _room_for_diagnostics(self, lanes: Lane, data: Data) -> DiagnosticValues | None:
        if self.diagnostic_set is None:
            return None
        _, values = jax.eval_shape(lambda lanes: self._diagnose(lanes, data), lanes)
        return _room(values, SEGMENTS_PER_CHUNK // self._spec.segments_between_diagnostics, self._axis)

    def _with_diagnostics(self, carry: _Carry, data: Data) -> _Carry:
        """Measures the diagnostics before every `segments_between_diagnostics`-th segment."""
        if self.diagnostic_set is None:
            return carry
        apart = self._spec.segments_between_diagnostics

        def measured(lanes: Lane, diagnostics: DiagnosticValues) -> tuple[Any, DiagnosticValues]:
            memory, values = self._diagnose(lanes, data)
            return memory, _write(diagnostics, values, carry.segment // apart, self._axis)

        # Not per lane, where both branches would be computed: all lanes are at the same segment.
        memory, diagnostics = lax.cond(
            carry.segment % apart == 0,
            measured,
            lambda lanes, diagnostics: (lanes.memory, diagnostics),
            carry.lanes,
            carry.diagnostics,
        )
        return carry._replace(lanes=carry.lanes._replace(memory=memory), diagnostics=diagnostics)

    def _over_block(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn if self._spec.block == 1 else jax.vmap(fn)


def _room(shapes: Any, number: int, axis: int) -> Any:
    """Makes zeros for a number of times, side by side along an axis."""

    def zeros(leaf: Any) -> jax.Array:
        return jnp.zeros((*leaf.shape[:axis], number, *leaf.shape[axis:]), leaf.dtype)

    return jax.tree.map(zeros, shapes)


def _write(all: Any, one: Any, index: jax.Array, axis: int) -> Any:
    return jax.tree.map(lambda a, b: lax.dynamic_update_index_in_dim(a, b, index, axis), all, one)


def _by_block(fn: Callable[..., Any], lanes: Any, spec: PoolSpec) -> Any:
    """Applies a function of one block to all of them; leaves are `[width, …]` in and out."""
    if spec.block == spec.width > 1:
        return fn(lanes)
    if spec.block == 1:
        return lax.map(fn, lanes)
    blocks = jax.tree.map(lambda a: a.reshape(-1, spec.block, *a.shape[1:]), lanes)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), lax.map(fn, blocks))


def inside(num_axes: int, shapes: Any) -> Any:
    """Returns the shapes without their first axes."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[num_axes:], a.dtype), shapes)


def without_keys(lanes: Any) -> Any:
    """Replaces random keys by their data, which NumPy can hold."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, lanes)


def with_key(like: Any, leaf: jax.Array) -> jax.Array:
    """Makes a key of its data where `like` is a key."""
    return jax.random.wrap_key_data(leaf, impl="threefry2x32") if _is_key(like) else leaf


def empty(leaf: jax.ShapeDtypeStruct) -> Any:
    """Makes zeros on the host: the device would compile a program for every shape."""
    if _is_key(leaf):
        return with_key(leaf, jax.device_put(np.zeros((*leaf.shape, 2), np.uint32)))
    return np.zeros(leaf.shape, leaf.dtype)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
