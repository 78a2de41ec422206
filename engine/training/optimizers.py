"""Optimisers from optax and learning-rate schedules, as functions of traced numbers.

Every number is an argument of the compiled program, so arms that differ only in numbers share it.
The schedules are ours because those of optax branch on their arguments, which a traced number
cannot answer. To add one, write a line in `OPTIMIZERS` or `SCHEDULES`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from engine.arms.arm import REQUIRED, Arm, fill_defaults
from engine.errors import unknown_name

Hyperparams = Mapping[str, jax.Array]

_OPTIMIZER_FIELDS = ("momentum", "nesterov", "beta1", "beta2", "epsilon", "weight_decay")
_SCHEDULE_FIELDS = ("warmup_steps", "decay_steps", "end_fraction")


class Optimizer(NamedTuple):
    """An optimiser family.

    Attributes:
        used: the fields of an arm that it reads, with its defaults.
        build: from (learning rate, hyperparameters, arm) to the transformation.
    """

    used: dict[str, Any]
    build: Callable[[jax.Array, Hyperparams, Arm], optax.GradientTransformation]


class Schedule(NamedTuple):
    """A learning rate relative to its peak.

    Attributes:
        used: the fields of an arm that it reads, with its defaults.
        factor: from (step, hyperparameters) to the factor.
    """

    used: dict[str, Any]
    factor: Callable[[jax.Array, Hyperparams], jax.Array]


_ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(
        {"momentum": 0.0, "nesterov": False},
        lambda rate, h, arm: optax.sgd(rate, momentum=h["momentum"], nesterov=arm.nesterov),
    ),
    "adam": Optimizer(_ADAM, lambda rate, h, arm: optax.adam(rate, h["beta1"], h["beta2"], h["epsilon"])),
    "adamw": Optimizer(
        {**_ADAM, "weight_decay": 1e-4},
        lambda rate, h, arm: optax.adamw(rate, h["beta1"], h["beta2"], h["epsilon"], weight_decay=h["weight_decay"]),
    ),
    "rmsprop": Optimizer(
        {"beta2": 0.9, "epsilon": 1e-8, "momentum": 0.0},
        lambda rate, h, arm: optax.rmsprop(rate, h["beta2"], h["epsilon"], eps_in_sqrt=False, momentum=h["momentum"]),
    ),
    "lion": Optimizer(
        {"beta1": 0.9, "beta2": 0.99, "weight_decay": 1e-3},
        lambda rate, h, arm: optax.lion(rate, h["beta1"], h["beta2"], weight_decay=h["weight_decay"]),
    ),
}


def _warmup(step: jax.Array, h: Hyperparams) -> jax.Array:
    length = h["warmup_steps"]
    return jnp.where(step < length, step / jnp.maximum(length, 1.0), 1.0)


def _cosine(step: jax.Array, h: Hyperparams) -> jax.Array:
    share = jnp.clip((step - h["warmup_steps"]) / h["decay_steps"], 0.0, 1.0)
    decay = 0.5 * (1.0 + jnp.cos(jnp.pi * share))
    return _warmup(step, h) * (h["end_fraction"] + (1.0 - h["end_fraction"]) * decay)


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule({}, lambda step, h: jnp.float32(1.0)),
    "warmup": Schedule({"warmup_steps": 0}, _warmup),
    "cosine": Schedule({"warmup_steps": 0, "decay_steps": REQUIRED, "end_fraction": 0.0}, _cosine),
}


def _lookup(kind: str, table: Mapping[str, Any], name: str) -> Any:
    if name not in table:
        raise unknown_name(kind, name, table)
    return table[name]


def resolve(arm: Arm) -> dict[str, Any]:
    """Values of every field that the arm's optimiser and schedule use.

    Raises:
        InputError: a name is unknown, or a field is set that neither uses.
    """
    optimizer = _lookup("optimizer", OPTIMIZERS, arm.optimizer)
    schedule = _lookup("schedule", SCHEDULES, arm.schedule)
    return {
        **fill_defaults(arm, f"optimizer={arm.optimizer}", _OPTIMIZER_FIELDS, optimizer.used),
        **fill_defaults(arm, f"schedule={arm.schedule}", _SCHEDULE_FIELDS, schedule.used),
    }


def hyperparams(arm: Arm) -> dict[str, float]:
    """The numbers of a resolved arm that its training program takes as arguments."""
    used = {**OPTIMIZERS[arm.optimizer].used, **SCHEDULES[arm.schedule].used}
    names = ["learning_rate", *(name for name in used if name != "nesterov")]
    return {name: float(getattr(arm, name)) for name in names}


def make_optimizer(arm: Arm) -> Callable[[jax.Array, Hyperparams], optax.GradientTransformation]:
    """From (step, hyperparameters), both of which may be traced, to the optax transformation."""
    build = OPTIMIZERS[arm.optimizer].build
    rate = make_rate(arm)

    def at_step(step: jax.Array, h: Hyperparams) -> optax.GradientTransformation:
        return build(rate(step, h), h, arm)

    return at_step


def make_rate(arm: Arm) -> Callable[[jax.Array, Hyperparams], jax.Array]:
    """From (step, hyperparameters), both of which may be traced, to the learning rate."""
    factor = SCHEDULES[arm.schedule].factor
    return lambda step, h: h["learning_rate"] * factor(step.astype(jnp.float32), h)
