"""What came of every change, as far as the decision table reads it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from engine.statistics import LEVEL, Estimate
from engine.studies.diagnosis_kinds import AS_GIVEN, Kind

# By how much the scaled loss ρ on held-out examples must be above that with shuffled labels.
_LEAST_MARGIN = 0.05
# A share of the runs that counts as most of them, and as nearly all.
MOST_RUNS = 0.5
NEARLY_ALL_RUNS = 0.9
# With fewer runs, even if all of them agree, most such runs may do otherwise.
FEWEST_RUNS = 6
HARDLY_ANY_DIVERGED = 0.05
_MORE_LEFT = 0.2
_HALF_THE_WAIT = 0.5


class ArmEvidence(NamedTuple):
    """What came of one arm.

    Attributes:
        kind: why it is there.
        num_runs: with an outcome.
        num_left: that left chance level by the horizon, on the training examples.
        num_waited: that left it after a plateau.
        num_stuck: that stayed at chance.
        num_falling: of these, whose loss had begun to fall.
        num_diverged: whose loss blew up, before they left chance level or after.
        held_out: median, over the runs that left chance level or over all where none did, of the
            best ρ on held-out examples; `None` without any.
        mean_wait: restricted to the horizon, in the unit of the study.
        difference: of restricted mean waits from `as_given`, in that unit; negative is earlier.
            `None` for itself, and where both cannot be compared.
        p_value: of no difference from `as_given`, in pairs of seeds. Of what may be changed it is
            of two tests, of when runs leave and of whether they do, after Holm over all changes; of
            a control it is of when. `None` where there is no comparison.
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
    def is_beyond_chance(self) -> bool:
        """Whether it differs from as given beyond chance."""
        return self.p_value is not None and self.p_value < LEVEL

    @property
    def is_earlier(self) -> bool:
        """Whether it is earlier than as given, beyond chance."""
        return self.is_beyond_chance and self.difference is not None and self.difference.upper < 0


class Signs(NamedTuple):
    """What was seen inside the runs as given; `None` where nothing was.

    Attributes:
        num_dead: of the runs that are still at chance, those in which a whole layer is dead at the
            end, and no gradient passes.
        num_born_dead: of these, the runs in which one was from the start.
        below_epsilon: median share of the parameters whose √v̂ is below the optimiser's ε, on the
            plateau; `None` where that was measured less than twice.
        output_spread: median over runs of the deviation of an output over examples, at the start.
        dead_layer: the layer that nothing alive enters in most of the runs with a dead one.
    """

    num_dead: int | None = None
    num_born_dead: int | None = None
    below_epsilon: float | None = None
    output_spread: float | None = None
    dead_layer: str | None = None


class Evidence(NamedTuple):
    """What a diagnosis rests on.

    Attributes:
        arms: by name, `as_given` among them.
        rates: learning rate of each arm, relative to that of `as_given`, where it is all they
            differ in.
        signs: from inside the runs.
        num_missing: runs that are still to come.
        has_constant_inputs: whether all training inputs are the same; `None` where examples are
            drawn.
    """

    arms: Mapping[str, ArmEvidence]
    rates: Mapping[str, float]
    signs: Signs = Signs()
    num_missing: int = 0
    has_constant_inputs: bool | None = None

    @property
    def given(self) -> ArmEvidence:
        """The configuration itself."""
        return self.arms[AS_GIVEN]

    def is_measured(self, name: str) -> bool:
        """Whether any run leaves, as given or changed; else nothing is known of the difference."""
        return bool(self.arms[name].num_left or self.given.num_left)

    def carries_over(self, name: str) -> bool | None:
        """Whether an arm learns what holds on other examples; `None` if unknown.

        The measure is what runs with shuffled labels reach, where nothing can carry over: the best
        of many inspections, of held-out examples whose mixture may be another.
        """
        arm, null = self.arms.get(name), self.arms.get("shuffled_labels")
        if arm is None or arm.held_out is None:
            return None
        chance = 0.0 if null is None or null.held_out is None else max(null.held_out, 0.0)
        return arm.held_out - chance >= _LEAST_MARGIN

    def leaves(self, name: str) -> bool:
        """Whether most runs of an arm leave chance level; not, where too few were run."""
        arm = self.arms.get(name)
        return arm is not None and arm.num_runs >= FEWEST_RUNS and arm.left >= MOST_RUNS

    def relieves(self, name: str) -> bool:
        """Whether a change takes away what holds the runs, beyond chance and by enough.

        By enough is a fifth of the runs more than as given; or, where most of these stay at chance,
        half of the mean wait. A difference beyond chance may still be too small to be what the wait
        is due to, and most runs that leave by themselves are held by nothing.
        """
        if not self._helps(name):
            return False
        left = self.given.left
        has_more_left = self.arms[name].left - left >= _MORE_LEFT
        return has_more_left or (left < MOST_RUNS and self.shortens(name))

    def shortens(self, name: str) -> bool:
        """Whether a change takes away half of the mean wait, beyond chance."""
        difference = self.arms[name].difference if self._helps(name) else None
        return difference is not None and (-difference.value >= _HALF_THE_WAIT * self.given.mean_wait)

    def gain(self, name: str) -> float:
        """By how much the mean wait is shorter than as given; 0 where both are not compared."""
        difference = self.arms[name].difference
        return 0.0 if difference is None else -difference.value

    def _helps(self, name: str) -> bool:
        """Whether most runs of an arm leave, earlier than as given beyond chance."""
        return self.leaves(name) and self.arms[name].is_earlier

    def is_advisable(self, name: str) -> bool:
        """Whether a change makes nothing worse: what leaves, what diverges, what carries over."""
        arm, given = self.arms[name], self.given
        is_given_by_heart = self.leaves(AS_GIVEN) and self.carries_over(AS_GIVEN) is False
        is_by_heart = self.carries_over(name) is False and not is_given_by_heart
        is_tame = arm.diverged <= max(HARDLY_ANY_DIVERGED, given.diverged)
        return arm.left >= given.left and is_tame and not is_by_heart

    def best(self, is_meant: Callable[[str], bool] | None = None) -> str | None:
        """Of the changes that relieve, or that are meant, the one that helps most; or `None`.

        A rate far from the given one is advised only where nothing near it helps, and what makes
        something else worse only where there is nothing else.
        """
        is_meant = is_meant or self.relieves
        names = [name for name in self.arms if is_meant(name)]
        for is_fit in (self.is_advisable, lambda name: True):
            for kind in ("remedy", "far"):
                found = {
                    name: arm.difference.value
                    for name in names
                    if (arm := self.arms[name]).kind == kind and arm.difference is not None and is_fit(name)
                }
                if found:
                    return min(found, key=lambda name: found[name])
        return None
