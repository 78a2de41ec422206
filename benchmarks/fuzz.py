"""Damages and forges what a work directory holds, and reads it.

`python -m benchmarks.fuzz --minutes=10 --seed=0` prints how many cases of every kind were read, and
what came of them, with the seed of each that ended in anything but a clear error. Memory is limited
to a gigabyte more than is in use at the start. `--only=SEED` reads one case again, with its
traceback.

A case is harmless where a reader says what it would have said of the whole study; a number that
differs, and an exception that is none of ours, are faults. Of JSON and Parquet that were made to
pass their checksums only the second can be asked.
"""

import collections
import contextlib
import copy
import io
import json
import logging
import os
import random
import resource
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from absl import app, flags

from benchmarks.stored import make_document, make_row
from engine import store
from engine.checkpoints import CheckpointFolder, Kept
from engine.errors import InputError, StorageError
from engine.store import files, manifest, parts, study_file

_MINUTES = flags.DEFINE_float("minutes", 1.0, "how long", lower_bound=0.0)
_SEED = flags.DEFINE_integer("seed", 0, "of the first case")
_ONLY = flags.DEFINE_integer("only", None, "the one case to read, with its traceback")

_EXTRA_BYTES = 2**30
_ORIGIN = "here"
_ARMS = {"slow": {"learning_rate": 0.1}, "a$b_$ <b>": {"learning_rate": 0.2}}
_SPECIAL = (0, 1, -1, 127, 255, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, -(2**63))
_TEXTS = ("", "x" * 10_000, "\x00", "../../x", "broke", "é", "<script>", "$\\frac{")


def make_study(path: Path) -> None:
    """A small study with two launches, forks and a failed run, to be damaged."""
    for launch in range(2):
        document = make_document(_ARMS, horizon=220)
        document["identity"].update(design="fork", fork_step=dict.fromkeys(_ARMS, 11))
        document["study"]["forks"] = 2
        workdir = store.create_or_resume(path, document, lambda _: None)
        seeds = range(3 * launch, 3 * launch + 3)
        rows = [make_row(arm, seed, 20) for arm in _ARMS for seed in seeds]
        workdir.append(rows)
        fork: dict[str, Any] = {"fork_step": 11, "fork_order_seed": 2**31}
        failed: dict[str, Any] = {
            "status": "failed",
            "event": 0,
            "steps_run": 0,
            "onset_step": None,
        }
        failed |= dict.fromkeys(store.CURVE_NAMES)
        workdir.append([make_row("slow", 0, 20, **fork), make_row("slow", 6 + launch, **failed)])
    folder = CheckpointFolder(path / "checkpoint", _ORIGIN)
    folder.keep([(("slow", i, i, i, None, None), _kept(11 * i)) for i in range(8, 11)])
    workdir.document["looks"] = [{"seeds": 3, "goal": "fraction", "undecided": ["slow"]}]
    workdir.save_document()


def _kept(step: int) -> Kept:
    arrays = {
        "lane/train/step": np.array(step, np.int32),
        "lane/train/params": np.full((3, 4), step, np.float32),
        "records/step": np.arange(step // 11, dtype=np.int32),
    }
    return Kept(step, arrays)


class Case(NamedTuple):
    """One damaged study.

    Attributes:
        kind: what was done to it.
        is_forged: whether it was made to pass its checksums.
    """

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
    number = (chance.choice(_SPECIAL) % 2 ** (8 * width)).to_bytes(width, "little")
    at = chance.randrange(len(content) + 1)
    return content[:at] + number + content[at + width :]


_BYTES = (_flip, _truncate, _splice, _set_number)


def _damage_bytes(chance: random.Random, path: Path) -> Case:
    """Damages any file without a thought for its checksum."""
    files_there = sorted(p for p in path.rglob("*") if p.is_file())
    target = chance.choice(files_there)
    change = chance.choice(_BYTES)
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


def _forge_document(chance: random.Random, path: Path) -> Case:
    """Changes entries of `study.json`, whose checksum is made anew, with and without its backup."""
    document = json.loads((path / study_file.STUDY).read_bytes())
    document.pop("checksum")
    # Parts that do not say whose they are go with any identity.
    for part in (path / "parts").glob("*.parquet"):
        rows = pq.read_table(part).to_pylist()
        part.unlink()
        _put_part(path, parts.encode(rows, parts.Origin(None, None)))
    (path / "parts" / study_file.MANIFEST).unlink()
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_value(chance, document)
    if chance.random() < 0.2 and isinstance(document.get("schema_version"), int):
        document["schema_version"] = chance.choice((2, 3))
    try:
        study_file.save(path, document)
    except (ValueError, RecursionError):
        content = json.dumps(document).encode()
        (path / study_file.STUDY).write_bytes(content)
        (path / study_file.BACKUP).unlink()
    return Case("forged study.json", True)


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
        values: tuple[Any, ...] = (
            None,
            True,
            0.5,
            [],
            {},
            *_SPECIAL,
            *_TEXTS,
            [None],
            {"slow": None},
        )
        parent[key] = chance.choice(values)


def _damage_part(chance: random.Random, path: Path) -> Case:
    """Damages a part's bytes, and names it after what they are then."""
    target = chance.choice(sorted((path / "parts").glob("*.parquet")))
    content = target.read_bytes()
    # The summary at the end is what a reader follows, and is a small share of the whole.
    if chance.random() < 0.5:
        cut = max(0, len(content) - 8 - int.from_bytes(content[-8:-4], "little"))
        content = content[:cut] + chance.choice(_BYTES)(chance, content[cut:])
    else:
        content = chance.choice(_BYTES)(chance, content)
    target.unlink()
    _put_part(path, content)
    return Case("bytes of a part that keeps its name", True)


def _put_part(path: Path, content: bytes) -> None:
    name = files.digest(content)
    (path / "parts" / f"{name}.parquet").write_bytes(content)
    manifest.extend_manifest(path / "parts" / study_file.MANIFEST, name, 1)


def _forge_part(chance: random.Random, path: Path) -> Case:
    """Whole Parquet with rows that no run has, with columns of other types, or with too much."""
    rows = [
        make_row(chance.choice(list(_ARMS)), seed, 20) for seed in range(chance.randrange(1, 9))
    ]
    for row in rows:
        if chance.random() < 0.8:
            _change_row(chance, row)
    schema = store.ROW_SCHEMA
    if chance.random() < 0.3:
        i = chance.randrange(len(schema))
        types = (
            pa.int32(),
            pa.float64(),
            pa.string(),
            pa.null(),
            pa.list_(pa.int64()),
            pa.binary(),
        )
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
    _put_part(path, sink.getvalue().to_pybytes())
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
        row[name] = chance.choice((None, *_SPECIAL[:-1], 220, 10**7 - 1, 2**24))


def _damage_checkpoint(chance: random.Random, path: Path) -> Case:
    """Damages a checkpoint's bytes, or forges its header, and names it after what it is then."""
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
        content = chance.choice(_BYTES)(chance, content[:size]) + content[size:]
    else:
        content = chance.choice(_BYTES)(chance, content)
    target.unlink()
    (path / "checkpoint" / f"{files.digest(content)}.safetensors").write_bytes(content)
    return Case("checkpoint that keeps its name", True)


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
        content = chance.choice(_BYTES)(chance, content)
    _put_part(path, content)
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


_DAMAGES: tuple[Callable[[random.Random, Path], Case], ...] = (
    _damage_bytes,
    _remove,
    _forge_document,
    _damage_part,
    _damage_checkpoint,
    _forge_part,
    _bomb,
    _odd_json,
)


def _read_all(path: Path) -> Any:
    directory = store.open_existing(path, lambda _: None)
    return directory.read().to_pylist(), directory.num_left_out


def _read_launches(path: Path) -> Any:
    return store.open_existing(path, lambda _: None).launches_of_runs()


def _summarise(path: Path) -> Any:
    from engine.report.fate import make_fates
    from engine.report.summary import summarise, to_document
    from engine.report.table import make_table, to_text
    from engine.report.verdict import make_verdict

    summary = summarise(store.open_existing(path, lambda _: None))
    if not summary.runs:
        return None
    fates = make_fates(summary)
    verdict = make_verdict(summary, fates)
    to_text(*make_table(summary))
    return len(store.to_json(to_document(summary, verdict._asdict(), fates)))


def _report(path: Path) -> Any:
    from engine.commands.report import report

    with contextlib.redirect_stdout(io.StringIO()):
        return len(report(path))


def _launch(path: Path) -> Any:
    with store.hold(path, lambda _: None):
        found = store.find_existing(path)
        if found is None:
            return None
        workdir = store.create_or_resume(path, found.document, lambda _: None)
        workdir.inspect(lambda _: None)
        keys = workdir.finished_keys()
        workdir.append([make_row("slow", 100, 20)])
    return len(keys)


def _compare(path: Path) -> Any:
    from engine.report.contrast import contrast_studies, in_words

    whole = store.open_existing(path.parent / "whole")
    contrasts = contrast_studies(store.open_existing(path), whole, None, None)
    return [in_words(contrast, "a", "b") for contrast in contrasts]


def _read_checkpoints(path: Path) -> Any:
    folder = CheckpointFolder(path / "checkpoint", _ORIGIN)
    folder.open(lambda path, reason: None, lambda line: None)
    return {key: folder.find(key) for key in folder.steps()}


def _plan(path: Path) -> Any:
    from engine.commands.plan import plan

    with contextlib.redirect_stdout(io.StringIO()):
        return plan("comparison", {"hazard_ratio": 2.0}, pilot=path)


# Everything that reads what may come from strangers. What is added to a work directory, such as
# checkpoints of lanes, is made in `make_study` and gets a line here. A launch comes last, because
# it mends. The second entry is the share of the cases that it reads.
READERS: dict[str, tuple[Callable[[Path], Any], float]] = {
    "rows": (_read_all, 1.0),
    "launches of runs": (_read_launches, 0.5),
    "summary": (_summarise, 1.0),
    "comparison": (_compare, 0.3),
    "plan": (_plan, 0.3),
    "report": (_report, 0.03),
    "checkpoints": (_read_checkpoints, 1.0),
    "launch": (_launch, 1.0),
}


class Outcome(NamedTuple):
    """What came of a case.

    Attributes:
        kind: of the damage.
        words: `harmless`, `clear error`, `left out`, or `fault` with what was raised.
    """

    kind: str
    words: str


def try_case(seed: int, whole: Path, rows: list[dict[str, Any]], folder: Path) -> Outcome:
    """Damages a copy of a study, and reads it with every reader.

    Args:
        seed: of the case.
        whole: the study.
        rows: of it.
        folder: where the copy is made and removed.
    """
    chance = random.Random(seed)
    path = folder / "case"
    try:
        shutil.copytree(whole, path)
        case = chance.choice(_DAMAGES)(chance, path)
        words = "harmless"
        for name, (read, share) in READERS.items():
            if chance.random() > share:
                continue
            try:
                result = read(path)
            except (InputError, StorageError) as error:
                words = "clear error"
                if "\n" in str(error) or not str(error):
                    return Outcome(case.kind, f"fault: {name} says {str(error)!r}")
                continue
            if name == "checkpoints" and not case.is_forged and not _are_kept(result):
                return Outcome(case.kind, "fault: other arrays than were kept")
            if name == "rows":
                if not case.is_forged and any(row not in rows for row in result[0]):
                    return Outcome(case.kind, "fault: other rows than were stored")
                words = "left out" if result[1] else "harmless"
        return Outcome(case.kind, words)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _are_kept(found: dict[Any, Kept | None]) -> bool:
    """Whether runs under way are as `make_study` has kept them."""
    for key, kept in found.items():
        expected = _kept(11 * key[1])
        if (
            kept is None
            or kept.step != expected.step
            or kept.arrays.keys() != expected.arrays.keys()
        ):
            return False
        if any(kept.arrays[n].tobytes() != a.tobytes() for n, a in expected.arrays.items()):
            return False
    return True


def limit_memory() -> None:
    """Lets this process take a gigabyte more than it has."""
    # Others reserve a gigabyte of addresses before they need any.
    pa.set_memory_pool(pa.system_memory_pool())
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def _main(argv: list[str]) -> None:
    logging.getLogger("engine").setLevel(logging.ERROR)
    # Waiting for the disk would be most of the time.
    setattr(os, "fsync", lambda _: None)  # noqa: B010
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_study(folder / "whole")
        rows = _read_all(folder / "whole")[0]
        if _ONLY.value is not None:
            print(try_case(_ONLY.value, folder / "whole", rows, folder))
            return
        for read, _ in READERS.values():
            shutil.copytree(folder / "whole", folder / "warm")
            read(folder / "warm")
            shutil.rmtree(folder / "warm")
        limit_memory()
        deadline = time.monotonic() + 60 * _MINUTES.value
        seed = _SEED.value
        while time.monotonic() < deadline:
            try:
                outcome = try_case(seed, folder / "whole", rows, folder)
            except Exception as error:
                outcome = Outcome("any", f"fault: {type(error).__name__}")
                print(f"seed {seed}: {traceback.format_exc(limit=-1).splitlines()[-1]}", flush=True)
            counts[outcome.kind][outcome.words.split(":")[0]] += 1
            if outcome.words.startswith("fault"):
                print(f"seed {seed}: {outcome.kind}: {outcome.words}", flush=True)
            seed += 1
    _print(counts)


def _print(counts: dict[str, "collections.Counter[str]"]) -> None:
    columns = ("harmless", "left out", "clear error", "fault")
    print(f"\n| what was done | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for kind, counter in sorted(counts.items()):
        print(f"| {kind} | {' | '.join(str(counter[name]) for name in columns)} |")
    total = sum(sum(counter.values()) for counter in counts.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{total} cases; {peak:.0f} MB at most")


if __name__ == "__main__":
    app.run(_main)
