"""Damages work directories, and makes the studies to be damaged.

Each damage takes a source of chance and the path of a study of `make_study`, and returns its kind.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine import store
from engine.outcomes.row import CURVE_NAMES
from engine.store import files, inventory, study_file
from engine.store.checkpoints import CheckpointFolder, Kept
from tests.stored import make_document, make_row

ARMS = {"slow": {"learning_rate": 0.1}, "a$b_$ <b>": {"learning_rate": 0.2}}
# Of the checkpoints.
ORIGIN = "here"
SPECIAL = (0, 1, -1, 127, 255, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, -(2**63))


def _document() -> dict[str, Any]:
    document = make_document(ARMS, horizon=220)
    document["identity"].update(design="fork", fork_step=dict.fromkeys(ARMS, 11))
    document["study"]["forks"] = 2
    return document


def make_study(path: Path) -> None:
    """A small study with two launches, forks and a failed run, to be damaged."""
    for launch in range(2):
        workdir = store.create_or_resume(path, _document(), lambda _: None)
        seeds = range(3 * launch, 3 * launch + 3)
        rows = [make_row(arm, seed, 20) for arm in ARMS for seed in seeds]
        workdir.append(rows)
        fork: dict[str, Any] = {"fork_step": 11, "fork_order_seed": 2**31}
        failed: dict[str, Any] = {"status": "failed", "event": 0, "steps_run": 0, "onset_step": None}
        failed |= dict.fromkeys(CURVE_NAMES)
        workdir.append([make_row("slow", 0, 20, **fork), make_row("slow", 6 + launch, **failed)])
    folder = CheckpointFolder(path / "checkpoint", ORIGIN)
    folder.keep([(("slow", i, i, i, None, None), make_kept(11 * i)) for i in range(8, 11)])
    workdir.document["looks"] = [{"seeds": 3, "goal": "fraction", "undecided": ["slow"]}]
    workdir.save_document()


def make_kept(step: int) -> Kept:
    """A run under way, small and not of any network."""
    arrays = {
        "lane/train/step": np.array(step, np.int32),
        "lane/train/params": np.full((3, 4), step, np.float32),
        "records/step": np.arange(step // 11, dtype=np.int32),
    }
    return Kept(step, arrays)


class Case(NamedTuple):
    """What was done to a study, and whether it was made to pass its checksums."""

    kind: str
    is_forged: bool


def _flip(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _splice(chance: random.Random, content: bytes) -> bytes:
    """A piece of it, of zeros or of noise, in the place of another or between."""
    size = chance.choice((1, 2, 4, 8, 64, 1000))
    start, end = chance.randrange(len(content) + 1), chance.randrange(len(content) + 1)
    piece = chance.choice((content[start : start + size], bytes(size), chance.randbytes(size)))
    return content[:end] + piece + content[end + chance.choice((0, size)) :]


def _set_number(chance: random.Random, content: bytes) -> bytes:
    """A number that readers of binary formats stumble over, anywhere."""
    width = chance.choice((1, 2, 4, 8))
    number = (chance.choice(SPECIAL) % 2 ** (8 * width)).to_bytes(width, "little")
    at = chance.randrange(len(content) + 1)
    return content[:at] + number + content[at + width :]


BYTES = (_flip, _truncate, _splice, _set_number)


def _damage_bytes(chance: random.Random, path: Path) -> Case:
    """Damages any file without a thought for its checksum."""
    files_there = sorted(p for p in path.rglob("*") if p.is_file())
    target = chance.choice(files_there)
    change = chance.choice(BYTES)
    target.write_bytes(change(chance, target.read_bytes()))
    return Case(f"bytes of {target.suffix.removeprefix('.') or target.name}", False)


def _remove(chance: random.Random, path: Path) -> Case:
    """Removes a file, or puts something in its place that is none."""
    target = chance.choice(sorted(p for p in path.rglob("*") if p.is_file()))
    target.unlink()
    kind = chance.choice(("gone", "folder", "link"))
    if kind == "folder":
        target.mkdir()
    elif kind == "link":
        target.symlink_to(chance.choice(("/dev/zero", "/nonexistent", target.name)))
    return Case(f"file is {kind}", False)


def _damage_part(chance: random.Random, path: Path) -> Case:
    """Damages a part's bytes, and names it after what they are then."""
    target = chance.choice(sorted((path / "parts").glob("*.parquet")))
    content = target.read_bytes()
    # The summary at the end is what a reader follows, and is a small share of the whole.
    if chance.random() < 0.5:
        cut = max(0, len(content) - 8 - int.from_bytes(content[-8:-4], "little"))
        content = content[:cut] + chance.choice(BYTES)(chance, content[cut:])
    else:
        content = chance.choice(BYTES)(chance, content)
    target.unlink()
    put_part(path, content)
    return Case("bytes of a part that keeps its name", True)


def put_part(path: Path, content: bytes) -> None:
    """Stores a part under the name of its bytes, and lists it."""
    name = files.digest(content)
    (path / "parts" / f"{name}.parquet").write_bytes(content)
    inventory.extend_manifest(path / "parts" / study_file.MANIFEST, name, 1)


DAMAGES: tuple[Callable[[random.Random, Path], Case], ...] = (_damage_bytes, _remove, _damage_part)


def make_parts() -> tuple[dict[str, Any], list[bytes]]:
    """A study's document, and the same rows as parts of it in every layout that Parquet has."""
    rows = [make_row(arm, seed, 20) for arm in ARMS for seed in range(4)]
    rows.append(make_row("slow", 9, 20, stairs=[{"onset_step": 1.0}, {"half_step": 2.0}]))
    columns = {name: [row.get(name) for row in rows] for name in store.ROW_SCHEMA.names}
    document = _document()
    schema = store.ROW_SCHEMA.with_metadata({"plateau.study": store.fingerprint(document["identity"])})
    return document, list(_in_every_layout(pa.table(columns, schema=schema)))


def _in_every_layout(table: pa.Table) -> Iterator[bytes]:
    for compression in ("zstd", "none", "snappy", "gzip", "lz4", "brotli"):
        for i in range(8):
            sink = pa.BufferOutputStream()
            pq.write_table(
                table,
                sink,
                compression=compression,
                data_page_version=("1.0", "2.0")[i % 2],
                use_dictionary=bool(i & 2),
                write_statistics=bool(i & 4),
                row_group_size=(3, 1000)[i // 4],
            )
            yield sink.getvalue().to_pybytes()


def damage_in_place(chance: random.Random, content: bytes) -> bytes:
    """Damages a part in its pages, whose places stay as they are, or in its summary."""
    cut = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    body, summary = bytearray(content[:cut]), content[cut:-8]
    if chance.random() < 0.7:
        for _ in range(chance.choice((1, 2, 4, 16))):
            width = chance.choice((1, 1, 2, 4, 8))
            at = chance.randrange(4, len(body) - width)
            number = (chance.choice(SPECIAL) % 2 ** (8 * width)).to_bytes(width, "little")
            body[at : at + width] = chance.choice((number, chance.randbytes(width)))
    else:
        summary = chance.choice(BYTES)(chance, summary)
    return bytes(body) + summary + len(summary).to_bytes(4, "little") + content[-4:]
