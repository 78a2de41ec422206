"""`verify`: does some of a study's runs once more, and says how far they agree."""

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine import store, workers
from engine.commands.run import default_cache_dir, find_workers
from engine.commands.running.progress import ProgressBar
from engine.errors import InputError, WorkerFailedError, one_line
from engine.lanes.runs import Run, run_key
from engine.store import WorkDirectory, provenance
from engine.store.study_json import identity_differences, identity_of, plan_of
from engine.studies.expand import ExpandedStudy
from engine.studies.study import check_whole
from engine.user_code import as_path
from engine.verification import (
    Agreement,
    Finished,
    Origin,
    StoredRow,
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


def verify(
    workdir: _Place,
    *,
    num_runs: int | None = None,
    is_all: bool = False,
    seed: int = 0,
    margin: float = 0.1,
    num_workers: int | None = None,
    data_dir: str | None = None,
    dataset_dir: str | None = None,
    cache_dir: str | None = None,
    output: _Place | None = None,
    has_own_code: bool = False,
    is_quiet: bool = False,
) -> Verification:
    """Does some finished runs of a study again, prints how far they agree, and writes no study.

    The study is rebuilt from its `study.json` alone, and run at the width and in the form recorded
    there.

    Args:
        workdir: of the study. It is read only.
        num_runs: that are drawn at random, 8 by default.
        is_all: to do all of them again instead.
        seed: of the drawing.
        margin: largest difference of distributions that does not matter, where bits differ: of the
            restricted mean of the wait as a share of it, and of the share of runs with the event.
        num_workers, data_dir, cache_dir: see `engine.run`.
        dataset_dir: where the data of the study are now, if not where `study.json` says.
        output: file for the result as JSON, outside of the study.
        has_own_code: whether to run the code of a network that the study names by its file.
        is_quiet: whether to draw no progress bar.

    Raises:
        InputError: there is no study, no finished run in it, its `study.json` cannot be understood,
            or it cannot be run here.
        WorkerFailedError: a worker raised an exception.
    """
    _check_numbers(num_runs, is_all, seed, margin)
    places = {"output": output, "data_dir": data_dir, "compilation_cache": cache_dir}
    _check_places(workdir, places)
    directory = store.open_existing(as_path(workdir))
    devices, num_workers = find_workers(num_workers)
    if dataset_dir is None:
        _tell_of_places(directory)
    plan = plan_of(directory.document, devices.platform, data_dir, dataset_dir, has_own_code, is_quiet)
    finished = find_finished(directory, plan)
    if not finished.runs:
        failed = f" (and {finished.num_failed} failed)" if finished.num_failed else ""
        raise InputError(f"no finished run in {str(workdir)!r} to verify{failed}")
    number = len(finished.runs) if is_all else num_runs or _DEFAULT_RUNS
    sample = draw_sample(finished.runs, number, seed)
    stored = stored_rows(directory, {run_key(run) for run in sample.runs})

    num_workers = min(num_workers, len(sample.runs))
    cache = str(cache_dir or default_cache_dir())
    crew = workers.Crew(devices, num_workers, cache, checkpoint_every=math.inf)
    num_steps = sum(run.horizon for run in sample.runs)
    with crew, ProgressBar(len(sample.runs), num_steps, not is_quiet) as progress:
        recheck = _Recheck(plan, stored, progress)
        recheck.run(sample.runs, crew)
    identity = identity_of(plan, devices.platform)
    changed = identity_differences(directory.document["identity"], identity) + recheck.fallbacks
    found = conclude(
        [recheck.agreements[run_key(run)] for run in sample.runs],
        _origins(directory, sample.runs, changed, current_launch(devices)),
        sample,
        finished,
        margin,
        _damage(directory, finished),
    )
    _tell(found, output)
    return found


def _tell_of_places(directory: WorkDirectory) -> None:
    """Says what is read because `study.json` says so, which somebody else may have written."""
    by_arm = directory.document["study"].get("places", {})
    for place in dict.fromkeys(place for places in by_arm.values() for place in places.values()):
        line = one_line(f"the data are read from {place!r} (or say where: --dataset_dir)")
        print(f"note: {line}", file=sys.stderr)


def _origins(
    directory: WorkDirectory, runs: Sequence[Run], changed: Sequence[str], now: Mapping[str, Any]
) -> list[Origin]:
    """Where runs come from.

    Args:
        directory: of the study.
        runs: of it.
        changed: what has changed since every launch.
        now: what a launch would record.
    """
    launches = directory.document["launches"]
    since = [provenance.describe_differences(launch, now) for launch in launches]
    made_by, found = directory.launches_of_runs(), []
    for run in runs:
        number = made_by.get(run_key(run)) if len(launches) > 1 else 0
        # Where that is not known, all of them may have made the run.
        words = since if number is None else [since[number]]
        found.append(Origin(number, (*changed, *(line for line in words if line))))
    return found


def _damage(directory: WorkDirectory, finished: Finished) -> list[str]:
    """What is stored and cannot be right, in words."""
    rows = [f"a row is no run of this study ({words})" for words in finished.foreign]
    number = directory.num_left_out
    files = "1 file of finished runs is" if number == 1 else f"{number} files of finished runs are"
    return [f"{files} damaged, missing or foreign"] * (number > 0) + rows


def _check_numbers(num_runs: int | None, is_all: bool, seed: int, margin: float) -> None:
    check_whole("runs", num_runs, 1)
    check_whole("seed", seed, 0)
    if num_runs is not None and is_all:
        raise InputError("runs has no effect with all: give one of them")
    if not 0 < margin < 1:
        raise InputError(f"margin={margin}: expected a number between 0 and 1, such as 0.1")


def _check_places(workdir: _Place, places: Mapping[str, _Place | None]) -> None:
    """Refuses to write into the study."""
    study = as_path(workdir).resolve()
    for name, place in places.items():
        if place is not None and Path(place).resolve().is_relative_to(study):
            raise InputError(f"{name}={str(place)!r} is in the study: expected a place outside")
    output = places["output"]
    if output is not None and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise InputError(f"output={str(output)!r}: expected a file in a directory that exists")


class _Recheck:
    """Does runs again, and compares each as it ends with what is stored of it.

    Args:
        plan: of the study.
        stored: rows by key.
        progress: to show.

    Attributes:
        agreements: by key, of the runs that are over.
        fallbacks: in words, where the recorded form could not be used here.
    """

    def __init__(
        self, plan: ExpandedStudy, stored: Mapping[tuple[Any, ...], Sequence[StoredRow]], progress: ProgressBar
    ) -> None:
        self._plan, self._stored, self._progress = plan, stored, progress
        self.agreements: dict[tuple[Any, ...], Agreement] = {}
        self.fallbacks: list[str] = []

    def run(self, runs: Sequence[Run], crew: workers.Crew) -> None:
        """Does runs again.

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
        lost = [run for run in runs if run_key(run) not in self.agreements]
        if lost:
            raise WorkerFailedError(
                f"{len(lost)} runs could not be done again, first seed {lost[0].seed} of {lost[0].arm_name!r}"
            )

    def _take(self, delivery: workers.Delivery) -> None:
        statuses, num_skipped = [], 0
        for completed in delivery.completed:
            run, row = completed
            found = [compare_rows(run, one, row) for one in self._stored[run_key(run)]]
            # Of a run that is stored twice, the copy that is wrong if one is.
            self.agreements[run_key(run)] = min(found, key=lambda one: one.is_identical)
            statuses.append(row["status"])
            num_skipped += run.horizon - completed.num_steps
        self._progress.update(delivery.seed_steps, statuses, num_skipped)

    def _fall_back(self, group: int, reason: str) -> None:
        names = ", ".join(repr(name) for name in self._plan.programs[group].arm_names)
        self.fallbacks.append(f"{names}: the recorded form disagrees here with the native one")
        self._progress.note(f"{self.fallbacks[-1]}: {reason}")


def _tell(found: Verification, output: _Place | None) -> None:
    """Prints a line for each run and the summary, and writes the file that was asked for."""
    words = summarise_in_words(found)
    for agreement in found.runs:
        print(one_line(describe_run(agreement)))
    print(f"\n{one_line(words)}")
    if output is not None:
        store.write_atomically(Path(output), store.to_json(to_document(found, words)))
