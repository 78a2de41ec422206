"""What runs wait for."""

import enum


class Event(enum.StrEnum):
    """The event that ends a wait: the loss leaves its plateau, or the task's own set is reached."""

    BREAK = "break"
    HIT = "hit"
