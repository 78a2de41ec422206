"""`run`: trains what is missing of a study, then reports."""

import contextlib
import dataclasses
import math
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine import store, workers
from engine.commands.open import Results
from engine.commands.running.network_notes import try_own_networks
from engine.commands.running.progress import note
from engine.commands.running.recorder import Recorder
from engine.commands.running.session import Session
from engine.errors import InputError, StorageError
from engine.lanes import tuning
from engine.lanes.pool import not_measured
from engine.observers import Observer, Watching, check_watching, ended_with, make_observers
from engine.store import WorkDirectory, provenance
from engine.store.checkpoints import CheckpointFolder
from engine.store.study_json import document
from engine.studies.designs import has_forks
from engine.studies.expand import ExpandedStudy, expand, spooled
from engine.studies.shared_program import Layout
from engine.studies.study import Study
from engine.studies.until import Until, check_goal
from engine.user_code import as_path
from engine.workers import devices
from engine.workers.devices import Devices
from engine.workers.interruption import Interrupted, SignalWatch


def default_cache_dir() -> Path:
    """Where compiled programs are kept across launches, by the XDG convention."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "plateau-engine" / "compiled"


def run(
    study: Study,
    workdir: str | os.PathLike[str],
    *,
    num_workers: int | None = None,
    width: int | None = None,
    form: str | None = None,
    is_tuned: bool = False,
    data_dir: str | None = None,
    cache_dir: str | None = None,
    is_quiet: bool = False,
    has_report: bool = True,
    until: Until | None = None,
    checkpoint_every: float | None = None,
    live_every: float | None = None,
    has_tensorboard: bool = False,
    wandb_runs: int | None = None,
) -> Results:
    """Runs a study, or what is missing of it, and writes its report.

    Workers never import the program that calls this, so a script needs no guard around it, and it
    can be called from a notebook. Called from another thread than the main one, it leaves signals
    alone, and is not interrupted.

    Args:
        study: what to do.
        workdir: where its rows and its report go; created where it does not exist.
        num_workers: processes; one per core or accelerator by default. 0 runs everything in this
            process, for debugging: where its backend has started before, its number of threads,
            and with it the last bits, are no longer ours to choose.
        width: lanes of a worker; by default what the study was started with, or a rule per model
            and kind of device.
        form: of the convolutions, see `engine.models.lowering`; by default as for the width.
        is_tuned: whether to choose both by measurement, for a study that is started now.
        data_dir: where prepared data are kept.
        cache_dir: where compiled programs are kept.
        is_quiet: whether to draw no progress bar.
        has_report: whether to write the report at the end.
        until: a question; seeds are added until it is decided, whatever number the study says.
        checkpoint_every: seconds between checkpoints of the runs under way; by default a minute,
            or more where they are expensive.
        live_every: seconds after which `report.html` is built again while the study runs, or more
            where that is expensive; by default it is built at the end only.
        has_tensorboard: whether to write event files for TensorBoard.
        wandb_runs: single runs of which Weights & Biases is told, besides the arms; by default it
            is told nothing.

    Returns:
        What the work directory holds now, as `engine.open` does.

    Raises:
        InputError: something that was given is not usable; nothing was changed.
        StorageError: the disk is full or fails; what was finished before is stored.
        WorkerFailedError: workers end one after another.
        Interrupted: a signal came; what was under way is stored, and the same call goes on.
    """
    if checkpoint_every is not None and not (math.isfinite(checkpoint_every) and checkpoint_every > 0):
        raise InputError(f"checkpoint_every={checkpoint_every}: expected a positive number")
    watching = Watching(live_every, has_tensorboard, wandb_runs)
    check_watching(watching)
    if until is not None:
        if study.design != "seeds":
            raise InputError(f"until needs design=seeds, not {study.design}")
        check_goal(until, len(study.arms))
        study = dataclasses.replace(study, seeds=until.max_seeds)
    if is_tuned and (width is not None or form is not None):
        raise InputError("tune chooses width and form: give neither with it")
    available, num_workers = find_workers(num_workers)
    cache = str(cache_dir or default_cache_dir())
    path = as_path(workdir)
    request = _Request(study, path, available, width, form, is_tuned, data_dir, until, watching)
    with SignalWatch() as watch, watch.deferred(), store.hold(request.workdir, _note), _closed_page(request):
        with workers.Crew(available, num_workers, cache, checkpoint_every) as crew:
            _train(request, crew, watch, is_quiet)
        watch.check()
        results = Results(workdir)
        if has_report:
            results.report()
        watch.check()
        return results


def find_workers(num_workers: int | None) -> tuple[Devices, int]:
    """What there is to run on, and how many processes are to do it.

    Args:
        num_workers: as asked for; one per core or accelerator by default.

    Raises:
        InputError: there cannot be as many.
    """
    if num_workers is not None and num_workers < 0:
        raise InputError(f"workers={num_workers}: expected 0 or more")
    available = devices.find_devices()
    for line in devices.contradictions(os.environ, available):
        print(f"note: {line}", file=sys.stderr)
    if num_workers == 0:
        devices.prepare_this_process(available)
    num_workers = available.num_devices if num_workers is None else num_workers
    if available.platform != "cpu" and num_workers > available.num_devices:
        raise InputError(
            f"workers={num_workers}: expected at most one for each of the {available.num_devices} "
            f"{available.platform} devices"
        )
    return available, num_workers


def _note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


class _Request(NamedTuple):
    """What is asked for, see `run`."""

    study: Study
    workdir: Path
    devices: Devices
    width: int | None
    form: str | None
    is_tuned: bool
    data_dir: str | None
    until: Until | None
    watching: Watching


@contextlib.contextmanager
def _closed_page(request: _Request) -> Iterator[None]:
    """Leaves no page that goes on loading itself when nothing is to come, whatever happens."""
    try:
        yield
    finally:
        if request.watching.live_every is not None:
            from engine.observers.live import close_page

            try:
                close_page(request.workdir)
            except StorageError as error:
                _note(f"the live page is not closed: {error}")


def _train(request: _Request, crew: workers.Crew, watch: SignalWatch, is_quiet: bool) -> None:
    """Runs what is missing of a study."""
    platform = request.devices.platform
    recorded = store.find_existing(request.workdir)
    identity = {} if recorded is None else recorded.document["identity"]
    forks = identity.get("fork_step")
    with watch.at_once():
        plan = expand(request.study, platform, _layouts(request, identity), request.data_dir, forks, is_quiet)
    _tell_of_data(plan)
    _tell_of_diagnostics(plan)
    events = {group.event for group in plan.programs}
    if request.until is not None and request.until.goal == "comparison" and len(events) > 1:
        raise InputError("until=comparison needs arms that wait for the same event")
    tuned: dict[str, dict[str, float]] = {}
    if request.is_tuned and recorded is None:
        with watch.at_once():
            plan, tuned = _tuned(plan, request, crew.settings.cache_dir)
    with spooled(plan) as plan:
        with watch.at_once():
            described = document(plan, platform, devices.current_launch(request.devices))
            store.refuse_other_study(request.workdir, described)
            described["study"]["network_notes"] = try_own_networks(plan, request.devices, crew.settings.cache_dir)
        watch.check()
        directory = store.create_or_resume(request.workdir, described, _note)
        directory.inspect(_note)
        if tuned:
            directory.document["tuned_milliseconds"] = tuned
            directory.save_document()
        _warn_of_another_environment(directory)
        observers = make_observers(request.watching, directory, note)
        recorder = Recorder(plan, directory, _open_checkpoints(directory), observers)
        session = Session(plan, directory, recorder, crew, watch, is_quiet)
        _carry_out(session, request, directory, observers, is_new=recorded is None)


def _layouts(request: _Request, identity: Mapping[str, Any]) -> dict[str, Layout]:
    """Returns the layout of each arm: as asked for, else as the identity in `study.json` records it."""
    layouts = {}
    for name in request.study.arms:
        recorded = Layout(*(identity.get(field, {}).get(name) for field in Layout._fields))
        form = request.form or recorded.form
        # A width that is given has a block by the rule, or is refused as another study.
        is_given = request.width is not None
        layouts[name] = Layout(request.width, None, form) if is_given else recorded._replace(form=form)
    return layouts


def _carry_out(
    session: Session, request: _Request, directory: WorkDirectory, observers: Sequence[Observer], is_new: bool
) -> None:
    """Runs a session to its end, and notes how it ended."""
    try:
        with ended_with(observers):
            _run_session(session, request)
    except InputError:
        if is_new and not session.has_kept:
            directory.discard()
        raise
    except Interrupted as interrupted:
        interrupted.stored = session.describe_stored()
        session.end(signal.Signals(interrupted.number).name)
        raise
    session.end()


def _run_session(session: Session, request: _Request) -> None:
    if request.until is None:
        session.run(session.plan.runs)
    else:
        session.run_until(request.until)
    if has_forks(request.study.design):
        session.run_forks()


def _tell_of_diagnostics(plan: ExpandedStudy) -> None:
    """Says which diagnostics do not exist for some arms."""
    for group in plan.programs:
        for name, reason in not_measured(group.spec).items():
            _note(f"{', '.join(group.arm_names)}: no {name} is measured: {reason}")


def _tell_of_data(plan: ExpandedStudy) -> None:
    """Says what a person should know of the data, by arm where the arms have several."""
    by_notes: dict[tuple[str, ...], list[str]] = {}
    for group in plan.programs:
        lines = tuple(note.line for note in group.notes)
        by_notes.setdefault(lines, []).extend(map(repr, group.arm_names))
    for lines, names in by_notes.items():
        for line in lines:
            _note(line if len(by_notes) == 1 else f"data of {', '.join(names)}: {line}")


def _open_checkpoints(directory: WorkDirectory) -> CheckpointFolder:
    """Runs that were under way, of those that could have been begun here and now."""

    def set_aside(path: Path, reason: str) -> None:
        _note(f"checkpoint/{path.name}: {reason}; its runs start again")
        store.set_aside(path, directory.path / "damaged")

    environment = provenance.environment_digest(directory.document["launches"][-1])
    origin = f"{store.fingerprint(directory.document['identity'])} {environment}"
    folder = CheckpointFolder(directory.path / "checkpoint", origin)
    folder.open(set_aside, _note)
    return folder


def _tuned(
    plan: ExpandedStudy, request: _Request, cache_dir: str | None
) -> tuple[ExpandedStudy, dict[str, dict[str, float]]]:
    """The plan with what is fastest on this machine, and what was measured by arm."""
    layouts, measured = {}, {}
    for group in plan.programs:
        print(f"tuning {', '.join(group.arm_names)}", file=sys.stderr)
        choice, table = workers.call(request.devices, cache_dir, tuning.tune_here, group.spec, cache_dir)
        print(
            f"  {choice.form}, {choice.width} lanes: {table[f'{choice.form} {choice.width}']} ms per seed and step",
            file=sys.stderr,
        )
        for name in group.arm_names:
            layouts[name] = Layout(*choice)
            measured[name] = table
    return expand(request.study, request.devices.platform, layouts, request.data_dir), measured


def _warn_of_another_environment(directory: WorkDirectory) -> None:
    """Says in a line when rows of this study were made in another environment."""
    launches = directory.document["launches"]
    if len(launches) < 2:
        return
    words = provenance.describe_differences(launches[-2], launches[-1])
    if words:
        _note(f"this launch may make other bits than the one before ({words})")
