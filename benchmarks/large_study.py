"""Outcomes, check and summary of a study of many runs or many arms, and the memory that they take.

Makes curves for the runs (slow breaks, fast ones, plateaus that last, with noise), stores them a hundred at a time, and
times what the engine does with them: the outcome of every curve, the check of all parts at a launch, reading and
summarising the rows, and the whole report. The process's largest memory is printed after each.

    python -m benchmarks.large_study                                       # 10,000 runs of 1,000 points
    python -m benchmarks.large_study --arms=1000 --runs=2000 --points=41
    python -m benchmarks.large_study --runs=100000 --points=41
"""

import contextlib
import io
import math
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from engine import store
from engine.arms.arm import Arm
from engine.commands.report import report
from engine.lanes.runs import FinishedRun, Run
from engine.lanes.to_row import outcome_row
from engine.outcomes import DetectorSettings
from engine.outcomes.event import Event
from engine.report.summary import summarise
from engine.store.run_table import RunTable
from engine.studies.study import resolve_arm
from tests.stored import make_document

_RUNS = flags.DEFINE_integer("runs", 10_000, "runs in all", lower_bound=4)
_NUM_ARMS = flags.DEFINE_integer("arms", 2, "configurations", lower_bound=2)
_POINTS = flags.DEFINE_integer("points", 1_000, "points of every curve", lower_bound=10)

_H = math.log(10)
_EVERY = 11


def _finished(index: int, arm: Arm, seed: int, steps: np.ndarray) -> FinishedRun:
    """Makes a run; every other arm is fast."""
    generator = np.random.default_rng([seed, index])
    horizon = int(steps[-1])
    centre = horizon * generator.uniform(0.2, 0.5) / (1 + 3 * (index % 2))
    if generator.random() < 0.1:
        centre = 10.0 * horizon
    rise = 0.9 / (1 + np.exp(-np.clip((steps - centre) / (0.01 * horizon), -50, 50)))
    loss = _H * (1 - rise + 0.005 * generator.normal(size=len(steps)))
    return FinishedRun(
        run=Run.of_seed(_name(index), arm, seed, horizon),
        steps=steps,
        curves={"loss": loss.astype(np.float32), "accuracy": rise.astype(np.float32)},
        inspected_steps=steps[[0, -1]],
        inspected={"held_out_accuracy": rise[[0, -1]].astype(np.float32)},
        batch_loss=loss.astype(np.float32),
        diverged_step=None,
        hitting_step=None,
        stop_reason="horizon",
    )


def _name(index: int) -> str:
    return f"init_scale={index + 1}"


def _document(horizon: int) -> dict[str, Any]:
    arms = {_name(index): {"init_scale": float(index + 1)} for index in range(_NUM_ARMS.value)}
    question = "How long does a large study take to read?"
    seeds = _RUNS.value // _NUM_ARMS.value
    return make_document(arms, horizon, seeds, name="large", question=question)


def _measured(what: str, work: Callable[[], Any]) -> tuple[Any, str]:
    """Returns what some work returns, and a row of the table."""
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result, f"| {what} | {seconds:.2f} | {megabytes:.0f} |"


def _timed(what: str, work: Callable[[], Any]) -> Any:
    result, line = _measured(what, work)
    print(line, flush=True)
    return result


def _main(argv: list[str]) -> None:
    steps = np.arange(_POINTS.value, dtype=np.int64) * _EVERY
    arm = resolve_arm(Arm())
    number = _RUNS.value // _NUM_ARMS.value
    runs = [_finished(index, arm, seed, steps) for index in range(_NUM_ARMS.value) for seed in range(number)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study"
        directory = store.create_or_resume(path, _document(int(steps[-1])))
        print(f"{len(runs)} runs of {len(steps)} points\n\n| what | s | MB at most so far |")
        print("|---|---|---|")
        settings = DetectorSettings()
        rows = _timed("outcomes", lambda: [outcome_row(run, _H, settings, Event.BREAK) for run in runs])
        for first in range(0, len(rows), 100):
            directory.append(rows[first : first + 100])
        _timed("check of all parts at a launch", lambda: store.open_existing(path).inspect(print))
        _timed("summary", lambda: summarise(RunTable(store.open_existing(path))))
        with contextlib.redirect_stdout(io.StringIO()):
            # What the report prints is as long as there are arms.
            line = _measured("report, figures and page included", lambda: report(path))[1]
        print(line, flush=True)
        print(f"\nbytes of the page: {(path / 'report.html').stat().st_size:,}")


if __name__ == "__main__":
    app.run(_main)
