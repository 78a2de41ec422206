"""Which seeds a study combines: independent repetitions, a crossed grid, forks on the plateau.

A crossed grid trains every start in every data order, which divides the variance of the waiting time between the two. A
fork replays its parent up to a step on the plateau and continues in another data order, which shows whether the state
of the parent determines how long it still takes. Both share what they start from, so every design also has independent
repetitions, on which counts and times rest, and which are the parents of forks.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError

# Repetitions that an arm may have.
MAX_SEEDS = 10**7
DESIGNS = ("seeds", "crossed", "fork", "crossed_fork")
# Grids and forks have their own data orders, apart from those of the repetitions.
FIRST_GRID_SEED = 2**30
FIRST_FORK_SEED = 2**31
MAX_FORKS = 2**12
_MAX_FORKED_SEEDS = 2**19
# Forks leave their parents at this share of the parents' median waiting time.
_SHARE_OF_MEDIAN = 0.5


class Cell(NamedTuple):
    """The seeds of one run; `seed` names the repetition that has the same start."""

    seed: int
    init_seed: int
    order_seed: int
    noise_seed: int
    fork_order_seed: int | None = None


def has_grid(design: str) -> bool:
    """Tells whether every start is trained in every data order."""
    return design in ("crossed", "crossed_fork")


def has_forks(design: str) -> bool:
    """Tells whether runs are forked."""
    return design in ("fork", "crossed_fork")


def check_design(
    design: str, num_seeds: Sequence[int], order_seeds: int | None, forks: int | None, has_fork_step: bool
) -> None:
    """Checks the numbers that belong to a design; `num_seeds` are the repetitions of every arm."""
    for name, value, is_used in (("order_seeds", order_seeds, has_grid(design)), ("forks", forks, has_forks(design))):
        if is_used and value is None:
            raise InputError(f"design={design} needs {name}")
        if value is not None and not is_used:
            raise InputError(f"{name}={value} has no effect with design={design}")
        if value is not None and value < 2:
            raise InputError(f"{name}={value}: expected at least 2")
    if has_fork_step and not has_forks(design):
        raise InputError(f"fork_step has no effect with design={design}")
    least, most = min(num_seeds), max(num_seeds)
    if order_seeds is not None and least < 2:
        raise InputError(f"design={design} needs at least 2 init seeds, got {least}")
    if order_seeds is not None and most * order_seeds > FIRST_GRID_SEED:
        raise InputError(f"a grid of {most} × {order_seeds} runs: expected at most 2^30")
    if forks is not None and forks > MAX_FORKS:
        raise InputError(f"forks={forks}: expected at most {MAX_FORKS}")
    if forks is not None and most > _MAX_FORKED_SEEDS:
        raise InputError(f"seeds={most}: expected at most {_MAX_FORKED_SEEDS} with forks")


def is_of_grid(order_seed: int) -> bool:
    """Tells whether a data order is one of the common ones of a grid."""
    return order_seed >= FIRST_GRID_SEED


def is_repetition(order_seed: int, fork: int | None) -> bool:
    """Tells whether a run is no part of a grid and no fork; `fork` is its fork step, or its order seed after that."""
    return fork is None and not is_of_grid(order_seed)


def run_name(row: Mapping[str, Any]) -> str:
    """Names a run inside its arm by the seeds in its row: `seed 3`, `seed 3 in order 1`, `seed 3 fork 2`."""
    name = f"seed {row['seed']}"
    if is_of_grid(row["order_seed"]):
        name += f" in order {row['order_seed'] - FIRST_GRID_SEED}"
    if row["fork_order_seed"] is not None:
        name += f" fork {(row['fork_order_seed'] - FIRST_FORK_SEED) % MAX_FORKS}"
    return name


def unforked(num_seeds: int, order_seeds: int | None) -> Iterator[Cell]:
    """Yields the runs that are not forks: each repetition, then the runs of the grid with its start."""
    for seed in range(num_seeds):
        yield Cell(seed, seed, seed, seed)
        for order in range(order_seeds or 0):
            yield Cell(seed, seed, FIRST_GRID_SEED + order, FIRST_GRID_SEED + seed * (order_seeds or 0) + order)


def runs_per_seed(order_seeds: int | None, forks: int | None) -> int:
    """Counts the runs per repetition: itself, its row of the grid, and its forks if all are made."""
    return 1 + (order_seeds or 0) + (forks or 0)


def forked(num_seeds: int, forks: int | None) -> Iterator[Cell]:
    """Yields the forks of the repetitions, parent by parent."""
    for seed, fork in itertools.product(range(num_seeds), range(forks or 0)):
        yield Cell(seed, seed, seed, seed, FIRST_FORK_SEED + seed * MAX_FORKS + fork)


def cell_of(design: str, order_seeds: int | None, noise_seed: int, fork_order_seed: int | None) -> Cell | None:
    """Returns the run with this noise seed and this order seed after a fork, or `None` where the design has none."""
    if fork_order_seed is not None:
        is_asked = has_forks(design) and 0 <= noise_seed < _MAX_FORKED_SEEDS
        is_of_parent = is_asked and (fork_order_seed - FIRST_FORK_SEED) // MAX_FORKS == noise_seed
        return Cell(noise_seed, noise_seed, noise_seed, noise_seed, fork_order_seed) if is_of_parent else None
    if 0 <= noise_seed < FIRST_GRID_SEED:
        return Cell(noise_seed, noise_seed, noise_seed, noise_seed)
    if order_seeds is None or not FIRST_GRID_SEED <= noise_seed < 2 * FIRST_GRID_SEED:
        return None
    seed, order = divmod(noise_seed - FIRST_GRID_SEED, order_seeds)
    return Cell(seed, seed, FIRST_GRID_SEED + order, noise_seed)


def fork_step_of(time: np.ndarray, event: np.ndarray, eval_every: int) -> int | None:
    """Returns the step of the forks: half the median waiting time of the parents, on the evaluation grid.

    All parents are forked at one step, so that the step tells nothing about how long each would have waited. It is
    `None` where half of the parents never left their plateau, or left it before two evaluations. `time` is the onset,
    or end of the run, in steps, and `event` 1 where the plateau ended, both `[num_parents]`.
    """
    times = np.sort(np.where(event == 1, time, np.inf))
    median = float(times[(len(times) - 1) // 2]) if len(times) else np.inf
    if not np.isfinite(median):
        return None
    return int(_SHARE_OF_MEDIAN * median) // eval_every * eval_every or None
