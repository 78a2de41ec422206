"""A network of the user's own: what their code names is built, with arguments that are typed."""

import ast
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from engine.arms.arm import Arm
from engine.errors import InputError, one_line, unknown_name
from engine.user_code import load, where

# What constructors call the number of outputs. It is filled in where nothing is typed for it.
OUTPUT_NAMES = (
    "num_classes",
    "n_classes",
    "nb_classes",
    "classes",
    "num_labels",
    "n_labels",
    "num_outputs",
    "n_outputs",
    "out_features",
    "output_dim",
    "output_size",
)
# Filled in by Flax itself.
_NOT_TYPED = ("parent", "name", "rngs")


def parse_args(texts: Sequence[str]) -> dict[str, Any]:
    """`{"depth": 3}` of `("depth=3",)`: a Python literal, true or false, or else text.

    Raises:
        InputError: one of them has no `=`, or a name is there twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name = name.strip()
        if not separator or not name.isidentifier():
            raise InputError(f"model_arg={text!r}: expected name=value")
        if name in values:
            raise InputError(f"model_arg={text!r}: {name} is given twice")
        values[name] = _literal(value.strip())
    return values


def canonical_args(texts: Sequence[str]) -> tuple[str, ...]:
    """Arguments in the one form and order that is written down.

    Raises:
        InputError: see `parse_args`.
    """
    return tuple(f"{name}={value!r}" for name, value in sorted(parse_args(texts).items()))


def _literal(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def own_builder(arm: Arm, num_outputs: int) -> Callable[..., Any] | Any:
    """What the arm's reference names, ready to be called; or itself, where it is a network already.

    Args:
        arm: whose model is a reference.
        num_outputs: of the network; goes to whatever argument is called like it.

    Returns:
        A function without arguments, or of `rngs` alone where what is named asks for them.

    Raises:
        InputError: it cannot be imported, an argument does not exist, is neither true nor false
            where it must be, or is missing.
    """
    named = load(arm.model, "model")
    typed = parse_args(arm.model_args)
    if _is_network(named):
        if typed:
            kind = "a pair of functions" if is_pair(named) and not _is_module(named) else "a network"
            raise InputError(
                f"model_arg={arm.model_args[0]}: {arm.model} is {kind} already: name its class, or "
                f"a function that makes it"
            )
        return named
    if not callable(named):
        raise InputError(
            f"model={arm.model} is {described(named)}: expected a Flax module, a function that "
            f"makes one, or a pair of functions (init, apply)"
        )
    parameters = _parameters(named)
    takes_any = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    usable = [name for name in parameters if name not in _NOT_TYPED]
    for name in typed:
        if name not in usable and not takes_any:
            raise unknown_name(f"argument of {arm.model}", name, usable or ["(it takes none)"])
        if isinstance(typed[name], str) and _is_flag(parameters.get(name)):
            raise InputError(f"model_arg={name}={typed[name]}: expected true or false")
    for name in OUTPUT_NAMES:
        if name in parameters:
            typed.setdefault(name, num_outputs)
            break
    _refuse_missing(arm, parameters, typed)
    return functools.partial(named, **typed)


def takes_rngs(build: Callable[..., Any]) -> bool:
    """Whether a function or class asks for NNX's random streams."""
    return "rngs" in _parameters(build)


def _parameters(named: Any) -> dict[str, inspect.Parameter]:
    """What something takes when it is called; of what a `partial` has been given, the rest."""
    if isinstance(named, functools.partial):
        taken = list(_parameters(named.func).items())[len(named.args) :]
        return {
            name: p.replace(default=named.keywords[name], kind=p.KEYWORD_ONLY) if name in named.keywords else p
            for name, p in taken
        }
    try:
        # The metaclass of an NNX module hides what its constructor takes.
        function: Any = named.__init__ if isinstance(named, type) else named  # type: ignore[misc]
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}
    return {name: p for name, p in signature.parameters.items() if name != "self"}


def _is_flag(parameter: inspect.Parameter | None) -> bool:
    """Whether an argument is either true or false."""
    if parameter is None:
        return False
    if parameter.annotation is not parameter.empty:
        return parameter.annotation in (bool, "bool")
    return isinstance(parameter.default, bool)


def _refuse_missing(arm: Arm, parameters: dict[str, inspect.Parameter], typed: Any) -> None:
    missing = [
        name
        for name, p in parameters.items()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and name not in typed
        and name not in _NOT_TYPED
    ]
    if missing:
        raise InputError(f"model={arm.model} needs {', '.join(missing)}: give --model_arg={missing[0]}=…")


def _is_network(named: Any) -> bool:
    """Whether something is a network rather than a way to make one."""
    return _is_module(named) or is_pair(named)


def _is_module(named: Any) -> bool:
    from flax import linen, nnx

    return isinstance(named, (linen.Module, nnx.Module))


def is_pair(named: Any) -> bool:
    """Whether something is a pair of functions `(init, apply)`, or has them as attributes."""
    if isinstance(named, type):
        return False
    if isinstance(named, tuple) and not hasattr(named, "_fields"):
        return len(named) == 2 and all(map(callable, named))
    return callable(getattr(named, "init", None)) and callable(getattr(named, "apply", None))


def call_own(arm: Arm, build: Callable[[], Any]) -> Any:
    """Runs code of the user's own.

    Raises:
        InputError: it raises an exception, with its line.
    """
    try:
        return build()
    except InputError:
        raise
    except Exception as error:
        raise own_failure(arm, "cannot be built", error) from error


def own_failure(arm: Arm, what: str, error: Exception) -> InputError:
    """An exception in the user's network, in one line."""
    import sys

    named = load(arm.model, "model")
    module = sys.modules.get(getattr(named, "__module__", None) or type(named).__module__)
    file = getattr(module, "__file__", None)
    place = where(error, file) if file else ""
    reason = one_line((str(error).strip().splitlines() or [""])[0])
    return InputError(f"model={arm.model} {what}: {type(error).__name__}: {reason}{place}")


def described(value: Any) -> str:
    """What something is, by its type."""
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"
