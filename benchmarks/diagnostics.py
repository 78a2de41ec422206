"""What diagnostics cost: time per seed and step with all of them on, against none.

`python -m benchmarks.diagnostics` trains the network of `kick_in` and a dense one in one worker's
lanes, at the default width and evaluation interval, alternating between a pool without diagnostics
and pools with them, and prints the median of every pool over the rounds. Both clocks are shown: the
wall's on a quiet machine is what counts, the processor's is a stand-in on a busy one. With
`--each` every diagnostic is also measured alone.
"""

import os

# As a worker has them, before a backend starts.
os.environ["NPROC"] = os.environ["PJRT_NPROC"] = "1"

import time
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from engine.arms.arm import Arm
from engine.lanes.pool import LanePool, make_pool
from engine.lanes.programs import SEGMENTS_PER_CHUNK
from engine.lanes.runs import Run
from engine.lanes.spec import PoolSpec, block_of, default_width
from engine.models.lowering import default_form
from engine.outcomes import DetectorSettings
from engine.studies.study import resolve_arm
from engine.tasks import load_data
from engine.training.probes import DIAGNOSTICS, check_names
from engine.workers.devices import configure_backend

_ROUNDS = flags.DEFINE_integer("rounds", 12, "times that every pool is measured", lower_bound=3)
_CHUNKS = flags.DEFINE_integer("chunks", 4, "chunks of 8 evaluations in a round", lower_bound=1)
_EACH = flags.DEFINE_bool("each", False, "measure every diagnostic alone as well")

_ARMS = {"kick_in": Arm(init_scale=0.05, learning_rate=1e-4), "mlp": Arm(model="mlp", init="he")}
_EVAL_EVERY, _EVERY = 11, 44
_NEVER = 10**9


def _pool(arm: Arm, names: Sequence[str]) -> LanePool:
    arm = resolve_arm(arm)
    is_heavy = arm.model != "mlp"
    width = default_width("cpu", is_heavy)
    spec = PoolSpec(
        arm=arm,
        data=load_data(arm, 0, None),
        root_seed=0,
        width=width,
        block=block_of("cpu", is_heavy, width),
        form=default_form("cpu"),
        eval_every=_EVAL_EVERY,
        detector=DetectorSettings(),
        diagnostics=check_names(tuple(names)),
        diagnostics_every=_EVERY if names else 0,
    )
    pool = make_pool(spec)
    pool.fill([Run.of_seed("arm", arm, seed, _NEVER) for seed in range(width)])
    return pool


def _advance(pool: LanePool) -> tuple[float, float]:
    """Milliseconds per seed and step of one round, on the wall's clock and the processor's."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(_CHUNKS.value):
        pool.advance()
        pool.collect(pool.harvest())
    number = _CHUNKS.value * SEGMENTS_PER_CHUNK * _EVAL_EVERY * pool.spec.width
    return (1e3 * (time.perf_counter() - wall) / number, 1e3 * (time.process_time() - processor) / number)


def _main(argv: list[str]) -> None:
    configure_backend(None)
    choices = {"none": (), "all": ("all",)}
    if _EACH.value:
        choices |= {name: (name,) for name in DIAGNOSTICS}
    print("| network | diagnostics | ms, wall | more | ms, processor | more |")
    print("|---|---|---|---|---|---|")
    for network, arm in _ARMS.items():
        pools = {name: _pool(arm, names) for name, names in choices.items()}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in pools}
        for pool in pools.values():
            _advance(pool)
        for _ in range(_ROUNDS.value):
            for name, pool in pools.items():
                times[name].append(_advance(pool))
        medians = {name: np.median(of_pool, axis=0) for name, of_pool in times.items()}
        for name, (wall, processor) in medians.items():
            of_wall, of_processor = medians[name] / medians["none"] - 1
            print(
                f"| {network} | {name} | {wall:.4f} | {of_wall:+.1%} | {processor:.4f} | {of_processor:+.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    app.run(_main)
