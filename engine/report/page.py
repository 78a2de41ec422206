"""The report as one HTML file, also while its study is under way: then it loads itself again."""

import os
import re
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import markupsafe

from ..errors import counted, visible
from ..outcomes import FAILED
from ..outcomes.event import Event
from ..store.run_table import RunTable
from .canvas import INK, to_svg
from .explorer import SCRIPTS, collect_runs
from .figures import Figures
from .findings import Findings, make_cautions
from .phrases import number, of_runs, percent
from .ranking import say_shown, shown_arms
from .summary import Summary
from .terms import explain

# What makes a page live stands between marks, so that it can be taken out of it again.
_BEGIN, _END = "<!-- live -->", "<!-- end of live -->"
_MARKED = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
_UPDATED = re.compile(r'<time id="updated"[^>]*>([^<]*)</time>')
_CLOCK = "%H:%M:%S"
# What a notebook shows of a page.
_MOST_BYTES = 8 * 2**20
# Runs that a page lists one by one.
MOST_RUNS = 2000
_OF_RUNS = ("onset", "end accuracy")


class Page(NamedTuple):
    """The HTML of a report before it is written, the figures in it, and the same as SVG, by name."""

    html: str
    figures: Figures
    vectors: dict[str, str]


def environment() -> jinja2.Environment:
    """Returns what renders the templates of this package: escaped, and without characters that do something."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
    )
    made.globals["explain"] = explain
    return made


def lay_out(found: Findings, table: RunTable | None = None) -> Page:
    """Draws the figures and makes the page, with the single runs of the table to look at."""
    figures = Figures(found.drawings)
    vectors = {name: to_svg(figures[name], name) for name in found.names_on_page}
    explorer = None if table is None else collect_runs(table, found.summary)
    return Page(make_page(found, vectors, explorer), figures, vectors)


def make_page(found: Findings, vectors: dict[str, str], explorer: dict[str, Any] | None = None) -> str:
    """Makes the HTML; `vectors` are the figures as SVG, by name, and `explorer` is what `collect_runs` returns."""
    summary, study = found.summary, found.summary.document["study"]
    of_sections = {name for section in found.sections for name in section.drawings}
    own = [name for name in vectors if name not in of_sections]
    template = environment().get_template("page.html")
    return template.render(
        title=study["question"] or study["name"],
        found=found,
        counted=counted,
        summary=summary,
        vectors={name: markupsafe.Markup(svg.replace(INK, "currentColor")) for name, svg in vectors.items()},
        first=found.first_drawing,
        first_arms=_places(summary, found.first_arms) if explorer else None,
        explorer=explorer,
        headings=_headings(found),
        scripts=[markupsafe.Markup(script.read_text(encoding="utf-8")) for script in SCRIPTS],
        curves=[name for name in own if name.startswith("curves") and name != found.first_drawing],
        others=[name for name in own if not name.startswith("curves") and name != found.first_drawing],
        runs=_run_rows(summary),
        num_runs=sum(len(runs.status) + runs.num_failed for runs in summary.runs.values()),
        shown=say_shown(summary),
        cautions=make_cautions(summary, is_page=True),
        has_hits=any(runs.waits_for == Event.HIT for runs in summary.runs.values()),
        has_paths=any("dir=" in word for word in summary.document["launches"][-1]["command"]),
        forms=", ".join(sorted(set(summary.identity.get("form", {}).values()))),
    )


def _headings(found: Findings) -> list[str]:
    """Returns the headings of all tables of a page, each once."""
    tables = [table.header for section in found.sections for table in section.tables]
    return list(dict.fromkeys([*found.header, *(heading for header in tables for heading in header), *_OF_RUNS]))


def _places(summary: Summary, names: list[str]) -> list[int] | None:
    """Returns the places of arms among those shown; None where one is not."""
    shown = shown_arms(summary)
    return [shown.index(name) for name in names] if set(names) <= set(shown) else None


def _visible(value: Any) -> Any:
    """Removes characters from text that do something to it; figures have none left."""
    return visible(value) if isinstance(value, str) and not isinstance(value, markupsafe.Markup) else value


def _run_rows(summary: Summary) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, runs in summary.runs.items():
        if len(rows) >= MOST_RUNS:
            break
        rows += [[name, str(seed), FAILED, "–", "–"] for seed in runs.failed["seed"]]
        times = runs.time / summary.steps_per_unit(name)
        for i, status in enumerate(runs.status):
            row = {column: values[i] for column, values in runs.rows.items()}
            when = number(times[i], summary.unit) if runs.event[i] == 1 else "–"
            if row["onset_lower"] is not None:
                bounds = (row[end] / summary.steps_per_unit(name) for end in ("onset_lower", "onset_upper"))
                when += f" ({'–'.join(number(bound, summary.unit) for bound in bounds)})"
            accuracy = "–" if row["end_accuracy"] is None else f"{row['end_accuracy']:.3f}"
            run = row["run_name"] or str(runs.seed[i])
            rows.append([name, run, status.replace("_", " "), when, accuracy])
    return rows[:MOST_RUNS]


def make_live(page: str, updated: datetime, interval: float, progress: tuple[int, int, float]) -> str:
    """Makes a page load itself again in `interval` seconds, and say how far the study is, see `StudyProgress`."""
    num_over, num_runs, steps_done = progress
    words = f"{of_runs(num_over, num_runs)} over; {percent(steps_done)} of the steps of this launch are taken."
    about = {"num_over": num_over, "num_runs": num_runs, "clock": updated.strftime(_CLOCK)}
    return _marked(page, updated=updated, words=words, interval=max(1, round(interval)), **about)


def end_live(page: str, ended: datetime) -> str | None:
    """Returns a live page that loads itself no more, and says when the launch ended; None where it is not live."""
    updated = _UPDATED.search(page)
    if updated is None:
        return None
    words = f"The launch ended at {ended.strftime(_CLOCK)} without a last report. What follows is as of {updated[1]}."
    return _marked(_MARKED.sub("", page), updated=None, words=words)


def make_waiting_page(name: str, question: str, num_over: int) -> str:
    """Returns the page of a study about which nothing can be said yet, though `num_over` runs may be over."""
    over = f"{counted(num_over, 'run is', 'runs are')} over, but nothing can be said yet."
    words = over if num_over else "No run is over yet."
    return environment().get_template("waiting.html").render(title=question or name, name=name, words=words)


def _marked(page: str, **values: Any) -> str:
    templates = map(environment().get_template, ("live_head.html", "live_banner.html"))
    head, body = (f"{_BEGIN}\n{template.render(**values)}{_END}" for template in templates)
    return page.replace("</head>", f"{head}\n</head>", 1).replace("<main>", f"<main>\n{body}", 1)


class ReportFile(os.PathLike[str]):
    """The report of a study: the path of a file, which a notebook shows as the page."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    __str__ = __fspath__

    def __repr__(self) -> str:
        return f"ReportFile({str(self.path)!r})"

    def _repr_html_(self) -> str:
        path = escape(visible(str(self.path)))
        try:
            content = self.path.read_bytes()
        except OSError as error:
            return f"<p>{path}: {escape(str(error.strerror))}</p>"
        if len(content) > _MOST_BYTES:
            return f"<p>{path} is {len(content) / 2**20:.0f} MiB: open it in a browser</p>"
        # Without a script or an address of its own: whatever it holds stays inside.
        return (
            f'<iframe sandbox srcdoc="{escape(content.decode(errors="replace"))}" '
            f'style="width:100%;height:36em;border:1px solid rgba(128,128,128,.4)"></iframe>'
            f"<p>{path}</p>"
        )
