"""Known laws of waiting times, and what a study with a horizon sees of them."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_CURED, _COMPETING = 0.3, 0.2
_GRID = 0.2


class Law(NamedTuple):
    """A law of the time at which a run ends, and of how it ends.

    Attributes:
        horizon: at which a run that goes on is censored.
        quantile: the time of the end, by either cause, of uniform numbers; infinite for never.
        probability: that the run has ended by a time, the inverse of `quantile`.
        competing: the share of the ends that are divergences, whatever the time.
        grid: times are rounded up to multiples of it; 0 for exact times.
        stopped: runs are stopped at times that are uniform up to this one; infinite for never.
    """

    name: str
    horizon: float
    quantile: Callable[[np.ndarray], np.ndarray]
    probability: Callable[[np.ndarray], np.ndarray]
    competing: float = 0.0
    grid: float = 0.0
    stopped: float = math.inf

    def incidence(self, time: np.ndarray | float) -> np.ndarray:
        """Returns the probability that the study has seen a run break by a time."""
        time = np.asarray(time, dtype=np.float64)
        if self.grid:
            time = np.floor(time / self.grid + 1e-9) * self.grid
        return (1.0 - self.competing) * self.probability(time)

    def time_of(self, share: float) -> float:
        """Returns the first time at which the incidence is at least a share; infinite beyond the horizon."""
        low, high = 0.0, self.horizon
        if self.incidence(high) < share:
            return math.inf
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if self.incidence(middle) >= share else (middle, high)
        return round(high / self.grid) * self.grid if self.grid else high

    def restricted_mean(self) -> float:
        """Returns the area above the incidence up to the horizon, by the midpoint rule."""
        num = 100_000
        return float(np.mean(1.0 - self.incidence((np.arange(num) + 0.5) * self.horizon / num)) * self.horizon)

    def slowed(self, factor: float) -> "Law":
        """Returns the law with all ends later by a factor, before they are rounded and censored."""
        quantile, probability = self.quantile, self.probability
        return self._replace(
            quantile=lambda uniform: factor * quantile(uniform), probability=lambda time: probability(time / factor)
        )

    def observe(
        self, generator: np.random.Generator, num_runs: int, uniform: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws `(time, event)` of runs as a study would see them, both `[num_runs]`.

        Args:
            uniform: the shares of the law at which runs end, `[num_runs]`; drawn by default.
        """
        wait = self.quantile(generator.random(num_runs) if uniform is None else uniform)
        code = np.where(generator.random(num_runs) < self.competing, 2, 1)
        limit = np.full(num_runs, self.horizon)
        if math.isfinite(self.stopped):
            limit = np.minimum(limit, generator.uniform(0.0, self.stopped, num_runs))
        if self.grid:
            wait, limit = (np.ceil(x / self.grid - 1e-9) * self.grid for x in (wait, limit))
        return np.minimum(wait, limit), np.where(wait <= limit, code, 0)


def paired_uniforms(generator: np.random.Generator, num_pairs: int) -> np.ndarray:
    """Draws pairs of uniform numbers from normal ones with correlation 0.6, `[2, num_pairs]`."""
    from scipy.special import ndtr

    common = generator.normal(size=num_pairs)
    own = generator.normal(size=(2, num_pairs))
    return ndtr(math.sqrt(0.6) * common + math.sqrt(0.4) * own)


def _exponential(uniform: np.ndarray) -> np.ndarray:
    return -np.log1p(-uniform)


def _by(time: np.ndarray) -> np.ndarray:
    return -np.expm1(-time)


def _exponential_or_never(uniform: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return -np.log1p(-np.minimum(uniform / (1.0 - _CURED), 1.0))


# At the horizon e⁻² = 13.5 % of the runs that ever end go on.
LAWS = {
    law.name: law
    for law in [
        Law("exponential", 2.0, _exponential, _by),
        Law(
            "Weibull, shape 2",
            math.sqrt(2.0),
            lambda uniform: np.sqrt(_exponential(uniform)),
            lambda time: _by(time**2),
        ),
        Law("30 % never", 2.0, _exponential_or_never, lambda time: (1.0 - _CURED) * _by(time)),
        Law("20 % diverge", 2.0, _exponential, _by, competing=_COMPETING),
        Law("on a grid", 2.0, _exponential, _by, grid=_GRID),
        Law("on a grid, 20 % diverge", 2.0, _exponential, _by, competing=_COMPETING, grid=_GRID),
        Law("some stopped", 2.0, _exponential, _by, stopped=8.0),
    ]
}
