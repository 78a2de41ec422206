"""What was measured on the plateau, as arrays."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from engine.errors import InputError, unknown_name
from engine.report.metric_curves import rows_of
from engine.store import WorkDirectory
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


class _Run(NamedTuple):
    """One run: its steps, and its series by name and layer."""

    steps: np.ndarray
    series: dict[tuple[str, str], np.ndarray | None]


def read_arm_probes(directory: WorkDirectory, arm: str) -> ArmProbes:
    """What was measured of the repetitions of an arm, without grids, forks and failed runs.

    Args:
        directory: of the study.
        arm: its name.

    Raises:
        InputError: there is no such arm, no finished run of it, or nothing was measured.
    """
    if arm not in directory.document["arm_order"]:
        raise unknown_name("arm", arm, directory.document["arm_order"])
    found = find_arm_probes(directory, arm)
    if found is None:
        raise InputError(
            f"no finished run of {arm!r} in {str(directory.path)!r} has diagnostics: they are "
            f"measured with --diagnostics=all"
        )
    return found


def find_arm_probes(directory: WorkDirectory, arm: str) -> ArmProbes | None:
    """As `read_arm_probes`; `None` where nothing was measured of an arm."""
    found = dict(_runs(directory, arm))
    if not found:
        return None
    seeds = sorted(found)
    steps = np.unique(np.concatenate([run.steps for run in found.values()]))
    values: dict[str, dict[str, np.ndarray]] = {}
    for row, seed in enumerate(seeds):
        places = np.searchsorted(steps, found[seed].steps)
        for (name, layer), own in found[seed].series.items():
            if own is None:
                continue
            layers = values.setdefault(name, {})
            if layer not in layers:
                layers[layer] = np.full((len(seeds), len(steps)), np.nan, np.float32)
            layers[layer][row, places] = own
    asked = dict.fromkeys(name for run in found.values() for name, _ in run.series)
    absent = tuple(name for name in asked if name not in values)
    return ArmProbes(steps, values, np.asarray(seeds, np.int64), absent)


def _runs(directory: WorkDirectory, arm: str) -> Iterator[tuple[int, _Run]]:
    columns = ["arm", "seed", "order_seed", "fork_step", "status"]
    for table in directory.iterate([*columns, "diagnostics_steps", "diagnostics"]):
        of_arm = table.filter(rows_of(table, arm))
        for i, seed in enumerate(of_arm["seed"].to_pylist()):
            steps, stored = (of_arm[name][i] for name in ("diagnostics_steps", "diagnostics"))
            if steps.is_valid and stored.is_valid:
                series = {_key(one): _values(one) for one in stored}
                yield seed, _Run(steps.values.to_numpy(), series)


def _key(series: Any) -> tuple[str, str]:
    return series["name"].as_py(), series["layer"].as_py() or WHOLE


def _values(series: Any) -> np.ndarray | None:
    values = series["values"].values
    return None if values is None else values.to_numpy(zero_copy_only=False)
