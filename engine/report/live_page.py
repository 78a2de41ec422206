"""A report while its study is under way: the page loads itself again and says how far it is.

What makes a page live stands between marks, so that it can be taken out of it again.
"""

import re
from datetime import datetime
from typing import Any, NamedTuple

from engine.report.page import environment
from engine.report.phrases import percent, runs_are

_BEGIN, _END = "<!-- live -->", "<!-- end of live -->"
_MARKED = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
_UPDATED = re.compile(r'<time id="updated"[^>]*>([^<]*)</time>')
_CLOCK = "%H:%M:%S"


class Banner(NamedTuple):
    """What a live page says of itself.

    Attributes:
        updated: when, with its time zone.
        interval: seconds until the page loads itself again.
        num_over, num_runs: runs that are over, and that are planned.
        steps_done: share of the steps of this launch.
    """

    updated: datetime
    interval: float
    num_over: int
    num_runs: int
    steps_done: float


def make_live(page: str, banner: Banner) -> str:
    """A page that loads itself again, and says how far the study is."""
    words = (
        f"{banner.num_over} of {banner.num_runs} runs are over; {percent(banner.steps_done)} of "
        f"the steps of this launch are taken."
    )
    interval, clock = max(1, round(banner.interval)), banner.updated.strftime(_CLOCK)
    return _marked(page, banner=banner, words=words, interval=interval, clock=clock)


def end_live(page: str, ended: datetime) -> str | None:
    """A live page that loads itself no more, and says so; `None` where it is not live.

    Args:
        page: the HTML.
        ended: when the launch did, with its time zone.
    """
    updated = _UPDATED.search(page)
    if updated is None:
        return None
    words = f"The launch ended at {ended.strftime(_CLOCK)} without a last report. What follows is as of {updated[1]}."
    return _marked(_MARKED.sub("", page), banner=None, words=words)


def make_waiting_page(name: str, question: str, num_over: int) -> str:
    """The page of a study of which nothing can be said yet.

    Args:
        name: of the study.
        question: of the study.
        num_over: runs that are over, none of which can be used.
    """
    words = "No run is over yet."
    if num_over:
        words = f"{runs_are(num_over)} over, but nothing can be said yet."
    template = environment().get_template("waiting.html")
    return template.render(title=question or name, name=name, words=words)


def _marked(page: str, **values: Any) -> str:
    """The page with something marked at the end of its head and at the beginning of its text."""
    head, body = (
        f"{_BEGIN}\n{environment().get_template(f'live_{name}.html').render(**values)}{_END}"
        for name in ("head", "banner")
    )
    page = page.replace("</head>", f"{head}\n</head>", 1)
    return page.replace("<main>", f"<main>\n{body}", 1)
