"""What `status` says of a study that is over, ended early, or under way."""

import datetime
import re
from pathlib import Path

import pytest

from engine import store
from engine.commands.status import find_status
from engine.errors import InputError
from tests.report.studies import early, failed_row, late
from tests.stored import make_document


def _store(path: Path, arms: dict[str, list[dict]], seeds: int = 20, began: float = 60.0, **launch: str) -> None:
    document = make_document({name: {"init": name} for name in arms}, 880, seeds, name="waits")
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=began)
    document["launches"][-1].pop("ended", None)
    document["launches"][-1].update(started=moment.isoformat(), **launch)
    store.create_or_resume(path, document).append([row for rows in arms.values() for row in rows])


def test_a_study_that_is_over(tmp_path):
    _store(tmp_path, {"late": late(), "early": early()}, ended="2026-12-01T10:00:00+00:00")
    assert str(find_status(tmp_path)).splitlines() == [
        "waits: 40 of 40 runs over (100 %)",
        "  late: 20 of 20",
        "  early: 20 of 20",
        "the last launch ended at 2026-12-01T10:00:00+00:00",
    ]


def test_a_study_that_was_ended_early(tmp_path):
    rows = [*late(num=7), failed_row("late", 7)]
    _store(tmp_path, {"late": rows}, ended="2026-12-01T10:00:00+00:00", ended_by="SIGTERM")
    assert str(find_status(tmp_path)).splitlines() == [
        "waits: 8 of 20 runs over (40 %), 1 of them failed",
        "the last launch ended by SIGTERM at 2026-12-01T10:00:00+00:00; the same command goes on",
    ]


def test_a_launch_that_was_killed(tmp_path):
    _store(tmp_path, {"late": late(num=7)})
    assert str(find_status(tmp_path)).endswith("the last launch did not come to its end; the same command goes on")


def test_a_study_that_is_under_way(tmp_path):
    _store(tmp_path, {"late": late(num=5)}, began=300.0)
    with store.hold(tmp_path, print):
        found = find_status(tmp_path)
    # Five runs in five minutes, and fifteen to come.
    assert found.runs_per_second == pytest.approx(5 / 300, rel=0.1)
    assert found.seconds_left == pytest.approx(900, rel=0.1)
    lines = str(found).splitlines()
    assert re.fullmatch(r"under way: process \d+ on \S+, since \S+; the last rows came \d+ s ago", lines[1])
    assert re.fullmatch(r"(1|0\.9\d*) runs a minute, about 1[5-6] min left", lines[2])
    # Looking has let nobody else in, nor kept anybody out.
    assert find_status(tmp_path).holder is None


def test_of_many_arms_those_with_runs_to_come_are_listed(tmp_path):
    arms = {f"arm{i}": late(f"arm{i}", 3 if i < 14 else 2) for i in range(15)}
    _store(tmp_path, arms, seeds=3)
    assert str(find_status(tmp_path)).splitlines()[1:2] == ["  arm14: 2 of 3"]


def test_where_there_is_no_study(tmp_path):
    with pytest.raises(InputError, match="no study in"):
        find_status(tmp_path / "none")
    assert not (tmp_path / "none").exists()
