"""Forges what a work directory holds: it passes its checksums, and the engine did not write it."""

import contextlib
import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.damages import ARMS, BYTES, SPECIAL, Case, put_part
from engine import store
from engine.store import files, parts, study_file
from tests.stored import make_row

_TEXTS = ("", "x" * 10_000, "\x00", "../../x", "broke", "é", "<script>", "$\\frac{")


def _forge_document(chance: random.Random, path: Path) -> Case:
    """Changes entries of `study.json`, whose checksum is made anew, with and without its backup."""
    document = json.loads((path / study_file.STUDY).read_bytes())
    document.pop("checksum")
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_value(chance, document)
    with contextlib.suppress(KeyError, TypeError, AttributeError, ValueError):
        _give_parts_to(path, store.fingerprint(document["identity"]))
    if chance.random() < 0.2 and isinstance(document.get("schema_version"), int):
        document["schema_version"] = chance.choice((2, 3))
    try:
        study_file.save(path, document)
    except (ValueError, RecursionError):
        content = json.dumps(document).encode()
        (path / study_file.STUDY).write_bytes(content)
        (path / study_file.BACKUP).unlink()
    return Case("forged study.json", True)


def _give_parts_to(path: Path, study: str) -> None:
    """Makes the parts those of another study."""
    (path / "parts" / study_file.MANIFEST).unlink()
    for part in list((path / "parts").glob("*.parquet")):
        rows = pq.read_table(part).to_pylist()
        part.unlink()
        put_part(path, parts.encode(rows, study, 0))


def _change_value(chance: random.Random, document: Any) -> None:
    """Changes, removes, adds or moves one entry, wherever it is."""
    parents = [document]
    for parent in parents:
        inner = parent.values() if isinstance(parent, dict) else parent
        parents += [value for value in inner if isinstance(value, (dict, list)) and value]
    parent = chance.choice(parents)
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    if not keys:
        return
    key = chance.choice(keys)
    what = chance.randrange(6)
    if isinstance(parent[key], str) and what < 4:
        parent[key] = chance.choice(_TEXTS)
    elif isinstance(parent[key], (int, float)) and what < 5:
        few = (parent[key] * 2, parent[key] // 2, parent[key] + 1, 1, 1e30, 1e-30, 0.5)
        parent[key] = chance.choice(few)
    elif what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, dict):
        parent[chance.choice(_TEXTS)] = parent[key]
    elif what == 2:
        parent[key] = copy.deepcopy(chance.choice(parents[: 1 + len(parents) // 2]))
    else:
        values: tuple[Any, ...] = (None, True, 0.5, [], {}, *SPECIAL, *_TEXTS, [None], {"slow": None})
        parent[key] = chance.choice(values)


def _forge_part(chance: random.Random, path: Path) -> Case:
    """Whole Parquet with rows that no run has, with columns of other types, or with too much."""
    rows = [make_row(chance.choice(list(ARMS)), seed, 20) for seed in range(chance.randrange(1, 9))]
    for row in rows:
        if chance.random() < 0.8:
            _change_row(chance, row)
    schema = store.ROW_SCHEMA
    if chance.random() < 0.3:
        i = chance.randrange(len(schema))
        types = (pa.int32(), pa.float64(), pa.string(), pa.null(), pa.list_(pa.int64()), pa.binary())
        field = pa.field(chance.choice((schema.field(i).name, "")), chance.choice(types))
        schema = chance.choice((schema.set(i, field), schema.append(field), schema.remove(i)))
    about = {b"plateau.study": None, b"plateau.launch": chance.choice((b"0", b"-1", b"9" * 99))}
    study = parts.fingerprint(store.open_existing(path).document["identity"])
    about[b"plateau.study"] = chance.choice((study.encode(), study.encode(), b"", b"\xff"))
    try:
        columns = {name: [row.get(name) for row in rows] for name in schema.names}
        table = pa.table(columns, schema=schema.with_metadata(about))
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        table = pa.Table.from_pylist(rows[:1]).replace_schema_metadata(about)
    options = {
        "compression": chance.choice(("zstd", "snappy", "gzip", "none", "lz4", "brotli")),
        "use_dictionary": chance.random() < 0.7,
        "data_page_version": chance.choice(("1.0", "2.0")),
        "store_schema": chance.random() < 0.7,
        "row_group_size": chance.choice((1, 2, 1000)),
        "version": chance.choice(("1.0", "2.4", "2.6")),
    }
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink, **options)
    except (pa.ArrowException, ValueError):
        return Case("forged part that cannot be written", True)
    put_part(path, sink.getvalue().to_pybytes())
    return Case("forged part", True)


def _change_row(chance: random.Random, row: dict[str, Any]) -> None:
    name = chance.choice(store.ROW_SCHEMA.names)
    kind = store.ROW_SCHEMA.field(name).type
    if chance.random() < 0.5:
        # As a run might be that this release does not make.
        status, event = chance.choice((("broke", 1), ("stuck", 0), ("diverged", 2), ("failed", 0)))
        row |= {"status": status, "event": event}
        name = chance.choice(("onset_step", "steps_run", "end_loss", "end_accuracy", "seed"))
        row[name] = chance.choice((0, 1, 219, 220, None))
        row["loss"] = np.full(20, chance.choice((0, 2.3, -1, 3e38, float("nan"))), np.float32)
    elif pa.types.is_string(kind):
        row[name] = chance.choice((None, "stuck", "failed", *_TEXTS))
    elif pa.types.is_list(kind):
        size = chance.choice((0, 1, 2, 19, 20, 21, 10_000))
        number = chance.choice((0, 1, -1, 2**40, float("nan"), float("inf"), 3e38))
        row[name] = chance.choice((None, np.full(size, number, np.float64).tolist(), [None] * size))
    elif pa.types.is_floating(kind):
        row[name] = chance.choice((None, float("nan"), float("inf"), -1.0, 1e308, 1e-320, 219.0))
    elif pa.types.is_integer(kind):
        row[name] = chance.choice((None, *SPECIAL[:-1], 220, 10**7 - 1, 2**24))


def _forge_checkpoint(chance: random.Random, path: Path) -> Case:
    """Damages a checkpoint's bytes, or changes its header, and names it after what it is then."""
    (target,) = (path / "checkpoint").glob("*.safetensors")
    content = target.read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    if chance.random() < 0.5:
        header = json.loads(content[8:size])
        if chance.random() < 0.5:
            _change_value(chance, header)
        else:
            about = json.loads(header["__metadata__"]["plateau"])
            _change_value(chance, about)
            header["__metadata__"]["plateau"] = json.dumps(about)
        text = json.dumps(header).encode()
        content = len(text).to_bytes(8, "little") + text + content[size:]
    elif chance.random() < 0.5:
        content = chance.choice(BYTES)(chance, content[:size]) + content[size:]
    else:
        content = chance.choice(BYTES)(chance, content)
    target.unlink()
    (path / "checkpoint" / f"{files.digest(content)}.safetensors").write_bytes(content)
    return Case("forged checkpoint", True)


def _bomb(chance: random.Random, path: Path) -> Case:
    """A few kilobytes that stand for very much."""
    size = 2 ** chance.randrange(16, 24)
    name = chance.choice(("loss", "steps", "batch_loss", "status", "seed"))
    field = store.ROW_SCHEMA.field(name)
    if pa.types.is_list(field.type):
        values = pa.array(np.zeros(size), field.type.value_type)
        column: pa.Array = pa.ListArray.from_arrays(pa.array([0, size], pa.int32()), values)
    elif name == "status":
        words = pa.array(["x" * 2**12])
        column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(size // 64, np.int32)), words)
    else:
        column = pa.array(np.zeros(size), pa.int64())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: column}), sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    for _ in range(chance.choice((0, 1, 2, 4))):
        content = chance.choice(BYTES)(chance, content)
    put_part(path, content)
    return Case("bomb", True)


def _odd_json(chance: random.Random, path: Path) -> Case:
    content = chance.choice(
        (
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"schema_version": NaN}',
            b'{"schema_version": ' + b"9" * 5000 + b"}",
            b'{"schema_version": 1e999}',
            b"[" + b"[]," * 2_000_000 + b"[]]",
            b'"' + b"\\u0000" * 1_000_000 + b'"',
            "{}".encode("utf-16"),
            b'{"schema_version": 4, "schema_version": 3}',
            b'{"schema_version": 3, "identity": "\\ud800"}',
        )
    )
    names = chance.choice(((study_file.STUDY,), study_file.OF_A_LAUNCH))
    for name in names:
        (path / name).write_bytes(content)
    return Case("odd JSON", len(names) > 1)


FORGERIES: tuple[Callable[[random.Random, Path], Case], ...] = (
    _forge_document,
    _forge_part,
    _forge_checkpoint,
    _bomb,
    _odd_json,
)
