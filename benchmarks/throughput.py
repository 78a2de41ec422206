"""Time of a training step of one seed, in the engine and in everything that one could use instead.

`python -m benchmarks.throughput` measures every row on every workload, one after another on this
machine: a row as one process with all threads, or as one process per core, all at once (on an
accelerator as one process, the engine with 1,024 lanes). Every
process warms up, waits for the others, and takes steps for a while, several times over; the table
has medians with their range. It runs without tensorflow-datasets, and without PyTorch, whose rows
then say so. `--kind=width` measures the engine's cost against the number of lanes instead, and
`--kind=agreement` the losses of every form against those of the native one.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from absl import app, flags

from engine.devices import find_devices

_WORKLOADS = flags.DEFINE_list("workloads", ["cnn8", "mlp", "cnn8_32", "resnet"], "what to train")
_ROWS = flags.DEFINE_list("rows", None, "only rows whose name contains one of these")
_REPEATS = flags.DEFINE_integer("repeats", 5, "times that every row is measured", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 1.0, "least duration of a measurement")
_KIND = flags.DEFINE_enum("kind", "rows", ["rows", "width", "agreement"], "what to measure")
_WIDTHS = flags.DEFINE_list("widths", ["1", "4", "16", "64", "256", "1024"], "numbers of lanes")
_WORKER = flags.DEFINE_string("worker", None, "used by the benchmark itself")


def _environment(is_one_per_core: bool) -> dict[str, str]:
    variables = dict(os.environ)
    if is_one_per_core:
        variables |= {"NPROC": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return variables


def _measure(name: str, workload: str, is_one_per_core: bool, repeats: int) -> dict[str, Any]:
    """Combined seconds per seed and step of each repeat, and what the first process says."""
    is_one_per_core = is_one_per_core and find_devices().platform == "cpu"
    cores = len(os.sched_getaffinity(0)) if is_one_per_core else 1
    command = [sys.executable, "-m", "benchmarks.throughput", f"--worker={name}"]
    command += [f"--workloads={workload}", f"--seconds={_SECONDS.value}"]
    processes = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(is_one_per_core),
        )
        for _ in range(cores)
    ]
    try:
        said = [_answer(process) for process in processes]
        combined = []
        for _ in range(repeats):
            for process in processes:
                process.stdin.write("go\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            rates = [1.0 / _answer(process)["seconds"] for process in processes]
            combined.append(1.0 / sum(rates))
        return {**said[0], "seconds": combined}
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise RuntimeError((process.stderr.read().strip().splitlines() or ["no message"])[-1])


def _work(name: str, workload: str) -> None:
    """Body of a measured process: one line when it is ready, one for each `go`."""
    from benchmarks.rows import ROWS
    from benchmarks.workloads import WORKLOADS

    prepared = ROWS[name].prepare(WORKLOADS[workload])
    prepared.advance()
    about = {"compile": prepared.compile_seconds, "memory": prepared.bytes_per_seed}
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < _SECONDS.value:
            prepared.advance()
            steps += prepared.seed_steps
        seconds = (time.perf_counter() - started) / steps
        print(json.dumps({"seconds": seconds}), flush=True)


def _flops(workload: str) -> float:
    """Multiplications and additions of convolutions and products in one training step."""
    import jax
    import jax.numpy as jnp

    from benchmarks.flops import count
    from benchmarks.workloads import NUM_CLASSES, WORKLOADS, flax_network

    what = WORKLOADS[workload]
    network = flax_network(what)
    shape = (what.batch_size, what.size, what.size, what.channels)
    images = jnp.zeros(shape, jnp.float32)
    variables = dict(network.init(jax.random.key(0), images[:1]))

    def loss(params: Any) -> jax.Array:
        rest = {name: value for name, value in variables.items() if name != "params"}
        logits = network.apply({"params": params, **rest}, images, mutable=list(rest))[0]
        return jnp.sum(logits * jnp.ones(NUM_CLASSES))

    return count(jax.make_jaxpr(jax.grad(loss))(variables["params"]).jaxpr)


def _print_rows() -> None:
    from benchmarks.rows import ENGINE, PEAK, ROWS

    names = [
        name
        for name in ROWS
        if name in (ENGINE, PEAK) or not _ROWS.value or any(r in name for r in _ROWS.value)
    ]
    peak = _measure(PEAK, "cnn8", True, _REPEATS.value)["seconds"]
    peak_rate = 2 * 1024**3 / statistics.median(peak)
    print(f"peak: {peak_rate / 1e9:.0f} GFLOP/s, products of 1,024 × 1,024 matrices, all cores")
    for workload in _WORKLOADS.value:
        flops = _flops(workload)
        print(f"\n### {workload}, {flops / 1e6:.0f} MFLOP a step\n")
        print("| way | ms per seed and step (range) | engine's ratio | of peak | compile s | MB |")
        print("|---|---|---|---|---|---|")
        engine: float | None = None
        for name in names:
            if name == PEAK:
                continue
            try:
                found = _measure(name, workload, ROWS[name].is_one_per_core, _REPEATS.value)
            except RuntimeError as error:
                print(f"| {name} | not measured: {str(error)[:90]} | | | | |", flush=True)
                continue
            times = found["seconds"]
            middle = statistics.median(times)
            engine = middle if name == ENGINE else engine
            ratio = f"{middle / engine:.2f}" if engine else ""
            compiled = "" if found["compile"] is None else f"{found['compile']:.1f}"
            memory = "" if found["memory"] is None else f"{found['memory'] / 1e6:.1f}"
            print(
                f"| {name} | {1e3 * middle:.3f} ({1e3 * min(times):.3f}–{1e3 * max(times):.3f}) "
                f"| {ratio} | {100 * flops / middle / peak_rate:.0f} % | {compiled} | {memory} |",
                flush=True,
            )


def _print_widths() -> None:
    """The engine's cost against the number of lanes, in one process with one thread."""
    os.environ["NPROC"] = "1"
    from benchmarks.rows import engine_pool, fill_pool
    from benchmarks.workloads import WORKLOADS

    for name in _WORKLOADS.value:
        pools = {}
        for width in map(int, _WIDTHS.value):
            pools[width] = engine_pool(WORKLOADS[name], width)
            fill_pool(pools[width], width)
        seconds: dict[int, list[float]] = {width: [] for width in pools}
        for _ in range(_REPEATS.value):
            for width, pool in pools.items():
                started, steps = time.perf_counter(), 0
                while time.perf_counter() - started < _SECONDS.value:
                    pool.advance()
                    steps += pool.collect(pool.harvest())[0]
                seconds[width].append((time.perf_counter() - started) / steps)
        first = statistics.median(next(iter(seconds.values())))
        print(f"\n### {name}\n\n| lanes | ms per seed and step (range) | ratio | MB per lane |")
        print("|---|---|---|---|")
        for width, times in seconds.items():
            middle = statistics.median(times)
            memory = pools[width].bytes_needed / width / 1e6
            print(
                f"| {width} | {1e3 * middle:.3f} ({1e3 * min(times):.3f}–{1e3 * max(times):.3f}) "
                f"| {middle / first:.2f} | {memory:.2f} |",
                flush=True,
            )


def _print_agreement() -> None:
    """Losses after 100 steps in every form, relative to the native one, worst of four seeds."""
    os.environ["NPROC"] = "1"
    from benchmarks.rows import losses
    from benchmarks.workloads import WORKLOADS
    from engine.lowering import FORMS

    print("| workload | form | largest relative difference of the loss over 100 steps |")
    print("|---|---|---|")
    for name in _WORKLOADS.value:
        native = losses(WORKLOADS[name], "native")
        for form in FORMS:
            if form != "native":
                difference = abs(losses(WORKLOADS[name], form) / native - 1).max()
                print(f"| {name} | {form} | {difference:.1e} |", flush=True)


def _main(argv: list[str]) -> None:
    if _WORKER.value:
        _work(_WORKER.value, _WORKLOADS.value[0])
        return
    if _KIND.value == "width":
        _print_widths()
    elif _KIND.value == "agreement":
        _print_agreement()
    else:
        _print_rows()


if __name__ == "__main__":
    app.run(_main)
