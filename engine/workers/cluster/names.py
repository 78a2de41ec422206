"""What `--cluster` may name. Loads nothing, since every verb with that flag does."""

from ...errors import InputError, unknown_name

# The queues of dask-jobqueue, by the name of their class there.
QUEUES = {"htcondor": "HTCondorCluster", "lsf": "LSFCluster", "moab": "MoabCluster", "oar": "OARCluster",
           "pbs": "PBSCluster", "sge": "SGECluster", "slurm": "SLURMCluster"}  # fmt: skip
SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://")
NOT_INSTALLED = "clusters need dask distributed, which is not installed: pip install 'plateau-engine[cluster]'"
_EXPECTED = "expected tcp://HOST:PORT of a Dask scheduler, local:N for N processes here, or a queue of jobs, one of"


def check_cluster(name: str, options: str | None) -> None:
    """Raises InputError where no cluster has such a name, or where it takes no options."""
    kind, _, number = name.partition(":")
    if name.startswith(SCHEMES):
        is_known = bool(name.partition("://")[2])
    elif kind == "local":
        is_known = number.isdecimal() and 1 <= int(number) <= 1024
    else:
        is_known = name in QUEUES
    if not is_known:
        if name.isalpha() and name != "local":
            raise unknown_name("cluster", name, ["local:N", "tcp://HOST:PORT", *QUEUES])
        raise InputError(f"cluster={name}: {_EXPECTED} {', '.join(QUEUES)}")
    if options is not None and name not in QUEUES:
        raise InputError(f"cluster_options={options} has no effect with cluster={name}: it is for {', '.join(QUEUES)}")
    if options is None and name in QUEUES:
        raise InputError(
            f"cluster={name} needs cluster_options=FILE: a TOML file with jobs=NUMBER, and with what "
            f"dask_jobqueue.{QUEUES[name]} takes, such as cores, memory, queue and walltime"
        )
