"""The report as one HTML file."""

from typing import Any, NamedTuple

import jinja2
import markupsafe

from engine.errors import visible
from engine.outcomes import FAILED
from engine.outcomes.event import Event
from engine.report.canvas import INK, to_svg
from engine.report.cautions import make_cautions
from engine.report.figures import Figures
from engine.report.findings import Findings
from engine.report.phrases import number
from engine.report.summary import Summary


class Page(NamedTuple):
    """A report before it is written.

    Attributes:
        html: the whole page.
        figures: those in it.
        vectors: the same as SVG, by name.
    """

    html: str
    figures: Figures
    vectors: dict[str, str]


def environment() -> jinja2.Environment:
    """Returns where templates are, and how what they are given is made harmless."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("engine", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
    )


def lay_out(found: Findings) -> Page:
    """Draws the figures and makes the page."""
    figures = Figures(found.drawings)
    vectors = {name: to_svg(figure, name) for name, figure in figures.items()}
    return Page(make_page(found, vectors), figures, vectors)


def make_page(found: Findings, vectors: dict[str, str]) -> str:
    """Makes the HTML.

    Args:
        found: what the report says.
        vectors: its figures as SVG, by name.
    """
    summary = found.summary
    document, launch = summary.document, summary.document["launches"][-1]
    of_sections = {name for section in found.sections for name in section.drawings}
    own = [name for name in vectors if name not in of_sections]
    return (
        environment()
        .get_template("page.html")
        .render(
            title=summary.question or summary.name,
            found=found,
            summary=summary,
            vectors={name: markupsafe.Markup(svg.replace(INK, "currentColor")) for name, svg in vectors.items()},
            curves=[name for name in own if name.startswith("curves")],
            others=[name for name in own if not name.startswith("curves")],
            runs=_run_rows(summary),
            cautions=make_cautions(summary, is_page=True),
            has_hits=any(runs.waits_for == Event.HIT for runs in summary.runs.values()),
            launch=launch,
            logs=document["study"] if summary.is_of_logs else None,
            identity=summary.identity,
            has_paths=any("dir=" in word for word in launch["command"]),
            forms=", ".join(sorted(set(summary.identity.get("form", {}).values()))),
        )
    )


def _visible(value: Any) -> Any:
    """Removes characters from text that do something to it; figures have none left."""
    is_text = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
    return visible(value) if is_text else value


def _run_rows(summary: Summary) -> list[list[str]]:
    """Returns arm, seed or name, status, onset with its grid interval, and end accuracy of every run."""
    rows = []
    for name, runs in summary.runs.items():
        rows += [[name, str(seed), FAILED, "–", "–"] for seed in runs.failed["seed"]]
        times = runs.time / summary.steps_per_unit(name)
        for i, status in enumerate(runs.status):
            when = number(times[i], summary.unit) if runs.event[i] == 1 else "–"
            bounds = [runs.rows[column][i] for column in ("onset_lower", "onset_upper")]
            if bounds[0] is not None:
                words = [number(bound / summary.steps_per_unit(name), summary.unit) for bound in bounds]
                when += f" ({'–'.join(words)})"
            accuracy = runs.rows["end_accuracy"][i]
            end = "–" if accuracy is None else f"{accuracy:.3f}"
            run = runs.rows["run_name"][i] or str(runs.seed[i])
            rows.append([name, run, status.replace("_", " "), when, end])
    return rows
