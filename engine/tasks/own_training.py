"""Training of the user's own: pure functions, which a function of the user's makes (--trainer=path/to/file.py:NAME).

Such a trainer brings data, network, loss and optimiser along, so none of these is chosen for it. It may be two players,
a teacher and a pupil, or an agent: anything that has a loss which waits before it falls.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import user_code
from ..arms.arguments import canonical_args, parse_args
from ..arms.arm import BY_TRAINER, COMMON, Arm
from ..arms.options import Option
from ..errors import InputError, told, unknown_name
from . import random_streams
from .passes import draw_keys
from .reading import Reading
from .task import Data, Task

OPTIONS: tuple[Option, ...] = ()
_BROUGHT = ("dataset", "model", "optimizer", "schedule")
# Filled in where the function takes them.
_OF_ARM = ("learning_rate", "batch_size")
_FUNCTIONS = ("init", "step", "evaluate")


class Training(NamedTuple):
    """Training of one run, as pure functions of JAX, without a seed axis.

    Attributes:
        init: from a random key to a state, any tree of arrays.
        step: from (state, random key) to (state after one step, its loss, a scalar). The key is another one each step.
        evaluate: from a state to the loss by which plateaus are detected, a scalar; or to (loss, accuracy). It must be
            0 or more, less is better, and the same each time for the same state.
        chance_loss: the loss of what has learned nothing; by default the median loss of untrained states.
        steps_per_epoch: steps of one pass over the data; `None` where there is no such thing.
    """

    init: Callable[[jax.Array], Any]
    step: Callable[[Any, jax.Array], tuple[Any, jax.Array]]
    evaluate: Callable[[Any], Any]
    chance_loss: float | None = None
    steps_per_epoch: int | None = None


def choose_trainer(arm: Arm) -> Arm:
    """Returns the arm with its trainer in the form that is stored, and with what the trainer brings along named so.

    Raises InputError where something else of the arm is chosen, which would have no effect.
    """
    assert arm.trainer is not None
    takes = _parameters(arm)
    for name, common in COMMON.items():
        value = getattr(arm, name)
        is_unused = name not in ("trainer", "trainer_args") and not (name in _OF_ARM and name in takes)
        if is_unused and value not in (common.default, *((BY_TRAINER,) if name in _BROUGHT else ())):
            if name == "init" and value == "as_written":
                continue
            raise InputError(f"{name}={value} has no effect with trainer={arm.trainer}: leave it out")
    if arm.options:
        name, value = next(iter(arm.options.items()))
        raise InputError(f"{name}={value!r} has no effect with trainer={arm.trainer}: leave it out")
    return arm.replace(
        trainer=user_code.canonical(arm.trainer, "trainer"),
        trainer_args=canonical_args(arm.trainer_args, "trainer_arg"),
        init="as_written",
        **dict.fromkeys(_BROUGHT, BY_TRAINER),
    )


def _function(arm: Arm) -> Any:
    assert arm.trainer is not None
    return user_code.load(arm.trainer, "trainer")


def _parameters(arm: Arm) -> Mapping[str, inspect.Parameter]:
    function = _function(arm)
    if not callable(function):
        raise InputError(f"trainer={arm.trainer} is no function: expected one that returns (init, step, evaluate)")
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def make_training(arm: Arm, learning_rate: jax.Array | float) -> Training:
    """Returns the functions of an arm's trainer; `learning_rate` may be traced.

    Raises InputError where the user's function cannot make them, with its line.
    """
    takes, typed = _parameters(arm), parse_args(arm.trainer_args, "trainer_arg")
    is_open = any(p.kind == p.VAR_KEYWORD for p in takes.values())
    for name in typed:
        if name in _OF_ARM:
            raise InputError(f"trainer_arg={name}: give --{name}")
        if name not in takes and not is_open:
            raise unknown_name(f"argument of {arm.trainer}", name, takes or ["(it takes none)"])
    filled = {"learning_rate": learning_rate, "batch_size": arm.batch_size}
    typed |= {name: value for name, value in filled.items() if name in takes}
    missing = [name for name, p in takes.items() if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    missing = [name for name in missing if name not in typed]
    if missing:
        raise InputError(f"trainer={arm.trainer} needs {', '.join(missing)}: give --trainer_arg={missing[0]}=…")
    # What it computes besides the learning rate, such as `float(jnp.log(10))`, has a value already.
    with jax.ensure_compile_time_eval():
        made = _calling(arm, "cannot be made", lambda: _function(arm)(**typed))
    if isinstance(made, tuple) and not hasattr(made, "_fields") and len(made) == len(_FUNCTIONS):
        made = Training(*made)
    if not all(callable(getattr(made, name, None)) for name in _FUNCTIONS):
        raise InputError(
            f"trainer={arm.trainer} returns {type(made).__name__}: expected engine.Training(init, step, evaluate), or "
            f"something else with these three functions"
        )
    about = {name: getattr(made, name, None) for name in ("chance_loss", "steps_per_epoch")}
    return Training(made.init, made.step, made.evaluate, **about)


def measured(found: Any) -> tuple[jax.Array, jax.Array | None]:
    """Returns loss and accuracy, or `None`, of what an `evaluate` has returned."""
    loss, accuracy = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    return jnp.asarray(loss, jnp.float32), None if accuracy is None else jnp.asarray(accuracy, jnp.float32)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Checks the functions of a resolved arm's trainer; returns the level of its losses where it names one."""
    _check(arm)
    training = make_training(arm, arm.learning_rate)
    steps = training.steps_per_epoch
    if steps is not None and not (_number(arm, "steps_per_epoch", steps) >= 1 and float(steps).is_integer()):
        raise InputError(f"trainer={arm.trainer}: steps_per_epoch is {steps}; expected a whole number of at least 1")
    if training.chance_loss is None:
        return {}
    level = _number(arm, "chance_loss", training.chance_loss)
    if not (math.isfinite(level) and level > 0):
        raise InputError(
            f"trainer={arm.trainer}: the loss of what has learned nothing is {level:g}; expected a number above 0, as "
            f"losses are taken relative to it: add a constant to the loss, so that 0 is the best there is"
        )
    return {"chance_loss": np.asarray(level, np.float64)}


def build(arm: Arm, data: Data) -> Task:
    """Returns what the engine must know of a trainer's task: nothing is drawn but a key for each step."""
    training = make_training(arm, arm.learning_rate)

    def never(*_: Any) -> Any:
        raise AssertionError("a trainer of the user's takes its own examples")

    return Task(
        draw=draw_keys,
        sample=never,
        loss=never,
        chance_loss=float(data.get("chance_loss", math.nan)),
        example_shape=(),
        num_outputs=1,
        steps_per_epoch=None if training.steps_per_epoch is None else int(training.steps_per_epoch),
    )


def _number(arm: Arm, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"trainer={arm.trainer}: {name} is {type(value).__name__}; expected one number") from None


def _check(arm: Arm) -> None:
    """Raises InputError, by shapes alone, where the functions of a trainer do not fit each other."""
    number, key = jnp.float32(0), jax.eval_shape(lambda: random_streams.root_key(0))
    who = f"trainer={arm.trainer}"

    def shapes(what: str, call: Callable[..., Any], *args: Any) -> Any:
        return _calling(arm, f"fails in {what}", lambda: jax.eval_shape(call, number, *args))

    state = shapes("init", lambda rate, key: _arrays(make_training(arm, rate).init(key)), key)
    if not jax.tree.leaves(state):
        raise InputError(f"{who}: init returns no array: there is nothing to train")
    stepped = shapes("step", lambda rate, state, key: make_training(arm, rate).step(state, key), state, key)
    if not isinstance(stepped, tuple) or len(stepped) != 2:
        raise InputError(f"{who}: step returns {type(stepped).__name__}: expected (state, loss)")
    after, loss = stepped
    if jax.tree.structure(after) != jax.tree.structure(state):  # type: ignore[operator]
        raise InputError(f"{who}: step returns a state of another form than init does")
    for (path, before), now in zip(jax.tree_util.tree_leaves_with_path(state), jax.tree.leaves(after), strict=True):
        if (before.shape, before.dtype) != (now.shape, now.dtype):
            name = jax.tree_util.keystr(path) or "the state"
            raise InputError(
                f"{who}: step turns {name} from {before.dtype}{list(before.shape)} into {now.dtype}{list(now.shape)}: "
                f"expected the same again"
            )
    evaluated = shapes("evaluate", lambda rate, state: make_training(arm, rate).evaluate(state), state)
    parts = evaluated if isinstance(evaluated, tuple) and len(evaluated) == 2 else (evaluated,)
    for name, part in (("step", loss), *(("evaluate", part) for part in parts)):
        if getattr(part, "shape", None) != () or not jnp.issubdtype(part.dtype, jnp.floating):
            what = f"{part.dtype}{list(part.shape)}" if hasattr(part, "shape") else type(part).__name__
            raise InputError(f"{who}: {name} returns {what} for a loss: expected one floating-point number")


def _arrays(tree: Any) -> Any:
    """Returns a state whose plain numbers are arrays, as they are once they have been through a program."""
    return jax.tree.map(jnp.asarray, tree)


def _calling(arm: Arm, what: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        raise
    except Exception as error:
        words = told(error)
        if isinstance(error, jax.errors.ConcretizationTypeError):
            words = (
                "a number decides what comes next that is known only when the program runs, such as a value of the "
                "state or the learning rate: use jnp.where, or let a schedule go from 0 to 1, and multiply it by the "
                "rate"
            )
        raise InputError(f"trainer={arm.trainer} {what}: {words}{user_code.line_of(error, _function(arm))}") from error
