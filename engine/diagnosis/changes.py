"""What a change is that a diagnosis tries, and what it is tried on."""

from collections.abc import Callable
from typing import NamedTuple

from ..arms.arm import Arm
from ..studies.diagnosis import Kind
from ..user_code import is_reference


class Subject(NamedTuple):
    """A resolved configuration that is diagnosed, and what its data and its network are like.

    `num_examples` are those to train on, 0 where its task draws them; `has_values` tells whether values are predicted;
    `inputs_off` and `targets_off` say how numbers are off order one, or are `None`; `has_own_dropout` tells whether a
    network of the user's own draws numbers in training that can be switched off; `library` is what it is written in;
    `is_plain` tells whether one input is mapped to a class or a row of values; `has_names`, whether some inputs are
    whole numbers that name things.
    """

    arm: Arm
    num_examples: int = 0
    has_values: bool = False
    inputs_off: str | None = None
    targets_off: str | None = None
    has_own_dropout: bool = False
    library: str = "Flax"
    is_plain: bool = True
    has_names: bool = False


class Change(NamedTuple):
    """One thing that a diagnosis changes.

    In its name, that of its arm, `{other}` stands for the optimiser that is tried instead. `describe` says what is
    changed in a configuration; `apply` changes it, or raises `NotApplicableError` with the reason why not;
    `relative_rate` is the factor on the learning rate, of a change in nothing else.
    """

    name: str
    kind: Kind
    describe: Callable[[Subject], str]
    apply: Callable[[Subject], Arm]
    relative_rate: float | None = None


class NotApplicableError(Exception):
    """Why a change does not apply."""


def refuse_if(condition: bool, reason: str) -> None:
    """Raises `NotApplicableError` with a reason where a condition holds."""
    if condition:
        raise NotApplicableError(reason)


def refuse_own_network(arm: Arm) -> None:
    """Raises `NotApplicableError` where a change would have to rebuild a network of the user's own."""
    refuse_if(is_reference(arm.model), "a network of your own is not rebuilt")


def fixed(words: str) -> Callable[[Subject], str]:
    """Returns a description that is the same for every configuration."""
    return lambda subject: words
