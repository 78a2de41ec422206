"""The report as one HTML file."""

from collections.abc import Sequence
from typing import Any

import jinja2
import markupsafe

from engine.errors import visible
from engine.outcomes import FAILED
from engine.outcomes.event import Event
from engine.report.arm_runs import MAX_CURVES
from engine.report.canvas import INK
from engine.report.cautions import make_cautions
from engine.report.methods import make_methods
from engine.report.phrases import number
from engine.report.sections import Section
from engine.report.summary import Summary
from engine.report.variance_split import VarianceSplit, in_words
from engine.report.verdict import Verdict

_CAPTIONS = {
    "curves": (
        "Loss on the fixed evaluation set, one line per seed; the dot is the onset, with the "
        "interval of the evaluation grid around it, a bar at the end a run that is censored, and a "
        "cross one that diverged."
    ),
    "competing": (
        "What had become of the runs by each time, divergence competing (Aalen–Johansen): the shares add up to one."
    ),
    "incidence": (
        "Share of the runs that have left chance level by each time, divergence competing "
        "(Aalen–Johansen; the band is the pointwise 95 % interval, a bar marks censored runs)."
    ),
    "aligned": "The same curves, scaled by the chance loss and shifted to their onsets.",
    "grid": (
        "Waiting time of every start in every data order (a cross: not seen to end), and how the "
        "variance of its logarithm is divided, with 95 % intervals."
    ),
    "forks": (
        "Time left of every fork, one row per parent; the bar is the parent's median, a triangle a "
        "fork that was not seen to leave. Where the parent decides, a row is narrow and the rows "
        "differ; where it is chance, they look alike."
    ),
    "forest": (
        "Median onset (Brookmeyer–Crowley interval) and difference of restricted means from the "
        "baseline, with 95 % intervals. An arrow means beyond the horizon."
    ),
}


# Arms of which a paragraph each is not too many; all are in `summary.json`.
_MOST_SPLITS = 6
_OF_LOGS = (
    "Loss on the fixed evaluation set, one line per seed; the dot is the onset, with the interval "
    "of the evaluation grid around it",
    "Loss as it was logged, one line per run; the dot is the onset, with the interval of the logged points around it",
)


def environment() -> jinja2.Environment:
    """Where templates are, and how what they are given is made harmless."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("engine", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
    )


def make_page(
    summary: Summary,
    verdict: Verdict,
    table: tuple[list[str], list[list[str]]],
    figures: dict[str, str],
    document: dict[str, Any],
    splits: dict[str, VarianceSplit],
    sections: Sequence[Section] = (),
) -> str:
    """The whole page.

    Args:
        summary: the numbers.
        verdict: the words.
        table: header and rows.
        figures: SVG by name.
        document: `study.json`.
        splits: what the designs of the arms say, by arm.
        sections: further subjects.
    """
    of_sections = {name for section in sections for name in section.drawings}
    drawings = [
        {"svg": _themed(svg), "caption": _caption(name, summary), "name": name}
        for name, svg in figures.items()
        if name not in of_sections
    ]
    shown = [_shown(section, figures) for section in sections]
    return (
        environment()
        .get_template("page.html")
        .render(
            title=summary.question or summary.name,
            name=summary.name,
            verdict=verdict,
            header=table[0],
            rows=table[1],
            curves=[d for d in drawings if d["name"].startswith("curves")],
            others=[d for d in drawings if not d["name"].startswith(("curves", "grid", "forks"))],
            split_words=_split_words(summary, splits),
            split_figures=[d for d in drawings if d["name"].startswith(("grid", "forks"))],
            answers=[section for section in shown if section["is_answer"]],
            sections=[section for section in shown if not section["is_answer"]],
            methods=make_methods(summary, splits, document["identity"], document["launches"][-1]["versions"]),
            runs=_run_rows(summary),
            cautions=make_cautions(summary, is_page=True),
            unit=summary.unit,
            has_looks=summary.has_looks,
            has_hits=any(runs.waits_for == Event.HIT for runs in summary.runs.values()),
            launch=document["launches"][-1],
            logs=document["study"] if summary.of_logs else None,
            detector=document["identity"]["detector"],
            identity=document["identity"],
            has_paths=any("dir=" in word for word in document["launches"][-1]["command"]),
            forms=", ".join(sorted(set(document["identity"].get("form", {}).values()))),
        )
    )


def _split_words(summary: Summary, splits: dict[str, VarianceSplit]) -> list[str]:
    """What the designs say, arm by arm; of many arms that only waited, the baseline speaks."""
    lines = []
    for name, split in splits.items():
        is_only_waiting = split.components is None and split.forks is None
        if len(splits) > _MOST_SPLITS and is_only_waiting and name != summary.baseline:
            continue
        unit, steps = summary.unit, summary.steps_per_unit(name)
        lines += in_words(name, summary.runs[name], split, unit, steps)
    return lines


def _shown(section: Section, figures: dict[str, str]) -> dict[str, Any]:
    """A section as the template shows it."""
    return {
        "title": section.title,
        "is_answer": section.headline is not None,
        "lines": section.lines,
        "points": {heading: lines for heading, lines in section.points.items() if lines},
        "tables": section.tables,
        "drawings": [
            {"svg": _themed(figures[name]), "caption": drawing.caption} for name, drawing in section.drawings.items()
        ],
    }


def _visible(value: Any) -> Any:
    """Text without characters that do something to it; figures have none left."""
    is_text = isinstance(value, str) and not isinstance(value, markupsafe.Markup)
    return visible(value) if is_text else value


def _themed(svg: str) -> markupsafe.Markup:
    return markupsafe.Markup(svg.replace(INK, "currentColor"))


def _caption(name: str, summary: Summary) -> str:
    kind = name.split("_")[0]
    caption = _CAPTIONS[kind]
    if kind == "curves" and summary.of_logs:
        caption = caption.replace(*_OF_LOGS)
    most = max(len(runs.status) for runs in summary.runs.values())
    if kind in ("curves", "aligned") and most > MAX_CURVES:
        caption += f" The first {MAX_CURVES} seeds of an arm are drawn."
    return caption


def _run_rows(summary: Summary) -> list[list[str]]:
    """Arm, seed or name, status, onset with its grid interval, end accuracy of every run."""
    rows = []
    for name, runs in summary.runs.items():
        unit = summary.steps_per_unit(name)
        rows += [[name, str(seed), FAILED, "–", "–"] for seed in runs.failed["seed"]]
        for i, status in enumerate(runs.status):
            lower, upper = (runs.rows[column][i] for column in ("onset_lower", "onset_upper"))
            when = number(runs.time[i] / unit, summary.unit) if runs.event[i] == 1 else "–"
            if lower is not None:
                bounds = (number(bound / unit, summary.unit) for bound in (lower, upper))
                when += f" ({'–'.join(bounds)})"
            accuracy = runs.rows["end_accuracy"][i]
            end = "–" if accuracy is None else f"{accuracy:.3f}"
            run = runs.rows["run_name"][i] or str(runs.seed[i])
            rows.append([name, run, status.replace("_", " "), when, end])
    return rows
