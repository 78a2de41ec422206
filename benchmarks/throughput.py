"""Time of a training step of one seed, in the engine and in everything that one could use instead.

`python -m benchmarks.throughput` measures every row on every workload on this machine: a row as one
process with all threads, or as one process per core, all at once (on an accelerator as one
process, the engine with 1,024 lanes). Every process warms up and waits; then the rows take turns,
several rounds of them, so that a drift of the machine meets them all (on an accelerator, where
they would share its memory, one row is over before the next begins). The
table has medians with their range, and medians of the ratios within a round. Without PyTorch its rows
say so. `--kind=width` measures the
engine's cost against the number of lanes instead, and `--kind=agreement` the losses of every form
against those of the native one.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from absl import app, flags

from engine.workers.devices import find_devices

_WORKLOADS = flags.DEFINE_list("workloads", ["cnn8", "mlp", "cnn8_32", "resnet"], "what to train")
_ROWS = flags.DEFINE_list("rows", None, "only rows whose name contains one of these")
_REPEATS = flags.DEFINE_integer("repeats", 5, "times that every row is measured", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 1.0, "least duration of a measurement")
_KIND = flags.DEFINE_enum("kind", "rows", ["rows", "width", "agreement"], "what to measure")
_WIDTHS = flags.DEFINE_list("widths", ["1", "4", "16", "64", "256", "1024"], "numbers of lanes")
_FORMS = flags.DEFINE_list("forms", None, "forms of the convolutions, for --kind=width")
_WORKER = flags.DEFINE_string("worker", None, "used by the benchmark itself")


def _environment(is_one_per_core: bool) -> dict[str, str]:
    variables = dict(os.environ)
    if is_one_per_core:
        variables |= {"NPROC": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return variables


class _Way:
    """The processes of one row: they start, say that they are ready, and wait to be asked."""

    def __init__(self, name: str, workload: str, is_one_per_core: bool) -> None:
        cores = len(os.sched_getaffinity(0)) if is_one_per_core else 1
        command = [sys.executable, "-m", "benchmarks.throughput", f"--worker={name}"]
        command += [f"--workloads={workload}", f"--seconds={_SECONDS.value}"]
        self._processes = [
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
        self.seconds: list[float] = []
        try:
            said, *_ = [_answer(process) for process in self._processes]
        except BaseException:
            self.stop()
            raise
        self.compile_seconds, self.bytes_per_seed = said["compile"], said["memory"]

    def measure(self) -> None:
        """Adds the seconds per seed and step, of all processes together."""
        for process in self._processes:
            process.stdin.write("go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        rates = [1.0 / _answer(process)["seconds"] for process in self._processes]
        self.seconds.append(1.0 / sum(rates))

    def stop(self) -> None:
        """Ends the processes."""
        for process in self._processes:
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
        print(json.dumps({"seconds": _seconds_per_step(prepared)}), flush=True)


def _seconds_per_step(prepared: Any) -> float:
    """Of one seed, over as many calls as it takes."""
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < _SECONDS.value:
        prepared.advance()
        steps += prepared.seed_steps
    return (time.perf_counter() - started) / steps


def _milliseconds(times: list[float]) -> str:
    """Median and range."""
    middle = statistics.median(times)
    return f"{1e3 * middle:.3f} ({1e3 * min(times):.3f}–{1e3 * max(times):.3f})"


def _megabytes(size: float | None) -> str:
    return "" if size is None else f"{size / 1e6:.2f}"


def _middle_ratio(times: list[float], others: list[float]) -> float:
    """Median of the ratios within a round, in which a drift of the machine cancels."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


def _print_rows() -> None:
    from benchmarks.rows import ENGINE, PEAK, ROWS

    names = [name for name in ROWS if name in (ENGINE, PEAK) or not _ROWS.value or any(r in name for r in _ROWS.value)]
    is_cpu = find_devices().platform == "cpu"
    for workload in _WORKLOADS.value:
        ways: dict[str, _Way] = {}
        missing: dict[str, str] = {}
        # Rows that take turns wait in memory, which an accelerator does not have for all of them.
        for turn in [names] if is_cpu else [[name] for name in names]:
            started = _start(turn, workload, is_cpu, missing)
            try:
                for _ in range(_REPEATS.value):
                    _measure(started, missing)
            finally:
                for way in started.values():
                    way.stop()
            ways |= started
        _print_table(workload, names, ways, missing)


def _start(names: list[str], workload: str, is_cpu: bool, missing: dict[str, str]) -> dict[str, _Way]:
    """The rows that can be measured; the others go to `missing` with the reason."""
    from benchmarks.rows import ROWS

    started: dict[str, _Way] = {}
    for name in names:
        try:
            started[name] = _Way(name, workload, ROWS[name].is_one_per_core and is_cpu)
        except (RuntimeError, OSError) as error:
            missing[name] = str(error)
    return started


def _measure(ways: dict[str, _Way], missing: dict[str, str]) -> None:
    """One round; a row that breaks down goes to `missing`."""
    for name, way in list(ways.items()):
        try:
            way.measure()
        except (RuntimeError, OSError) as error:
            way.stop()
            missing[name] = str(error)
            del ways[name]


def _print_table(workload: str, names: list[str], ways: dict[str, _Way], missing: dict[str, str]) -> None:
    from benchmarks.flops import of_a_step
    from benchmarks.rows import ENGINE, PEAK
    from benchmarks.workloads import WORKLOADS

    flops = of_a_step(WORKLOADS[workload])
    peak = ways[PEAK].seconds if PEAK in ways else None
    engine = ways[ENGINE].seconds if ENGINE in ways else None
    print(f"\n### {workload}, {flops / 1e6:.0f} MFLOP a step\n")
    if peak:
        rate = 2 * 1024**3 / statistics.median(peak) / 1e9
        print(f"Products of 1,024 × 1,024 matrices on all cores: {rate:.0f} GFLOP/s.\n")
    print("| way | ms per seed and step (range) | engine's ratio | of peak | compile s | MB |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in names:
        if name in missing:
            print(f"| {name} | not measured: {missing[name][:90]} | | | | |", flush=True)
        elif name != PEAK:
            way = ways[name]
            ratio = f"{_middle_ratio(way.seconds, engine):.2f}" if engine else ""
            share = flops / (2 * 1024**3) * _middle_ratio(peak, way.seconds) if peak else None
            of_peak = "" if share is None else f"{100 * share:.0f} %"
            compiled = "" if way.compile_seconds is None else f"{way.compile_seconds:.1f}"
            print(
                f"| {name} | {_milliseconds(way.seconds)} | {ratio} | {of_peak} "
                f"| {compiled} | {_megabytes(way.bytes_per_seed)} |",
                flush=True,
            )


def _print_widths() -> None:
    """The engine's cost against the number of lanes, in one process with one thread."""
    os.environ["NPROC"] = "1"
    import jax

    is_cpu = jax.default_backend() == "cpu"
    forms: list[str | None] = list(_FORMS.value) if _FORMS.value else [None]
    cases: list[_Case] = [(form, int(width)) for form in forms for width in _WIDTHS.value]
    for name in _WORKLOADS.value:
        print(f"\n### {name}\n")
        print("| form | lanes | ms per seed and step (range) | ratio | MB per lane |")
        print("|---|---|---|---|---|", flush=True)
        first: list[float] = []
        # Cases that take turns wait in memory, which an accelerator does not have for all of them.
        for turn in [cases] if is_cpu else [[case] for case in cases]:
            for (form, width), (times, size, reason) in _measure_widths(name, turn).items():
                first = first or times
                said = f"not measured: {reason} |"
                if times:
                    said = f"{_milliseconds(times)} | {_middle_ratio(times, first):.2f}"
                print(f"| {form or ''} | {width} | {said} | {_megabytes(size)} |", flush=True)


_Case = tuple[str | None, int]


def _measure_widths(name: str, cases: list[_Case]) -> dict[_Case, tuple[list[float], float | None, str]]:
    """Seconds per seed and step, bytes per lane, and why there are none, of each case."""
    from benchmarks.rows import prepare_engine
    from benchmarks.workloads import WORKLOADS

    prepared, reasons = {}, {}
    for form, width in cases:
        try:
            prepared[form, width] = prepare_engine(WORKLOADS[name], width, form)
            prepared[form, width].advance()
        except Exception as error:  # memory runs out in many ways
            prepared.pop((form, width), None)
            reasons[form, width] = str(error).splitlines()[0][:80]
    seconds: dict[_Case, list[float]] = {case: [] for case in prepared}
    for _ in range(_REPEATS.value):
        for case, engine in prepared.items():
            seconds[case].append(_seconds_per_step(engine))
    return {
        case: (
            seconds.get(case, []),
            prepared[case].bytes_per_seed if case in prepared else None,
            reasons.get(case, ""),
        )
        for case in cases
    }


def _print_agreement() -> None:
    """Losses of every form against those of the native one, and what rounding alone can do."""
    os.environ["NPROC"] = "1"
    import numpy as np

    from benchmarks.rows import losses
    from benchmarks.workloads import LEARNING_RATE, WORKLOADS
    from engine.models.lowering import FORMS

    print("| workload | seeds | compared | at step 100, median (worst) seed | worst of 100 steps |")
    print("|---|---|---|---|---|", flush=True)
    next_rate = float(np.nextafter(np.float32(LEARNING_RATE), np.float32(1)))
    for name in _WORKLOADS.value:
        workload = WORKLOADS[name]
        in_form = {form: losses(workload, form) for form in FORMS}
        pairs = {f"{form} against native": (in_form[form], in_form["native"]) for form in FORMS if form != "native"}
        pairs["direct against itself, learning rate one rounding higher"] = (
            losses(workload, "direct", next_rate),
            in_form["direct"],
        )
        for compared, (ours, theirs) in pairs.items():
            difference = abs(ours / theirs - 1)
            last = difference[:, -1]
            print(
                f"| {name} | {len(last)} | {compared} | {np.median(last):.1e} ({last.max():.1e}) "
                f"| {difference.max():.1e} |",
                flush=True,
            )


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
