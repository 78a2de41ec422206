"""Runs under way: kept, found again, gone on with to the same bits."""

import hashlib
import itertools
import os
import random
import signal

import numpy as np
import pytest
from safetensors.numpy import save

from engine.arms.arm import Arm
from engine.commands.run import run
from engine.lanes.pool import LanePool
from engine.store.checkpoints import CheckpointFolder, Kept
from engine.workers.interruption import Interrupted, SignalWatch
from tests.conftest import read_all, runs_of, small_arm, small_study


def _folder(path, origin="here") -> CheckpointFolder:
    folder = CheckpointFolder(path, origin)
    folder.open(_unexpected, _unexpected)
    return folder


def _unexpected(*words) -> None:
    raise AssertionError(words)


def _key(seed: int, arm: str = "a"):
    return (arm, seed, seed, seed, None, None)


def _kept(step: int) -> Kept:
    return Kept(step, {"lane/x": np.full(3, step, np.float32), "lane/n": np.int32(step)})


def test_what_is_kept_is_found_again(tmp_path):
    folder = _folder(tmp_path / "c")
    folder.keep([(_key(0), _kept(11)), (_key(1), _kept(22))])
    for reader in (folder, _folder(tmp_path / "c")):
        assert reader.steps() == {_key(0): 11, _key(1): 22}
        found = reader.find(_key(1))
        assert found.step == 22
        assert found.arrays["lane/x"].tolist() == [22.0] * 3
        assert found.arrays["lane/n"].dtype == np.int32
        assert found.arrays["lane/n"].shape == ()
        assert reader.find(_key(2)) is None


def test_files_go_once_every_run_in_them_is_over_or_further(tmp_path):
    path = tmp_path / "c"
    folder = _folder(path)
    folder.keep([(_key(0), _kept(11)), (_key(1), _kept(11))])
    folder.keep([(_key(0), _kept(22))])
    assert len(list(path.iterdir())) == 2
    folder.forget([_key(1), _key(7)])
    assert len(list(path.iterdir())) == 1
    assert _folder(path).steps() == {_key(0): 22}
    folder.forget([_key(0)])
    assert not path.exists()


def test_after_a_kill_between_two_files_the_later_one_counts(tmp_path):
    folder = _folder(tmp_path / "c")
    folder.keep([(_key(0), _kept(22))])
    (later,) = (tmp_path / "c").iterdir()
    content = later.read_bytes()
    folder.keep([(_key(0), _kept(11))])
    later.write_bytes(content)
    again = _folder(tmp_path / "c")
    assert again.steps() == {_key(0): 22}
    assert len(list((tmp_path / "c").iterdir())) == 1


def test_what_was_kept_elsewhere_is_not_gone_on_with(tmp_path):
    _folder(tmp_path / "c").keep([(_key(0), _kept(11))])
    said: list[str] = []
    folder = CheckpointFolder(tmp_path / "c", "another machine")
    folder.open(_unexpected, said.append)
    assert folder.steps() == {}
    assert "start again" in said[0]
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_is_found(tmp_path, seed):
    _folder(tmp_path / "c").keep([(_key(0), _kept(11))])
    (path,) = (tmp_path / "c").iterdir()
    content = bytearray(path.read_bytes())
    draw = random.Random(seed)
    place = draw.randrange(len(content))
    if seed % 2:
        content[place] ^= 1 << draw.randrange(8)
    else:
        del content[place:]
    path.write_bytes(content)
    found = []
    folder = CheckpointFolder(tmp_path / "c", "here")
    folder.open(lambda path, reason: found.append(path.name), _unexpected)
    assert found == [path.name]
    assert folder.steps() == {}


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "foreign"])
def test_what_is_no_checkpoint_is_set_aside(tmp_path, kind):
    folder, path = tmp_path / "c", tmp_path / "c" / f"{'0' * 32}.safetensors"
    folder.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        content = save({"x": np.zeros(3)}, {"plateau": '{"version": 1, "origin": "here"}'})
        path = folder / f"{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
        path.write_bytes(content)
    found = []
    CheckpointFolder(folder, "here").open(lambda path, _: found.append(path.name), _unexpected)
    assert found == [path.name]


def _drain(pool: LanePool) -> dict:
    finished = {}
    while pool.num_busy:
        pool.advance()
        finished.update({f.run: f for f in pool.collect(pool.harvest())[1]})
    return finished


def _assert_same(one, other) -> None:
    for name in ("steps", "batch_loss", "inspected_steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for curves, others in ((one.curves, other.curves), (one.inspected, other.inspected)):
        assert curves.keys() == others.keys()
        for name, curve in curves.items():
            np.testing.assert_array_equal(curve, others[name])
    assert one[6:] == other[6:]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"batch_norm": True, "dropout": 0.2},
        {"optimizer": "sgd", "momentum": 0.9},
        {"model": "tests.own.networks:InHalves", "init": "as_written"},
    ],
    ids=["adam", "normalised", "sgd", "in halves"],
)
def test_a_run_goes_on_in_another_lane_and_pool_to_the_same_bits(make_pool, fields):
    arm = Arm(**fields) if "model" in fields else small_arm(**fields)
    runs = runs_of(arm, [0, 1, 2], horizon=220)
    pool = make_pool(arm)
    pool.fill(runs)
    pool.advance()
    pool.collect(pool.harvest())
    kept = {c.run: c for c in pool.checkpoints()}
    assert {c.step for c in kept.values()} == {88}
    whole = _drain(pool)
    other = make_pool(arm)
    assert other.fill([runs[2], *runs_of(arm, [7], horizon=220), runs[0]], kept) == []
    resumed = _drain(other)
    for index in (0, 2):
        _assert_same(resumed[runs[index]], whole[runs[index]])
    assert len(resumed) == 3


def test_a_checkpoint_that_does_not_fit_is_not_used(make_pool):
    arm = small_arm()
    (run,) = runs_of(arm, [0], horizon=220)
    pool = make_pool(arm)
    pool.fill([run])
    pool.advance()
    pool.collect(pool.harvest())
    (good,) = pool.checkpoints()
    whole = _drain(pool)[run]
    arrays = good.arrays
    bad = [
        good._replace(step=77),
        good._replace(arrays={}),
        good._replace(arrays={**arrays, "more": np.zeros(1)}),
        good._replace(arrays={**arrays, "lane/train/step": np.float32(88)}),
        good._replace(arrays={**arrays, "records/step": arrays["records/step"] + 1}),
        good._replace(arrays={**arrays, "records/batch_loss": arrays["records/batch_loss"][1:]}),
    ]
    for checkpoint in bad:
        assert pool.fill([run], {run: checkpoint}) == [run]
        _assert_same(_drain(pool)[run], whole)


@pytest.fixture
def options(data_dir, cache_dir):
    shared = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir}
    return {**shared, "is_quiet": True, "has_report": False}


@pytest.fixture(autouse=True)
def _taken():
    """Signals are taken also where the tests run in the background, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _raise_at(monkeypatch, number: signal.Signals, calls: set[int]) -> None:
    """A signal comes while some chunks are under way."""
    counter, advance = itertools.count(1), LanePool.advance

    def interrupted(pool):
        advance(pool)
        if next(counter) in calls:
            signal.raise_signal(number)

    monkeypatch.setattr(LanePool, "advance", interrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_costs_nothing(tmp_path, options, monkeypatch, number):
    study = small_study(seeds=3, horizon=220, stop="settled")
    run(study, tmp_path / "whole", width=2, **options)
    _raise_at(monkeypatch, number, {1})
    with pytest.raises(Interrupted) as caught:
        run(study, tmp_path / "cut", width=2, **options)
    assert caught.value.number == number
    assert "2 as they stand" in caught.value.stored
    assert len(list((tmp_path / "cut" / "checkpoint").iterdir())) == 1
    monkeypatch.undo()

    calls: list[int] = []
    fill = LanePool.fill

    def noted(pool, runs, checkpoints=None):
        calls.append(len(checkpoints or {}))
        return fill(pool, runs, checkpoints)

    monkeypatch.setattr(LanePool, "fill", noted)
    run(study, tmp_path / "cut", width=2, **options)
    assert calls[0] == 2
    assert sum(calls) == 2
    assert read_all(tmp_path / "cut") == read_all(tmp_path / "whole")
    assert not (tmp_path / "cut" / "checkpoint").exists()


def test_checkpoints_of_finished_runs_go(tmp_path, options, monkeypatch):
    study, forget = small_study(seeds=3, horizon=220), CheckpointFolder.forget
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointFolder, "forget", lambda folder, keys: None)
        run(study, tmp_path, width=2, checkpoint_every=1e-6, **options)
    assert (tmp_path / "checkpoint").exists()
    assert CheckpointFolder.forget is forget
    run(study, tmp_path, width=2, **options)
    assert not (tmp_path / "checkpoint").exists()


def test_checkpoints_now_and_then_change_nothing(tmp_path, options):
    study = small_study(seeds=3, horizon=220)
    run(study, tmp_path / "whole", width=2, **options)
    run(study, tmp_path / "kept", width=2, checkpoint_every=1e-6, **options)
    assert read_all(tmp_path / "kept") == read_all(tmp_path / "whole")
    assert not (tmp_path / "kept" / "checkpoint").exists()


def test_a_second_signal_stops_at_once():
    with SignalWatch() as watch, watch.deferred():
        signal.raise_signal(signal.SIGINT)
        assert watch.signal == signal.SIGINT
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_what_takes_long_inside_what_is_deferred_is_stopped_at_once():
    with SignalWatch() as watch, watch.deferred():
        with pytest.raises(Interrupted), watch.at_once():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), watch.at_once():
            pytest.fail("begun after a signal")


def test_a_signal_that_nobody_defers_raises():
    with pytest.raises(Interrupted) as caught, SignalWatch():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.number == signal.SIGTERM
