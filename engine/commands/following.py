"""Follows what a diagnosis would advise far beyond the horizon, before it is advised."""

import dataclasses
import time

from .. import store
from ..arms.options import with_changes
from ..diagnosis.gathering import FOLLOWED, TIMES, gather
from ..diagnosis.table import next_to_follow
from ..errors import InputError
from ..report.summary import summarise
from ..store.run_table import RunTable
from ..studies.diagnosis import AS_GIVEN, read_record
from ..studies.study import Study
from ..user_code import Place, as_path
from .run import run
from .running.options import RunOptions
from .running.progress import note

_NUM_SEEDS = 8
# What falls back is followed by the next best change, as often as this.
_MOST_FOLLOWED = 3
_QUESTION = "Does it stay away from chance level, far beyond the horizon?"


def follow(study: Study, workdir: Place, options: RunOptions, until: float | None) -> None:
    """Trains what the diagnosis in a work directory would advise for four times the horizon, in a folder below it.

    If that falls back it goes on with the next best change, with three at most; after the time `until`, of
    `time.monotonic`, only the first is followed.
    """
    for number in range(1, _MOST_FOLLOWED + 1):
        run_table = RunTable(store.open_existing(as_path(workdir)))
        summary, record = summarise(run_table), read_record(run_table.directory.document)
        is_known = record is not None and AS_GIVEN in summary.runs
        evidence = gather(run_table, summary, record) if record is not None and is_known else None
        name = None if evidence is None else next_to_follow(evidence)
        is_late = number > 1 and until is not None and time.monotonic() > until
        if evidence is None or name is None or is_late:
            return
        horizon = TIMES * (study.horizons_by_arm[name] or 0)
        note(f"following {name} to {horizon:,} steps")
        # Names of arms hold characters that not every file system takes.
        folder = as_path(workdir) / FOLLOWED / str(list(study.arms).index(name))
        try:
            run(
                _followed(study, name, horizon),
                folder,
                options=with_changes(options, {"has_report": False, "is_told": True}),
            )
        except InputError as error:
            note(f"{name} is not followed: {error}")
            return


def _followed(study: Study, name: str, horizon: int) -> Study:
    return dataclasses.replace(
        study,
        name=FOLLOWED,
        question=_QUESTION,
        arms={name: study.arms[name]},
        baseline=None,
        seeds=min(_NUM_SEEDS, study.seeds_by_arm[name]),
        horizon=horizon,
        diagnostics=(),
        diagnostics_every=None,
        diagnostic_options={},
        stop="horizon",
        diagnosis=None,
    )
