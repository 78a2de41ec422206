"""The columns of a row, the key of a run, and the version of the stored files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

SCHEMA_VERSION = 4

_STAIR_FIELDS = ("onset_step", "half_step", "end_step", "level_before", "level_after")
_OUTCOME_FIELDS = [
    ("arm", pa.string()),
    ("seed", pa.int64()),
    ("init_seed", pa.int64()),
    ("order_seed", pa.int64()),
    ("noise_seed", pa.int64()),
    ("fork_step", pa.int64()),
    ("fork_order_seed", pa.int64()),
    ("status", pa.string()),
    ("event", pa.int64()),
    ("stop_reason", pa.string()),
    ("is_diverged_later", pa.bool_()),
    ("onset_step", pa.float64()),
    ("onset_lower", pa.float64()),
    ("onset_upper", pa.float64()),
    ("half_step", pa.float64()),
    ("hitting_step", pa.int64()),
    ("width_steps", pa.float64()),
    ("suddenness", pa.float64()),
    ("num_breaks", pa.int64()),
    ("stairs", pa.list_(pa.struct([(name, pa.float64()) for name in _STAIR_FIELDS]))),
    ("is_coarse", pa.bool_()),
    ("chance_loss", pa.float64()),
    ("end_loss", pa.float64()),
    ("onset_accuracy", pa.float64()),
    ("end_accuracy", pa.float64()),
    ("end_held_out_accuracy", pa.float64()),
    ("best_minus_end", pa.float64()),
    ("steps_run", pa.int64()),
    ("run_name", pa.string()),
]
_SERIES_FIELDS = [("name", pa.string()), ("layer", pa.string()), ("values", pa.list_(pa.float32()))]
_CURVE_FIELDS = [
    ("steps", pa.list_(pa.int64())),
    ("loss", pa.list_(pa.float32())),
    ("accuracy", pa.list_(pa.float32())),
    ("inspected_steps", pa.list_(pa.int64())),
    ("held_out_loss", pa.list_(pa.float32())),
    ("held_out_accuracy", pa.list_(pa.float32())),
    ("average_loss", pa.list_(pa.float32())),
    ("batch_loss", pa.list_(pa.float32())),
    ("diagnostics_steps", pa.list_(pa.int64())),
    ("diagnostics", pa.list_(pa.struct(_SERIES_FIELDS))),
]
OUTCOME_SCHEMA = pa.schema(_OUTCOME_FIELDS)
ROW_SCHEMA = pa.schema(_OUTCOME_FIELDS + _CURVE_FIELDS)
CURVE_NAMES = tuple(name for name, _ in _CURVE_FIELDS)

# The column that holds the steps of a metric; None: its values are those of mini-batches 0, 1, 2, …
CURVE_STEPS: dict[str, str | None] = {
    "loss": "steps",
    "accuracy": "steps",
    "held_out_loss": "inspected_steps",
    "held_out_accuracy": "inspected_steps",
    "average_loss": "inspected_steps",
    "batch_loss": None,
}

# Two rows that agree in these are the same run.
RUN_KEY = ("arm", "init_seed", "order_seed", "noise_seed", "fork_step", "fork_order_seed")

# Columns that may hold the step of the event that a run waited for.
_EVENT_STEPS = ("onset_step", "hitting_step")
WAITING_COLUMNS = (*_EVENT_STEPS, "steps_run", "event")

Row = Mapping[str, Any]


def make_row(**values: Any) -> Row:
    """Makes a row with every column of `ROW_SCHEMA`, in its order; what is not given is null.

    Raises:
        ValueError: there is no such column.
    """
    unknown = values.keys() - set(ROW_SCHEMA.names)
    if unknown:
        raise ValueError(f"unknown columns of a row: {', '.join(sorted(unknown))}")
    return {name: values.get(name) for name in ROW_SCHEMA.names}


def waiting_times(rows: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Returns the step of each run's event, or its last step where there was none, `[num_rows]`.

    Args:
        rows: values by column, those of `WAITING_COLUMNS` among them.
    """
    ends = zip(*(rows[name] for name in (*_EVENT_STEPS, "steps_run")), strict=True)
    times = [next(value for value in values if value is not None) for values in ends]
    return np.asarray(times, np.float64)
