"""What the engine sees of a network: pure functions of parameters and state."""

import functools
import inspect
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

# `batch` evaluates with batch statistics, `average` with running averages.
Mode = Literal["train", "batch", "average"]

# Arguments that are true in training and false in evaluation, and the reverse.
_TRAINING = ("train", "training", "is_training", "is_train")
_EVALUATION = ("deterministic", "is_deterministic", "eval", "evaluate", "inference")

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "tanh": jax.nn.tanh,
    "sigmoid": jax.nn.sigmoid,
}


# Names of the output that the loss is of, where a network gives a dictionary.
MAIN_OUTPUTS = ("logits", "outputs", "out")

# Modules whose kernels of three axes are `[inputs, heads, units]`.
_PROJECTIONS = ("query", "key", "value")

Fans = Callable[[tuple[str, ...], tuple[int, ...]], tuple[int, int]]


def fans_of(path: tuple[str, ...], shape: tuple[int, ...]) -> tuple[int, int]:
    """Returns inputs and outputs of a weight: its last two axes, times the positions of a convolution."""
    if len(shape) == 3 and any(name in _PROJECTIONS for name in path[-2:-1]):
        return shape[0], shape[1] * shape[2]
    receptive = math.prod(shape[:-2])
    return receptive * shape[-2], receptive * shape[-1]


class Model(NamedTuple):
    """A network, written for one run.

    `init` goes from (key, inputs `[batch, …]`) to (params, model state), `train_apply` from (params, state, inputs,
    noise key) to (outputs, new state) with dropout and normalisation by the batch, and so does `quiet_apply`, without
    dropout. `batch_apply`, the evaluation that detects, goes from (params, state, inputs) to outputs without dropout;
    `average_apply` uses running averages. `written` goes, on the host, from a seed to the (params, state) that a
    library starts from which draws them by itself; `None` where `init` draws them. `fans` goes from the path and the
    shape of a weight to its numbers of inputs and outputs. `library` is what the network is written in. `penalty` goes
    from what `train_apply` takes to what layers add to the loss in training, a scalar; `None` where they add nothing.
    `train_all` goes from the same to ((outputs, a list of further outputs of their shape), new state); `None` where
    there are none.
    `are_whole` tells, where arithmetic is in half precision, that the inputs are whole numbers, or some of them.
    """

    init: Callable[[jax.Array, jax.Array], tuple[Any, Any]]
    train_apply: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, Any]]
    quiet_apply: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, Any]]
    batch_apply: Callable[[Any, Any, jax.Array], jax.Array]
    average_apply: Callable[[Any, Any, jax.Array], jax.Array]
    written: Callable[[int], Any] | None = None
    fans: Fans = fans_of
    library: str = "Flax"
    penalty: Callable[[Any, Any, jax.Array, jax.Array], jax.Array] | None = None
    train_all: Callable[[Any, Any, jax.Array, jax.Array], tuple[tuple[jax.Array, list[jax.Array]], Any]] | None = None
    are_whole: bool = False


def model_of(
    init: Callable[[jax.Array, jax.Array], tuple[Any, Any]],
    run: Callable[[Mode, Any, Any, jax.Array, jax.Array], tuple[jax.Array, Any]],
) -> Model:
    """Makes the evaluations of a network from its one `run` (mode, …), with a fixed key, dropping the new state."""

    def evaluator(mode: Mode) -> Callable[[Any, Any, jax.Array], jax.Array]:
        def apply(params: Any, state: Any, inputs: jax.Array) -> jax.Array:
            return run(mode, params, state, inputs, jax.random.key(0, impl="threefry2x32"))[0]

        return apply

    train_apply, quiet_apply = functools.partial(run, "train"), functools.partial(run, "batch")
    return Model(init, train_apply, quiet_apply, evaluator("batch"), evaluator("average"))


def with_applies(model: Model, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Model:
    """Returns a network whose calls, in training and evaluation, are changed ones."""
    return model._replace(
        train_apply=change(model.train_apply),
        quiet_apply=change(model.quiet_apply),
        batch_apply=change(model.batch_apply),
        average_apply=change(model.average_apply),
    )


def with_auxiliary(model: Model) -> Model:
    """Returns a network that gives its first or main output, and further ones of its shape in `train_all`.

    The main one of a dictionary has one of the names in `MAIN_OUTPUTS`.
    """

    def outputs_only(apply: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: outputs_of(apply(*args))[0]

    def with_state(apply: Callable[..., Any]) -> Callable[..., Any]:
        def applied(*args: Any) -> tuple[Any, Any]:
            outputs, state = apply(*args)
            return outputs_of(outputs)[0], state

        return applied

    def train_all(*args: Any) -> tuple[Any, Any]:
        outputs, state = model.train_apply(*args)
        return outputs_of(outputs), state

    return model._replace(
        train_apply=with_state(model.train_apply),
        quiet_apply=with_state(model.quiet_apply),
        batch_apply=outputs_only(model.batch_apply),
        average_apply=outputs_only(model.average_apply),
        train_all=train_all,
    )


def outputs_of(found: Any) -> tuple[Any, list[jax.Array]]:
    """Returns the main one of what a network gives, and all further arrays of its shape."""
    if isinstance(found, Mapping):
        name = next((name for name in MAIN_OUTPUTS if name in found), None)
        if name is None:
            return found, []
        main, others = found[name], [value for key, value in found.items() if key != name]
    elif isinstance(found, (tuple, list)) and found:
        main, *others = found
    else:
        return found, []
    shape = getattr(main, "shape", None)
    return main, [leaf for leaf in jax.tree.leaves(others) if getattr(leaf, "shape", ()) == shape]


def wants_whole_numbers(error: Exception) -> bool:
    """Tells whether an error says that something takes whole numbers only, as `nn.Embed` and indices do."""
    return isinstance(error, (TypeError, ValueError)) and "integer" in str(error)


def handing_tokens(model: Model) -> Model:
    """Returns a network that gets its inputs as whole numbers where it takes no others."""

    def as_taken(call: Callable[[jax.Array], Any], inputs: jax.Array) -> Any:
        try:
            return call(inputs)
        except Exception as error:
            if not wants_whole_numbers(error) or not jnp.issubdtype(inputs.dtype, jnp.floating):
                raise
            return call(inputs.astype(jnp.int32))

    def applied(apply: Callable[..., Any]) -> Callable[..., Any]:
        return lambda params, state, inputs, *key: as_taken(lambda x: apply(params, state, x, *key), inputs)

    init = lambda key, inputs: as_taken(lambda x: model.init(key, x), inputs)  # noqa: E731
    penalty, train_all = (None if one is None else applied(one) for one in (model.penalty, model.train_all))
    return with_applies(model._replace(init=init, penalty=penalty, train_all=train_all), applied)


def switches(names: Collection[str], mode: Mode) -> dict[str, Any]:
    """Returns the value of each of the named arguments that tells training from evaluation."""
    is_train = mode == "train"
    values = {**dict.fromkeys(_TRAINING, is_train), **dict.fromkeys(_EVALUATION, not is_train)}
    values["use_running_average"] = mode == "average"
    return {name: value for name, value in values.items() if name in names}


def parameter_names(function: Callable[..., Any]) -> list[str]:
    """Returns the names of a function's parameters without `self`."""
    return [name for name in inspect.signature(function).parameters if name != "self"]
