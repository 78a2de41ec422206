"""What is said while data are read."""

import time

import pytest

from engine.errors import InputError
from engine.tasks import Note, Reading
from engine.tasks.plain_progress import PlainProgress
from engine.tasks.reading import check_memory


def test_notes_name_the_first_few_on_one_line():
    names = tuple(f"{i}\n.png" for i in range(8))
    line = Note("8 files left out", names).line
    assert line == "8 files left out: 0 .png, 1 .png, 2 .png, 3 .png, 4 .png, and 3 more"
    assert Note("nothing to list").line == "nothing to list"
    assert len(Note("long", ("x" * 10**6,)).line) < 200


def test_only_cautions_are_for_the_report():
    reading = Reading()
    reading.tell("found")
    reading.caution("left out", ["a"])
    assert [note.is_caution for note in reading.notes] == [False, True]


@pytest.mark.parametrize(("is_shown", "seconds"), [(True, 0.0), (True, 1.1), (False, 1.1)])
def test_a_bar_is_drawn_once_it_has_taken_a_second(is_shown, seconds, capsys, monkeypatch):
    now = time.time()
    monkeypatch.setattr("tqdm.std.time", lambda: now)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Reading(is_shown).bar(10, "reading images") as bar:
        now += seconds
        for _ in range(9):
            bar.update()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("reading images" in captured.err) == (is_shown and seconds > 1)


@pytest.mark.parametrize(("delay", "expected"), [(0.0, 5), (1.0, 5), (100.0, 0)])
def test_without_a_terminal_there_is_a_line_every_half_minute(delay, expected, capsys, monkeypatch):
    """One as it begins or when `delay` is over, three at 30, 60 and 90 seconds about, and one at the end."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with PlainProgress(100, lambda: "reading", delay) as progress:
        for _ in range(99):
            now += 1.0
            progress.update()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == expected
    assert not expected or lines[-1] == " 99 %  reading [1:39, about 0:01 left]"
    assert not expected or "about" in lines[2]


def test_a_log_has_no_bar(capsys):
    with Reading(is_shown=True).bar(10, "reading images") as bar:
        bar.update(10)
    assert capsys.readouterr().err == ""


def test_what_does_not_fit_in_the_memory(monkeypatch):
    check_memory(1, "nothing")
    with pytest.raises(InputError, match=r"images need .* GB, .*: make them smaller"):
        check_memory(2**62, "images", "make them smaller")
    monkeypatch.setattr("engine.tasks.reading.host_memory", lambda: None)
    check_memory(2**62, "images")
