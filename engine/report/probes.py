"""What happens on the plateau: the section of a study with diagnostics."""

import functools

import numpy as np

from ..arms.options import Option
from ..errors import counted
from ..store.run_table import RunTable
from ..studies.diagnosis import AS_GIVEN, read_record
from ..training.probes.registry import WHOLE
from .arm_runs import ArmRuns
from .curves import ArmProbes, find_arm_probes
from .phrases import joined, label, number, percent
from .probe_panels import Change, changes_of, draw_panels, panels, series_names
from .sections import Drawing, Section, SectionTable
from .summary import Summary

# Each arm has a page of panels; more arms are in the files.
OPTIONS = (
    Option("diagnostics_arms", int, 6, "arms whose diagnostics are drawn", part="none", minimum=0, maximum=1000),
)
_TABLE_CAPTION = "What the panels show, and what to look for."
_ALIGNED = (
    "“{name}”: {runs_are} aligned at the onset (dotted). Thick: the whole network, median and quartiles over seeds; "
    "thin: layer by layer, from the first (dark) to the last (light); dead units and spread are of what enters a layer."
)
_WAITING = (
    "“{name}”: {runs_are} shown from the start, without an onset at which they could be aligned. Thick: the whole "
    "network; thin: layer by layer, from the first (dark) to the last (light)."
)


def make_section(table: RunTable, summary: Summary, diagnostics_arms: int) -> Section | None:
    """Makes the section; None for a study without diagnostics."""
    if "diagnostics" not in table.directory.document["identity"]:
        return None
    names = sorted(summary.runs, key=lambda name: name != summary.baseline)
    # A diagnosis asks about the configuration as given.
    if read_record(table.directory.document) is not None:
        names = [name for name in names if name == AS_GIVEN]
    found = {name: probes for name in names if (probes := find_arm_probes(table, name)) is not None}
    if not found:
        return None
    lines, drawings, document = [], {}, {}
    for index, (name, of_arm) in enumerate(found.items()):
        onset = _onsets(summary.runs[name], of_arm)
        changes = changes_of(of_arm, onset)
        lines += _lines(summary, name, of_arm, onset, changes)
        document[name] = {
            "num_aligned": int(np.sum(np.isfinite(onset))),
            "num_waiting": int(np.sum(~np.isfinite(onset))),
            "absent": list(of_arm.absent),
            "changes": {series: change._asdict() for series, change in changes.items()},
        }
        if index < diagnostics_arms:
            drawings.update(_drawings(summary, name, index, of_arm, onset))
    if len(found) > diagnostics_arms:
        lines.append(f"Drawn are the first {diagnostics_arms} of {len(found)} arms; all are in the rows.")
    measured = {series for of_arm in found.values() for series in of_arm.values}
    rows = [[p.title, p.what, p.look_for] for p in panels() if p.series[0] in measured]
    tables = [SectionTable(_TABLE_CAPTION, ["panel", "what it is", "what to look for"], rows, is_of_words=True)]
    return Section("diagnostics", "What happens on the plateau", lines, tables, drawings, document)


def _onsets(runs: ArmRuns, found: ArmProbes) -> np.ndarray:
    """Returns the onset of the run in each row, in steps; NaN where it has none."""
    has_event = runs.event == 1
    by_seed = dict(zip(runs.seed[has_event].tolist(), runs.time[has_event].tolist(), strict=True))
    return np.asarray([by_seed.get(seed, np.nan) for seed in found.seed.tolist()], float)


def _lines(summary: Summary, name: str, found: ArmProbes, onset: np.ndarray, changes: dict[str, Change]) -> list[str]:
    said = []
    told = [_told(summary, name, series, c) for series, c in changes.items() if c.size >= 1]
    if told:
        said.append(f"from the start to the onset, in the median run, {joined(told)}")
    elif changes:
        said.append("nothing that was measured of the whole network changes much before the onset")
    elif np.any(np.isfinite(onset)):
        said.append("the runs leave chance level before they are measured twice")
    if (saddle := _saddle(found, onset)) is not None:
        said.append(saddle)
    if found.absent:
        absent = joined([series_names().get(series, label(series)) for series in found.absent])
        verb = "does" if len(found.absent) == 1 else "do"
        said.append(f"{absent} {verb} not exist for this arm")
    return [f"“{name}”: {'; '.join(said)}."] if said else []


def _told(summary: Summary, name: str, series: str, change: Change) -> str:
    lead = number(change.lead / summary.steps_per_unit(name), summary.unit)
    when = f"half of that in the last {lead} {summary.unit}"
    what = series_names()[series]
    if change.layer:
        of = "" if series == "spread" else "of "
        what = f"{what} {of}“{label(change.layer)}”"
    if not change.is_ratio:
        verb = "rises" if change.end > change.start else "falls"
        return f"{what} {verb} from {percent(change.start)} to {percent(change.end)} ({when})"
    factor = change.end / change.start
    verb = "grows" if factor > 1 else "shrinks"
    return f"{what} {verb} {max(factor, 1 / factor):.3g}-fold ({when})"


def _saddle(found: ArmProbes, onset: np.ndarray) -> str | None:
    """Says whether there is a way down across the update, while the runs wait."""
    bottom = found.values.get("curvature_bottom", {}).get(WHOLE)
    if bottom is None:
        return None
    waits = found.steps[None, :] < np.where(np.isfinite(onset), onset, np.inf)[:, None]
    levels = np.where(waits, bottom, np.nan)
    has_some = np.any(np.isfinite(levels), axis=1)
    if not np.any(has_some):
        return None
    num_negative = int(np.sum(np.nanmedian(levels[has_some], axis=1) < 0))
    return (
        f"while they wait the smallest curvature is below 0 in {num_negative} of {has_some.sum()} "
        f"runs, in the median over its measurements"
    )


def _drawings(summary: Summary, name: str, index: int, found: ArmProbes, onset: np.ndarray) -> dict[str, Drawing]:
    has_left = np.isfinite(onset)
    figures = (
        ("", has_left, onset, f"{summary.unit} from the onset of each run", _ALIGNED),
        ("_waiting", ~has_left, np.where(has_left, np.nan, 0.0), summary.unit, _WAITING),
    )
    drawings = {}
    for suffix, is_shown, origin, axis_label, caption in figures:
        if np.any(is_shown):
            draw = functools.partial(draw_panels, found, origin, summary.steps_per_unit(name), axis_label)
            words = caption.format(name=name, runs_are=counted(int(is_shown.sum()), "run is", "runs are"))
            drawings[f"plateau_{index}{suffix}"] = Drawing(draw, words)
    return drawings
