"""What a study loses when launches are killed, stopped, raced, damaged or out of space.

`python -m benchmarks.faults` does everything, about an hour on two cores; `--kinds=kills,races` some of it,
`--studies=until,stream` of some studies. Every line says how many cases there were and how many went wrong; the exit
code is 1 where any did. Launches are processes of their own; `benchmarks.fault_cases` has what can be done inside of
one.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from absl import app, flags, logging

from benchmarks import fault_cases
from engine import store

_KINDS = flags.DEFINE_list(
    "kinds", ["kills", "operations", "sigterm", "sigint", "races", *fault_cases.CASES], "what to do to the studies"
)
_NUMBER = flags.DEFINE_integer("number", 0, "cases of each kind (default: as the table says)")
_SEED = flags.DEFINE_integer("seed", 0, "of the random moments")

_ROOT = Path(__file__).parent.parent
_STUDIES = {
    "settled": ["--sweep=learning_rate=1e-4,1e-3", "--stop=settled", "--seeds=24"],
    "noise": ["--dropout=0.1", "--batch_norm=true", "--init=normal", "--seeds=32"],
    "forks": ["--design=fork", "--forks=3", "--seeds=12", "--init=normal"],
    "until": ["--sweep=init=normal,he", "--until=fraction", "--half_width=0.25", "--block=4", "--max_seeds=40"],
    "stream": ["--stream=true", "--fix_order=0", "--seeds=24"],
    "crossed": ["--design=crossed", "--order_seeds=4", "--stop=settled", "--seeds=8"],
    "diagnostics": ["--diagnostics=norms,dead", "--seeds=16"],
    "bfloat16": ["--precision=bfloat16", "--seeds=24"],
}
_CHOSEN = flags.DEFINE_list("studies", list(_STUDIES), "which studies to kill and interrupt")
_SHARED = ["--experiment=single", "--model=mlp", "--horizon=2200", "--eval_every=11"]
_SIGNALS = {"kills": signal.SIGKILL, "sigterm": signal.SIGTERM, "sigint": signal.SIGINT}
_NUMBERS = {"kills": 110, "operations": 60, "sigterm": 30, "sigint": 30, "races": 24}
_LATEST = 14.0


class _Place:
    """Where studies are, and what uninterrupted launches made of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._references: dict[str, pa.Table] = {}
        self._number = 0

    def new(self) -> Path:
        self._number += 1
        return self.folder / f"study{self._number}"

    def words(self, name: str, workdir: Path, num_workers: int) -> list[str]:
        """The flags of a study."""
        return [
            *_SHARED,
            *_STUDIES[name],
            f"--workdir={workdir}",
            f"--workers={num_workers}",
            f"--compilation_cache={self.folder / 'compiled'}",
        ]

    def start(self, words: list[str], program: str = "launch.py") -> subprocess.Popen[str]:
        """A launch."""
        command = [sys.executable, str(_ROOT / program), *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=_ROOT)

    def is_whole(self, name: str, workdir: Path) -> bool:
        """Whether the rows are those of the uninterrupted launch, each once and bit for bit."""
        if name not in self._references:
            path = self.new()
            assert self.start(self.words(name, path, 2)).wait() == 0
            self._references[name] = store.open_existing(path).read()
        directory = store.open_existing(workdir)
        num_stored = sum(len(table) for table in directory.iterate(["arm"]))
        found = directory.read()
        is_clean = not directory.num_left_out and not (workdir / "checkpoint").exists()
        return is_clean and num_stored == len(found) and fault_cases.same_bits(found, self._references[name])


def _interrupted(place: _Place, draw: random.Random, kind: str, number: int) -> tuple[int, int]:
    """Launches that are sent a signal at random moments, until enough of them were."""
    num_signals = num_wrong = 0
    while num_signals < number:
        name, workdir = draw.choice(_CHOSEN.value), place.new()
        while True:
            words = place.words(name, workdir, draw.choice([1, 2]))
            launch = place.start([*words, f"--checkpoint_every={draw.choice([0.05, 0.3, 1.0])}"])
            # After enough of them the last study may end.
            patience = draw.uniform(1.0, _LATEST) if num_signals < number else None
            try:
                _, said = launch.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                launch.send_signal(_SIGNALS[kind])
                _, said = launch.communicate()
                # One that had ended by itself in the meantime has not been interrupted.
                num_signals += launch.returncode != 0
                expected = -9 if kind == "kills" else 128 + _SIGNALS[kind]
                is_right = launch.returncode in (expected, 0)
                if launch.returncode > 0:
                    is_right = is_right and "to go on: " in said and "Trace" not in said
                num_wrong += not is_right
                if not is_right:
                    print(f"  {kind} {name}: exit {launch.returncode}: {said[-2000:]}")
                continue
            break
        is_right = launch.returncode == 0 and place.is_whole(name, workdir)
        num_wrong += not is_right
        if not is_right:
            print(f"  {kind} {name} in {workdir}: exit {launch.returncode}: {said[-2000:]}")
    return num_signals, num_wrong


def _operations(place: _Place, draw: random.Random, number: int) -> tuple[int, int]:
    """Launches that are killed at their n-th operation on a file, written in part or not at all."""
    num_kills = num_wrong = 0
    while num_kills < number:
        name, workdir = draw.choice(_CHOSEN.value), place.new()
        words = [*place.words(name, workdir, draw.choice([1, 2])), "--checkpoint_every=0.3"]
        code = -9
        for _ in range(4):
            program = "benchmarks/killed_at.py"
            launch = place.start([str(draw.randrange(1, 120)), *words], program)
            _, said = launch.communicate()
            code = launch.returncode
            num_kills += code == -9
            if code != -9:
                break
        if code == -9:
            launch = place.start(words)
            _, said = launch.communicate()
            code = launch.returncode
        is_right = code == 0 and place.is_whole(name, workdir)
        num_wrong += not is_right
        if not is_right:
            print(f"  operations {name} in {workdir}: exit {code}: {said[-2000:]}")
    return num_kills, num_wrong


def _races(place: _Place, draw: random.Random, number: int) -> tuple[int, int]:
    """Three launches at once on one work directory: one proceeds, two are told who holds it."""
    num_wrong = 0
    for _ in range(number):
        name, workdir = "noise", place.new()
        words = [*place.words(name, workdir, 1), "--seeds=2", "--horizon=2200"]
        launches = []
        for _ in range(3):
            launches.append(place.start(words))
            time.sleep(draw.choice([0.0, 0.0, 0.02, 0.3]))
        ends = [(launch.communicate()[1], launch.returncode) for launch in launches]
        codes = sorted(code for _, code in ends)
        is_told = all("is in use by process" in said for said, code in ends if code)
        is_right = codes == [0, 2, 2] and is_told
        num_wrong += not is_right
        if not is_right:
            print(f"  races: {ends}")
    return number, num_wrong


def _main(argv: list[str]) -> None:
    logging.set_verbosity(logging.ERROR)
    draw = random.Random(_SEED.value)
    total_wrong = 0
    print("| what | cases | wrong | s |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = _Place(Path(folder))
        for kind in _KINDS.value:
            number = _NUMBER.value or _NUMBERS.get(kind, 0)
            started = time.monotonic()
            if kind in _SIGNALS:
                cases, wrong = _interrupted(place, draw, kind, number)
            elif kind in fault_cases.CASES:
                work: Callable[..., tuple[int, int]] = fault_cases.CASES[kind]
                cases, wrong = work(place.folder, draw, _NUMBER.value or None)
            else:
                cases, wrong = {"operations": _operations, "races": _races}[kind](place, draw, number)
            total_wrong += wrong
            seconds = time.monotonic() - started
            print(f"| {kind} | {cases} | {wrong} | {seconds:.0f} |", flush=True)
    sys.exit(1 if total_wrong else 0)


if __name__ == "__main__":
    # Where it is ignored, as in the background of a shell, launches would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["NPROC"] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    app.run(_main)
