"""Scheduling, supervision, and the same bits under any number of workers and cores."""

import multiprocessing
import multiprocessing.spawn
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engine.commands.run import run
from engine.errors import WorkerFailedError
from engine.lanes.checkpoint import Checkpoint
from engine.lanes.runs import Run
from engine.lanes.spec import PoolSpec
from engine.outcomes import DetectorSettings
from engine.store import provenance
from engine.studies.study import resolve_arm
from engine.workers import devices, processes, supervisor
from engine.workers.devices import Devices
from engine.workers.interruption import SignalWatch
from engine.workers.messages import Alive, CompletedRun, Delivery, Failed, Hooks, Keep, Pull
from engine.workers.scheduler import Scheduler
from engine.workers.serving import ServeSettings
from engine.workers.supervisor import Pulse, Supervisor
from tests.conftest import read_all, runs_of, small_arm, small_study


def _completed(run: Run) -> CompletedRun:
    return CompletedRun(run, {"batch_loss": np.zeros(44, np.float32)})


def _scheduler(*counts: int, width: int = 2, hooks: Hooks | None = None) -> Scheduler:
    arm = resolve_arm(small_arm())
    spec = PoolSpec(arm, {}, 0, width, 1, "direct", 11, DetectorSettings())
    pending = [
        [r._replace(arm_name=str(g)) for r in runs_of(small_arm(), list(range(n)))] for g, n in enumerate(counts)
    ]
    return Scheduler([spec] * len(counts), pending, hooks or Hooks(lambda delivery: None))


def test_workers_take_groups_that_nobody_serves():
    scheduler = _scheduler(6, 4)
    assert scheduler.assign(0, 0, 0).group == 0
    scheduler.deliver(0, Delivery(0, []))
    second = scheduler.assign(1, 0, 0)
    assert second.group == 1
    assert second.spec is not None
    assert [r.seed for r in second.runs] == [0, 1]
    assert scheduler.assign(1, 1, 1).runs[0].seed == 2


def test_before_anything_runs_workers_compile_one_group_together():
    scheduler = _scheduler(4, 6, 3)
    assert [scheduler.assign(worker, 0, 0).group for worker in range(4)] == [1, 1, 1, 0]


def test_a_worker_changes_group_only_when_its_lanes_are_empty():
    scheduler = _scheduler(2, 2)
    first = scheduler.assign(0, 0, 0)
    waiting = scheduler.assign(0, 1, 1)
    assert waiting.runs == []
    scheduler.deliver(0, Delivery(0, [_completed(r) for r in first.runs]))
    assert scheduler.assign(0, 2, 0).group == 1
    assert scheduler.assign(1, 0, 0) is None
    assert not scheduler.is_done


def test_lost_runs_go_back_to_the_front():
    scheduler = _scheduler(5)
    first = scheduler.assign(0, 0, 0).runs
    assert scheduler.lose(0) == (first, None)
    assert scheduler.assign(1, 0, 0).runs == first


def test_runs_whose_node_has_left_are_never_to_blame():
    """Alone or not, however often; those that were tried apart are tried apart again."""
    scheduler = _scheduler(5)
    first = scheduler.assign(0, 0, 0).runs
    for _ in range(20):
        scheduler.deliver(0, Delivery(11, []))
        assert scheduler.lose(0, is_of_runs=False) == (first, None)
        assert scheduler.assign(0, 0, 0).runs == first
    for _ in range(2):
        assert scheduler.lose(0)[1] is None
        suspects = scheduler.assign(0, 0, 0).runs
    apart = len(suspects)
    assert apart < len(first)
    for _ in range(20):
        scheduler.lose(0, is_of_runs=False)
        assert scheduler.assign(0, 0, 0).runs == suspects


@pytest.mark.long
@pytest.mark.parametrize("num_workers", [1, 2])
def test_any_number_of_workers_makes_the_same_bits(num_workers, tmp_path, data_dir, cache_dir):
    arms = {"a": small_arm(), "b": small_arm(batch_norm=True)}
    study = small_study(arms=arms, baseline="a", seeds=5)
    options = {"data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True, "has_report": False}
    run(study, tmp_path / "here", num_workers=0, width=2, **options)
    run(study, tmp_path / "there", num_workers=num_workers, width=2, **options)
    here, there = read_all(tmp_path / "here"), read_all(tmp_path / "there")
    assert len(here) == 10
    assert here == there


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core only")
@pytest.mark.bits
def test_one_core_and_two_make_the_same_bits(tmp_path, data_dir, cache_dir):
    program = (
        "import os, sys; os.sched_setaffinity(0, eval(sys.argv[1])); "
        "from launch import main; sys.exit(main(['launch', *sys.argv[2:]]))"
    )
    cores = sorted(os.sched_getaffinity(0))[:2]
    flags = ["--experiment=single", "--conv_widths=4,4", "--pool_after=1,2", "--dense_widths=8"]
    flags += ["--seeds=3", "--horizon=44", "--workers=1", f"--data_dir={data_dir}"]
    rows = []
    for name, chosen in (("one", cores[:1]), ("two", cores)):
        flags_here = [*flags, f"--workdir={tmp_path / name}", f"--compilation_cache={tmp_path}/{name}c"]
        words = [sys.executable, "-c", program, str(set(chosen)), *flags_here]
        environment = {k: v for k, v in os.environ.items() if k != "NPROC"}
        subprocess.run(words, check=True, cwd=_root(), env=environment, capture_output=True)
        rows.append(read_all(tmp_path / name))
    assert len(rows[0]) == 3
    assert rows[0] == rows[1]


def _root() -> Path:
    return Path(__file__).parent.parent


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "a worker died with exit code -9"), (signal.SIGSTOP, "no sign of life")],
    ids=["killed", "hung"],
)
def test_a_worker_that_is_killed_or_hangs_is_replaced(tmp_path, data_dir, cache_dir, capfd, monkeypatch, number, words):
    """It happens as the worker reports its first chunk, with four runs in flight."""
    study = small_study(seeds=4, horizon=220)
    options = {"data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True, "has_report": False}
    run(study, tmp_path / "calm", num_workers=0, width=4, **options)
    deliver, struck = Scheduler.deliver, []

    def deliver_and_strike(scheduler, worker, delivery):
        deliver(scheduler, worker, delivery)
        if not struck:
            (process,) = multiprocessing.active_children()
            os.kill(process.pid, number)
            struck.append(process.pid)

    monkeypatch.setattr(Scheduler, "deliver", deliver_and_strike)
    monkeypatch.setattr(supervisor, "QUIET_LIMIT", 6.0)
    run(study, tmp_path / "hit", num_workers=1, width=4, **options)
    assert struck
    assert words in capfd.readouterr().err
    assert read_all(tmp_path / "hit") == read_all(tmp_path / "calm")
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no list of processes")
def test_no_worker_outlives_its_parent(tmp_path):
    program = (
        "import time\n"
        "from engine.workers import processes\n"
        "from engine.workers.devices import Devices\n"
        "from engine.workers.serving import ServeSettings\n"
        "if __name__ == '__main__':\n"
        "    with processes.Crew(Devices('cpu', 1), 2, ServeSettings(None)) as crew:\n"
        "        print(*(w.process.pid for w in crew.members.values()), flush=True)\n"
        "        time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(program)
    words = [sys.executable, str(tmp_path / "parent.py")]
    environment = {**os.environ, "PYTHONPATH": str(_root())}
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment) as parent:
        workers_there = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(workers_there) == 2
    for _ in range(300):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers_there):
            return
        time.sleep(0.1)
    pytest.fail("a worker is still there")


def _supervise(scheduler: Scheduler, num_workers: int = 1) -> None:
    with SignalWatch() as watch, processes.Crew(Devices("cpu", 1), num_workers, ServeSettings(None)) as crew:
        Supervisor(scheduler, crew, watch).run()


def test_workers_that_die_at_once_end_the_study(monkeypatch):
    """A supervisor whose workers exit before they ask for anything gives up with a reason."""
    monkeypatch.setattr(processes, "_main", _die)
    notes: list[str] = []
    hooks = Hooks(lambda delivery: None, notify=notes.append)
    with pytest.raises(WorkerFailedError, match="one after another without progress"):
        _supervise(_scheduler(2, hooks=hooks))
    assert len(notes) == 5
    assert "exit code 3" in notes[0]


def _die(connection, *others) -> None:
    os._exit(3)


@pytest.mark.long
def test_an_exception_in_a_worker_arrives_with_its_traceback(monkeypatch):
    monkeypatch.setattr(processes, "_main", _fail)
    with pytest.raises(WorkerFailedError, match="ZeroDivisionError"):
        _supervise(_scheduler(2))


def _fail(connection, *others) -> None:
    connection.send(Failed("Traceback: ZeroDivisionError"))


def test_devices_are_found_without_starting_a_backend():
    found = devices.find_devices()
    assert found.platform == "cpu"
    assert found.num_devices == provenance.hardware()["cores"]


@pytest.mark.parametrize(("platform", "variable"), [("gpu", "CUDA_VISIBLE_DEVICES"), ("tpu", "TPU_VISIBLE_CHIPS")])
def test_every_worker_gets_a_device_of_its_own(platform, variable, monkeypatch):
    monkeypatch.delenv(variable, raising=False)
    pair = Devices(platform, 2)
    assert [devices.environment(pair, i)[variable] for i in (0, 1)] == ["0", "1"]
    monkeypatch.setenv(variable, "5,7")
    assert [devices.environment(pair, i)[variable] for i in (0, 1)] == ["5", "7"]
    assert devices.environment(Devices("cpu", 2), 1)["NPROC"] == "1"


def test_a_run_that_ends_its_worker_at_the_same_step_again_and_again_is_given_up():
    failed: list[int] = []
    hooks = Hooks(lambda delivery: None, on_failure=lambda run: failed.append(run.seed))
    scheduler = _scheduler(1, hooks=hooks)
    for num_failed in (0, 0, 1):
        assert len(scheduler.assign(0, 1, 0).runs) == 1
        scheduler.deliver(0, Delivery(11, []))
        scheduler.lose(0)
        assert len(failed) == num_failed
    assert scheduler.is_done


def test_without_any_progress_nobody_is_given_up():
    scheduler = _scheduler(1)
    for _ in range(3):
        assert len(scheduler.assign(0, 1, 0).runs) == 1
        assert scheduler.lose(0)[1] is None
    assert not scheduler.is_done


@pytest.mark.parametrize("culprit", range(8))
def test_the_run_that_ends_its_worker_is_found_among_its_neighbours(culprit):
    """Whoever has it in flight dies; all others must be done, each exactly once."""
    failed: list[int] = []
    hooks = Hooks(lambda delivery: None, on_failure=lambda run: failed.append(run.seed))
    scheduler = _scheduler(11, width=8, hooks=hooks)
    done: list[int] = []
    num_deaths = 0
    while (assignment := scheduler.assign(0, 8, 0)) is not None:
        runs = assignment.runs
        assert 0 < len(runs) <= 8
        assert scheduler.assign(0, 0, len(runs)).runs == []
        scheduler.deliver(0, Delivery(11, []))
        if culprit in [run.seed for run in runs]:
            num_deaths += 1
            scheduler.lose(0)
        else:
            done += [run.seed for run in runs]
            scheduler.deliver(0, Delivery(44 * len(runs) - 11, [_completed(run) for run in runs]))
    assert failed == [culprit]
    assert sorted(done) == [seed for seed in range(11) if seed != culprit]
    assert num_deaths <= 2 + 3 + 2


@pytest.mark.parametrize("seed", range(20))
def test_a_machine_that_ends_workers_at_any_moment_gives_no_run_up(seed):
    """Every worker ends after a while, whatever it trains; runs of 440 steps are kept now and then."""
    draw, kept, num_deaths = random.Random(seed), {}, 0
    hooks = Hooks(
        lambda delivery: None, on_failure=lambda run: pytest.fail("given up"), find_checkpoint=lambda run: kept.get(run)
    )
    scheduler = _scheduler(8, width=4, hooks=hooks)
    while (assignment := scheduler.assign(0, 4, 0)) is not None:
        steps = {run: kept[run].step if run in kept else 0 for run in assignment.runs}
        for _ in range(draw.randrange(3, 15)):
            steps = {run: step + 11 for run, step in steps.items()}
            over = [CompletedRun(run, {"batch_loss": np.zeros(440)}) for run, step in steps.items() if step >= 440]
            scheduler.deliver(0, Delivery(11 * len(steps), over))
            steps = {run: step for run, step in steps.items() if step < 440}
            if not steps:
                break
            if draw.random() < 0.3:
                keep = [Checkpoint(run, step, {}) for run, step in steps.items()]
                kept |= {one.run: one for one in keep}
                scheduler.handle(0, Keep(keep))
        if steps:
            num_deaths += 1
            scheduler.lose(0)
    assert scheduler.is_done
    assert num_deaths > 3


def test_a_machine_that_ends_all_runs_alike_is_suspected_itself():
    failed: list[int] = []
    scheduler = _scheduler(8, width=4, hooks=Hooks(lambda _: None, on_failure=lambda run: failed.append(run.seed)))

    def lose_all() -> None:
        while scheduler.assign(0, 4, 0) is not None:
            scheduler.deliver(0, Delivery(11, []))
            scheduler.lose(0)

    with pytest.raises(WorkerFailedError, match="rather the machine"):
        lose_all()
    assert len(failed) == 2


def test_a_run_that_gets_farther_every_time_is_not_to_blame():
    scheduler = _scheduler(1, hooks=Hooks(lambda _: None, on_failure=lambda run: pytest.fail("given up")))
    for number in range(5):
        scheduler.assign(0, 1, 0)
        scheduler.deliver(0, Delivery(11 * (number + 1), []))
        assert scheduler.lose(0)[1] is None


def test_steps_of_a_lost_worker_are_counted_again():
    lost: list[int] = []
    hooks = Hooks(lambda delivery: None, on_loss=lost.append)
    scheduler = _scheduler(3, hooks=hooks)
    runs = scheduler.assign(0, 2, 0).runs
    scheduler.deliver(0, Delivery(88, [_completed(runs[0])]))
    scheduler.handle(0, Keep([Checkpoint(runs[1], 33, {})]))
    scheduler.deliver(0, Delivery(11, []))
    scheduler.lose(0)
    assert lost == [88 + 11 - 44 - 33]


def test_silence_counts_only_while_the_parent_is_awake():
    pulse = Pulse()
    pulse.begin_pool(2)
    pulse.wait(supervisor.QUIET_LIMIT)
    assert pulse.complaint() is None
    pulse.wait(1.0)
    assert "no sign of life" in pulse.complaint()
    pulse.hear(Alive())
    assert pulse.complaint() is None


def test_a_worker_that_lives_but_gets_nowhere_hangs():
    pulse = Pulse()
    pulse.begin_pool(2)
    pulse.hear(Pull(0, 0))
    pulse.hear(Delivery(0, []))
    pulse.wait(40.0)
    pulse.hear(Delivery(0, []))
    for _ in range(20):
        pulse.wait(40.0)
        pulse.hear(Alive())
        assert pulse.complaint() is None
    pulse.wait(1.0)
    pulse.hear(Alive())
    assert "got nowhere" in pulse.complaint()


def test_a_worker_inherits_neither_the_program_nor_its_signals():
    """Whatever a script does at its top is not done again, and a signal to all leaves no trace."""
    main = sys.modules["__main__"]
    with processes._without_main():
        inherited = multiprocessing.spawn.get_preparation_data("worker")
    assert sys.modules["__main__"] is main
    assert not any(name.startswith("init_main") for name in inherited)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with processes._without_signals():
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= blocked
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
