"""Plays schedules one after the other, in a process of its own."""

import logging
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.simulation.invariants import Violation
from benchmarks.simulation.memory import quickly
from benchmarks.simulation.mutants import in_mutant
from benchmarks.simulation.settings import make_settings
from benchmarks.simulation.world import World, undisturbed


def play(given: tuple[int, int, str | None]) -> tuple[list[str], Counter[str], int | None]:
    """Plays some schedules; returns violations, counts, and the number played until the first violation."""
    first, number, mutant = given
    logging.disable(logging.CRITICAL)
    found: list[str] = []
    counts, until_first = Counter[str](), None
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=folder) as root, in_mutant(mutant), quickly():
        settings = {name: undisturbed(Path(root), setting) for name, setting in make_settings().items()}
        for seed in range(first, first + number):
            name = list(settings)[seed % len(settings)]
            try:
                counts["launches"] += World(seed, Path(root), settings[name]).play()
            except Violation as error:
                found.append(f"{name}: {error}")
                until_first = until_first or seed - first + 1
                if mutant is not None:
                    break
            counts["schedules"] += 1
    return found, counts, until_first
