"""trackio as a tracker: a run of theirs for each record, grouped by study, in the project `plateau`."""

import contextlib
import contextvars
import importlib
import os
from collections.abc import Mapping
from typing import Any

from .trackers import About, find_package

_PROJECT = "plateau"


class Tracker:
    """Keeps on this machine, or sends to the Space or server that trackio's own variables name."""

    title = "trackio"
    advice = "without TRACKIO_SPACE_ID and TRACKIO_SERVER_URL everything is kept on this machine"

    def __init__(self) -> None:
        self.place: str | None = None

    def check(self) -> None:
        """Raises `InputError` if the package is missing."""
        find_package("trackio", "init", "trackio")

    def begin(self, about: About) -> "_Record":
        """Begins a run of theirs, or goes on with that of an earlier launch."""
        import trackio

        project = os.environ.get("TRACKIO_PROJECT") or _PROJECT

        def begin() -> Any:
            return trackio.init(
                project=project,
                name=f"{about.title} {about.key[:8]}",
                group=about.study,
                config=about.config,
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

        _silence(trackio)
        # It ends the run that was begun before in the same context, and arms are told of side by side.
        run = contextvars.copy_context().run(begin)
        self.place = self.place or f"trackio show --project={project}"
        return _Record(run)


class _Record:
    def __init__(self, run: Any) -> None:
        self._run, self._last = run, 0

    def log(self, point: Mapping[str, float], step: int) -> None:
        self._last = max(self._last, step)
        self._run.log(dict(point), step=step)

    def finish(self, summary: Mapping[str, Any]) -> None:
        # They have no summary of a run; its last point stands for one.
        self._run.log({f"end/{name}": value for name, value in summary.items()}, step=self._last)
        self._run.finish()


def _silence(trackio: Any) -> None:
    """Keeps the package from printing two lines for every run; standard output is not this thread's to change."""
    for name in ("run", "utils", "deploy"):
        with contextlib.suppress(ImportError):
            vars(importlib.import_module(f"trackio.{name}"))["print"] = _say_nothing
    vars(trackio)["print"] = _say_nothing


def _say_nothing(*words: object, **settings: object) -> None:
    """Takes the place of `print`."""
