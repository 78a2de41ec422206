"""Measures what a new user meets: what is installed, when a verb says its first word, how long it is silent, and logs.

python -m benchmarks.first_hour                # verbs in a terminal and in a log, ten minutes on two cores
python -m benchmarks.first_hour --packages     # and how many packages an empty environment gets, with and without data
"""

import argparse
import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parents[1]
_PROGRAM = (sys.executable, "-m", "engine")
_LINES, _COLUMNS = 40, 120
_SMALL = ("--experiment=kick_in", "--seeds=3", "--workdir={place}/small")
_VERBS: dict[str, tuple[str, ...]] = {
    "--version": ("--version",),
    "--help": ("--help",),
    "list": ("list",),
    "run": ("run", *_SMALL),
    "report": ("report", "--workdir={place}/small"),
    "verify": ("verify", "--workdir={place}/small", "--runs=1"),
    "check": ("check", "--model=mlp"),
    "diagnose": ("diagnose", "--model=mlp", "--minutes=2", "--workdir={place}/why"),
}
_IN_A_LOG: dict[str, tuple[str, ...]] = {
    "kick_in": ("run", "--experiment=kick_in", "--workdir={place}/logged"),
    "diagnose": ("diagnose", "--model=mlp", "--minutes=2", "--workdir={place}/logged_why"),
}


class Silence(NamedTuple):
    """Seconds until the first output, the longest without one, and all of them."""

    first: float
    longest: float
    total: float


def in_a_terminal(words: Sequence[str]) -> Silence:
    """Runs a command as a person does, and measures when it says something."""
    began = last = time.monotonic()
    first, longest = None, 0.0
    size = struct.pack("HHHH", _LINES, _COLUMNS, 0, 0)
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.chdir(_ROOT)
        os.execv(words[0], list(words))
    while True:
        try:
            said = os.read(terminal, 2**16)
        except OSError:  # the end of a terminal, on Linux
            said = b""
        now = time.monotonic()
        # The last silence ends with the process.
        longest = max(longest, now - last)
        if not said:
            break
        first, last = first if first is not None else now - began, now
    os.waitpid(process, 0)
    os.close(terminal)
    return Silence(now - began if first is None else first, longest, now - began)


def in_a_log(words: Sequence[str]) -> tuple[int, int]:
    """Runs a command whose output goes to a file; returns its lines, and its carriage returns."""
    done = subprocess.run(words, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.count(b"\n"), done.stdout.count(b"\r")


def count_packages(place: Path, extra: str) -> int:
    """Installs the clone into an empty environment; returns how many packages it then has, without pip's own."""
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    python = place / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", f"{_ROOT}{extra}"], check=True, stderr=subprocess.DEVNULL
    )
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    names = {line.partition("==")[0] for line in listed.stdout.splitlines()}
    return len(names - {"pip", "setuptools", "wheel"})


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", action="store_true", help="install into empty environments too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, words in _VERBS.items():
            filled = [word.format(place=folder) for word in words]
            first, longest, total = in_a_terminal([*_PROGRAM, *filled])
            print(f"{name}: first output {first:.1f} s, longest silence {longest:.1f} s, of {total:.1f} s", flush=True)
        for name, words in _IN_A_LOG.items():
            lines, returns = in_a_log([*_PROGRAM, *(word.format(place=folder) for word in words)])
            print(f"{name} in a log: {lines} lines, {returns} carriage returns", flush=True)
        for extra in ("", "[data]") if given.packages else ():
            number = count_packages(Path(folder) / f"environment{len(extra)}", extra)
            print(f"plateau-engine{extra}: {number} packages in an empty environment", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
