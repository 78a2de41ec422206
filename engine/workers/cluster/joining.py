"""What `--cluster` names: a scheduler that is there, or one that is started here or through a queue of jobs."""

import contextlib
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...errors import InputError, one_line
from ...user_code import cache_root
from .crew import ClusterCrew
from .names import NOT_INSTALLED, QUEUES, SCHEMES
from .node import Terms
from .scheduler_line import SchedulerLine

# Seconds in which a first node must be there, of a cluster that is.
_FIRST_NODE = 30.0
# Seconds between two looks at whether jobs have ended.
_ASK_EVERY = 10.0
_NODE = ("--nthreads=1", "--memory-limit=0", "--host=127.0.0.1", "--no-dashboard")


@contextlib.contextmanager
def joined(
    name: str, options: str | None, security: Any, terms: Terms, notify: Callable[[str], None]
) -> Iterator[ClusterCrew]:
    """Joins a cluster, or starts one until the end of the block, and yields its workers.

    Raises InputError where it cannot be reached or started, or no node of it can be used.

    Args:
        name, options, security: as of `RunOptions`; without `security` connections are as Dask's configuration says.
        notify: told what a person should know.
    """
    # A queue may let jobs wait for days.
    patience = math.inf if name in QUEUES else _FIRST_NODE
    with _scheduler(name, options, security) as line, ClusterCrew(line, terms, notify, patience) as crew:
        yield crew


@contextlib.contextmanager
def _scheduler(name: str, options: str | None, security: Any) -> Iterator[SchedulerLine]:
    if name.startswith(SCHEMES):
        yield SchedulerLine(name, security)
        return
    if name.startswith("local"):
        with _started_here(int(name.partition(":")[2])) as address:
            yield SchedulerLine(address)
        return
    is_over = threading.Event()
    cluster, jobs = _start_queue(name, Path(str(options)))
    threading.Thread(target=_keep_asking, args=(cluster, jobs, is_over), daemon=True).start()
    try:
        yield SchedulerLine(cluster.scheduler_address, getattr(cluster, "security", None))
    finally:
        is_over.set()
        with contextlib.suppress(TimeoutError, OSError):
            cluster.close()


def _keep_asking(cluster: Any, jobs: int, is_over: threading.Event) -> None:
    """Asks for other jobs in place of those that have ended; a queue is asked only where some are missing."""
    while not is_over.wait(_ASK_EVERY):
        with contextlib.suppress(OSError, RuntimeError):
            cluster.scale(jobs=jobs)


@contextlib.contextmanager
def _started_here(number: int) -> Iterator[str]:
    """Starts a scheduler and some nodes on this machine, which nothing outside it can reach; yields its address.

    Nodes are programs of their own, in sessions of their own: none imports the program that calls this, and Ctrl-C
    reaches none.
    """
    try:
        from distributed import LocalCluster
    except ImportError:
        raise InputError(NOT_INSTALLED) from None
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        cluster = LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs=logging.CRITICAL)
    except (OSError, RuntimeError, TimeoutError) as error:
        raise InputError(f"no cluster can be started here: {one_line(str(error))}") from error
    address = str(cluster.scheduler_address)
    with tempfile.TemporaryDirectory(prefix="plateau-", ignore_cleanup_errors=True) as folder:
        words = [sys.executable, "-m", "dask", "worker", address, *_NODE, f"--local-directory={folder}"]
        # Where the engine and what was installed are found from here.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
        out = subprocess.DEVNULL
        try:
            for _ in range(number):
                node = subprocess.Popen(words, env=environment, stdout=out, stderr=out, start_new_session=True)
                nodes.append(node)
            yield address
        finally:
            for node in nodes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(node.pid, signal.SIGKILL)
                node.wait()
            with contextlib.suppress(TimeoutError, OSError):
                cluster.close()


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
