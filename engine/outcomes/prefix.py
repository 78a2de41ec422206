"""The longest prefix of seeds whose runs are all over."""

from collections.abc import Iterable


class FinishedPrefix:
    """Counts the seeds, from 0 on, whose runs are all over (`length`).

    Quick runs end first, so whatever is said before all runs are over rests on these seeds alone.
    """

    def __init__(self, seeds: Iterable[int] = ()) -> None:
        self.length = 0
        self._beyond: set[int] = set()
        for seed in seeds:
            self.add(seed)

    def add(self, seed: int) -> None:
        """Notes that the run of a seed is over."""
        if seed >= self.length:
            self._beyond.add(seed)
        while self.length in self._beyond:
            self._beyond.remove(self.length)
            self.length += 1
