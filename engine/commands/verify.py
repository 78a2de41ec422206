"""`verify`: runs some of a study's runs once more, and says how far they agree."""

import dataclasses
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine import store, workers
from engine.arms.options import check_fields, option
from engine.commands.run import default_cache_dir, find_workers
from engine.commands.running.progress import ProgressBar
from engine.errors import InputError, WorkerFailedError, one_line
from engine.lanes.runs import Run, run_key
from engine.store import WorkDirectory, provenance
from engine.store.study_json import identity_differences, identity_of, plan_of
from engine.studies.expand import ExpandedStudy
from engine.tasks.random_streams import MAX_SEED
from engine.user_code import as_path
from engine.verification import (
    Agreement,
    Finished,
    RunOrigin,
    Verification,
    compare_rows,
    conclude,
    describe_run,
    draw_sample,
    find_finished,
    stored_rows,
    summarise_in_words,
    to_document,
)
from engine.workers.devices import current_launch

_DEFAULT_RUNS = 8
_Place = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How a study is verified.

    Raises:
        InputError: a number is out of range, or `num_runs` is given with `is_all`.
    """

    num_runs: int | None = option(
        None,
        "finished runs that are drawn at random and run again (default: 8)",
        flag="runs",
        minimum=1,
        maximum=MAX_SEED,
    )
    is_all: bool = option(False, "run every finished run again", flag="all")
    seed: int = option(0, "seed of the draw (default: 0)", minimum=0, maximum=MAX_SEED)
    margin: float = option(
        0.1,
        "largest difference still called equivalent where bits differ: relative for the mean wait, absolute for the "
        "share of runs with the event (default: 0.1)",
        is_positive=True,
        maximum=1,
        is_open=True,
    )
    num_workers: int | None = option(
        None, "processes (default: one per core or accelerator; 0: this process only)", flag="workers", minimum=0
    )
    data_dir: str | None = option(None, "folder of prepared data sets (default: ~/tensorflow_datasets)")
    dataset_dir: str | None = option(None, "where the data are now (default: where they were)")
    cache_dir: str | None = option(None, "folder of compiled programs (default: in ~/.cache)", flag="compilation_cache")
    output: str | None = option(None, "file for the result as JSON, outside of the study")
    has_own_code: bool = option(
        False,
        "execute the file of the user's model that the study names; only for a study that you trust",
        flag="own_code",
    )
    is_quiet: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", None if self.output is None else os.fspath(self.output))
        check_fields(self)
        if self.num_runs is not None and self.is_all:
            raise InputError("runs has no effect with all: give one of them")


def verify(workdir: _Place, options: VerifyOptions | None = None, **changes: Any) -> Verification:
    """Runs some finished runs of a study again, prints how far they agree, and writes no study.

    The study is rebuilt from its `study.json` alone, and run at the width and in the form recorded there.

    Args:
        workdir: of the study; it is only read.
        options: see `VerifyOptions`.
        changes: fields of the options, for short.

    Raises:
        InputError: there is no study, no finished run in it, its `study.json` cannot be understood, or it cannot be run
            here.
        WorkerFailedError: a worker raised an exception.
    """
    options = dataclasses.replace(options or VerifyOptions(), **changes)
    _check_places(workdir, options)
    directory = store.open_existing(as_path(workdir))
    devices, num_workers = find_workers(options.num_workers)
    if options.dataset_dir is None:
        _note_places(directory)
    plan = plan_of(
        directory.document, devices.platform, options.data_dir, options.dataset_dir, options.has_own_code,
        options.is_quiet,
    )  # fmt: skip
    finished = find_finished(directory, plan)
    if not finished.runs:
        failed = f" (and {finished.num_failed} failed)" if finished.num_failed else ""
        raise InputError(f"no finished run in {str(workdir)!r} to verify{failed}")
    number = len(finished.runs) if options.is_all else options.num_runs or _DEFAULT_RUNS
    sample = draw_sample(finished.runs, number, options.seed)
    cache = str(options.cache_dir or default_cache_dir())
    crew = workers.Crew(devices, min(num_workers, len(sample.runs)), cache, checkpoint_every=math.inf)
    num_steps = sum(run.horizon for run in sample.runs)
    with crew, ProgressBar(len(sample.runs), num_steps, not options.is_quiet) as progress:
        recheck = _Recheck(plan, stored_rows(directory, {run_key(run) for run in sample.runs}), progress)
        agreements = recheck.run(sample.runs, crew)
    identity = identity_of(plan, devices.platform)
    changed = identity_differences(directory.document["identity"], identity) + recheck.fallbacks
    origins = _origins(directory, sample.runs, changed, current_launch(devices))
    found = conclude(agreements, origins, sample, finished, options.margin, _damage(directory, finished))
    _print(found, options.output)
    return found


def _check_places(workdir: _Place, options: VerifyOptions) -> None:
    """Refuses to write into the study."""
    study, output = as_path(workdir).resolve(), options.output
    places = {"output": output, "data_dir": options.data_dir, "compilation_cache": options.cache_dir}
    for name, place in places.items():
        if place is not None and Path(place).resolve().is_relative_to(study):
            raise InputError(f"{name}={str(place)!r} is in the study: expected a place outside")
    if output is not None and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise InputError(f"output={str(output)!r}: expected a file in a directory that exists")


def _note_places(directory: WorkDirectory) -> None:
    """Prints what is read because `study.json` says so, which somebody else may have written."""
    by_arm = directory.document["study"].get("places", {})
    for place in dict.fromkeys(place for places in by_arm.values() for place in places.values()):
        line = one_line(f"the data are read from {place!r} (or say where: --dataset_dir)")
        print(f"note: {line}", file=sys.stderr)


def _origins(
    directory: WorkDirectory, runs: Sequence[Run], changed: Sequence[str], now: Mapping[str, Any]
) -> list[RunOrigin]:
    """Finds out which launch made each run, and what has changed since.

    Args:
        changed: what has changed since every launch.
        now: what a launch would record now.
    """
    launches = directory.document["launches"]
    differences = [provenance.describe_differences(launch, now) for launch in launches]
    made_by, found = directory.launches_of_runs(), []
    for run in runs:
        number = made_by.get(run_key(run)) if len(launches) > 1 else 0
        # Any of them may have made a run whose launch is not known.
        since = differences if number is None else [differences[number]]
        found.append(RunOrigin(number, (*changed, *filter(None, since))))
    return found


def _damage(directory: WorkDirectory, finished: Finished) -> list[str]:
    """Describes what is stored and cannot be right."""
    number = directory.num_left_out
    files = "1 file of finished runs is" if number == 1 else f"{number} files of finished runs are"
    rows = [f"a row is no run of this study ({words})" for words in finished.foreign]
    return [f"{files} damaged, missing or foreign", *rows] if number else rows


class _Recheck:
    """Runs runs again, and compares each with its stored rows as it ends.

    Attributes:
        fallbacks: arms for which the recorded form could not be used here, in words.
    """

    def __init__(
        self, plan: ExpandedStudy, stored: Mapping[tuple[Any, ...], Sequence[pa.Table]], progress: ProgressBar
    ) -> None:
        self._plan, self._stored, self._progress = plan, stored, progress
        self._agreements: dict[tuple[Any, ...], Agreement] = {}
        self.fallbacks: list[str] = []

    def run(self, runs: Sequence[Run], crew: workers.Crew) -> list[Agreement]:
        """Runs runs again.

        Raises:
            WorkerFailedError: one of them did not come back.
        """
        specs = [group.spec for group in self._plan.programs]
        progress = self._progress
        hooks = workers.Hooks(
            on_delivery=self._take,
            on_fallback=self._fall_back,
            on_loss=lambda steps: progress.extend(0, steps),
            notify=progress.note,
        )
        workers.run_all(specs, self._plan.by_program(runs), hooks, crew)
        lost = [run for run in runs if run_key(run) not in self._agreements]
        if lost:
            raise WorkerFailedError(
                f"{len(lost)} runs could not be done again, first seed {lost[0].seed} of {lost[0].arm_name!r}"
            )
        return [self._agreements[run_key(run)] for run in runs]

    def _take(self, delivery: workers.Delivery) -> None:
        statuses, num_skipped = [], 0
        for completed in delivery.completed:
            run, row = completed
            found = [compare_rows(run, one, row) for one in self._stored[run_key(run)]]
            # A run that is stored twice is as wrong as the worse copy.
            self._agreements[run_key(run)] = min(found, key=lambda one: one.is_identical)
            statuses.append(row["status"])
            num_skipped += run.horizon - completed.num_steps
        self._progress.update(delivery.seed_steps, statuses, num_skipped)

    def _fall_back(self, group: int, reason: str) -> None:
        names = ", ".join(repr(name) for name in self._plan.programs[group].arm_names)
        self.fallbacks.append(f"{names}: the recorded form disagrees here with the native one")
        self._progress.note(f"{self.fallbacks[-1]}: {reason}")


def _print(found: Verification, output: _Place | None) -> None:
    """Prints a line for each run and the summary, and writes the file that was asked for."""
    words = summarise_in_words(found)
    for agreement in found.runs:
        print(one_line(describe_run(agreement)))
    print(f"\n{one_line(words)}")
    if output is not None:
        store.write_atomically(Path(output), store.to_json(to_document(found, words)))
