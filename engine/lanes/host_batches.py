"""Mini-batches that are gathered on the host, for data that do not fit the device.

Every lane of a cohort is at the same step and follows the same data order, so one block of batches
serves all of them. While the device works on a chunk, the block of the next one is gathered and
sent after it.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from engine.tasks import Data, Task, random_streams

_FIRST_STEP = "first_step_of_block"


class Spooled(NamedTuple):
    """An array in a file, for processes that share one copy of it in memory."""

    path: str

    def open(self) -> np.ndarray:
        """The array, read as it is needed."""
        return np.load(self.path, mmap_mode="r", allow_pickle=False)


def opened(data: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The data with all arrays there, those in files as they are read."""
    return {name: a.open() if isinstance(a, Spooled) else a for name, a in data.items()}


def spool(data: Mapping[str, Any], names: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """The data with some arrays in files.

    Args:
        data: arrays by name.
        names: of those that go to files.
        folder: for the files; made where it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spooled = dict(data)
    for name in names:
        path = folder / f"{name}.npy"
        np.save(path, data[name], allow_pickle=False)
        spooled[name] = Spooled(str(path))
    return spooled


def streamed(task: Task) -> Task:
    """The task over blocks in the place of whole arrays.

    Args:
        task: whose draws are positions in the arrays that it names in `streamed`, `[steps, batch]`.
    """

    def draw(data: Data, key: jax.Array, first_step: jax.Array, num_steps: int) -> jax.Array:
        # The block holds the batches one after another, already in order.
        steps = first_step - data[_FIRST_STEP] + jnp.arange(num_steps)
        batch_size = jax.eval_shape(lambda: task.draw(data, key, first_step, num_steps)).shape[1]
        return steps[:, None] * batch_size + jnp.arange(batch_size)

    return task._replace(draw=draw)


class Stream:
    """The batches of one cohort after another.

    Args:
        task: as it is where the data are on the device.
        data: arrays by name.
        root_seed: of the study.
        eval_every: steps of a segment.
        num_segments: of a block.

    Attributes:
        resident: the arrays that stay on the device.
    """

    def __init__(self, task: Task, data: Mapping[str, Any], root_seed: int, eval_every: int, num_segments: int) -> None:
        self._arrays = {name: data[name] for name in task.streamed}
        self.resident = jax.device_put({n: a for n, a in data.items() if n not in self._arrays})
        self._root_seed = root_seed
        self._order_seed = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._ahead: tuple[int, int, Future[dict[str, jax.Array]]] | None = None
        self._last: tuple[int, int, dict[str, jax.Array]] | None = None

        def positions(key: jax.Array, first_step: jax.Array) -> jax.Array:
            firsts = first_step + eval_every * jnp.arange(num_segments)
            return jax.vmap(lambda first: task.draw({}, key, first, eval_every))(firsts)

        self._positions = jax.jit(positions)

    def begin(self, order_seed: int) -> None:
        """Sets the data order of the cohort that starts."""
        self._order_seed = order_seed

    def block(self, first_step: int) -> dict[str, jax.Array]:
        """All data of the chunk that begins with a step: what is resident, and its batches."""
        wanted = (self._order_seed, first_step)
        if self._last is None or self._last[:2] != wanted:
            if self._ahead is not None and self._ahead[:2] == wanted:
                batches = self._ahead[2].result()
            else:
                batches = self._gather(first_step, self._rows(first_step))
            self._last = (*wanted, batches)
        self._ahead = None
        return {**self.resident, **self._last[2]}

    def prefetch(self, first_step: int) -> None:
        """Begins to gather the batches of a chunk; to be called before the device is given work."""
        # Here, because the device computes them in turn: behind a chunk they would wait for it.
        gathering = self._thread.submit(self._gather, first_step, self._rows(first_step))
        self._ahead = (self._order_seed, first_step, gathering)

    def _rows(self, first_step: int) -> jax.Array:
        """The examples of a chunk, `[num_segments, steps, batch]`, as soon as they are there."""
        key = random_streams.stream(self._root_seed, "order", self._order_seed)
        return self._positions(key, np.int32(first_step))

    def _gather(self, first_step: int, rows: jax.Array) -> dict[str, jax.Array]:
        chosen = np.asarray(rows).reshape(-1)
        batches = {name: array[chosen] for name, array in self._arrays.items()}
        return jax.device_put({**batches, _FIRST_STEP: np.int32(first_step)})
