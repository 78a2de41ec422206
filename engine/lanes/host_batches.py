"""Mini-batches gathered on the host, for data that do not fit the device.

All lanes are at the same step of the same data order, so one block of batches serves them all. While the device works
on a chunk, the host gathers and sends the block of the next one.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..tasks import Data, Task, random_streams
from .spec import PoolSpec

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
    """The batches of one chunk in one data order."""

    order_seed: int
    first_step: int


class Stream:
    """Gathers the batches of chunk after chunk, each of `num_segments` evaluation intervals."""

    def __init__(self, task: Task, spec: PoolSpec, num_segments: int) -> None:
        self._arrays = {name: spec.data[name] for name in task.streamed}
        self._resident = jax.device_put({n: a for n, a in spec.data.items() if n not in self._arrays})
        self._root_seed = spec.root_seed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
        # The last block and the next one, which may still be on its way.
        self._blocks: dict[Block, Future[dict[str, jax.Array]]] = {}

        def positions(key: jax.Array, first_step: jax.Array) -> jax.Array:
            firsts = first_step + spec.eval_every * jnp.arange(num_segments)
            return jax.vmap(lambda first: task.draw({}, key, first, spec.eval_every))(firsts)

        self._positions = jax.jit(positions)

    def load(self, block: Block) -> dict[str, jax.Array]:
        """Returns all data of a chunk: the arrays that stay on the device, and its batches."""
        self._blocks = {block: self._blocks.get(block) or self._gather(block)}
        return {**self._resident, **self._blocks[block].result()}

    def prefetch(self, block: Block) -> None:
        """Begins to gather the batches of a chunk; to be called before the device is given work."""
        self._blocks[block] = self._gather(block)

    def _gather(self, block: Block) -> Future[dict[str, jax.Array]]:
        # Dispatched here, because the device works in turn: behind a chunk the positions would wait for it.
        key = random_streams.stream(self._root_seed, "order", block.order_seed)
        positions = self._positions(key, np.int32(block.first_step))

        def send() -> dict[str, jax.Array]:
            rows = np.asarray(positions).reshape(-1)
            batches = {name: array[rows] for name, array in self._arrays.items()}
            return jax.device_put({**batches, _FIRST_STEP: np.int32(block.first_step)})

        return self._thread.submit(send)
