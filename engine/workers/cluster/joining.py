"""What `--cluster` names: a scheduler that is there, or one that is started here or through a queue of jobs."""

import contextlib
import logging
import math
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import InputError, one_line
from ...user_code import cache_root
from ..processes import without_signals
from ..serving import ServeSettings
from .crew import FIRST_NODE, ClusterCrew
from .names import NOT_INSTALLED, QUEUES, SCHEMES, check_cluster
from .scheduler_line import SchedulerLine

# Seconds between two looks at whether jobs have ended.
_ASK_EVERY = 10.0


@contextlib.contextmanager
def joined(
    name: str, options: str | None, settings: ServeSettings, notify: Callable[[str], None], security: Any = None
) -> Iterator[ClusterCrew]:
    """Joins a cluster, or starts one until the end of the block, and yields its workers.

    Without `security` connections are as Dask's configuration says. Raises InputError where it cannot be reached or
    started, or no node of it can be used.
    """
    check_cluster(name, options)
    # A queue may let jobs wait for days.
    patience = math.inf if name in QUEUES else FIRST_NODE
    with (
        _address(name, options) as address,
        ClusterCrew(SchedulerLine(address, security), settings, notify, patience) as crew,
    ):
        yield crew


@contextlib.contextmanager
def _address(name: str, options: str | None) -> Iterator[str]:
    if name.startswith(SCHEMES):
        yield name
        return
    is_here, is_over = name.startswith("local"), threading.Event()
    cluster, jobs = (_start_here(int(name.partition(":")[2])), 0) if is_here else _start_queue(name, Path(str(options)))
    if jobs:
        threading.Thread(target=_keep_asking, args=(cluster, jobs, is_over), daemon=True).start()
    try:
        yield cluster.scheduler_address
    finally:
        is_over.set()
        with contextlib.suppress(TimeoutError, OSError):
            cluster.close()


def _keep_asking(cluster: Any, jobs: int, is_over: threading.Event) -> None:
    """Asks for other jobs in place of those that have ended; a queue is asked only where some are missing."""
    while not is_over.wait(_ASK_EVERY):
        with contextlib.suppress(OSError, RuntimeError):
            cluster.scale(jobs=jobs)


def _start_here(number: int) -> Any:
    """Starts a scheduler and some nodes on this machine, which nothing outside it can reach."""
    try:
        from distributed import LocalCluster
    except ImportError:
        raise InputError(NOT_INSTALLED) from None
    # Ctrl-C reaches all processes of a terminal, and what it means is decided here.
    with without_signals():
        return LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )


def _start_queue(name: str, options: Path) -> tuple[Any, int]:
    """Asks a queue for jobs; returns the cluster of Dask that they join, and their number."""
    try:
        import dask_jobqueue
    except ImportError:
        raise InputError(NOT_INSTALLED) from None
    given = _read_options(options)
    jobs = given.pop("jobs", None)
    if not isinstance(jobs, int) or jobs < 1:
        raise InputError(f"{options}: jobs={jobs!r}: expected the number of jobs to ask for, from 1 on")
    logs = cache_root() / "jobs"
    logs.mkdir(parents=True, exist_ok=True)
    given.setdefault("log_directory", str(logs))
    try:
        cluster = getattr(dask_jobqueue, QUEUES[name])(**given)
        cluster.scale(jobs=jobs)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{options}: cluster={name} cannot be started: {one_line(str(error))}") from error
    return cluster, jobs


def _read_options(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cluster_options={path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"cluster_options={path} is no TOML: {error}") from None
