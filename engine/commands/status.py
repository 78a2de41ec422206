"""`status`: what is stored of a study, whether a launch is under way, how fast it is, and when it will be done."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import store
from ..errors import counted, one_line
from ..outcomes import FAILED
from ..store.run_table import RunTable
from ..user_code import Place, as_path

# With more arms only those are listed that have runs to come.
_FEW_ARMS = 12


class ArmStatus(NamedTuple):
    """Runs of an arm: those that are over, of them the failed ones, and those that the last launch asked for."""

    name: str
    num_over: int
    num_failed: int
    num_planned: int


class Status(NamedTuple):
    """How far a study is.

    Attributes:
        num_others: runs that are over of designs beside the repetitions: grids and forks.
        holder: who works on it now; None where nobody does.
        runs_per_second: of the last launch, while it is under way; None before its first row.
        seconds_left: at that rate; None where it is not known.
        seconds_quiet: since the last rows were written; None without any.
        ended: what became of the last launch, in words, where none is under way.
    """

    name: str
    arms: list[ArmStatus]
    num_others: int
    holder: str | None
    runs_per_second: float | None
    seconds_left: float | None
    seconds_quiet: float | None
    ended: str

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def find_status(workdir: Place) -> Status:
    """Finds how far a study is, also while another process runs it; changes nothing.

    Raises:
        InputError: there is no study.
    """
    path = as_path(workdir)
    directory = store.open_existing(path)
    table, document = RunTable(directory), directory.document
    is_failed = np.array([status == FAILED for status in table.outcomes["status"].to_pylist()], bool)
    arms = []
    for name in document["arm_order"]:
        own = table.is_of(name) & table.is_repetition
        num_over = int(own.sum())
        planned = max(document["study"]["seeds"][name], num_over)
        arms.append(ArmStatus(name, num_over, int((own & is_failed).sum()), planned))
    launch = document["launches"][-1]
    holder = store.find_holder(path)
    of_this = sum(index == len(document["launches"]) - 1 for index in table.launches)
    rate = of_this / _seconds_since(launch["started"]) if holder is not None and of_this else None
    num_left = sum(arm.num_planned - arm.num_over for arm in arms)
    return Status(
        name=document["study"]["name"],
        arms=arms,
        num_others=int((~table.is_repetition).sum()),
        holder=holder,
        runs_per_second=rate,
        seconds_left=num_left / rate if rate else None,
        seconds_quiet=_seconds_quiet(path, table.part_names),
        ended=_ending_of(launch),
    )


def status(workdir: Place) -> Status:
    """Prints how far a study is, and returns it.

    Raises:
        InputError: there is no study.
    """
    found = find_status(workdir)
    print(found)
    return found


def _seconds_since(moment: str) -> float:
    try:
        began = datetime.fromisoformat(moment)
    except ValueError:
        return float("inf")
    return max(1.0, (datetime.now(UTC) - began.astimezone(UTC)).total_seconds())


def _seconds_quiet(path: Path, names: Any) -> float | None:
    moments = [found.stat().st_mtime for found in path.rglob("*.parquet") if found.name in set(names)]
    return max(0.0, time.time() - max(moments)) if moments else None


def _ending_of(launch: dict[str, Any]) -> str:
    if "ended" not in launch:
        return "the last launch did not come to its end"
    by = f" by {launch['ended_by']}" if "ended_by" in launch else ""
    return f"the last launch ended{by} at {launch['ended']}"


def _lines(found: Status) -> Iterator[str]:
    num_over, num_planned = (sum(getattr(arm, name) for arm in found.arms) for name in ("num_over", "num_planned"))
    num_failed = sum(arm.num_failed for arm in found.arms)
    share = f"{100 * num_over // max(num_planned, 1)} %"
    failed = f", {num_failed:,} of them failed" if num_failed else ""
    others = f", and {counted(found.num_others, 'run')} of grids and forks" if found.num_others else ""
    yield f"{one_line(found.name)}: {num_over:,} of {counted(num_planned, 'run')} over ({share}){failed}{others}"
    shown = [arm for arm in found.arms if len(found.arms) <= _FEW_ARMS or arm.num_over < arm.num_planned]
    for arm in shown[:_FEW_ARMS] if len(found.arms) > 1 else ():
        yield f"  {one_line(arm.name)}: {arm.num_over} of {arm.num_planned}"
    if len(shown) > _FEW_ARMS:
        yield f"  and {counted(len(shown) - _FEW_ARMS, 'arm')} more with runs to come"
    if found.holder is None:
        yield found.ended + ("" if num_over >= num_planned else "; the same command goes on")
        return
    quiet = "" if found.seconds_quiet is None else f"; the last rows came {_clock(found.seconds_quiet)} ago"
    yield f"under way: {found.holder}{quiet}"
    if found.runs_per_second is not None and found.seconds_left is not None:
        rate = 60 * found.runs_per_second
        yield f"{rate:.3g} runs a minute, about {_clock(found.seconds_left)} left"


def _clock(seconds: float) -> str:
    """Writes `40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
