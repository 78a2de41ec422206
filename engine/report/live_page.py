"""A report while its study is under way: the page loads itself again and says how far it is."""

import re
from datetime import datetime
from typing import Any, NamedTuple

from engine.report.page import environment
from engine.report.phrases import percent, runs_are

# What makes a page live stands between marks, so that it can be taken out of it again.
_BEGIN, _END = "<!-- live -->", "<!-- end of live -->"
_MARKED = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
_UPDATED = re.compile(r'<time id="updated"[^>]*>([^<]*)</time>')
_CLOCK = "%H:%M:%S"


class Banner(NamedTuple):
    """What a live page says about itself; `interval` is in seconds, `steps_done` a share of the steps of the launch."""

    updated: datetime
    interval: float
    num_over: int
    num_runs: int
    steps_done: float


def make_live(page: str, banner: Banner) -> str:
    """Makes a page load itself again, and say how far the study is."""
    steps = f"{percent(banner.steps_done)} of the steps of this launch are taken"
    words = f"{banner.num_over} of {banner.num_runs} runs are over; {steps}."
    interval, clock = max(1, round(banner.interval)), banner.updated.strftime(_CLOCK)
    return _marked(page, banner=banner, words=words, interval=interval, clock=clock)


def end_live(page: str, ended: datetime) -> str | None:
    """Returns a live page that loads itself no more, and says when the launch ended; None where it is not live."""
    updated = _UPDATED.search(page)
    if updated is None:
        return None
    words = f"The launch ended at {ended.strftime(_CLOCK)} without a last report. What follows is as of {updated[1]}."
    return _marked(_MARKED.sub("", page), banner=None, words=words)


def make_waiting_page(name: str, question: str, num_over: int) -> str:
    """Returns the page of a study about which nothing can be said yet, though `num_over` runs may be over."""
    words = f"{runs_are(num_over)} over, but nothing can be said yet." if num_over else "No run is over yet."
    return environment().get_template("waiting.html").render(title=question or name, name=name, words=words)


def _marked(page: str, **values: Any) -> str:
    templates = map(environment().get_template, ("live_head.html", "live_banner.html"))
    head, body = (f"{_BEGIN}\n{template.render(**values)}{_END}" for template in templates)
    return page.replace("</head>", f"{head}\n</head>", 1).replace("<main>", f"<main>\n{body}", 1)
