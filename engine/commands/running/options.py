"""How a study is run, as opposed to what is run: one object from the flags to the workers."""

import dataclasses
from pathlib import Path
from typing import Any

from ...arms.options import check_fields, documented, option
from ...errors import InputError
from ...registry import resolve
from ...user_code import cache_root
from ...workers import CHECKPOINT_SECONDS
from ...workers.cluster.names import check_cluster

# What `--live` means without a number.
LIVE_SECONDS = 30.0


def default_cache_dir() -> Path:
    """Returns the folder of compiled programs that all launches share."""
    return cache_root() / "compiled"


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a study is run; none of it is part of what the study is.

    `cluster` may be a client of Dask distributed, whose `security` is taken with it. With `is_told` nothing is said of
    data and networks, because it has been. With `num_workers=0` everything runs in this process, for debugging; if its
    backend has already started, its number of threads, and so the last bits, can no longer be chosen.

    Raises:
        InputError: a value is out of bounds, or `is_tuned` is given with `width` or `form`.
    """

    num_workers: int | None = option(
        None, "processes (default: one per core or accelerator; 0: this process only)", flag="workers", minimum=0
    )
    cluster: str | None = option(
        None,
        "run on the nodes of a Dask cluster: tcp://HOST:PORT joins one, local:N starts one here, and slurm, pbs, lsf, "
        "sge, oar, moab or htcondor asks a queue of jobs for one",
    )
    cluster_options: str | None = option(
        None, "TOML file for a queue: jobs=NUMBER, and what dask_jobqueue takes, such as cores, memory, walltime"
    )
    width: int | None = option(
        None, "lanes per worker (default: by a rule per model and device)", minimum=1, maximum=10**7
    )
    form: str | None = option(
        None,
        "how convolutions are computed: direct, patches or native (default: by kind of device)",
        choices=".models.lowering:FORMS",
    )
    is_tuned: bool = option(
        False, "choose width and form by measuring on this machine; kept with the study", flag="tune"
    )
    data_dir: str | None = option(
        None, "folder of prepared data sets (default: ~/tensorflow_datasets)", flag="data_dir"
    )
    cache_dir: str | None = option(None, "folder of compiled programs (default: in ~/.cache)", flag="compilation_cache")
    is_quiet: bool = option(False, "show no progress; notes and what was found are still said", flag="quiet")
    security: Any = None
    has_report: bool = True
    is_told: bool = False
    checkpoint_every: float | None = option(
        None,
        f"seconds between checkpoints of unfinished runs (default: {CHECKPOINT_SECONDS:g}, or more where they are "
        "expensive)",
        flag="checkpoint_every",
        is_positive=True,
    )
    kept_weights: int = option(
        0,
        "first seeds of every arm whose weights at the end are kept, in <workdir>/weights (default: none)",
        flag="keep",
        minimum=0,
    )
    live_every: float | None = option(
        None,
        "keep report.html up to date while the study runs; --live=SECONDS between updates (default: 30, or more "
        "where they are expensive)",
        flag="live",
        minimum=1,
        unit="seconds",
        alone=LIVE_SECONDS,
    )
    has_tensorboard: bool = option(
        False, "write event files to <workdir>/tensorboard: first arms, then every run", flag="tensorboard"
    )
    trackers: tuple[str, ...] = option(
        (),
        "services that are told of every arm and of the first runs: mlflow, trackio or wandb, with commas between "
        "them; each needs the package of its name",
        flag="track",
        most=100,
    )
    tracked_runs: int = option(20, "number of single runs sent there, by seed and then by arm (default: 20)", minimum=0)

    def __post_init__(self) -> None:
        client: Any = self.cluster
        if hasattr(client, "scheduler_info"):
            object.__setattr__(self, "cluster", str(client.scheduler.address))
            object.__setattr__(self, "security", client.security)
        check_fields(self)
        for name in self.trackers:
            resolve(".observers.trackers:TRACKERS").check(name)
        if self.cluster is not None:
            check_cluster(self.cluster, self.cluster_options)
            for name, flag in (("num_workers", "workers"), ("is_tuned", "tune")):
                if getattr(self, name) not in (None, False):
                    raise InputError(
                        f"{flag} is for the devices of this machine, and cluster={self.cluster} has others"
                    )
        elif self.cluster_options is not None:
            raise InputError(f"cluster_options={self.cluster_options} has no effect without cluster")
        if self.is_tuned and (self.width is not None or self.form is not None):
            raise InputError("tune chooses width and form: give neither with it")

    @property
    def cache(self) -> str:
        """Folder of compiled programs."""
        return str(self.cache_dir or default_cache_dir())
