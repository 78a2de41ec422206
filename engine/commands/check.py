"""`check`: looks at data and network before anything is trained, in seconds, and says what is wrong or unusual."""

import dataclasses
import time

from ..errors import InputError, one_line, unknown_name
from ..lanes.spec import PoolSpec
from ..preflight.findings import Finding
from ..preflight.passes import NUM_STARTS
from ..studies.expand import expand
from ..studies.study import Study
from .run import find_workers
from .running.looking import check_arm, describe_findings
from .running.options import RunOptions
from .running.progress import waiting


def check(
    study: Study, arm: str | None = None, data_dir: str | None = None, cache_dir: str | None = None
) -> list[Finding]:
    """Looks at one arm of a study, prints what is found, and returns it; no study is run, nothing written.

    Args:
        arm: by default the study's baseline, or its first.
        data_dir: folder of prepared data sets.
        cache_dir: folder of compiled programs.

    Raises:
        InputError: the data or the network are not usable.
    """
    began = time.monotonic()
    name = arm or study.baseline or next(iter(study.arms))
    available, _ = find_workers(None)
    with waiting("reading data and network"):
        concrete = expand(only_arm(study, name), available.platform, data_dir=data_dir, is_quiet=False)
    found = check_arm(concrete, name, available, RunOptions(cache_dir=cache_dir).cache)
    spec = concrete.programs[0].spec
    print(f"checked “{one_line(name)}” in {time.monotonic() - began:.1f} s: {_subject(spec)}\n")
    for line in describe_findings(found):
        print(line)
    return found


def only_arm(study: Study, name: str) -> Study:
    """Returns a study of one seed of one of its arms; raises InputError where it cannot be looked at."""
    if name not in study.arms:
        raise unknown_name("arm", name, study.arms)
    if study.arms[name].trainer is not None:
        raise InputError(
            "check and diagnose look at the data and the network of an arm, and a trainer of your own shows neither"
        )
    return dataclasses.replace(
        study, arms={name: study.arms[name]}, seeds=1, horizon=study.horizons_by_arm[name], baseline=None,
        design="seeds", order_seeds=None, forks=None, fork_step=None, theory=None,
    )  # fmt: skip


def _subject(spec: PoolSpec) -> str:
    return f"{NUM_STARTS} starts of model={spec.arm.model}, a batch of {spec.arm.batch_size:,}"
