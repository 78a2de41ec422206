"""Settings that must hold before a backend starts, and small studies that many tests use."""

import os

os.environ["NPROC"] = os.environ["PJRT_NPROC"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from engine.arms.arm import Arm
from engine.arms.options import fill_owned
from engine.commands.running.options import default_cache_dir
from engine.lanes.pool import LanePool
from engine.lanes.pool import make_pool as new_pool
from engine.lanes.runs import Run
from engine.lanes.spec import PoolSpec, block_of
from engine.outcomes import DetectorSettings
from engine.studies.study import Study, resolve_arm
from engine.tasks import load_data
from engine.training.probes import DIAGNOSTICS
from engine.workers.devices import configure_backend

# What compiles or trains, and is left out of `python -m tests fast`.
_TRAINS = (
    *(
        "arms/test_adding",
        "arms/test_given_arrays",
        "observers/test_live",
        "observers/test_tensorboard",
        "own/",
        "preflight/test_look",
        "probes/",
        "theory/",
    ),
    *("statistics/test_oracles", "statistics/test_permutations", "tasks/test_augmentation", "tasks/test_drawn"),
    *("test_checkpoints", "test_designs", "test_double_well", "test_looks", "test_models", "test_own_data"),
    *(
        "test_adding",
        "test_diagnose",
        "test_precision",
        "test_results",
        "test_run",
        "test_selfcheck",
        "test_streams",
        "test_tasks",
        "test_training",
    ),
    *("test_verbs", "test_verify", "test_weights", "test_workers"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    for item in items:
        if item.path.relative_to(root).as_posix().startswith(_TRAINS):
            item.add_marker("trains")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    return str(tmp_path_factory.mktemp(f"data_{worker_id}"))


@pytest.fixture(scope="session", autouse=True)
def cache_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """Compiled programs, shared by all tests of the session: most of them compile the same ones.

    It is also where programs are kept when a test says nothing, so that none are left at home.
    """
    root = tmp_path_factory.getbasetemp()
    os.environ["XDG_CACHE_HOME"] = str((root if worker_id == "master" else root.parent) / "cache")
    directory = str(default_cache_dir())
    configure_backend(directory)
    return directory


def small_arm(**fields: object) -> Arm:
    """A dense network that trains in a fraction of a second."""
    return Arm(**{"model": "mlp", "dense_widths": (16,), "init": "he", **fields})  # type: ignore[arg-type]


def small_study(**changes: object) -> Study:
    study = Study(
        name="small",
        question="Does it work?",
        arms={"slow": small_arm(learning_rate=1e-3), "fast": small_arm(learning_rate=1e-2)},
        seeds=3,
        horizon=44,
        baseline="slow",
    )
    return dataclasses.replace(study, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_pool(data_dir: str):
    """A function from an arm to a pool of lanes."""

    def make(arm: Arm, width: int = 4, block: int | None = None, **changes: Any) -> LanePool:
        arm = resolve_arm(arm)
        data = load_data(arm, 0, data_dir)
        block = block or block_of("cpu", bool(arm.conv_widths), width)
        spec = PoolSpec(arm, data, 0, width, block, "direct", 11, DetectorSettings())
        options = fill_owned(DIAGNOSTICS, changes.get("diagnostics", ()), {})
        return new_pool(spec._replace(diagnostic_options=options, **changes))

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory, data_dir, cache_dir) -> Path:
    """Two arms of three seeds, with event files and without a report. Do not write into it."""
    path = tmp_path_factory.mktemp("finished")
    from engine.commands.run import run

    options: dict[str, Any] = {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir}
    run(small_study(), path, is_quiet=True, has_report=False, has_tensorboard=True, **options)
    return path


def runs_of(arm: Arm, seeds: list[int], horizon: int = 44) -> list[Run]:
    resolved = resolve_arm(arm)
    return [Run.of_seed("arm", resolved, seed, horizon) for seed in seeds]


def drain(pool: LanePool, runs: list[Run], width: int) -> dict:
    """Runs everything through a pool and returns the finished runs by arm and seed."""
    waiting, finished = list(runs), {}
    while waiting or pool.num_free < width:
        if waiting and pool.num_free:
            free = pool.num_free
            pool.fill(waiting[:free])
            waiting = waiting[free:]
        pool.advance()
        _, over = pool.collect(pool.harvest())
        finished.update({(f.run.arm_name, f.run.seed): f for f in over})
    return finished


def read_all(workdir: Path) -> list[dict]:
    from engine.store import open_existing

    return open_existing(workdir).read().to_pylist()
