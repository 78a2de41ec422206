"""The memory that a pool of lanes needs, and the memory that there is."""

from typing import Any

import jax

from ..errors import InputError
from ..tasks import Data
from ..tasks.reading import host_memory
from .host_batches import Stream
from .spec import PoolSpec


def memory_limit(num_sharing: int) -> int | None:
    """Returns the bytes that a worker may use, on a CPU an equal share of the host's memory; `None` if unknown."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    size = host_memory()
    return None if size is None else size // num_sharing


def check_data(spec: PoolSpec, stream: Stream | None, memory_limit: int | None) -> None:
    """Raises `InputError` if the data have no room on the device, before they are sent."""
    size = sum(array.nbytes for array in spec.data.values()) if stream is None else 0
    if memory_limit is not None and size > memory_limit:
        raise InputError(
            f"the data take {size / 2**30:.1f} GiB, and a worker has {memory_limit / 2**30:.1f} GiB: give --stream "
            f"--fix_order=0, which keeps them on the host and sends them batch by batch, in one order for all runs"
        )


def bytes_needed(program: Any) -> int:
    """Returns what a compiled program needs by XLA's own analysis; 0 where the backend has none."""
    analysis = program.memory_analysis()
    if analysis is None:
        return 0
    return int(
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        + analysis.temp_size_in_bytes
        - analysis.alias_size_in_bytes
    )


def too_wide(spec: PoolSpec, needed: int, limit: int, data: Data) -> InputError:
    """Says what a pool needs, and which width would fit."""
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    fitting = int((limit - shared) * spec.width / (needed - shared))
    advice = f"--width={fitting} would fit" if fitting >= 1 else "not even one lane would fit"
    return InputError(
        f"width={spec.width} for model={spec.arm.model} needs {needed / 2**30:.1f} GiB, and a worker has "
        f"{limit / 2**30:.1f} GiB: {advice}"
    )
