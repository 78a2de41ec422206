"""The kinds of event that runs wait for."""

import enum


class Event(enum.StrEnum):
    """The event that ends a wait: the loss leaves its plateau, or the run reaches the task's own set."""

    BREAK = "break"
    HIT = "hit"
