"""The short table of a study, for the terminal and for the page."""

from engine.errors import one_line
from engine.outcomes import STATUSES
from engine.outcomes.event import Event
from engine.report.phrases import interval, number, p_value, percent
from engine.report.summary import Summary
from engine.statistics import Estimate


def make_table(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """`(header, one row per arm)` as text."""
    unit = summary.unit
    header = ["arm", "runs", *(status.replace("_", " ") for status in STATUSES)]
    has_failed = any(arm.num_failed for arm in summary.arms.values())
    header += ["failed (left out)"] * has_failed
    is_hit = all(runs.waits_for == Event.HIT for runs in summary.runs.values())
    event, wait = ("had the event", "median wait") if is_hit else ("left chance", "median onset")
    header += [f"{event} (95 % CI)", f"{wait}, {unit} (95 % CI)"]
    adjusted = "p at every look" if summary.has_looks else "p, Holm"
    header += [f"{unit} later than {summary.baseline}", adjusted]
    rows = []
    for name, arm in summary.arms.items():
        counts = arm.statuses
        fraction = f"{percent(arm.fraction.value)} ({_percents(arm.fraction)})"
        row = [name, str(arm.num_runs), *(str(counts[status]) for status in STATUSES)]
        row += [str(arm.num_failed)] * has_failed
        row += [fraction, _median(summary, name)]
        if name in summary.comparisons:
            comparison = summary.comparisons[name]
            if not any(summary.arms[n].fraction.value for n in (name, summary.baseline)):
                rows.append([*row, "neither left", "–"])
                continue
            value = number(comparison.difference.value, unit)
            row += [f"{value} ({interval(comparison.difference, unit)})", p_value(comparison.p_adjusted)]
        else:
            row += ["–", "–"]
        rows.append(row)
    return [one_line(cell) for cell in header], [[one_line(c) for c in row] for row in rows]


def _percents(estimate: Estimate) -> str:
    return f"{percent(estimate.lower).removesuffix(' %')}–{percent(estimate.upper)}"


def _median(summary: Summary, name: str) -> str:
    median, unit = summary.arms[name].median_onset, summary.unit
    horizon = summary.runs[name].horizon / summary.steps_per_unit(name)
    reached = median.value <= horizon
    if median.lower > horizon:
        return f"> {number(horizon, unit)}"
    value = number(median.value, unit) if reached else f"> {number(horizon, unit)}"
    return f"{value} ({interval(median, unit)})"


def to_text(header: list[str], rows: list[list[str]]) -> str:
    """The table in columns, the first one left-aligned and the others right-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "─" * max(len(line) for line in lines))
    return "\n".join(lines)
