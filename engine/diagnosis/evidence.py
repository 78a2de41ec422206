"""What came of every change, as far as the decision table reads it."""

from collections.abc import Mapping
from typing import NamedTuple

from engine.diagnosis.factors import AS_GIVEN, Kind
from engine.statistics import Estimate

# Of a run's scaled loss ρ on held-out examples: below, nothing was learned that carries over.
LOW = 0.05
# A share of the runs at which a change counts as most of the cure, and as the whole of it.
MOST = 0.5
NEARLY_ALL = 0.9
_LEVEL = 0.05
# By how much more of the runs must leave where less than half of the mean wait is gone.
_MORE_LEFT = 0.25


class ArmEvidence(NamedTuple):
    """What came of one arm.

    Attributes:
        kind: why it is there.
        num_runs: with an outcome.
        num_left: that left chance level by the horizon, on the training examples.
        num_waited: that left it after a plateau.
        num_diverged: whose loss blew up.
        held_out: median over runs of the best ρ on held-out examples; `None` without any.
        mean_wait: restricted to the horizon, in the unit of `difference`.
        difference: of restricted mean waits from `as_given`, negative is earlier; `None` for
            itself, and where both cannot be compared.
        p_value: of equal incidence with `as_given`, in pairs of seeds, after Holm over everything
            that may be changed; `None` for what may not.
    """

    kind: Kind
    num_runs: int
    num_left: int
    num_waited: int
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
    def is_earlier(self) -> bool:
        """Whether it is earlier than as given, beyond chance."""
        is_beyond_chance = self.p_value is not None and self.p_value < _LEVEL
        return is_beyond_chance and self.difference is not None and self.difference.upper < 0

    @property
    def diverged(self) -> float:
        """Share of the runs that diverged."""
        return self.num_diverged / self.num_runs


class Signs(NamedTuple):
    """What was seen inside the runs as given that are still at chance; `None` where nothing was.

    Attributes:
        input_spread: of the inputs over examples, relative to their size; of all runs.
        dead: share of those runs in which a whole layer is dead at the end.
        born_dead: share of those runs in which one was from the start.
        below_epsilon: median share of the parameters whose √v̂ is below the optimiser's ε.
    """

    input_spread: float | None = None
    dead: float | None = None
    born_dead: float | None = None
    below_epsilon: float | None = None


class Evidence(NamedTuple):
    """What a diagnosis rests on.

    Attributes:
        arms: by name, `as_given` among them.
        rates: learning rate of each arm, relative to that of `as_given`, where it is all they
            differ in.
        signs: from inside the runs.
    """

    arms: Mapping[str, ArmEvidence]
    rates: Mapping[str, float]
    signs: Signs

    @property
    def given(self) -> ArmEvidence:
        """The configuration itself."""
        return self.arms[AS_GIVEN]

    def remedies(self) -> dict[str, ArmEvidence]:
        """What may be advised."""
        return {name: arm for name, arm in self.arms.items() if arm.kind == "remedy"}

    def relieves(self, name: str) -> bool:
        """Whether a change makes most runs leave chance level, beyond chance and by enough.

        That is at least half of the mean wait, or a quarter of the runs more than as given. A
        difference that is beyond chance may still be too small to be what the wait is due to.
        """
        arm, given = self.arms.get(name), self.given
        if arm is None or arm.difference is None or not arm.is_earlier or arm.left < MOST:
            return False
        is_halved = -arm.difference.value >= MOST * given.mean_wait
        return is_halved or arm.left - given.left >= _MORE_LEFT

    def best(self, names: tuple[str, ...] | None = None) -> str | None:
        """Of some remedies, or of all, the one that helps most; `None` where none does."""
        found = {
            name: arm.difference.value
            for name, arm in self.remedies().items()
            if (names is None or name in names)
            and arm.difference is not None
            and self.relieves(name)
        }
        return min(found, key=lambda name: found[name]) if found else None
