"""Makes the network that a reference to the user's model names, with the constructor arguments that were typed.

What the network is tells which of `adapters` makes pure functions of it.
"""

import contextlib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from ..arms.arguments import parse_args
from ..arms.arm import Arm
from ..arms.options import Option
from ..errors import InputError, one_line, unknown_name
from ..tasks.parts import PackedShape
from ..user_code import is_reference, load, where
from .adapting import TAKEN, adapted, described, is_made, is_pair, parameters_of, refuse_tensorflow
from .model import Model, handing_tokens, with_auxiliary

OPTIONS = (
    Option(
        "dropout",
        float,
        None,
        "0 trains your network without what it draws in training only, such as its dropout",
        unset="as written",
        minimum=0,
        maximum=1,
        is_open=True,
    ),
    Option(
        "auxiliary_weight",
        float,
        None,
        "weight in training of the mean loss of every further output, where your network returns several; 0 leaves "
        "them out",
        unset="one output is expected",
        minimum=0,
        maximum=1e6,
    ),
)

# What constructors call the number of outputs; it is filled in where nothing is typed for it.
_OUTPUT_NAMES = (
    *("num_classes", "n_classes", "nb_classes", "classes", "num_labels", "n_labels"),
    *("num_outputs", "n_outputs", "out_features", "output_dim", "output_size"),
)
# Libraries fill these in themselves, or adapters do.
_NOT_TYPED = ("parent", "name", "rngs", "key")


def user_model(arm: Arm, example_shape: tuple[int, ...], num_outputs: int) -> Model:
    """Returns the network that the arm's reference names or makes; raises InputError where it cannot."""
    model = user_model_as_written(arm, example_shape, num_outputs)
    if arm.dropout is not None:
        model = model._replace(train_apply=model.quiet_apply)
    if arm.auxiliary_weight is not None:
        model = with_auxiliary(model)
    # Of several inputs each has its type.
    return model if isinstance(example_shape, PackedShape) else handing_tokens(model)


def user_model_as_written(arm: Arm, example_shape: tuple[int, ...], num_outputs: int) -> Model:
    """Returns the same network, whatever its inputs must be."""
    return _call_user_code(arm, lambda: adapted(arm, _builder(arm, num_outputs), example_shape))


def _builder(arm: Arm, num_outputs: int) -> Any:
    """Returns what makes the user's network, without arguments or of `rngs` alone where it takes them, or itself."""
    named = load(arm.model, "model")
    typed = parse_args(arm.model_args, "model_arg")
    if is_made(named) or is_pair(named):
        if typed:
            kind = "a network" if is_made(named) else "a pair of functions"
            raise InputError(
                f"model_arg={arm.model_args[0]}: {arm.model} is {kind} already: name its class, or "
                f"a function that makes it"
            )
        return named
    refuse_tensorflow(arm, named)
    if not callable(named):
        raise InputError(
            f"model={arm.model} is {described(named)}: expected {TAKEN}, a function that makes one, or a pair of "
            f"functions (init, apply)"
        )
    parameters = parameters_of(named)
    _refuse_unusable(arm, parameters, typed)
    output = next((name for name in _OUTPUT_NAMES if name in parameters), None)
    if output is not None:
        typed.setdefault(output, num_outputs)
    missing = [n for n, p in parameters.items() if _is_required(p) and n not in (*typed, *_NOT_TYPED)]
    if missing:
        raise InputError(f"model={arm.model} needs {', '.join(missing)}: give --model_arg={missing[0]}=…")
    return functools.partial(named, **typed)


def _refuse_unusable(arm: Arm, parameters: Mapping[str, inspect.Parameter], typed: Mapping[str, Any]) -> None:
    takes_any = any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    usable = [name for name in parameters if name not in _NOT_TYPED]
    for name, value in typed.items():
        if name not in usable and not takes_any:
            raise unknown_name(f"argument of {arm.model}", name, usable or ["(it takes none)"])
        if isinstance(value, str) and _is_bool(parameters.get(name)):
            raise InputError(f"model_arg={name}={value}: expected true or false")


def _is_bool(parameter: inspect.Parameter | None) -> bool:
    if parameter is None:
        return False
    if parameter.annotation is not parameter.empty:
        return parameter.annotation in (bool, "bool")
    return isinstance(parameter.default, bool)


def _is_required(p: inspect.Parameter) -> bool:
    return p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)


def _call_user_code(arm: Arm, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except InputError as error:
        words = str(error)
        raise InputError(words if words.startswith("model") else f"model={arm.model}: {words}") from None
    except Exception as error:
        raise user_failure(arm, "cannot be built", error) from error


def user_failure(arm: Arm, what: str, error: Exception) -> InputError:
    """Returns an exception in the user's network as an `InputError` of one line."""
    kind, reason = type(error).__name__, (str(error).strip().splitlines() or [""])[0]
    if kind == "OperatorNotFound":
        operator = re.search(r"\w+::\w+", reason)
        reason = f"torchax does not translate PyTorch's {operator.group() if operator else 'operator'}"
    elif isinstance(error, jax.errors.ConcretizationTypeError):
        reason = (
            "values of an array decide what comes next, as in `if x.sum() > 0`, and a compiled program computes both: "
            "`where` chooses between them"
        )
    elif "mixed math between XLATensor" in reason:
        reason = "a tensor that the module holds is neither a parameter nor a buffer: register_buffer makes it one"
    elif "not compiled with CUDA" in reason:
        reason = f"{reason}: leave .cuda() and .to() out, the network runs where JAX does"
    # A callback of a compiled program is quoted with its whole traceback.
    quoted = re.findall(r"^(\w+): (.*)$", str(error), re.MULTILINE)
    if isinstance(error, jax.errors.JaxRuntimeError) and quoted:
        kind, reason = quoted[-1]
    return InputError(f"model={arm.model} {what}: {kind}: {one_line(reason)}{_place(arm, error)}")


def _place(arm: Arm, error: Exception) -> str:
    """Says in which line of the user's code an exception was raised; empty where it was in none."""
    named = load(arm.model, "model")
    module = sys.modules.get(getattr(named, "__module__", None) or type(named).__module__)
    file = getattr(module, "__file__", None)
    return where(error, file) if file else ""


@contextlib.contextmanager
def refusing_own_failures(arm: Arm) -> Iterator[None]:
    """Turns what the user's network raises into an `InputError` of one line: it would raise it again, every time."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not is_reference(arm.model) or not _place(arm, error):
            raise
        raise user_failure(arm, "fails", error) from error
