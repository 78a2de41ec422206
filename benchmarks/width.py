"""Time of a step of one seed against the number of lanes, which the rule of the width rests on.

`python -m benchmarks.width` measures every width in turn, several times over, in one process with
one thread, evaluation included, and prints medians with their range and ratios to width 1. It runs
without tensorflow-datasets.
"""

import os
import statistics
import time

from absl import app, flags

_REPEATS = flags.DEFINE_integer("repeats", 5, "times that every width is measured", lower_bound=1)
_WIDTHS = flags.DEFINE_list("widths", ["1", "2", "4", "8"], "numbers of lanes")
_MODELS = flags.DEFINE_list("models", ["cnn8", "mlp"], "models")


def _main(argv: list[str]) -> None:
    os.environ["NPROC"] = "1"
    import jax

    from engine.config import Arm
    from engine.lanes import SEGMENTS_PER_CHUNK, LanePool, PoolSpec, Run
    from engine.plateau import DetectorSettings
    from engine.study import resolve_arm
    from engine.tasks import load_data

    print(f"jax {jax.__version__}, {jax.default_backend()}, one thread on a CPU")
    for model in _MODELS.value:
        arm = resolve_arm(Arm(model=model))
        data = load_data(arm, 0, None)
        pools: dict[int, LanePool] = {}
        for width in map(int, _WIDTHS.value):
            spec = PoolSpec(arm, data, 0, width, "patches", 11, DetectorSettings())
            pools[width] = LanePool(spec)
            horizon = 11 * SEGMENTS_PER_CHUNK * (_REPEATS.value + 1)
            pools[width].fill([Run("a", arm, i, i, i, i, horizon) for i in range(width)])
            pools[width].advance()
        seconds: dict[int, list[float]] = {width: [] for width in pools}
        for _ in range(_REPEATS.value):
            for width, pool in pools.items():
                start = time.perf_counter()
                steps = pool.advance()
                seconds[width].append((time.perf_counter() - start) / steps)
        first = statistics.median(next(iter(seconds.values())))
        for width, times in seconds.items():
            middle = statistics.median(times)
            print(
                f"{model}  width {width:4d}  {1e3 * middle:7.3f} ms per seed and step "
                f"({1e3 * min(times):.3f}–{1e3 * max(times):.3f})  ratio {middle / first:.2f}"
            )


if __name__ == "__main__":
    app.run(_main)
