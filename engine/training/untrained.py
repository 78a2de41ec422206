"""The level of a loss that no constant output tells: what networks score before they have learned anything."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..errors import InputError
from ..tasks import Data, Task, random_streams
from .optimization import hyperparams
from .own import trainer_of
from .trainer import Keys

# Runs whose losses tell the level.
NUM_STARTS = 16
# Devices differ in the last digits, and the level must not.
_DIGITS = 4


class Level(NamedTuple):
    """The median loss of untrained runs, to four digits, and the least and the largest."""

    loss: float
    least: float
    largest: float

    @property
    def words(self) -> str:
        """Says what the level is, and of what."""
        spread = "" if self.least == self.largest else f" ({self.least:.{_DIGITS}g} to {self.largest:.{_DIGITS}g})"
        return f"{self.loss:g}, the median of {NUM_STARTS} untrained runs{spread}"


def untrained_level(arm: Arm, task: Task, data: Mapping[str, np.ndarray]) -> Level:
    """Measures the loss of untrained runs of an arm on its evaluation set.

    Raises InputError where it is not above 0 in each of them, as losses are taken relative to it.
    """
    # Weights of a file may have learned something.
    arm = arm.replace(start_from=None)
    trainer = trainer_of(arm, task, "native")
    laws = jnp.asarray(trainer.laws(str(arm.init), arm.options))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(arm).items()}
    seeds = np.arange(NUM_STARTS, dtype=np.uint32)
    evaluated = {name: array for name, array in data.items() if name.startswith(("loss_", "held_out_"))}

    @jax.jit
    def losses(drawn: object, evaluated: Data) -> jax.Array:
        def one(start: tuple[jax.Array, object]) -> jax.Array:
            seed, own = start
            key = random_streams.root_key(seed)
            return trainer.evaluate(trainer.init(Keys(key, key, key), laws, numbers, own), evaluated).loss

        return jax.lax.map(one, (seeds, drawn))

    with random_streams.on_cpu():
        found = np.asarray(losses(trainer.drawn_at(seeds.tolist()), evaluated))
    who = f"trainer={arm.trainer}" if arm.trainer is not None else f"loss={arm.loss}"
    if not np.all(np.isfinite(found)):
        raise InputError(f"{who}: untrained runs have losses that are no finite number: expected one to begin with")
    if found.min() <= 0:
        raise InputError(
            f"{who}: untrained runs have losses down to {found.min():.3g}; expected numbers above 0, as losses are "
            f"taken relative to that of what has learned nothing: add a constant, so that 0 is the best there is"
        )
    return Level(float(f"{float(np.median(found)):.{_DIGITS}g}"), float(found.min()), float(found.max()))
