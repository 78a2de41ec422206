"""How long it takes to read the logs of many runs, find their plateaus, and say so.

`python -m benchmarks.reading` writes the curves of 1,000 runs of 10,000 points as one CSV file, as one JSON file of
lines, and as a CSV file and an event file for each run, and reads each of them as `launch.py read` does.
"""

import contextlib
import io
import math
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from absl import app, flags
from pyarrow import csv

import engine
from engine.observers.event_file import EventSeries, encode_file

_RUNS = flags.DEFINE_integer("read_runs", 1_000, "runs in all", lower_bound=2)
_POINTS = flags.DEFINE_integer("read_points", 10_000, "points of every run", lower_bound=100)
_H = math.log(10)


def _losses(seed: int, steps: np.ndarray) -> np.ndarray:
    generator, end = np.random.default_rng(seed), len(steps)
    centre, scale = generator.uniform(0.2, 0.6) * end, generator.uniform(0.005, 0.03) * end
    rise = 0.9 / (1 + np.exp(-np.clip((steps - centre) / scale, -50, 50)))
    noise = (0.005 + 0.05 * rise) * generator.normal(size=end)
    return (_H * (1 - rise + noise)).astype(np.float32)


def _write(folder: Path) -> dict[str, Path]:
    """The same curves in every form, by what it is called."""
    places = {"one CSV file": folder / "all.csv", "JSON lines": folder / "all.jsonl"}
    places["a CSV file per run"] = folder / "runs"
    places["TensorBoard event files"] = folder / "events"
    places["a CSV file per run"].mkdir()
    steps = np.arange(_POINTS.value)
    with open(places["JSON lines"], "w") as lines, open(places["one CSV file"], "wb") as whole:
        for seed in range(_RUNS.value):
            losses = _losses(seed, steps)
            table = pa.table({"step": steps, "loss": losses})
            csv.write_csv(table, places["a CSV file per run"] / f"seed_{seed}.csv")
            events = places["TensorBoard event files"] / f"seed_{seed}" / "events.out.tfevents.1"
            events.parent.mkdir(parents=True)
            events.write_bytes(encode_file(0.0, [EventSeries(steps, {"loss": losses})]))
            table = table.append_column("seed", pa.array(np.full(len(steps), seed)))
            csv.write_csv(table, whole, csv.WriteOptions(include_header=seed == 0))
            pairs = zip(steps.tolist(), losses.tolist(), strict=True)
            lines.writelines(f'{{"seed":{seed},"step":{s},"loss":{v:.8g}}}\n' for s, v in pairs)
    return places


def _main(argv: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        places = _write(Path(name))
        print(f"{_RUNS.value} runs of {_POINTS.value} points\n\n| as | CPU s | s |\n|---|---|---|")
        for what, place in places.items():
            started, cpu = time.perf_counter(), time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                engine.read(place, classes=10)
            seconds = time.process_time() - cpu, time.perf_counter() - started
            print(f"| {what} | {seconds[0]:.1f} | {seconds[1]:.1f} |", flush=True)


if __name__ == "__main__":
    app.run(_main)
