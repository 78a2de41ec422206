"""Mini-batches gathered on the host, for data that do not fit the device.

All lanes are then at the same step and follow the same data order, so one block of batches serves
them all. While the device works on a chunk, the host gathers and sends the block of the next one.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine.lanes.spec import PoolSpec
from engine.tasks import Data, Task, random_streams

_FIRST_STEP = "first_step_of_block"


class Spooled(NamedTuple):
    """An array in a file, of which processes share one copy in memory."""

    path: str

    def open(self) -> np.ndarray:
        """Returns the array; its parts are read when they are needed."""
        return np.load(self.path, mmap_mode="r", allow_pickle=False)


def opened(data: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the data with every `Spooled` array opened."""
    return {name: a.open() if isinstance(a, Spooled) else a for name, a in data.items()}


def spool(data: Mapping[str, Any], names: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Moves the named arrays of the data to files in a folder, which is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    spooled = dict(data)
    for name in names:
        path = folder / f"{name}.npy"
        np.save(path, data[name], allow_pickle=False)
        spooled[name] = Spooled(str(path))
    return spooled


def streamed(task: Task) -> Task:
    """Returns the task that reads blocks of batches in place of the arrays named in `task.streamed`."""

    def draw(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
        # The block holds the batches one after another, already in order.
        steps = first_step - data[_FIRST_STEP] + jnp.arange(num_steps)
        batch_size = jax.eval_shape(lambda: task.draw(data, key, first_step, num_steps)).shape[1]
        return steps[:, None] * batch_size + jnp.arange(batch_size)

    return task._replace(draw=draw)


class Block(NamedTuple):
    """The batches of a chunk; `arrays` may still be on their way."""

    order_seed: int
    first_step: int
    arrays: Future[dict[str, jax.Array]]

    def is_of(self, order_seed: int, first_step: int) -> bool:
        """Tells whether the block is the one of this data order and step."""
        return (self.order_seed, self.first_step) == (order_seed, first_step)


class Stream:
    """Gathers the batches of chunk after chunk.

    Args:
        task: as it is when the data are on the device.
        spec: what the pool is made from, its data opened.
        num_segments: evaluation intervals in a block.

    Attributes:
        resident: the arrays that stay on the device.
    """

    def __init__(self, task: Task, spec: PoolSpec, num_segments: int) -> None:
        self._arrays = {name: spec.data[name] for name in task.streamed}
        self.resident = jax.device_put({n: a for n, a in spec.data.items() if n not in self._arrays})
        self._root_seed = spec.root_seed
        self._order_seed = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._ahead: Block | None = None
        self._last: Block | None = None

        def positions(key: jax.Array, first_step: jax.Array) -> jax.Array:
            firsts = first_step + spec.eval_every * jnp.arange(num_segments)
            return jax.vmap(lambda first: task.draw({}, key, first, spec.eval_every))(firsts)

        self._positions = jax.jit(positions)

    def begin(self, order_seed: int) -> None:
        """Sets the data order of the chunks that follow."""
        self._order_seed = order_seed

    def block(self, first_step: int) -> dict[str, jax.Array]:
        """Returns all data of the chunk that begins with a step: what is resident, and its batches."""
        known = (self._last, self._ahead)
        found = next((b for b in known if b is not None and b.is_of(self._order_seed, first_step)), None)
        self._last, self._ahead = found or self._gather(first_step), None
        return {**self.resident, **self._last.arrays.result()}

    def prefetch(self, first_step: int) -> None:
        """Begins to gather the batches of a chunk; to be called before the device is given work."""
        self._ahead = self._gather(first_step)

    def _gather(self, first_step: int) -> Block:
        # Dispatched here, because the device works in turn: behind a chunk the positions would wait for it.
        key = random_streams.stream(self._root_seed, "order", self._order_seed)
        positions = self._positions(key, np.int32(first_step))

        def send() -> dict[str, jax.Array]:
            rows = np.asarray(positions).reshape(-1)
            batches = {name: array[rows] for name, array in self._arrays.items()}
            return jax.device_put({**batches, _FIRST_STEP: np.int32(first_step)})

        return Block(self._order_seed, first_step, self._thread.submit(send))
