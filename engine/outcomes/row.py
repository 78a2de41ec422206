"""The columns of a row, the key of a run, and the version of the stored files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from .rise import Stair

SCHEMA_VERSION = 4
# The largest seed in any role, and the most steps of a run.
MAX_SEED = MAX_STEPS = 2**32 - 1


def _columns(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


_STAIRS = pa.list_(pa.struct(_columns(pa.float64(), *Stair._fields)))
_SERIES = pa.struct([*_columns(pa.string(), "name", "layer"), ("values", pa.list_(pa.float32()))])
_OUTCOME_FIELDS = [
    ("arm", pa.string()),
    *_columns(pa.int64(), "seed", "init_seed", "order_seed", "noise_seed", "fork_step", "fork_order_seed"),
    ("status", pa.string()),
    ("event", pa.int64()),
    ("stop_reason", pa.string()),
    ("is_diverged_later", pa.bool_()),
    *_columns(pa.float64(), "onset_step", "onset_lower", "onset_upper", "half_step"),
    ("hitting_step", pa.int64()),
    *_columns(pa.float64(), "width_steps", "suddenness"),
    ("num_breaks", pa.int64()),
    ("stairs", _STAIRS),
    ("is_coarse", pa.bool_()),
    *_columns(pa.float64(), "chance_loss", "end_loss", "onset_accuracy", "end_accuracy", "end_held_out_accuracy"),
    ("best_minus_end", pa.float64()),
    ("steps_run", pa.int64()),
    ("run_name", pa.string()),
    *_columns(pa.float64(), "onset_metric", "end_metric", "end_held_out_metric"),
]
_CURVE_FIELDS = [
    ("steps", pa.list_(pa.int64())),
    *_columns(pa.list_(pa.float32()), "loss", "accuracy"),
    ("inspected_steps", pa.list_(pa.int64())),
    *_columns(pa.list_(pa.float32()), "held_out_loss", "held_out_accuracy", "average_loss", "batch_loss"),
    ("diagnostics_steps", pa.list_(pa.int64())),
    ("diagnostics", pa.list_(_SERIES)),
    *_columns(pa.list_(pa.float32()), "metric", "held_out_metric"),
]
OUTCOME_SCHEMA = pa.schema(_OUTCOME_FIELDS)
ROW_SCHEMA = pa.schema(_OUTCOME_FIELDS + _CURVE_FIELDS)
# Columns that a part which is read need not have: there were no metrics when it was written.
METRIC_COLUMNS = tuple(name for name in ROW_SCHEMA.names if name.endswith("metric"))
CURVE_NAMES = tuple(name for name, _ in _CURVE_FIELDS)

# The column that holds the steps of a metric; None: its values are those of mini-batches 0, 1, 2, …
CURVE_STEPS: dict[str, str | None] = {
    **dict.fromkeys(("loss", "accuracy", "metric"), "steps"),
    **dict.fromkeys(("held_out_loss", "held_out_accuracy", "average_loss", "held_out_metric"), "inspected_steps"),
    "batch_loss": None,
}

# Two rows that agree in these are the same run.
RUN_KEY = ("arm", "init_seed", "order_seed", "noise_seed", "fork_step", "fork_order_seed")

# Columns that may hold the step of the event that a run waited for.
_EVENT_STEPS = ("onset_step", "hitting_step")
WAITING_COLUMNS = (*_EVENT_STEPS, "steps_run", "event")

Row = Mapping[str, Any]


def make_row(**values: Any) -> Row:
    """Makes a row with every column of `ROW_SCHEMA`, in its order; what is not given is null."""
    unknown = values.keys() - set(ROW_SCHEMA.names)
    if unknown:
        raise ValueError(f"unknown columns of a row: {', '.join(sorted(unknown))}")
    return {name: values.get(name) for name in ROW_SCHEMA.names}


def waiting_times(rows: Mapping[str, Sequence[Any]]) -> np.ndarray:
    """Returns the step of each run's event, else its last, `[num_rows]`, from values by `WAITING_COLUMNS`."""
    ends = zip(*(rows[name] for name in (*_EVENT_STEPS, "steps_run")), strict=True)
    times = [next(value for value in values if value is not None) for values in ends]
    return np.asarray(times, np.float64)
