"""What the parent knows of a node of a cluster, and what the node has still to hear."""

import asyncio
import time
from collections import deque
from typing import NamedTuple

import numpy as np

from ..processes import End
from ..serving import ServeSettings
from . import station
from .station import Assembly, Description, Piece, Wanted


class Terms(NamedTuple):
    """What nodes are used for.

    Attributes:
        key: of the work directory: a launch takes the place of one of the same key.
        settings: of the workers; `num_sharing` is that of their host.
        kind: platform and kind of the devices that the study has had; None for those of the first node.
    """

    key: str
    settings: ServeSettings
    kind: tuple[str, str] | None


class Inbox:
    """What a process on a node has said, and its end; filled on the loop, and emptied by the supervisor."""

    def __init__(self) -> None:
        self.letters = deque[bytes]()
        self.end: End | None = None


class Cargo(NamedTuple):
    """An array that a node must have before it hears what is about it, and the file in which it has it."""

    name: str
    array: np.ndarray


class Node:
    """What is known of a node, and what it has still to hear."""

    def __init__(self, address: str, description: Description) -> None:
        self.address, self.description = address, description
        self.wanted: dict[int, Wanted] = {}
        self.inboxes: dict[int, Inbox] = {}
        self.arriving = Assembly()
        self.pieces: list[Piece] = []
        # Letters that wait for arrays, and the names of those that are there.
        self.held: asyncio.Queue[tuple[int, list[Cargo], bytes]] = asyncio.Queue()
        self.brought: set[str] = set()
        self.num_sent = self.num_had = self.num_orders = 0
        self.has_news = asyncio.Event()
        self.is_gone = False
        # When it was last told something, and last heard.
        self.contact = dict.fromkeys((station.TELL, station.LISTEN, station.STORE), time.monotonic())
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def seconds_unheard(self) -> float:
        """Since it last said what its processes say."""
        return time.monotonic() - self.contact[station.LISTEN]
