"""Damages and forges what a work directory holds, and reads it.

`python -m benchmarks.fuzz --minutes=10` prints how many cases of every kind were read, and
what came of them, with the seed of each that ended in anything but a clear error. Memory is limited
to a gigabyte more than is in use at the start. `--case=SEED` reads one case again, with its
traceback.

A case is harmless where a reader says what it would have said of the whole study; a number that
differs, and an exception that is none of ours, are faults. Of JSON and Parquet that were made to
pass their checksums only the second can be asked.
"""

import collections
import contextlib
import io
import logging
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from absl import app, flags

from benchmarks.damages import DAMAGES, ORIGIN, damage_in_place, make_kept, make_parts, make_study
from benchmarks.forgeries import FORGERIES
from engine import store
from engine.errors import InputError, StorageError
from engine.store import parts
from engine.store.checkpoints import CheckpointFolder, Kept
from engine.store.files import DamagedError, digest
from tests.stored import make_row

_MINUTES = flags.DEFINE_float("minutes", 1.0, "how long", lower_bound=0.0)
_SEED = flags.DEFINE_integer("first_seed", 0, "of the first case")
_ONLY = flags.DEFINE_integer("case", None, "the one case to read, with its traceback")

_EXTRA_BYTES = 2**30
# A study takes a hundred times as long as a part alone.
_PARTS_PER_STUDY = 50


def _read_all(path: Path) -> Any:
    directory = store.open_existing(path, lambda _: None)
    return directory.read().to_pylist(), directory.num_left_out


def _read_launches(path: Path) -> Any:
    return store.open_existing(path, lambda _: None).launches_of_runs()


def _summarise(path: Path) -> Any:
    from engine.report.arm_table import make_table, to_text
    from engine.report.summary import summarise
    from engine.report.summary_json import to_document
    from engine.report.variance_split import split_variances
    from engine.report.verdict import make_verdict
    from engine.store.run_table import RunTable

    summary = summarise(RunTable(store.open_existing(path, lambda _: None)))
    if not summary.runs:
        return None
    splits = split_variances(summary)
    verdict = make_verdict(summary, splits)
    to_text(*make_table(summary))
    return len(store.to_json(to_document(summary, verdict._asdict())))


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
    from engine.report.contrast import contrast_studies, describe_contrast

    whole = store.open_existing(path.parent / "whole")
    contrasts = contrast_studies(store.open_existing(path), whole, None, None)
    return [describe_contrast(contrast, "a", "b") for contrast in contrasts]


def _plan(path: Path) -> Any:
    from engine.commands.sample_size import plan

    with contextlib.redirect_stdout(io.StringIO()):
        return plan("comparison", {"hazard_ratio": 2.0}, pilot=path)


def _read_checkpoints(path: Path) -> Any:
    folder = CheckpointFolder(path / "checkpoint", ORIGIN)
    folder.open(lambda path, reason: None, lambda line: None)
    return {key: folder.find(key) for key in folder.steps()}


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


def _are_kept(found: dict[Any, Kept | None]) -> bool:
    """Whether runs under way are as `make_study` has kept them."""
    for key, kept in found.items():
        wanted = make_kept(11 * key[1])
        if kept is None or kept.step != wanted.step or kept.arrays.keys() != wanted.arrays.keys():
            return False
        if any(kept.arrays[n].tobytes() != a.tobytes() for n, a in wanted.arrays.items()):
            return False
    return True


class Outcome(NamedTuple):
    """The kind of damage, and `harmless`, `clear error`, `left out`, or `fault` with what was raised."""

    kind: str
    words: str


def try_case(seed: int, whole: Path, rows: list[dict[str, Any]], folder: Path) -> Outcome:
    """Damages a copy of a study with some rows in a folder, and reads it with every reader."""
    chance = random.Random(seed)
    path = folder / "case"
    try:
        shutil.copytree(whole, path)
        case = chance.choice((*DAMAGES, *FORGERIES))(chance, path)
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


def try_part(seed: int, document: dict[str, Any], whole: list[bytes], folder: Path) -> Outcome:
    """Damages one of the whole parts of a study, names it after its bytes, and reads it."""
    chance = random.Random(seed)
    content = damage_in_place(chance, chance.choice(whole))
    path = folder / f"{digest(content)}.parquet"
    path.write_bytes(content)
    words = "harmless"
    try:
        parts.inspect_part(path, document, store.fingerprint(document["identity"]))
        parts.read_part(path, store.ROW_SCHEMA).to_pylist()
    except DamagedError:
        words = "left out"
    except InputError:
        words = "clear error"
    finally:
        path.unlink()
    return Outcome("bytes of a part, read alone", words)


def limit_memory() -> None:
    """Lets this process take a gigabyte more than it has."""
    # Others reserve a gigabyte of addresses before they need any.
    pa.set_memory_pool(pa.system_memory_pool())
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def _main(argv: list[str]) -> None:
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as folder:
        if _ONLY.value is not None:
            print(_attempts(Path(folder))(_ONLY.value))
            return
        deadline = time.monotonic() + 60 * _MINUTES.value
        first = _SEED.value
        while time.monotonic() < deadline:
            for seed, outcome in _from_a_process(first, Path(folder), deadline):
                first = seed + 1
                counts[outcome.kind][outcome.words.split(":")[0]] += 1
                if outcome.words.startswith("fault"):
                    print(f"seed {seed}: {outcome.kind}: {outcome.words}", flush=True)
    _print(counts)
    if any(counter["fault"] for counter in counts.values()):
        sys.exit(1)


def _from_a_process(seed: int, folder: Path, deadline: float) -> Iterator[tuple[int, Outcome]]:
    """Cases from a seed on, with what came of them, until one of them ends the process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(seed, folder, deadline, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        while True:
            seed, outcome = ours.recv()
            yield seed, outcome
            seed += 1
    except EOFError:
        process.join()
        if process.exitcode:
            yield seed, Outcome("any", f"fault: the process ended with {process.exitcode}")


def _work(seed: int, folder: Path, deadline: float, pipe: Connection) -> None:
    logging.getLogger("engine").setLevel(logging.ERROR)
    # Waiting for the disk would be most of the time.
    setattr(os, "fsync", lambda _: None)  # noqa: B010
    shutil.rmtree(folder / "work", ignore_errors=True)
    (folder / "work").mkdir()
    attempt = _attempts(folder / "work")
    limit_memory()
    while time.monotonic() < deadline:
        try:
            outcome = attempt(seed)
        except Exception:
            raised = traceback.format_exc(limit=-1).splitlines()[-1]
            outcome = Outcome("any", f"fault: {raised}")
        pipe.send((seed, outcome))
        seed += 1


def _attempts(folder: Path) -> Callable[[int], Outcome]:
    """What is done with a seed: a few in a hundred damage a study, the others a part."""
    whole = folder / "whole"
    make_study(whole)
    rows = _read_all(whole)[0]
    document, contents = make_parts()
    # Whatever is imported and reserved on first use is not the cases'.
    for read, _ in READERS.values():
        shutil.copytree(whole, folder / "warm")
        read(folder / "warm")
        shutil.rmtree(folder / "warm")

    def attempt(seed: int) -> Outcome:
        if seed % _PARTS_PER_STUDY:
            return try_part(seed, document, contents, folder)
        return try_case(seed, whole, rows, folder)

    return attempt


def _print(counts: dict[str, "collections.Counter[str]"]) -> None:
    columns = ("harmless", "left out", "clear error", "fault")
    print(f"\n| what was done | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for kind, counter in sorted(counts.items()):
        print(f"| {kind} | {' | '.join(str(counter[name]) for name in columns)} |")
    total = sum(sum(counter.values()) for counter in counts.values())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\n{total} cases; {peak:.0f} MB at most")


if __name__ == "__main__":
    app.run(_main)
