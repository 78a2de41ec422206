"""What a pool of lanes needs of the memory, and what there is."""

from typing import Any

import jax

from engine.errors import InputError
from engine.lanes.host_batches import Stream
from engine.lanes.lane import PoolSpec
from engine.tasks import Data
from engine.tasks.reading import host_memory


def memory_limit(num_sharing: int) -> int | None:
    """Bytes that a worker may use; `None` where nobody can say.

    On an accelerator what its backend may allocate; on a CPU this worker's share of the memory of
    the machine or of its control group, whichever is less.

    Args:
        num_sharing: workers that share the memory of a CPU.
    """
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit")
    size = host_memory()
    return None if size is None else size // num_sharing


def check_data(spec: PoolSpec, stream: Stream | None, memory_limit: int | None) -> None:
    """Checks that there is room for the data before they are sent.

    Raises:
        InputError: there is none.
    """
    size = sum(array.nbytes for array in spec.data.values()) if stream is None else 0
    if memory_limit is not None and size > memory_limit:
        raise InputError(
            f"the data take {size / 2**30:.1f} GiB, and {memory_limit / 2**30:.1f} GiB are there "
            f"for a worker: give --stream --fix_order=0, which keeps them on the host and sends "
            f"them batch by batch, in one order for all runs"
        )


def bytes_needed(program: Any) -> int:
    """By a compiled program, from XLA's own analysis; 0 where the backend has none."""
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
    """Says what a pool needs, and the width that would fit."""
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(data))
    per_lane = (needed - shared) / spec.width
    fitting = int((limit - shared) / per_lane)
    advice = f"--width={fitting} would fit" if fitting >= 1 else "not even one lane would fit"
    return InputError(
        f"width={spec.width} for model={spec.arm.model} needs {needed / 2**30:.1f} GiB, and "
        f"{limit / 2**30:.1f} GiB are there for a worker: {advice}"
    )
