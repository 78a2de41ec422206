"""The short table of a study, for the terminal, for notebooks and for the page."""

from collections.abc import Sequence
from html import escape

from ..errors import one_line
from ..outcomes import STATUSES
from ..outcomes.event import Event
from .phrases import interval, number, p_value, percent, percent_interval, shift
from .ranking import rank_arms
from .summary import Summary

# Without a colour of its own, so that a notebook shows it on any.
_CELL = "padding:.25em .6em;border-bottom:1px solid rgba(128,128,128,.4);text-align:{side}"


def make_table(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Returns the header, and a row of text per arm; many arms are ranked, see `ranking`."""
    has_failed = any(arm.num_failed for arm in summary.arms.values())
    rows = [_make_header(summary, has_failed), *(_make_row(summary, name, has_failed) for name in rank_arms(summary))]
    header, *rows = ([one_line(cell) for cell in row] for row in rows)
    return header, rows


def _make_header(summary: Summary, has_failed: bool) -> list[str]:
    is_hit = all(runs.waits_for == Event.HIT for runs in summary.runs.values())
    event, wait = ("had the event", "median wait") if is_hit else ("left chance", "median onset")
    return [
        "arm",
        "runs",
        *(status.replace("_", " ") for status in STATUSES),
        *(["failed (left out)"] if has_failed else []),
        f"{event} (95 % CI)",
        f"{wait}, {summary.unit} (95 % CI)",
        f"{summary.unit}, against {summary.baseline}",
        "p at every look" if summary.has_looks else "p, Holm",
    ]


def _make_row(summary: Summary, name: str, has_failed: bool) -> list[str]:
    arm = summary.arms[name]
    return [
        name,
        str(arm.num_runs),
        *(str(arm.statuses[status]) for status in STATUSES),
        *([str(arm.num_failed)] if has_failed else []),
        f"{percent(arm.fraction.value)} ({percent_interval(arm.fraction)})",
        _write_median(summary, name),
        *_write_comparison(summary, name),
    ]


def _write_median(summary: Summary, name: str) -> str:
    median, unit, horizon = summary.arms[name].median_onset, summary.unit, summary.horizon(name)
    beyond = f"> {number(horizon, unit)}"
    if median.lower > horizon:
        return beyond
    value = number(median.value, unit) if median.value <= horizon else beyond
    return f"{value} ({interval(median, unit)})"


def _write_comparison(summary: Summary, name: str) -> tuple[str, str]:
    comparison = summary.comparisons.get(name)
    if comparison is None:
        return "–", "–"
    if not any(summary.arms[n].num_left for n in (name, summary.baseline)):
        return "neither left", "–"
    return shift(comparison.difference, summary.unit), p_value(comparison.p_adjusted)


def to_text(header: list[str], rows: list[list[str]]) -> str:
    """Writes the table in columns, the first one left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for first, *others in [header, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def to_html(headline: str, header: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> str:
    """Returns a sentence, and a table where there is one, whose first column is aligned to the left."""
    sentence = f'<p style="border-left:4px solid #0072b2;padding:.3em .8em">{escape(one_line(headline))}</p>'
    if not header:
        return sentence
    begin = '<div style="overflow-x:auto"><table style="border-collapse:collapse">'
    head = f"<thead><tr>{_cells('th', header)}</tr></thead><tbody>"
    body = (f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return "\n".join([sentence, begin, head, *body, "</tbody></table></div>"])


def _cells(tag: str, cells: Sequence[str]) -> str:
    first, other = (f'<{tag} style="{_CELL.format(side=side)}">' for side in ("left", "right"))
    return "".join(f"{other if i else first}{escape(one_line(cell))}</{tag}>" for i, cell in enumerate(cells))
