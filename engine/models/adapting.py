"""Finds the library that a network is of, and makes pure functions of it by the adapter of that library."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax

from ..arms.arm import Arm
from ..errors import InputError
from .adapters import functions
from .initial import AS_WRITTEN
from .model import Model

# Classes of which every network of a library is.
_NETWORKS = {
    ("flax", "Module"),
    ("keras", "Layer"),
    ("torch", "Module"),
    ("haiku", "Module"),
    ("haiku", "Transformed"),
    ("haiku", "TransformedWithState"),
    ("equinox", "Module"),
}
TAKEN = "a module of Flax, Keras, PyTorch, Haiku or Equinox"


def adapted(arm: Arm, built: Any, example_shape: tuple[int, ...]) -> Model:
    """Returns the pure functions of a network, or of those that a function makes; raises InputError for neither."""
    if is_made(built):
        return _adapted_network(arm, built, None, (), example_shape)
    if is_pair(built):
        pair = built if isinstance(built, tuple) and len(built) == 2 else (built.init, built.apply)
        return functions.adapt(*pair, example_shape)
    if library_of(getattr(built, "func", built)) == "haiku":
        from .adapters import haiku

        # Only Haiku can make its modules, inside what it transforms.
        return haiku.adapt(built, example_shape)
    names = [name for name in _SOURCES if name in parameters_of(built)]
    try:
        made = built(**{name: _SOURCES[name]() for name in names})
    except ValueError as error:
        if "hk.transform" not in str(error):
            raise
        from .adapters import haiku

        return haiku.adapt(built, example_shape)
    # What Equinox makes may come with its state.
    network = made[0] if isinstance(made, tuple) and made else made
    if is_made(network):
        return _adapted_network(arm, network, built, names, example_shape)
    if is_pair(made):
        return adapted(arm, made, example_shape)
    refuse_tensorflow(arm, made)
    raise InputError(
        f"model={arm.model} makes {described(made)}: expected {TAKEN}, or a pair of functions (init, apply)"
    )


def _adapted_network(
    arm: Arm, network: Any, make: Callable[..., Any] | None, names: Sequence[str], example_shape: tuple[int, ...]
) -> Model:
    """Returns the pure functions of a network that `make` makes, given those of `_SOURCES` that are named.

    Without `make` it is there already.
    """
    from flax import nnx

    from .adapters import equinox, haiku, keras, linen, torch
    from .adapters import nnx as nnx_adapter

    library = library_of(network)
    if library == "haiku":
        return haiku.adapt(lambda: network, example_shape, is_transformed=True)
    if library == "flax" and not isinstance(network, nnx.Module):
        return linen.adapt(network, example_shape)
    source = {"flax": "rngs", "equinox": "key"}.get(str(library))
    if make is None or (source is not None and source not in names):
        if arm.init == AS_WRITTEN:
            raise InputError(
                f"model={arm.model} is {described(network)} that is made already, so every seed would start alike: "
                f"name its class, or a function that makes it{f' and takes {source}' if source else ''}, or choose "
                f"another --init"
            )
        make = lambda **_: nnx.clone(network) if library == "flax" else network  # noqa: E731
    if library == "flax":
        return nnx_adapter.adapt(lambda rngs: make(rngs=rngs), example_shape)
    adapt = {"keras": keras.adapt, "torch": torch.adapt, "equinox": equinox.adapt}[str(library)]
    return adapt(make, example_shape)


def _rngs() -> Any:
    from flax import nnx

    return nnx.Rngs(0)


# What a function that makes a network may take to draw its start from.
_SOURCES: dict[str, Callable[[], Any]] = {"rngs": _rngs, "key": lambda: jax.random.key(0, impl="threefry2x32")}


def library_of(named: Any) -> str | None:
    """Returns the library of which something is a network, or a class of networks; `None` where it is neither."""
    kind = named if isinstance(named, type) else type(named)
    found = ((base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__)
    return next((library for library, name in found if (library, name) in _NETWORKS), None)


def is_made(named: Any) -> bool:
    """Tells whether something is a network of a library, and no class of networks."""
    return library_of(named) is not None and not isinstance(named, type)


def refuse_tensorflow(arm: Arm, named: Any) -> None:
    """Raises InputError for a network, or the class of one, of TensorFlow's own."""
    kind = named if isinstance(named, type) else type(named)
    if any(base.__module__.partition(".")[0] in ("tensorflow", "tf_keras") for base in kind.__mro__):
        raise InputError(
            f"model={arm.model} is {described(named)} of TensorFlow: expected {TAKEN}; Keras 3 runs on the backend "
            f"jax, and `plateau read` judges the log of what was trained without it"
        )


def is_pair(named: Any) -> bool:
    """Tells whether something is a pair of functions (init, apply)."""
    if isinstance(named, type):
        return False
    if isinstance(named, tuple) and not hasattr(named, "_fields"):
        return len(named) == 2 and all(map(callable, named))
    return callable(getattr(named, "init", None)) and callable(getattr(named, "apply", None))


def parameters_of(named: Any) -> dict[str, inspect.Parameter]:
    """Returns what a function, or the constructor of a class, takes, by name; nothing where it does not tell."""
    if isinstance(named, functools.partial):
        taken = list(parameters_of(named.func).items())[len(named.args) :]
        bound = named.keywords
        return {n: p.replace(default=bound[n], kind=p.KEYWORD_ONLY) if n in bound else p for n, p in taken}
    try:
        # The metaclass of an NNX module hides what its constructor takes.
        function: Any = named.__init__ if isinstance(named, type) else named  # type: ignore[misc]
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}
    return {name: p for name, p in signature.parameters.items() if name != "self"}


def described(value: Any) -> str:
    """Returns the type of something, or the name of a class, with its article, such as `an int`."""
    name = value.__name__ if isinstance(value, type) else type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"
