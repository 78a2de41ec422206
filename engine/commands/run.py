"""`run`: trains what is missing of a study, then reports."""

import contextlib
import dataclasses
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine import store, workers
from engine.commands.open import Results
from engine.commands.running.network_notes import try_own_networks
from engine.commands.running.options import RunOptions, default_cache_dir
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
from engine.studies.expand import Plan, make_plan, spooled
from engine.studies.study import Study
from engine.studies.until import Until, check_goal
from engine.user_code import as_path
from engine.workers import determinism, devices
from engine.workers.devices import Devices
from engine.workers.interruption import Interrupted, SignalWatch

__all__ = ["default_cache_dir", "find_workers", "run"]


def run(
    study: Study,
    workdir: str | os.PathLike[str],
    *,
    until: Until | None = None,
    options: RunOptions | None = None,
    **changes: Any,
) -> Results:
    """Runs a study, or what is missing of it, and writes its report.

    Workers never import the program that calls this, so a script needs no guard around it, and it
    works in a notebook. Called outside the main thread, it leaves signals alone and cannot be
    interrupted.

    Args:
        study: what to do.
        workdir: where its rows and its report go; created if missing.
        until: a question; seeds are added until it is decided, whatever number the study says.
        options: how to run it, see `RunOptions`.
        changes: single options by name, as in `num_workers=2`.

    Returns:
        What the work directory holds now, as `engine.open` does.

    Raises:
        InputError: an argument is not usable; nothing was changed.
        StorageError: the disk is full or fails; finished runs are stored.
        WorkerFailedError: workers end one after another.
        Interrupted: a signal came; unfinished runs are stored, and the same call continues them.
    """
    options = (options or RunOptions()).replace(changes)
    check_watching(_watching(options))
    if until is not None:
        if study.design != "seeds":
            raise InputError(f"until needs design=seeds, not {study.design}")
        check_goal(until, len(study.arms))
        study = dataclasses.replace(study, seeds=until.max_seeds)
    available, num_workers = find_workers(options.num_workers)
    path = as_path(workdir)
    request = _Request(study, path, available, options, until)
    with SignalWatch() as watch, watch.deferred(), store.hold(path, note), _closed_page(request):
        with workers.Crew(available, num_workers, options.cache, options.checkpoint_every) as crew:
            _train(request, crew, watch)
        watch.check()
        results = Results(workdir)
        if options.has_report:
            results.report()
        watch.check()
        return results


def _watching(options: RunOptions) -> Watching:
    return Watching(options.live_every, options.has_tensorboard, options.wandb_runs)


def find_workers(num_workers: int | None) -> tuple[Devices, int]:
    """What there is to run on, and how many processes are to do it.

    Args:
        num_workers: as asked for; one per core or accelerator by default.

    Raises:
        InputError: there cannot be as many.
    """
    num_workers = RunOptions(num_workers=num_workers).num_workers
    available = devices.find_devices()
    for line in determinism.contradictions(available.platform, os.environ):
        note(line)
    if num_workers == 0:
        devices.prepare_this_process(available)
    num_workers = available.num_devices if num_workers is None else num_workers
    if available.platform != "cpu" and num_workers > available.num_devices:
        raise InputError(
            f"workers={num_workers}: expected at most one for each of the {available.num_devices} "
            f"{available.platform} devices"
        )
    return available, num_workers


class _Request(NamedTuple):
    """What is asked for, see `run`."""

    study: Study
    workdir: Path
    devices: Devices
    options: RunOptions
    until: Until | None


@contextlib.contextmanager
def _closed_page(request: _Request) -> Iterator[None]:
    """Leaves no page that goes on loading itself when nothing is to come, whatever happens."""
    try:
        yield
    finally:
        if request.options.live_every is not None:
            from engine.observers.live import close_page

            try:
                close_page(request.workdir)
            except StorageError as error:
                note(f"the live page is not closed: {error}")


def _train(request: _Request, crew: workers.Crew, watch: SignalWatch) -> None:
    """Runs what is missing of a study."""
    platform, options = request.devices.platform, request.options
    recorded = store.find_existing(request.workdir)
    identity = {} if recorded is None else recorded.document["identity"]
    width = options.width if options.width is not None else identity.get("width")
    # A width that is given has a block by the rule, or is refused as another study.
    block = identity.get("block") if options.width is None else None
    form = options.form or identity.get("form")
    forks = identity.get("fork_step")
    with watch.at_once():
        plan = make_plan(request.study, platform, width, form, options.data_dir, block, forks, options.is_quiet)
    _tell_of_data(plan)
    _tell_of_diagnostics(plan)
    events = {group.event for group in plan.groups}
    if request.until is not None and request.until.goal == "comparison" and len(events) > 1:
        raise InputError("until=comparison needs arms that wait for the same event")
    tuned: dict[str, dict[str, float]] = {}
    if options.is_tuned and recorded is None:
        with watch.at_once():
            plan, tuned = _tuned(plan, request)
    with spooled(plan) as plan:
        with watch.at_once():
            described = document(plan, platform, devices.current_launch(request.devices))
            store.refuse_other_study(request.workdir, described)
            described["study"]["network_notes"] = try_own_networks(plan, request.devices, options.cache)
        watch.check()
        directory = store.create_or_resume(request.workdir, described, note)
        directory.inspect(note)
        if tuned:
            directory.document["tuned_milliseconds"] = tuned
            directory.save_document()
        _warn_of_another_environment(directory)
        observers = make_observers(_watching(options), directory, note)
        recorder = Recorder(plan, directory, _open_checkpoints(directory), observers)
        session = Session(plan, directory, recorder, crew, watch, options.is_quiet)
        _carry_out(session, request, directory, observers, is_new=recorded is None)


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


def _tell_of_diagnostics(plan: Plan) -> None:
    """Says which diagnostics do not exist for some arms."""
    for group in plan.groups:
        for name, reason in not_measured(group.spec).items():
            note(f"{', '.join(group.arm_names)}: no {name} is measured: {reason}")


def _tell_of_data(plan: Plan) -> None:
    """Says what a person should know of the data, by arm where the arms have several."""
    by_notes: dict[tuple[str, ...], list[str]] = {}
    for group in plan.groups:
        lines = tuple(note.line for note in group.notes)
        by_notes.setdefault(lines, []).extend(map(repr, group.arm_names))
    for lines, names in by_notes.items():
        for line in lines:
            note(line if len(by_notes) == 1 else f"data of {', '.join(names)}: {line}")


def _open_checkpoints(directory: WorkDirectory) -> CheckpointFolder:
    """Runs that were under way, of those that could have been begun here and now."""

    def set_aside(path: Path, reason: str) -> None:
        note(f"checkpoint/{path.name}: {reason}; its runs start again")
        store.set_aside(path, directory.path / "damaged")

    environment = provenance.environment_digest(directory.document["launches"][-1])
    origin = f"{store.fingerprint(directory.document['identity'])} {environment}"
    folder = CheckpointFolder(directory.path / "checkpoint", origin)
    folder.open(set_aside, note)
    return folder


def _tuned(plan: Plan, request: _Request) -> tuple[Plan, dict[str, dict[str, float]]]:
    """The plan with what is fastest on this machine, and what was measured by arm."""
    width, block, form, measured = {}, {}, {}, {}
    cache = request.options.cache
    for group in plan.groups:
        print(f"tuning {', '.join(group.arm_names)}", file=sys.stderr)
        choice, table = workers.call(request.devices, cache, tuning.tune_here, group.spec, cache)
        print(
            f"  {choice.form}, {choice.width} lanes: {table[f'{choice.form} {choice.width}']} ms per seed and step",
            file=sys.stderr,
        )
        for name in group.arm_names:
            width[name], block[name], form[name] = choice
            measured[name] = table
    platform = request.devices.platform
    return make_plan(request.study, platform, width, form, request.options.data_dir, block), measured


def _warn_of_another_environment(directory: WorkDirectory) -> None:
    """Says in a line when rows of this study were made in another environment."""
    launches = directory.document["launches"]
    if len(launches) < 2:
        return
    words = provenance.describe_differences(launches[-2], launches[-1])
    if words:
        note(f"this launch may make other bits than the one before ({words})")
