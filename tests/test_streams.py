"""Batches from the host: the same runs to the bit, in cohorts that end before the next begins."""

import dataclasses
import pickle
import tempfile

import numpy as np
import pytest

from engine import InputError
from engine.commands.run import run
from engine.errors import StorageError
from engine.lanes.checkpoint import Checkpoint
from engine.lanes.host_batches import Spooled, opened, spool
from engine.lanes.memory import check_data
from engine.lanes.pool import LanePool
from engine.lanes.runs import Run
from engine.lanes.spec import PoolSpec
from engine.outcomes import DetectorSettings
from engine.studies.expand import expand, spooled
from engine.studies.study import resolve_arm
from engine.workers.messages import Hooks
from engine.workers.scheduler import Scheduler
from tests.conftest import read_all, runs_of, small_arm, small_study

_ORDER = 5
STREAMED = small_arm(stream=True, learning_rate=1e-2)
RESIDENT = dataclasses.replace(STREAMED, stream=False)


def _runs(seeds: list[int], horizon: int = 121, arm=STREAMED) -> list[Run]:
    return [r._replace(order_seed=_ORDER) for r in runs_of(arm, seeds, horizon)]


def _to_the_end(pool: LanePool) -> dict:
    finished = {}
    while pool.num_busy:
        pool.advance()
        _, over = pool.collect(pool.harvest())
        finished |= {f.run.seed: f for f in over}
    return finished


def _assert_equal(a, b) -> None:
    np.testing.assert_array_equal(a.batch_loss, b.batch_loss)
    assert a.steps.tolist() == b.steps.tolist()
    for name, curve in a.curves.items():
        np.testing.assert_array_equal(curve, b.curves[name])


@pytest.mark.long
def test_streamed_runs_have_the_bits_of_runs_on_resident_data(make_pool):
    """Over more than a chunk and more than an epoch, and in a second cohort of the same pool."""
    found = {}
    for arm in (STREAMED, RESIDENT):
        pool = make_pool(arm, width=2)
        pool.fill(_runs([0, 1], arm=arm))
        found[arm] = _to_the_end(pool)
        pool.fill(_runs([2], arm=arm))
        found[arm] |= _to_the_end(pool)
    assert found[STREAMED].keys() == {0, 1, 2}
    for seed, finished in found[STREAMED].items():
        _assert_equal(finished, found[RESIDENT][seed])


def test_a_cohort_goes_on_from_where_it_was_kept(make_pool):
    pool = make_pool(STREAMED, width=2)
    pool.fill(_runs([0, 1]))
    pool.advance()
    pool.collect(pool.harvest())
    kept = {checkpoint.run: checkpoint for checkpoint in pool.checkpoints()}
    uninterrupted = _to_the_end(pool)
    other = make_pool(STREAMED, width=2)
    assert other.fill(_runs([0, 1]), kept) == []
    resumed = _to_the_end(other)
    for seed in (0, 1):
        _assert_equal(resumed[seed], uninterrupted[seed])


@pytest.mark.long
@pytest.mark.parametrize("stop", ["horizon", "settled"])
def test_runs_of_a_cohort_may_end_at_different_times(stop, make_pool):
    """Arms of one group have horizons of their own, and settled runs end early."""
    found = {}
    for arm in (STREAMED, RESIDENT):
        pool = make_pool(arm, width=3, stop=stop)
        runs = _runs([0, 1], horizon=44, arm=arm) + _runs([2], horizon=220, arm=arm)
        pool.fill(runs)
        found[arm] = _to_the_end(pool)
        if arm is STREAMED:
            assert len(pool._stream._blocks) == 1 or stop == "settled", "nobody needs more batches"
    for seed, finished in found[STREAMED].items():
        _assert_equal(finished, found[RESIDENT][seed])
        assert finished.stop_reason == found[RESIDENT][seed].stop_reason
    assert len(found[STREAMED][2].batch_loss) > len(found[STREAMED][0].batch_loss)


def test_runs_of_a_cohort_that_were_kept_at_other_steps_start_anew(make_pool):
    """As where a worker dies while it hands in, or one checkpoint of several is of another form."""
    pool = make_pool(STREAMED, width=2)
    pool.fill(_runs([0, 1]))
    pool.advance()
    pool.collect(pool.harvest())
    first, second = pool.checkpoints()
    uninterrupted = _to_the_end(pool)
    for kept, again in (
        ({first.run: first}, [0]),
        ({first.run: first, second.run: second._replace(arrays={})}, [0, 1]),
    ):
        other = make_pool(STREAMED, width=2)
        assert [run.seed for run in other.fill(_runs([0, 1]), kept)] == again
        found = _to_the_end(other)
        for seed in (0, 1):
            _assert_equal(found[seed], uninterrupted[seed])


def _scheduler(steps: dict[int, int], width: int = 4) -> Scheduler:
    arm = resolve_arm(STREAMED)
    spec = PoolSpec(arm, {}, 0, width, 1, "direct", 11, DetectorSettings())

    def find(run: Run) -> Checkpoint | None:
        return Checkpoint(run, steps[run.seed], {}) if run.seed in steps else None

    hooks = Hooks(lambda delivery: None, find_checkpoint=find)
    return Scheduler([spec], [_runs(list(range(6)))], hooks)


def test_a_worker_gets_nothing_more_until_its_cohort_is_over():
    scheduler = _scheduler({})
    assert [run.seed for run in scheduler.assign(0, 0, 0).runs] == [0, 1, 2, 3]
    assert scheduler.assign(0, 3, 1).runs == []


def test_runs_that_were_kept_at_one_step_go_on_together():
    scheduler = _scheduler({0: 88, 2: 88, 3: 44})
    assert [run.seed for run in scheduler.assign(0, 0, 0).runs] == [0, 2]
    assert [run.seed for run in scheduler.assign(1, 0, 0).runs] == [1, 4, 5]
    assert [run.seed for run in scheduler.assign(2, 0, 0).runs] == [3]


def test_suspects_of_a_cohort_are_tried_at_one_step():
    """They are the runs of a worker that died, perhaps while it handed them in."""
    steps: dict[int, int] = {}
    scheduler = _scheduler(steps, width=6)
    for _ in range(2):
        assert len(scheduler.assign(0, 0, 0).runs) == 6
        scheduler.lose(0)
    steps |= {0: 88, 2: 88}
    found = []
    while scheduler.has_pending():
        found.append([run.seed for run in scheduler.assign(len(found), 0, 0).runs])
    assert found == [[0, 2], [1], [3, 4, 5]]


@pytest.mark.long
def test_a_study_is_streamed_by_spawned_workers(tmp_path, data_dir, cache_dir):
    """Through files that workers share, with the rows of the study that is not streamed."""
    rows = {}
    for arm in (STREAMED, RESIDENT):
        study = small_study(arms={"a": arm}, baseline="a", fix_order=_ORDER, seeds=3, horizon=44)
        workdir = tmp_path / str(arm.stream)
        number = 2 if arm.stream else 0
        run(
            study, workdir, num_workers=number, width=2, data_dir=data_dir, cache_dir=cache_dir,
            is_quiet=True, has_report=False,
        )  # fmt: skip
        rows[arm.stream] = sorted(read_all(workdir), key=lambda row: row["seed"])
    assert rows[True] == rows[False]
    assert not list(tmp_path.rglob("plateau-*"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fix_order": None}, "give --fix_order=0"),
        ({"arms": {"a": small_arm(dataset="teacher", stream=True)}}, "are drawn on the device"),
        ({"design": "fork", "forks": 2}, "needs design=seeds"),
        ({"design": "crossed", "order_seeds": 2, "fix_order": None}, "needs design=seeds"),
    ],
)
def test_what_cannot_be_streamed_is_said(changes, words, data_dir):
    study = small_study(**{"arms": {"a": STREAMED}, "baseline": "a", "fix_order": 0, "horizon": 44, **changes})
    with pytest.raises(InputError, match=words):
        expand(study, "cpu", data_dir=data_dir)


def test_data_that_do_not_fit_the_device_are_refused_with_the_way_out():
    spec = PoolSpec(resolve_arm(RESIDENT), {"inputs": np.zeros(1000)}, 0, 2, 1, "direct", 11,
                    DetectorSettings())  # fmt: skip
    with pytest.raises(InputError, match="give --stream --fix_order=0"):
        check_data(spec, None, 7999)
    check_data(spec, None, 8000)


def test_an_array_in_a_file_travels_as_its_name(tmp_path):
    data = {"inputs": np.arange(10**5, dtype=np.float32), "labels": np.arange(3)}
    spooled_data = spool(data, ("inputs",), tmp_path / "a")
    assert len(pickle.dumps(spooled_data["inputs"])) < 500
    assert isinstance(spooled_data["inputs"], Spooled)
    again = opened(pickle.loads(pickle.dumps(spooled_data)))
    assert isinstance(again["inputs"], np.memmap)
    for name, array in data.items():
        np.testing.assert_array_equal(again[name], array)


def test_no_room_for_the_data_is_said_with_the_folder(tmp_path, data_dir, monkeypatch):
    study = small_study(arms={"a": STREAMED}, baseline="a", fix_order=0, horizon=44)
    plan = expand(study, "cpu", data_dir=data_dir)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(np, "save", _full)
    with pytest.raises(StorageError, match="set TMPDIR"), spooled(plan):
        pass
    assert not list(tmp_path.iterdir())


def _full(*arguments, **more) -> None:
    raise OSError(28, "No space left on device")
