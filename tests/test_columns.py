"""The documented columns are those that are stored, and other tools read them as documented."""

import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from engine import store
from engine.arms.arm import Arm
from engine.commands.report import report
from engine.lanes.runs import FinishedRun, Run
from engine.lanes.to_row import failed_row, outcome_row
from engine.logs import LoggedCurve, LoggedSeries
from engine.logs.to_rows import detect
from engine.outcomes import DetectorSettings
from engine.outcomes.row import CURVE_NAMES
from tests.stored import make_document

PAGE = (Path(__file__).parent.parent / "docs" / "columns.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
H = float(np.log(10))
STEPS = np.arange(0, 881, 11)
FLAT = np.full(len(STEPS), H)
FALL = H * (1 - 0.9 / (1 + np.exp(-(STEPS - 400) / 20)))
STAIR = ("onset_step", "half_step", "end_step", "level_before", "level_after")
STAIR_TYPE = f"struct<{', '.join(f'{name}: double' for name in STAIR)}>"
SERIES = "struct<name: string, layer: string, values: list<item: float>>"
# Name in the documentation: type in Arrow, polars and DuckDB.
TYPES = {
    "string": ("string", "String", "VARCHAR"),
    "int64": ("int64", "Int64", "BIGINT"),
    "float64": ("double", "Float64", "DOUBLE"),
    "bool": ("bool", "Boolean", "BOOLEAN"),
    "list of int64": ("list<item: int64>", "List(Int64)", "BIGINT[]"),
    "list of float32": ("list<item: float>", "List(Float32)", "FLOAT[]"),
    "list of series": (f"list<item: {SERIES}>", "List(Struct", "STRUCT("),
    "list of struct": (f"list<item: {STAIR_TYPE}>", "List(Struct", "STRUCT("),
}


def _documented() -> dict[str, dict[str, str]]:
    """What the tables say, by column."""
    found = {}
    for line in PAGE.splitlines():
        if line.startswith("| `") and line.count("|") == 6:
            name, kind, _, _, null = (cell.strip() for cell in line.strip("|").split("|"))
            found[name.strip("`")] = {"type": kind, "null": null}
    return found


COLUMNS = _documented()


def _finished(loss: np.ndarray, seed: int, **values: Any) -> FinishedRun:
    accuracy = 1 - loss / H
    steps, last = STEPS[: len(loss)], slice(None, None, max(1, len(loss) - 1))
    usual = {
        "run": Run("plain", Arm(), seed, seed, seed, seed, 880),
        "steps": steps,
        "curves": {"loss": loss, "accuracy": accuracy},
        "inspected_steps": steps[last],
        "inspected": {"held_out_loss": loss[last], "held_out_accuracy": accuracy[last]},
        "batch_loss": np.full(880, H),
        **dict.fromkeys(("diverged_step", "hitting_step")),
        "stop_reason": "horizon",
    }
    return FinishedRun(**{**usual, **values})


def _rows() -> dict[str, dict[str, Any]]:
    """A row of each kind."""
    settings = DetectorSettings()
    hit = _finished(FLAT, 3, hitting_step=870, stop_reason="hit")
    without = {"curves": {"loss": FALL}, "inspected": {"held_out_loss": FALL[[0, -1]]}}
    found = {
        "broke": outcome_row(_finished(FALL, 0), H, settings, "break"),
        "stuck": outcome_row(_finished(FLAT, 1), H, settings, "break"),
        "diverged": outcome_row(_finished(FLAT[:1], 2, diverged_step=7, stop_reason="diverged"), H, settings, "break"),
        "hit": outcome_row(hit, H, settings, "hit"),
        "regression": outcome_row(_finished(FALL, 4, **without), H, settings, "break"),
        "failed": failed_row(_finished(FLAT, 5).run, H),
    }
    measured = {"curves": {"loss": FALL, "accuracy": 1 - FALL / H, "metric": FALL}}
    inspected = {**_finished(FALL, 7).inspected, "held_out_metric": FALL[[0, -1]]}
    found["metric"] = outcome_row(_finished(FALL, 7, **measured, inspected=inspected), H, settings, "break")
    fork = {"fork_step": 110, "fork_order_seed": 2**31, "average_loss": FALL[[0, -1]]}
    dead = {"name": "dead_share", "layer": None, "values": [0.5, None]}
    absent = {"name": "below_epsilon", "layer": None, "values": None}
    fork |= {"diagnostics_steps": np.asarray([0, 44]), "diagnostics": [dead, absent]}
    series = LoggedSeries(STEPS.astype(np.int64), FALL.astype(np.float32))
    log = LoggedCurve("plain", "run-6", "log.csv", series, {})
    seeds = dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), 6)
    (logged,) = detect({"plain": [log]}, H, settings).rows
    return {**found, "fork": {**found["broke"], **fork}, "logged": {**logged, **seeds}}


ROWS = _rows()


def test_every_column_is_documented_with_its_type():
    arrow = {field.name: str(field.type).replace("element:", "item:") for field in store.ROW_SCHEMA}
    assert {name: TYPES[about["type"]][0] for name, about in COLUMNS.items()} == arrow
    first, second = PAGE.split("## Curves")
    assert [name for name in COLUMNS if f"| `{name}` |" in first] == store.OUTCOME_SCHEMA.names
    assert [name for name in COLUMNS if f"| `{name}` |" in second] == list(CURVE_NAMES)


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_column_is_null_where_its_documentation_says_so(name):
    kinds = ROWS.keys() - {"failed", "logged"}
    is_null = {kind: ROWS[kind].get(name) is None for kind in kinds}
    words = COLUMNS[name]["null"]
    while (other := re.search("as `(\\w+)`", words)) is not None:
        words = words.replace(other[0], COLUMNS[other[1]]["null"])
    expected = {
        "unless it is a fork": is_null.keys() - {"fork"},
        "where it has not left chance level": {"stuck", "diverged", "hit"},
        "where it diverged before its second evaluation": {"diverged"},
        "where it has not, and for tasks without one": is_null.keys() - {"hit"},
        "for tasks with an event of their own": {"hit"},
        "for regression": {"regression"},
        "for networks without any": is_null.keys() - {"fork"},
        "unless it was read from a log": is_null.keys(),
        "without `--diagnostics`": is_null.keys() - {"fork"},
        "without `--metric`": is_null.keys() - {"metric"},
    }
    said = set().union(*(kinds for claim, kinds in expected.items() if claim in words))
    assert (words == "never") == (not said)
    assert {kind for kind, null in is_null.items() if null} == said


def test_a_run_that_was_read_from_a_log_has_what_is_said_of_it():
    row = ROWS["logged"]
    missing = {name for name in COLUMNS if row.get(name) is None}
    of_plain = {name for name in COLUMNS if ROWS["broke"].get(name) is None} - {"run_name"}
    accuracies = {"accuracy", "onset_accuracy", "end_accuracy", "end_held_out_accuracy"}
    held_out = {"inspected_steps", "held_out_loss", "held_out_accuracy"}
    others = {"stop_reason", "average_loss", "batch_loss"}
    assert missing == of_plain | accuracies | held_out | others


def test_a_run_that_failed_has_what_is_said_of_it():
    there = {name for name, value in ROWS["failed"].items() if value is not None}
    said = ("status", "event", "stop_reason", "chance_loss", "steps_run")
    assert there == {"arm", "seed", "init_seed", "order_seed", "noise_seed", *said}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a finished study where the snippets expect it."""
    folder = tmp_path_factory.mktemp("columns")
    (folder / "runs").mkdir()
    document = make_document({"plain": {}, "forked": {}}, 880, 7)
    workdir = store.create_or_resume(folder / "runs" / "kick_in", document)
    seeds = ("seed", "init_seed", "order_seed", "noise_seed")
    forks = ({**dict.fromkeys(seeds, i), "arm": "forked"} for i in range(3))
    plain = [row for kind, row in ROWS.items() if kind != "fork"]
    workdir.append([*plain, {**ROWS["fork"], "arm": "forked"}])
    workdir.append([{**ROWS["broke"], **other} for other in forks])
    report(workdir.path)
    return folder


@pytest.mark.parametrize("file", ["outcomes.parquet", "parts/*.parquet"])
def test_other_tools_read_the_same_columns_types_and_values(file, place):
    path = str(place / "runs" / "kick_in" / file)
    names = store.OUTCOME_SCHEMA.names if "outcomes" in file else store.ROW_SCHEMA.names
    paths = sorted((place / "runs" / "kick_in").glob(file))
    expected = pa.concat_tables(pa.parquet.read_table(one) for one in paths).to_pylist()
    assert len(expected) == len(ROWS) + 3

    polars = pl.read_parquet(path)
    kinds = {name: str(dtype) for name, dtype in polars.schema.items()}
    assert polars.columns == names
    assert all(kinds[name].startswith(TYPES[COLUMNS[name]["type"]][1]) for name in names)
    assert _sorted(polars.to_dicts()) == _sorted(expected)

    relation = duckdb.sql(f"FROM '{path}'")
    assert relation.columns == names
    kinds = dict(zip(names, map(str, relation.types), strict=True))
    assert all(kinds[name].startswith(TYPES[COLUMNS[name]["type"]][2]) for name in names)
    rows = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
    assert _sorted(rows) == _sorted(expected)

    frames = [pd.read_parquet(one, dtype_backend="pyarrow") for one in paths]
    frame = pd.concat(frames)
    assert list(frame.columns) == names
    kinds = {name: str(frame[name].dtype.pyarrow_dtype) for name in names}
    assert {n: k.replace("element:", "item:") for n, k in kinds.items()} == {
        name: TYPES[COLUMNS[name]["type"]][0] for name in names
    }
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert _sorted(table.to_pylist()) == _sorted(expected)


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["arm"], row["seed"], row["fork_step"] or 0))


def test_the_snippets_give_the_same_onsets_and_points(place, monkeypatch):
    monkeypatch.chdir(place)
    found = []
    for snippet in SNIPPETS:
        names: dict[str, Any] = {}
        exec(snippet, names)
        onsets, points = names["onsets"], names["points"]
        if isinstance(onsets, pd.Series):
            onsets, points = onsets.items(), points.dropna().itertuples(index=False, name=None)
        elif isinstance(onsets, pl.DataFrame):
            onsets, points = onsets.rows(), points.drop_nulls().rows()
        else:
            onsets, points = onsets.fetchall(), points.fetchall()
        found.append((sorted(onsets), sorted(points)))
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    onset = ROWS["broke"]["onset_step"]
    assert found[0][0] == [("forked", onset), ("plain", onset)]
    assert len(found[0][1]) == 81 * 10 + 1
