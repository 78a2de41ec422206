"""What follows a study while it runs; no observer may slow the training or end it."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .. import store
from ..store import WorkDirectory
from .event_file import check_tensorboardx
from .live import LivePage
from .observer import GuardedObserver, Observer, StudyProgress
from .tensorboard import FOLDER, TensorBoard
from .trackers import Tracking, make_tracker

__all__ = ["Observer", "StudyProgress", "Watching", "check_watching", "ended_with", "make_observers"]


class Watching(NamedTuple):
    """How a study is followed.

    Attributes:
        live_every: seconds between two states of `report.html`.
        trackers: names of `TRACKERS` that are told of every arm, and of the first `tracked_runs` single runs.
    """

    live_every: float | None = None
    has_tensorboard: bool = False
    trackers: tuple[str, ...] = ()
    tracked_runs: int = 0


def check_watching(watching: Watching) -> None:
    """Raises `InputError` if a package is missing, or has no key to send anything with."""
    if watching.has_tensorboard:
        check_tensorboardx()
    for name in watching.trackers:
        make_tracker(name).check()


def make_observers(watching: Watching, directory: WorkDirectory, notify: Callable[[str], None]) -> list[Observer]:
    """Returns the observers of a launch, which have caught up with what earlier launches stored."""
    found: list[Observer] = []
    if watching.has_tensorboard:
        notify(f"tensorboard --logdir={directory.path / FOLDER}")
        board = TensorBoard(directory)
        found.append(GuardedObserver("the log for TensorBoard", board, notify, board.catch_up))
    for name in watching.trackers:
        tracker = make_tracker(name)
        sender = Tracking(tracker, directory, watching.tracked_runs, notify)
        found.append(GuardedObserver(f"what is sent to {tracker.title}", sender, notify, sender.catch_up))
    if watching.live_every is not None:
        page = LivePage(directory.path, watching.live_every)
        notify(f"{directory.path / store.PAGE} is kept up to date every {watching.live_every:g} s or so")
        found.append(GuardedObserver("the live page", page, notify))
    return found


@contextlib.contextmanager
def ended_with(observers: Sequence[Observer]) -> Iterator[None]:
    """Tells observers of the end of the block, however it ends."""
    with contextlib.ExitStack() as stack:
        for observer in reversed(observers):
            stack.callback(observer.on_end)
        yield
