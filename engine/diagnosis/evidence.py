"""What came of every change, and what the probes saw inside the runs as given, as the decision table needs it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..preflight.findings import Finding
from ..report.arm_runs import ArmRuns
from ..report.curves import ArmProbes, find_arm_probes
from ..statistics import LEVEL, Estimate
from ..store.run_table import RunTable
from ..studies.diagnosis import AS_GIVEN, CHANGES, Kind
from ..training.probes.registry import WHOLE
from .factors import SHUFFLED_LABELS

# A share of the runs that counts as most of them.
MOST_RUNS = 0.5
# The scaled loss ρ on held-out examples must be this much above that with shuffled labels.
_LEAST_MARGIN = 0.05
NEARLY_ALL_RUNS = 0.9
# With fewer runs, even if all of them agree, most such runs may do otherwise.
FEWEST_RUNS = 6
HARDLY_ANY_DIVERGED = 0.05
_MORE_LEFT = 0.2
_HALF_THE_WAIT = 0.5
# Measurements that a median over a plateau needs.
_FEWEST_MEASUREMENTS = 2


class Symptoms(NamedTuple):
    """What was seen inside the runs as given; `None` for what was not measured.

    Attributes:
        num_dead: runs still at chance in which, at the end, a whole layer is dead and no gradient passes.
        num_born_dead: those in which a layer was dead from the start.
        below_epsilon: median share of the parameters whose √v̂ is below the optimiser's ε on the plateau.
        output_spread: median over runs of the standard deviation of an output over examples, at the start.
        dead_layer: first layer that nothing alive enters in most of the runs with a dead one.
    """

    num_dead: int | None = None
    num_born_dead: int | None = None
    below_epsilon: float | None = None
    output_spread: float | None = None
    dead_layer: str | None = None


class ArmEvidence(NamedTuple):
    """What came of the runs of one arm that have an outcome.

    Attributes:
        num_left: runs that left chance level on the training examples by the horizon, `num_waited` after a plateau.
        num_stuck: runs that stayed at chance, `num_falling` with a loss that had begun to fall.
        held_out: median of the best ρ on held-out examples, over the runs that left chance level, or over all where
            none did; `None` without held-out examples.
        mean_wait: restricted to the horizon, in the unit of the study.
        difference: of mean waits from `as_given`; negative is earlier. `None` without a comparison.
        p_value: of no difference from `as_given`, in pairs of seeds. For a change, from two tests, of when runs leave
            and of whether they do, after Holm over all changes; for a control, of when. `None` without a comparison.
    """

    kind: Kind
    num_runs: int
    num_left: int
    num_waited: int
    num_stuck: int
    num_falling: int
    num_diverged: int
    held_out: float | None
    mean_wait: float
    difference: Estimate | None
    p_value: float | None

    @property
    def left(self) -> float:
        """Share of the runs that left chance level."""
        return self.num_left / self.num_runs

    @property
    def diverged(self) -> float:
        """Share of the runs that diverged."""
        return self.num_diverged / self.num_runs

    @property
    def is_earlier(self) -> bool:
        """Whether it is earlier than `as_given` beyond chance."""
        is_beyond_chance = self.p_value is not None and self.p_value < LEVEL
        return is_beyond_chance and self.difference is not None and self.difference.upper < 0


class Followed(NamedTuple):
    """What came of an arm that was followed far beyond the horizon; `num_kept` runs left chance level and stayed away.

    `num_fell_back` had left it and were back at the end, by divergence or not; `horizon` is in the unit of the study.
    """

    num_runs: int
    num_kept: int
    num_fell_back: int
    held_out: float | None
    horizon: float

    @property
    def is_kept(self) -> bool:
        """Whether every run has left chance level and stayed away."""
        return self.num_kept == self.num_runs


class Evidence(NamedTuple):
    """What a diagnosis rests on, see also `DiagnosisRecord`; `num_missing` runs are still to come.

    `findings` are those of the look before training; `followed` are the arms that were followed beyond the horizon.
    """

    arms: Mapping[str, ArmEvidence]
    rates: Mapping[str, float]
    symptoms: Symptoms = Symptoms()
    num_missing: int = 0
    findings: tuple[Finding, ...] = ()
    followed: Mapping[str, Followed] = MappingProxyType({})

    def found(self, cause: str, *strengths: str) -> list[Finding]:
        """Returns the findings that speak for a cause, of some strengths or of any."""
        return [one for one in self.findings if one.cause == cause and (not strengths or one.strength in strengths)]

    @property
    def given(self) -> ArmEvidence:
        """The configuration as given."""
        return self.arms[AS_GIVEN]

    @property
    def changes(self) -> list[str]:
        """The changes that are compared with the configuration as given."""
        return [name for name, arm in self.arms.items() if arm.kind in CHANGES and arm.difference is not None]

    def is_measured(self, name: str) -> bool:
        """Whether any run leaves, as given or changed; otherwise the difference is unknown."""
        return bool(self.arms[name].num_left or self.given.num_left)

    def carries_over(self, name: str) -> bool | None:
        """Whether what an arm learns holds on other examples; `None` if unknown.

        Measured against runs with shuffled labels: their best of many inspections, of held-out examples whose class
        frequencies may differ, may be above chance, although nothing can carry over.
        """
        arm = self.arms.get(name)
        if arm is None or arm.held_out is None:
            return None
        return self._is_above_shuffled(arm.held_out)

    def carries_over_later(self, name: str) -> bool | None:
        """Whether what an arm has learned far beyond the horizon holds on other examples; `None` if unknown."""
        one = self.followed.get(name)
        return None if one is None or one.held_out is None else self._is_above_shuffled(one.held_out)

    def _is_above_shuffled(self, held_out: float) -> bool:
        null = self.arms.get(SHUFFLED_LABELS.name)
        chance = 0.0 if null is None or null.held_out is None else max(null.held_out, 0.0)
        return held_out - chance >= _LEAST_MARGIN

    def keeps(self, name: str) -> bool:
        """Whether all runs of an arm were followed far beyond the horizon, have left chance level and stayed away."""
        return name in self.followed and self.followed[name].is_kept

    def leaves(self, name: str) -> bool:
        """Whether most runs of an arm leave chance level; false where too few were run."""
        arm = self.arms.get(name)
        return arm is not None and arm.num_runs >= FEWEST_RUNS and arm.left >= MOST_RUNS

    def relieves(self, name: str) -> bool:
        """Whether a change takes away what holds the runs, beyond chance and by enough.

        By enough means: a fifth of the runs more leave than as given; or, where most of those stay at chance, half of
        the mean wait is gone. Where most runs leave by themselves, nothing holds them.
        """
        has_more_left = self._helps(name) and self.arms[name].left - self.given.left >= _MORE_LEFT
        return has_more_left or (self.given.left < MOST_RUNS and self.shortens(name))

    def shortens(self, name: str) -> bool:
        """Whether a change takes away half of the mean wait, beyond chance."""
        return self._helps(name) and self.gain(name) >= _HALF_THE_WAIT * self.given.mean_wait

    def eases(self, name: str) -> bool:
        """Whether with a change a fifth of the runs more leave than as given, beyond chance, though not most."""
        arm = self.arms[name]
        return arm.is_earlier and arm.left - self.given.left >= _MORE_LEFT

    def gain(self, name: str) -> float:
        """Reduction of the mean wait from `as_given`; 0 where the two are not compared."""
        difference = self.arms[name].difference
        return 0.0 if difference is None else -difference.value

    def _helps(self, name: str) -> bool:
        """Whether most runs of an arm, where there is one, leave, and earlier than as given beyond chance."""
        return self.leaves(name) and self.arms[name].is_earlier

    def is_advisable(self, name: str) -> bool:
        """Whether a change makes neither leaving, diverging nor carrying over worse."""
        arm, given = self.arms[name], self.given
        is_given_by_heart = self.leaves(AS_GIVEN) and self.carries_over(AS_GIVEN) is False
        is_by_heart = self.carries_over(name) is False and not is_given_by_heart
        is_tame = arm.diverged <= max(HARDLY_ANY_DIVERGED, given.diverged)
        return arm.left >= given.left and is_tame and not is_by_heart

    def best(self, is_meant: Callable[[str], bool] | None = None) -> str | None:
        """Returns the change that helps most of those that are meant (by default, that relieve), or `None`.

        A rate far from the given one is advised only where nothing near it helps, and what makes something else worse
        only where there is nothing else.
        """

        def rank(name: str) -> tuple[bool, bool, float]:
            return not self.is_advisable(name), self.arms[name].kind == "far", -self.gain(name)

        return min(filter(is_meant or self.relieves, self.changes), key=rank, default=None)


def read_symptoms(run_table: RunTable, runs: ArmRuns) -> Symptoms:
    """Reads what was seen inside the runs as given, as far as it was recorded."""
    found = find_arm_probes(run_table, runs.name)
    if found is None:
        return Symptoms()
    spread = found.values.get("output_spread", {}).get(WHOLE)
    below_epsilon, output_spread = _below_epsilon(found, runs), None if spread is None else _median(spread[:, 0])
    dead = _dead(found)
    if dead is None:
        return Symptoms(below_epsilon=below_epsilon, output_spread=output_spread)
    is_dead = dead[:, -1] & np.isin(found.seed, runs.seed[np.asarray(runs.status) == "stuck"])
    num_born_dead = int(np.sum(dead[is_dead, 0]))
    return Symptoms(int(np.sum(is_dead)), num_born_dead, below_epsilon, output_spread, _dead_layer(found, is_dead))


def _layers(found: ArmProbes, name: str) -> dict[str, np.ndarray]:
    return {layer: values for layer, values in found.values.get(name, {}).items() if layer != WHOLE}


def _dead_layer(found: ArmProbes, is_dead: np.ndarray) -> str | None:
    """Finds the first layer that is dead at the end in most of some runs; layers are in their order."""
    if not is_dead.any():
        return None
    layers = _layers(found, "dead_share").items()
    return next((layer for layer, shares in layers if np.mean(shares[is_dead, -1] == 1.0) >= MOST_RUNS), None)


def _dead(found: ArmProbes) -> np.ndarray | None:
    """Tells whether a whole layer is dead and some gradient is exactly 0, `[num_seeds, num_points]`.

    Without the gradient, a signal that has sunk below the rounding of the biases that are added to it would look dead
    too, while it is only small.
    """
    shares, gradients = (list(_layers(found, name).values()) for name in ("dead_share", "gradient_norm"))
    if not shares or not gradients:
        return None
    dead: np.ndarray = np.any(np.stack(shares) == 1.0, axis=0) & np.any(np.stack(gradients) == 0.0, axis=0)
    return dead


def _below_epsilon(found: ArmProbes, runs: ArmRuns) -> float | None:
    """Returns the median over runs of the median over the plateau, where it was measured twice or more.

    A single measurement is that of the start, and the last one before a run leaves has the large gradients that carry
    it away.
    """
    shares = found.values.get("below_epsilon", {}).get(WHOLE)
    if shares is None:
        return None
    time = dict(zip(runs.seed, runs.time, strict=True))
    ends = np.array([time.get(seed, 0.0) for seed in found.seed])
    plateaus = [row[np.isfinite(row) & (found.steps <= end)] for row, end in zip(shares, ends, strict=True)]
    return _median(np.array([np.median(values) for values in plateaus if len(values) >= _FEWEST_MEASUREMENTS]))


def _median(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None
