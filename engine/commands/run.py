"""`run`: trains what is missing of a study, then reports."""

import contextlib
import dataclasses
import hashlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import store
from ..arms.options import with_changes
from ..errors import InputError, StorageError
from ..lanes import tuning
from ..lanes.pool import not_measured
from ..observers import Observer, Watching, check_watching, ended_with, make_observers
from ..observers.live import close_page
from ..store import WorkDirectory, provenance
from ..store.checkpoints import CheckpointFolder
from ..store.study_json import document
from ..studies.designs import has_forks
from ..studies.expand import ExpandedStudy, expand, spooled
from ..studies.shared_program import Layout
from ..studies.study import Study
from ..studies.until import Until, check_goal
from ..user_code import Place, as_path
from ..workers import determinism, devices, processes
from ..workers.cluster.joining import joined
from ..workers.cluster.node import Terms
from ..workers.interruption import Interrupted, SignalWatch
from ..workers.serving import ServeSettings
from ..workers.supervisor import Workers
from .open import Results
from .running.looking import look_at_own
from .running.options import RunOptions
from .running.progress import note, waiting
from .running.session import Recorder, Session

# Of a launch, what is true of where it runs rather than of where it was typed.
_OF_NODES = ("versions", "hardware", "settings", "xla_flags")


def run(
    study: Study, workdir: Place, *, until: Until | None = None, options: RunOptions | None = None, **changes: Any
) -> Results:
    """Runs a study, or what is missing of it, and writes its report.

    Workers never import the program that calls this, so a script needs no guard around it, and it works in a notebook.
    Called outside the main thread, it leaves signals alone and cannot be interrupted.

    Args:
        workdir: where its rows and its report go; created if missing.
        until: a question; seeds are added until it is decided, whatever number the study says.
        changes: single options by the names of their flags, as in `workers=2`, or of the fields of `RunOptions`.

    Raises:
        InputError: an argument is not usable; nothing was changed.
        StorageError: the disk is full or fails; finished runs are stored.
        WorkerFailedError: workers end one after another.
        Interrupted: a signal came; unfinished runs are stored, and the same call continues them.
    """
    options = with_changes(options or RunOptions(), changes)
    check_watching(_watching(options))
    if until is not None:
        if study.design != "seeds":
            raise InputError(f"until needs design=seeds, not {study.design}")
        check_goal(until, len(study.arms))
        study = dataclasses.replace(study, seeds=until.max_seeds)
    available, num_workers = find_workers(options.num_workers)
    settings = ServeSettings(options.cache, num_workers or 1, options.checkpoint_every, options.kept_weights)
    path = as_path(workdir)
    with SignalWatch() as watch, watch.deferred(), store.hold(path, note), contextlib.ExitStack() as at_the_end:
        if options.live_every is not None:
            at_the_end.callback(_close_page, path)
        with contextlib.ExitStack() as while_training:
            workers: Workers
            if options.cluster is None:
                workers = while_training.enter_context(processes.Crew(available, num_workers, settings))
            else:
                terms = Terms(_key_of(path), settings, _recorded_kind(path))
                joining = joined(options.cluster, options.cluster_options, options.security, terms, note)
                with watch.at_once(), waiting(f"joining {options.cluster}", not options.is_quiet):
                    workers = while_training.enter_context(joining)
            _Launch(study, path, until, options, available, workers, watch).train()
        watch.check()
        results = Results(workdir)
        if options.has_report:
            with waiting("writing the report", not options.is_quiet):
                results.report()
        watch.check()
        return results


def find_workers(num_workers: int | None) -> tuple[devices.Devices, int]:
    """Returns the devices of this machine, and the number of processes on them: by default one for each.

    Raises `InputError`: there cannot be as many.
    """
    num_workers = RunOptions(num_workers=num_workers).num_workers
    available = devices.find_devices()
    platform, most = available.platform, available.num_devices
    for line in determinism.contradictions(platform, os.environ):
        note(line)
    if num_workers == 0:
        os.environ.update(determinism.variables(platform, os.environ))
    num_workers = most if num_workers is None else num_workers
    if platform != "cpu" and num_workers > most:
        raise InputError(f"workers={num_workers}: expected at most one for each of the {most} {platform} devices")
    return available, num_workers


def _key_of(path: Path) -> str:
    """Returns a name of a work directory that says nothing of its place."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()


def _recorded_kind(path: Path) -> tuple[str, str] | None:
    """Returns platform and kind of the devices of a study that has begun."""
    recorded = store.find_existing(path)
    devices = {} if recorded is None else recorded.document["launches"][-1].get("devices", {})
    return (devices["platform"], devices["kind"]) if devices.get("platform") else None


def _watching(options: RunOptions) -> Watching:
    return Watching(options.live_every, options.has_tensorboard, options.trackers, options.tracked_runs)


def _close_page(path: Path) -> None:
    """Stops a live page from reloading itself."""
    try:
        close_page(path)
    except StorageError as error:
        note(f"the live page is not closed: {error}")


@dataclasses.dataclass(frozen=True)
class _Launch:
    study: Study
    path: Path
    until: Until | None
    options: RunOptions
    # Of this machine, which the workers need not have.
    here: devices.Devices
    crew: Workers
    watch: SignalWatch

    def train(self) -> None:
        recorded = store.find_existing(self.path)
        with self.watch.at_once(), waiting("reading data and network", not self.options.is_quiet):
            study = self._expand({} if recorded is None else recorded.document["identity"])
        if not self.options.is_told:
            _tell_of_data(study)
            _tell_of_diagnostics(study)
        tuned: dict[str, dict[str, float]] = {}
        if self.options.is_tuned and recorded is None:
            with self.watch.at_once():
                study, tuned = self._tune(study)
        with spooled(study) as study:
            directory = self._open(study, tuned)
            observers = make_observers(_watching(self.options), directory, note)
            recorder = Recorder(study, directory, _open_checkpoints(directory), observers, self.crew.now)
            session = Session(recorder, self.crew, self.watch, self.options.is_quiet)
            try:
                self._train(session, observers)
            except InputError:
                if recorded is None and not session.has_kept:
                    directory.discard()
                raise

    def _expand(self, identity: Mapping[str, Any]) -> ExpandedStudy:
        """Expands the study under the layout that was asked for, else that of its recorded identity."""
        options, layouts = self.options, {}
        for name in self.study.arms:
            recorded = Layout(*(identity.get(field, {}).get(name) for field in Layout._fields))
            form = options.form or recorded.form
            # A width that is given has a block by the rule, or is refused as another study.
            is_given = options.width is not None
            layouts[name] = Layout(options.width, None, form) if is_given else recorded._replace(form=form)
        platform, forks = self.crew.devices.platform, identity.get("fork_step")
        study = expand(self.study, platform, layouts, options.data_dir, forks, options.is_quiet)
        has_several_events = len({program.event for program in study.programs}) > 1
        if self.until is not None and self.until.goal == "comparison" and has_several_events:
            raise InputError("until=comparison needs arms that wait for the same event")
        return study

    def _tune(self, study: ExpandedStudy) -> tuple[ExpandedStudy, dict[str, dict[str, float]]]:
        """Expands the study under what is fastest on this machine; returns also the times measured, by arm."""
        layouts: dict[str, Layout] = {}
        measured: dict[str, dict[str, float]] = {}
        cache = self.options.cache
        for program in study.programs:
            note(f"tuning {', '.join(program.arm_names)}")
            choice, table = processes.call(self.here, cache, tuning.tune_here, program.spec, cache)
            milliseconds = table[f"{choice.form} {choice.width}"]
            note(f"{choice.form}, {choice.width} lanes: {milliseconds} ms per seed and step")
            layouts |= dict.fromkeys(program.arm_names, Layout(*choice))
            measured |= dict.fromkeys(program.arm_names, table)
        return expand(self.study, self.crew.devices.platform, layouts, self.options.data_dir), measured

    def _open(self, study: ExpandedStudy, tuned: Mapping[str, Mapping[str, float]]) -> WorkDirectory:
        available = self.crew.devices
        with self.watch.at_once():
            launch = devices.current_launch(available)
            if self.crew.launch is not None:
                launch |= {name: self.crew.launch[name] for name in _OF_NODES}
            described = document(study, available.platform, launch)
            store.refuse_other_study(self.path, described)
            described["study"]["network_notes"] = self._look(study)
        self.watch.check()
        directory = store.create_or_resume(self.path, described, note)
        directory.inspect(note)
        if tuned:
            directory.document["tuned_milliseconds"] = tuned
            directory.save_document()
        launches = directory.document["launches"]
        changes = provenance.describe_differences(launches[-2], launches[-1]) if len(launches) > 1 else ""
        if changes:
            note(f"this launch may make other bits than the one before ({changes})")
        return directory

    def _look(self, study: ExpandedStudy) -> dict[str, list[str]]:
        """Looks at networks and data of the user; a diagnosis has done so."""
        if self.study.diagnosis is not None or self.options.is_told:
            return {name: [] for name in study.arms}
        return look_at_own(study, self.study.baseline, self.here, self.options.cache)

    def _train(self, session: Session, observers: Sequence[Observer]) -> None:
        try:
            with ended_with(observers):
                if self.until is None:
                    session.run(session.study.runs)
                else:
                    session.run_until(self.until)
                if has_forks(self.study.design):
                    session.run_forks()
        except Interrupted as interrupted:
            interrupted.stored = session.describe_stored()
            session.end(signal.Signals(interrupted.number).name)
            raise
        session.end()


def _tell_of_diagnostics(study: ExpandedStudy) -> None:
    for program in study.programs:
        for name, reason in not_measured(program.spec).items():
            note(f"{', '.join(program.arm_names)}: no {name} is measured: {reason}")


def _tell_of_data(study: ExpandedStudy) -> None:
    """Says what a person should know about the data, by arm if it differs between arms."""
    by_lines: dict[tuple[str, ...], list[str]] = {}
    for program in study.programs:
        lines = tuple(one.line for one in program.notes)
        by_lines.setdefault(lines, []).extend(map(repr, program.arm_names))
    for lines, names in by_lines.items():
        for line in lines:
            note(line if len(by_lines) == 1 else f"data of {', '.join(names)}: {line}")


def _open_checkpoints(directory: WorkDirectory) -> CheckpointFolder:
    def set_aside(path: Path, reason: str) -> None:
        note(f"checkpoint/{path.name}: {reason}; its runs start again")
        store.set_aside(path, directory.path / "damaged")

    environment = provenance.environment_digest(directory.document["launches"][-1])
    origin = f"{store.fingerprint(directory.document['identity'])} {environment}"
    folder = CheckpointFolder(directory.path / "checkpoint", origin)
    folder.open(set_aside, note)
    return folder
