"""`verify`: runs some of a study's runs once more, and says how far they agree."""

import dataclasses
import functools
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import store
from ..arms.options import check_fields, option, with_changes
from ..errors import InputError, WorkerFailedError, counted, one_line
from ..lanes.runs import Run, run_key
from ..outcomes.row import MAX_SEED
from ..store import WorkDirectory, opening, provenance
from ..store.study_json import identity_of, plan_of
from ..studies.expand import ExpandedStudy
from ..user_code import Place, as_path
from ..verification.comparison import Agreement, compare_rows
from ..verification.sampling import Finished, draw_sample, find_finished, stored_rows
from ..verification.verdict import Origin, Verification, conclude, to_document
from ..verification.words import describe_run, summarise_in_words
from ..workers import messages, processes, supervisor
from ..workers.devices import current_launch
from ..workers.serving import ServeSettings
from .run import find_workers
from .running.options import RunOptions
from .running.progress import ProgressBar, note, waiting

_DEFAULT_RUNS = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How a study is verified; raises `InputError` where a number is out of range, or two exclude each other."""

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
    start_from: str | None = option(None, "where the weights to start from are now (default: where they were)")
    cache_dir: str | None = option(None, "folder of compiled programs (default: in ~/.cache)", flag="compilation_cache")
    output: str | None = option(None, "file for the result as JSON, outside of the study")
    has_own_code: bool = option(
        False,
        "execute the user's files that the study names, of a network or a loss; only for a study that you trust",
        flag="own_code",
    )
    is_quiet: bool = option(False, "show no progress; notes and what was found are still said", flag="quiet")

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", None if self.output is None else os.fspath(self.output))
        check_fields(self)
        if self.num_runs is not None and self.is_all:
            raise InputError("runs has no effect with all: give one of them")


def verify(workdir: Place, options: VerifyOptions | None = None, **changes: Any) -> Verification:
    """Runs some finished runs of a study again, prints how far they agree, and writes no study.

    The study is rebuilt from its `study.json` alone, and run at the width and in the form recorded there. `changes` are
    single options by the names of their flags, as in `runs=4`, or of the fields of `VerifyOptions`.

    Raises:
        InputError: there is no study or no finished run, or the study cannot be understood or run here.
        WorkerFailedError: a worker raised an exception.
    """
    options = with_changes(options or VerifyOptions(), changes)
    _check_places(workdir, options)
    directory = store.open_existing(as_path(workdir))
    devices, num_workers = find_workers(options.num_workers)
    places = {"dataset_dir": options.dataset_dir, "start_from": options.start_from}
    moved = {field: place for field, place in places.items() if place is not None}
    _note_places(directory, moved)
    with waiting("reading data and network", not options.is_quiet):
        plan = plan_of(
            directory.document, devices.platform, options.data_dir, moved, options.has_own_code,
            options.is_quiet,
        )  # fmt: skip
    finished = find_finished(directory, plan)
    if not finished.runs:
        failed = f" (and {finished.num_failed} failed)" if finished.num_failed else ""
        raise InputError(f"no finished run in {str(workdir)!r} to verify{failed}")
    number = len(finished.runs) if options.is_all else options.num_runs or _DEFAULT_RUNS
    sample = draw_sample(finished.runs, number, options.seed)
    cache, number = RunOptions(cache_dir=options.cache_dir).cache, min(num_workers, len(sample.runs))
    crew = processes.Crew(devices, number, ServeSettings(cache, number or 1, checkpoint_every=math.inf))
    agreements, fallbacks = _run_again(plan, sample.runs, directory, crew, options.is_quiet)
    changed = opening.differences(directory.document["identity"], identity_of(plan, devices.platform)) + fallbacks
    origins = _origins(directory, sample.runs, changed, current_launch(devices))
    found = conclude(agreements, origins, sample, finished, options.margin, _damage(directory, finished))
    words = summarise_in_words(found)
    for agreement in found.runs:
        print(one_line(describe_run(agreement)))
    print(f"\n{one_line(words)}")
    if options.output is not None:
        store.write_atomically(Path(options.output), store.to_json(to_document(found, words)))
    return found


def _check_places(workdir: Place, options: VerifyOptions) -> None:
    study, output = as_path(workdir).resolve(), options.output
    places = {"output": output, "data_dir": options.data_dir, "compilation_cache": options.cache_dir}
    for name, place in places.items():
        if place is not None and Path(place).resolve().is_relative_to(study):
            raise InputError(f"{name}={str(place)!r} is in the study: expected a place outside")
    if output is not None and (Path(output).is_dir() or not Path(output).parent.is_dir()):
        raise InputError(f"output={str(output)!r}: expected a file in a directory that exists")


def _note_places(directory: WorkDirectory, moved: Mapping[str, str]) -> None:
    """Prints the places that `study.json` names, because somebody else may have written it."""
    by_arm = directory.document["study"].get("places", {})
    for field, place in dict.fromkeys(pair for places in by_arm.values() for pair in places.items()):
        if field not in moved:
            what = "data" if field == "dataset_dir" else "weights to start from"
            note(one_line(f"the {what} are read from {place!r} (or say where: --{field})"))


def _origins(directory: WorkDirectory, runs: list[Run], changed: list[str], now: dict[str, Any]) -> list[Origin]:
    """Finds the launch that made each run, and adds to `changed` what differs between it and a launch `now`."""
    launches = directory.document["launches"]
    differences = [provenance.describe_differences(launch, now) for launch in launches]
    made_by, found = directory.launches_of_runs(), []
    for run in runs:
        number = made_by.get(run_key(run)) if len(launches) > 1 else 0
        # Any of them may have made a run whose launch is not known.
        since = differences if number is None else [differences[number]]
        found.append(Origin(number, (*changed, *filter(None, since))))
    return found


def _damage(directory: WorkDirectory, finished: Finished) -> list[str]:
    number = directory.num_left_out
    files = counted(number, "file of finished runs is", "files of finished runs are")
    rows = [f"a row is no run of this study ({words})" for words in finished.foreign]
    return [f"{files} damaged, missing or foreign", *rows] if number else rows


def _run_again(
    plan: ExpandedStudy, runs: Sequence[Run], directory: WorkDirectory, crew: processes.Crew, is_quiet: bool
) -> tuple[list[Agreement], list[str]]:
    """Returns how each run, done again, agrees with its stored rows, and which arms fell back to the native form."""
    stored = stored_rows(directory, {run_key(run) for run in runs})
    agreements: dict[tuple[Any, ...], Agreement] = {}
    fallbacks: list[str] = []

    def compare(delivery: messages.Delivery) -> None:
        for completed in delivery.completed:
            run = completed.run
            found = [compare_rows(run, one, completed.row) for one in stored[run_key(run)]]
            # A run that is stored twice is as wrong as the worse copy.
            agreements[run_key(run)] = min(found, key=lambda one: one.is_identical)
        num_skipped = sum(completed.run.horizon - completed.num_steps for completed in delivery.completed)
        progress.update(delivery.seed_steps, [one.row["status"] for one in delivery.completed], num_skipped)

    def fall_back(program: int, reason: str) -> None:
        names = ", ".join(map(repr, plan.programs[program].arm_names))
        fallbacks.append(f"{names}: the recorded form disagrees here with the native one")
        progress.note(f"{fallbacks[-1]}: {reason}")

    with crew, ProgressBar(len(runs), sum(run.horizon for run in runs), not is_quiet) as progress:
        on_loss = functools.partial(progress.extend, 0)
        hooks = messages.Hooks(on_delivery=compare, on_fallback=fall_back, on_loss=on_loss, notify=progress.note)
        supervisor.run_all([program.spec for program in plan.programs], plan.by_program(runs), hooks, crew)
    lost = [run for run in runs if run_key(run) not in agreements]
    if lost:
        raise WorkerFailedError(
            f"{counted(len(lost), 'run')} could not be done again, first seed {lost[0].seed} of {lost[0].arm_name!r}"
        )
    return [agreements[run_key(run)] for run in runs], fallbacks
