"""Plays schedules in a simulated world, each from its seed, and prints the first that violates an invariant.

python -m benchmarks.simulation --number=100000
python -m benchmarks.simulation --first=4711 --number=1   # one of them again
python -m benchmarks.simulation --mutant=unflushed        # in the code with a fault, which it has to find
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from benchmarks.simulation.mutants import MUTANTS
from benchmarks.simulation.playing import play

_MOST_SHOWN = 10


def main() -> int:
    """Plays schedules on two processes, and returns 0 where none violates an invariant, or where a mutant is found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="seed of the first schedule")
    parser.add_argument("--number", type=int, default=2000, help="of schedules")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mutant", choices=MUTANTS, help="a fault that was once in the code")
    given = parser.parse_args()
    began = time.monotonic()
    size = -(-given.number // given.processes)
    pieces = [
        (given.first + i * size, min(size, given.number - i * size), given.mutant)
        for i in range(given.processes)
        if given.number > i * size
    ]
    if len(pieces) == 1:
        results = [play(pieces[0])]
    else:
        with multiprocessing.get_context("spawn").Pool(len(pieces)) as pool:
            results = pool.map(play, pieces)
    violations = [line for found, _, _ in results for line in found]
    counts = sum((counted for _, counted, _ in results), Counter[str]())
    for line in violations[:_MOST_SHOWN]:
        print(line)
    seconds = time.monotonic() - began
    print(
        f"{counts['schedules']:,} schedules, {counts['launches']:,} launches, {len(violations)} violations, "
        f"{60 * counts['schedules'] / seconds:,.0f} schedules a minute"
    )
    if given.mutant is not None:
        firsts = [first for _, _, first in results if first is not None]
        print(f"found after {min(firsts):,} schedules" if firsts else "not found")
        return 0 if firsts else 1
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
