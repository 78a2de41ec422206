"""Faults inside one process: damage, a full disk, random schedules, and what checkpoints cost.

Run by `benchmarks.faults`.
"""

import contextlib
import errno
import io
import os
import random
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine import Arm, Study, run, store
from engine.commands.running.session import Recorder
from engine.errors import InputError, StorageError
from engine.lanes.pool import LanePool
from engine.store import WorkDirectory
from engine.workers.messages import Assignment
from engine.workers.scheduler import Scheduler

_WIDTH = 4


def same_bits(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same rows, NaN included."""
    return _as_bytes(one) == _as_bytes(other)


def _as_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return buffer.getvalue()


def _study(seeds: int = 6) -> Study:
    arm = {"model": "mlp", "dense_widths": (16,), "init": "he"}
    arms = {"slow": Arm(**arm, learning_rate=1e-3), "fast": Arm(**arm, learning_rate=1e-2)}
    return Study(name="small", arms=arms, seeds=seeds, horizon=440, baseline="slow")


def _launch(folder: Path, workdir: Path, seeds: int = 6, every: float | None = None) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        run(
            _study(seeds),
            workdir,
            num_workers=0,
            width=_WIDTH,
            cache_dir=str(folder / "compiled"),
            is_quiet=True,
            has_report=False,
            checkpoint_every=every,
        )


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _stopped_at(chunk: int) -> Iterator[None]:
    """A signal comes while the n-th chunk is under way."""
    count, advance = 0, LanePool.advance

    def counted(pool: LanePool) -> None:
        nonlocal count
        count += 1
        advance(pool)
        if count == chunk:
            signal.raise_signal(signal.SIGTERM)

    with _replaced(LanePool, "advance", counted), contextlib.suppress(KeyboardInterrupt):
        yield


def _reference(folder: Path) -> pa.Table:
    workdir = folder / "small"
    if not workdir.exists():
        _launch(folder, workdir)
    return store.open_existing(workdir).read()


def _damage(folder: Path, draw: random.Random, number: int | None) -> tuple[int, int]:
    """Bit flips and truncations of everything that a study in the middle has on disk."""
    reference, source = _reference(folder), folder / "half"
    with _stopped_at(9):
        _launch(folder, source)
    assert len(store.open_existing(source).read())
    assert list((source / "checkpoint").iterdir())
    number, num_wrong = number or 400, 0
    for case in range(number):
        workdir = folder / "damaged"
        shutil.copytree(source, workdir)
        file = draw.choice(sorted(path for path in workdir.rglob("*") if path.is_file()))
        content = bytearray(file.read_bytes())
        place = draw.randrange(len(content))
        if draw.random() < 0.5:
            content[place] ^= 1 << draw.randrange(8)
        else:
            del content[place:]
        file.write_bytes(content)
        with contextlib.redirect_stderr(io.StringIO()):
            found = store.open_existing(workdir).read()
        is_right = _is_part_of(found, reference)
        if case % 10 == 0:
            _launch(folder, workdir)
            is_right = is_right and same_bits(store.open_existing(workdir).read(), reference)
        num_wrong += not is_right
        shutil.rmtree(workdir)
    shutil.rmtree(source)
    return number, num_wrong


def _is_part_of(found: pa.Table, whole: pa.Table) -> bool:
    """Whether every row is one of the right ones."""
    keys = [tuple(row.values()) for row in whole.select(list(store.RUN_KEY)).to_pylist()]
    own = [tuple(row.values()) for row in found.select(list(store.RUN_KEY)).to_pylist()]
    return same_bits(found, whole.take(pa.array([keys.index(key) for key in own], pa.int64())))


def _full(folder: Path, draw: random.Random, number: int | None) -> tuple[int, int]:
    """No space, no right to write, or a failing disk, at the n-th operation on a file."""
    reference = _reference(folder)
    number, num_wrong = number or 60, 0
    for _ in range(number):
        workdir, count, last = folder / "full", 0, draw.randrange(1, 60)
        code = draw.choice([errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])

        def failing(original: Callable[..., Any], last: int = last, code: int = code) -> Any:
            def operation(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count >= last:
                    raise OSError(code, os.strerror(code))
                return original(*arguments, **options)

            return operation

        is_right, finished = True, None
        with contextlib.ExitStack() as stack:
            for name in ("fsync", "replace", "mkdir", "chmod", "rename"):
                stack.enter_context(_replaced(os, name, failing(getattr(os, name))))
            finished = _noted_rows(stack)
            try:
                _launch(folder, workdir, every=0.01)
            except (StorageError, InputError) as error:
                is_right = "\n" not in str(error) and os.strerror(code) in str(error)
        if workdir.exists() and any((workdir / name).exists() for name in ("study.json",)):
            found = store.open_existing(workdir).read()
            is_right = is_right and len(found) >= len(finished) and _is_part_of(found, reference)
        _launch(folder, workdir)
        is_right = is_right and same_bits(store.open_existing(workdir).read(), reference)
        num_wrong += not is_right
        shutil.rmtree(workdir)
    return number, num_wrong


def _noted_rows(stack: contextlib.ExitStack) -> list[Any]:
    """A list that grows by every row that was said to be stored."""
    noted: list[Any] = []
    append = WorkDirectory.append

    def noting(directory: WorkDirectory, rows: Any) -> None:
        append(directory, rows)
        noted.extend(rows)

    stack.enter_context(_replaced(WorkDirectory, "append", noting))
    return noted


def _schedules(folder: Path, draw: random.Random, number: int | None) -> tuple[int, int]:
    """Seeds in several launches, runs in another order, stops anywhere, lanes refilled or not."""
    reference = _reference(folder)
    number, num_wrong = number or 60, 0
    take, assign = Scheduler._take, Scheduler.assign
    for _ in range(number):
        workdir, is_refilled = folder / "scheduled", draw.random() < 0.5

        def shuffled(scheduler: Scheduler, group: int, num: int) -> Any:
            pending = scheduler._groups[group].pending
            order = list(pending)
            draw.shuffle(order)
            pending.clear()
            pending.extend(order)
            return take(scheduler, group, draw.randint(1, max(num, 1)) if num else 0)

        def whole(
            scheduler: Scheduler, worker: int, num_free: int, num_busy: int,
            is_refilled: bool = is_refilled,
        ) -> Assignment | None:  # fmt: skip
            if num_busy and not is_refilled:
                return Assignment(0, None, [], {})
            return assign(scheduler, worker, num_free, num_busy)

        with _replaced(Scheduler, "_take", shuffled), _replaced(Scheduler, "assign", whole):
            for seeds in sorted(draw.choices(range(1, 7), k=draw.randint(0, 4))):
                with _stopped_at(draw.randint(1, 12)):
                    _launch(folder, workdir, seeds, draw.choice([None, 1e-6, 0.05]))
            _launch(folder, workdir)
        num_wrong += not same_bits(store.open_existing(workdir).read(), reference)
        shutil.rmtree(workdir)
    return number, num_wrong


def _cost(folder: Path, draw: random.Random, number: int | None) -> tuple[int, int]:
    """What a checkpoint of the main job's network takes, from the first copy to the disk."""
    seconds: list[float] = []
    keep, take = Recorder.keep, LanePool.checkpoints

    def timed(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = original(*arguments)
            seconds.append(time.perf_counter() - started)
            return result

        return call

    study = Study(name="cost", arms={"a": Arm(init_scale=0.05)}, seeds=4, horizon=number or 3300)
    with (
        _replaced(Recorder, "keep", timed(keep)),
        _replaced(LanePool, "checkpoints", timed(take)),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        cache = str(folder / "compiled")
        options: dict[str, Any] = {"num_workers": 0, "is_quiet": True, "has_report": False}
        started = time.perf_counter()
        run(study, folder / "cost", cache_dir=cache, checkpoint_every=1e-6, **options)
        whole = time.perf_counter() - started
    num = len(seconds) // 2
    each = sum(seconds) / num
    medians = [1e3 * statistics.median(part) for part in (seconds[0::2], seconds[1::2])]
    print(
        f"  {num} checkpoints, {1e3 * each:.1f} ms each on average (medians: {medians[0]:.1f} ms "
        f"to copy, {medians[1]:.1f} ms to write) in {whole:.0f} s: {each / 60:.4%} of the time at "
        f"one a minute"
    )
    return num, int(each / 60 > 0.02)


CASES: dict[str, Callable[[Path, random.Random, int | None], tuple[int, int]]] = {
    "damage": _damage,
    "disk": _full,
    "schedules": _schedules,
    "cost": _cost,
}
