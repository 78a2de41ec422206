"""The simulated world: its disk loses what it should, and the engine keeps every promise in some schedules."""

import os
import random

import pytest

from benchmarks.simulation.disk import Disk, Killed, watched
from benchmarks.simulation.invariants import Violation
from benchmarks.simulation.memory import quickly
from benchmarks.simulation.mutants import MUTANTS, in_mutant
from benchmarks.simulation.settings import make_settings
from benchmarks.simulation.world import World, undisturbed
from engine.store import files


def _write(path, content, is_flushed):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, content)
    if is_flushed:
        os.fsync(descriptor)
    os.close(descriptor)


def _after_failures(tmp_path, act, number=40):
    """What a power failure after some changes may leave: a set of states, each as the bytes by name."""
    states = set()
    for seed in range(number):
        root = tmp_path / str(seed)
        root.mkdir()
        disk = Disk(root, random.Random(seed))
        with watched(disk):
            act(root)
        disk.lose_power()
        states.add(tuple(sorted((str(p.relative_to(root)), p.read_bytes()) for p in root.rglob("*") if p.is_file())))
    return states


def test_what_was_flushed_stays(tmp_path):
    def act(root):
        files.write_atomically(root / "a", b"one")
        files.write_atomically(root / "a", b"two")

    assert _after_failures(tmp_path, act) == {(("a", b"two"),)}


def test_what_was_not_flushed_may_be_lost_or_cut(tmp_path):
    states = _after_failures(tmp_path, lambda root: _write(root / "a", b"one", is_flushed=False))
    assert {(), (("a", b""),), (("a", b"o"),), (("a", b"one"),)} <= states


def test_a_new_name_of_a_flushed_file_may_be_lost(tmp_path):
    def act(root):
        _write(root / "a", b"one", is_flushed=True)
        files.flush_folder(root)
        os.replace(root / "a", root / "b")

    assert _after_failures(tmp_path, act) == {(("a", b"one"),), (("b", b"one"),)}


def test_a_file_that_moves_between_folders_is_in_one_of_them(tmp_path):
    def act(root):
        for name in "xy":
            os.mkdir(root / name)
        _write(root / "x" / "a", b"one", is_flushed=True)
        files.flush_folder(root / "x")
        files.flush_folder(root)
        os.rename(root / "x" / "a", root / "y" / "a")

    assert _after_failures(tmp_path, act) == {(("x/a", b"one"),), (("y/a", b"one"),)}


def test_nothing_is_changed_after_the_end(tmp_path):
    disk = Disk(tmp_path, random.Random(0))
    disk.last = 1
    with watched(disk):
        with pytest.raises(Killed):
            os.mkdir(tmp_path / "a")
        with pytest.raises(Killed):
            os.mkdir(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    root = tmp_path_factory.mktemp("worlds")
    with quickly():
        yield root, {name: undisturbed(root, setting) for name, setting in make_settings().items()}


def _play(seeds, root, settings):
    for seed in seeds:
        World(seed, root, settings[list(settings)[seed % len(settings)]]).play()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(40))
def test_no_schedule_violates_an_invariant(seed, played):
    _play([seed], *played)


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS)
def test_faults_that_were_once_there_are_found(mutant, played):
    with in_mutant(mutant), pytest.raises(Violation):
        _play(range(400), *played)
