"""What was measured on the plateau, as arrays."""

from typing import Any, NamedTuple

import numpy as np

from engine.errors import InputError
from engine.report.metric_curves import union_of
from engine.store.run_table import RunTable
from engine.training.probes.registry import WHOLE


class ArmProbes(NamedTuple):
    """What was measured of every repetition of an arm, see `engine.training.probes`.

    Attributes:
        steps: before which it was measured, `[num_points]`.
        values: by series and by layer or parameter array, `""` for the whole network; each
            `[num_seeds, num_points]`, NaN where a run was not measured or the value is not finite.
        seed: of each row, increasing, `[num_seeds]`.
        absent: series that were asked for and do not exist for this arm.
    """

    steps: np.ndarray
    values: dict[str, dict[str, np.ndarray]]
    seed: np.ndarray
    absent: tuple[str, ...]


def read_arm_probes(table: RunTable, arm: str) -> ArmProbes:
    """Reads what was measured of the repetitions of an arm that have an outcome.

    Args:
        table: of the study.
        arm: its name.

    Raises:
        InputError: there is no such arm, no finished run of it, or nothing was measured.
    """
    found = find_arm_probes(table, arm)
    if found is None:
        raise InputError(
            f"no finished run of {arm!r} in {str(table.directory.path)!r} has diagnostics: they are "
            f"measured with --diagnostics=all"
        )
    return found


def find_arm_probes(table: RunTable, arm: str) -> ArmProbes | None:
    """Reads the same; None where nothing was measured of the arm."""
    chosen = table.is_of(arm) & table.is_repetition & table.has_outcome
    measured: dict[int, tuple[np.ndarray, Any]] = {}
    for rows, part in table.iterate(["diagnostics_steps", "diagnostics"], chosen):
        for row, steps, series in zip(rows.tolist(), *part.columns, strict=True):
            if steps.is_valid and series.is_valid:
                measured[row] = steps.values.to_numpy(), series
    if not measured:
        return None
    steps = union_of([own for own, _ in measured.values()])
    values: dict[str, dict[str, np.ndarray]] = {}
    asked: dict[str, None] = {}
    for index, row in enumerate(sorted(measured)):
        own_steps, series = measured[row]
        places = np.searchsorted(steps, own_steps)
        for one in series:
            name, layer, own = one["name"].as_py(), one["layer"].as_py() or WHOLE, one["values"].values
            asked[name] = None
            if own is not None:
                layers = values.setdefault(name, {})
                if layer not in layers:
                    layers[layer] = np.full((len(measured), len(steps)), np.nan, np.float32)
                layers[layer][index, places] = own.to_numpy(zero_copy_only=False)
    absent = tuple(name for name in asked if name not in values)
    return ArmProbes(steps, values, table.seed[sorted(measured)], absent)
