"""A trainer of the user's own, as the lanes see one: the same functions as those of `Trainer`."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..arms.arm import Arm
from ..models import make_model
from ..tasks import Data, Task
from ..tasks.own_training import make_training, measured
from .optimization import Hyperparams
from .trainer import EvalInfo, InspectInfo, Keys, StepInfo, StepParts, Trainer, TrainState


class OwnTrainer:
    """Training of one run by the functions of `engine.Training`.

    Its whole state is kept as the parameters, and the learning rate beside it, because runs of several rates share a
    program. A start draws from `jax.random.key(seed)`, a step from the stream of the data order.
    """

    kept: tuple[()] = ()

    def __init__(self, arm: Arm, task: Task) -> None:
        self.arm, self.task = arm, task

    def _made(self, numbers: Hyperparams) -> Any:
        return make_training(self.arm, numbers["learning_rate"])

    def laws(self, scheme: str, options: Mapping[str, Any]) -> np.ndarray:
        """Returns no law: no leaf is drawn by the engine."""
        return np.zeros((0, 2), np.float32)

    def drawn_at(self, seeds: Sequence[int]) -> None:
        """Returns `None`: the program draws the starts."""

    def init(self, keys: Keys, laws: jax.Array, hyperparams: Hyperparams, drawn: Any = None) -> TrainState:
        """Returns the state at step 0."""
        state = jax.tree.map(jnp.asarray, self._made(hyperparams).init(keys.init))
        rate = {"learning_rate": jnp.asarray(hyperparams["learning_rate"], jnp.float32)}
        return TrainState(state, rate, {}, jnp.int32(0), keys.order, keys.noise)

    def draw(self, state: TrainState, data: Data, num_steps: int) -> Any:
        """Returns a key for each of the next steps."""
        return self.task.draw(data, state.order_key, state.step, num_steps)

    def step(self, state: TrainState, hyperparams: Hyperparams, data: Data, draw: Any) -> StepParts:
        """Takes one step."""
        after, loss = self._made(hyperparams).step(state.params, draw)
        # What a step reports may rise while the loss that is evaluated falls, so only the latter tells a divergence.
        info = StepInfo(jnp.asarray(loss, jnp.float32), jnp.bool_(False))
        return StepParts(state._replace(params=after, step=state.step + 1), info, None, None)

    def evaluate(self, state: TrainState, data: Data) -> EvalInfo:
        """Evaluates the state."""
        return EvalInfo(*measured(self._made(state.opt_state).evaluate(state.params)))

    def inspect(self, state: TrainState, data: Data) -> InspectInfo:
        """Returns the loss of `evaluate` in the place of that of held-out examples, of which the engine knows none."""
        return InspectInfo(self.evaluate(state, data).loss, None, None)


def trainer_of(arm: Arm, task: Task, form: str) -> Trainer | OwnTrainer:
    """Returns the training of an arm: the user's where it names one, else that of its network, with a form."""
    if arm.trainer is not None:
        return OwnTrainer(arm, task)
    return Trainer(arm, task, make_model(arm, task.example_shape, task.num_outputs), form)
