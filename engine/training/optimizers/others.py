"""Other optimisers of optax, by its names: its functions, given a rate and the numbers that each is declared with."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import optax
import optax.contrib

from ...arms.options import Option
from . import BETA1, BETA2, CLIP_NORM, EPSILON, L2_DECAY, MOMENTUM, WEIGHT_DECAY, Hyperparams, Options, with_l2

# What optax calls the numbers; those that are not here have the names that options have.
_IN_OPTAX = {"beta1": "b1", "beta2": "b2", "beta3": "b3", "epsilon": "eps"}


class Other(NamedTuple):
    """An optimiser: its options, and what builds it as `optimizers.NAME.build` does."""

    OPTIONS: tuple[Option, ...]
    build: Callable[[jax.Array, Hyperparams, Options], optax.GradientTransformation]


def _other(make: Callable[..., optax.GradientTransformation], *options: Option, **names: str) -> Other:
    """Declares an optimiser; `names` go from parameters of its own to the options that they are here."""
    in_optax: Mapping[str, str] = {**_IN_OPTAX, **{option: parameter for parameter, option in names.items()}}
    # Decay that is not its own is part of the gradient.
    has_decay = any(option.name == "weight_decay" for option in options)

    def build(rate: jax.Array, h: Hyperparams, choices: Options) -> optax.GradientTransformation:
        values: dict[str, Any] = {in_optax.get(option.name, option.name): h[option.name] for option in options}
        optimizer = make(rate, **values)
        return optimizer if has_decay else with_l2(optimizer, h)

    return Other((*options, *(() if has_decay else (L2_DECAY,)), CLIP_NORM), build)


_BETA3 = Option(
    "beta3", float, 0.99, "decay of the third moment", part="hyperparam", minimum=0, maximum=1, is_open=True
)
_TRUST = Option(
    "trust_coefficient",
    float,
    1e-3,
    "length of a step over that of the weights",
    part="hyperparam",
    minimum=0,
    maximum=1e3,
)
_START = Option(
    "initial_accumulator_value", float, 0.1, "sum of squares at the start", part="hyperparam", minimum=0, maximum=1e3
)
_NO_DECAY = WEIGHT_DECAY.with_default(0.0)

OTHERS: dict[str, Other] = {
    "adabelief": _other(optax.adabelief, BETA1, BETA2, EPSILON.with_default(1e-16)),
    "adadelta": _other(optax.adadelta, BETA2.with_default(0.9), EPSILON.with_default(1e-6), rho="beta2"),
    "adafactor": _other(optax.adafactor, EPSILON.with_default(1e-30)),
    "adagrad": _other(optax.adagrad, _START, EPSILON.with_default(1e-7)),
    "adamax": _other(optax.adamax, BETA1, BETA2, EPSILON),
    "adan": _other(optax.adan, BETA1.with_default(0.98), BETA2.with_default(0.92), _BETA3, EPSILON, _NO_DECAY),
    "amsgrad": _other(optax.amsgrad, BETA1, BETA2, EPSILON),
    "lamb": _other(optax.lamb, BETA1, BETA2, EPSILON.with_default(1e-6), _NO_DECAY),
    "lars": _other(optax.lars, _NO_DECAY, _TRUST, MOMENTUM.with_default(0.9)),
    "muon": _other(
        optax.contrib.muon, MOMENTUM.with_default(0.95), EPSILON.with_default(1e-8), _NO_DECAY, beta="momentum"
    ),
    "nadam": _other(optax.nadam, BETA1, BETA2, EPSILON),
    "nadamw": _other(optax.nadamw, BETA1, BETA2, EPSILON, WEIGHT_DECAY),
    "novograd": _other(optax.novograd, BETA1, BETA2.with_default(0.25), EPSILON.with_default(1e-6), _NO_DECAY),
    "radam": _other(optax.radam, BETA1, BETA2, EPSILON),
    "rprop": _other(optax.rprop),
    "sign_sgd": _other(optax.sign_sgd),
    "sm3": _other(optax.sm3, MOMENTUM.with_default(0.9)),
    "yogi": _other(optax.yogi, BETA1, BETA2, EPSILON.with_default(1e-3)),
}
