"""What came of every change, as far as the decision table needs it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from engine.diagnosis.factors import SHUFFLED_LABELS
from engine.diagnosis.symptoms import MOST_RUNS, Symptoms
from engine.statistics import LEVEL, Estimate
from engine.studies.diagnosis import AS_GIVEN, CHANGES, Kind

# The scaled loss ρ on held-out examples must be this much above that with shuffled labels.
_LEAST_MARGIN = 0.05
NEARLY_ALL_RUNS = 0.9
# With fewer runs, even if all of them agree, most such runs may do otherwise.
FEWEST_RUNS = 6
HARDLY_ANY_DIVERGED = 0.05
_MORE_LEFT = 0.2
_HALF_THE_WAIT = 0.5


class ArmEvidence(NamedTuple):
    """What came of the runs of one arm that have an outcome.

    Attributes:
        num_left: runs that left chance level on the training examples by the horizon.
        num_waited: those that left it after a plateau.
        num_stuck: runs that stayed at chance.
        num_falling: those whose loss had begun to fall.
        num_diverged: runs that diverged, before they left chance level or after.
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
    def is_change(self) -> bool:
        """Whether the arm is tested as a change."""
        return self.kind in CHANGES

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


class Evidence(NamedTuple):
    """What a diagnosis rests on, see also `DiagnosisRecord`; `num_missing` runs are still to come."""

    arms: Mapping[str, ArmEvidence]
    rates: Mapping[str, float]
    symptoms: Symptoms = Symptoms()
    num_missing: int = 0
    has_constant_inputs: bool | None = None

    @property
    def given(self) -> ArmEvidence:
        """The configuration as given."""
        return self.arms[AS_GIVEN]

    def is_measured(self, name: str) -> bool:
        """Whether any run leaves, as given or changed; otherwise the difference is unknown."""
        return bool(self.arms[name].num_left or self.given.num_left)

    def carries_over(self, name: str) -> bool | None:
        """Whether what an arm learns holds on other examples; `None` if unknown.

        Measured against runs with shuffled labels, where nothing can carry over: their best of many inspections, of
        held-out examples whose class frequencies may differ, may be above chance.
        """
        arm, null = self.arms.get(name), self.arms.get(SHUFFLED_LABELS.name)
        if arm is None or arm.held_out is None:
            return None
        chance = 0.0 if null is None or null.held_out is None else max(null.held_out, 0.0)
        return arm.held_out - chance >= _LEAST_MARGIN

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

    def gain(self, name: str) -> float:
        """Reduction of the mean wait from `as_given`; 0 where the two are not compared."""
        difference = self.arms[name].difference
        return 0.0 if difference is None else -difference.value

    def _helps(self, name: str) -> bool:
        """Whether most runs of an arm leave, and earlier than as given beyond chance."""
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
        changes = [name for name, arm in self.arms.items() if arm.is_change and arm.difference is not None]

        def rank(name: str) -> tuple[bool, bool, float]:
            return not self.is_advisable(name), self.arms[name].kind == "far", -self.gain(name)

        return min(filter(is_meant or self.relieves, changes), key=rank, default=None)
