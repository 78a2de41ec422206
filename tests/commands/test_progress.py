"""What a person sees while something runs, in a terminal and in a log."""

import io
import threading
import time
from types import SimpleNamespace

import pytest

from engine.commands.running import progress
from engine.commands.running.progress import ProgressBar, waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    # pytest puts its own stream in the place of that of `sys` between a fixture and its test.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setattr(progress, "_SECONDS_IN_A_TERMINAL", 0.01)
    return stream


def test_a_log_has_a_line_at_the_start_and_at_the_end(capsys):
    with ProgressBar(3, 100, is_shown=True) as bar:
        bar.update(60, ["broke"], 0)
        bar.update(20, ["no_plateau", "stuck"], 20)
    lines = capsys.readouterr().err.split("\n")
    assert lines[0] == "  0 %  0/3 runs: compiling [0:00]"
    assert lines[1].startswith("100 %  3/3 runs: 1 broke, 1 with little or no plateau, 1 stuck, 0 diverged [0:0")
    assert lines[2:] == [""]


def test_a_terminal_has_a_clock_that_moves_while_a_program_is_compiled(terminal):
    with ProgressBar(3, 100, is_shown=True) as bar:
        time.sleep(1.2)
        bar.update(100, ["broke"] * 3, 0)
    shown = terminal.getvalue().split("\r")
    assert any("0/3 runs: compiling [00:01" in line for line in shown)
    assert "3/3 runs: 3 broke" in shown[-1]


@pytest.mark.parametrize("is_shown", [True, False])
def test_what_is_waited_for_is_said(is_shown, terminal):
    with waiting("looking at data", is_shown):
        time.sleep(0.2)
    assert ("looking at data … 0 s" in terminal.getvalue()) == is_shown


def test_a_log_says_it_once_and_what_is_over_soon_never(capsys, monkeypatch):
    with waiting("looking at data"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_SECONDS_IN_A_LOG", 0.01)
    with waiting("looking at data"):
        time.sleep(0.2)
    assert capsys.readouterr().err == "looking at data\n"


def test_an_error_ends_the_clock(terminal):
    before = threading.active_count()
    with pytest.raises(ValueError, match="no such data"), waiting("looking at data"):
        raise ValueError("no such data")
    assert threading.active_count() == before
