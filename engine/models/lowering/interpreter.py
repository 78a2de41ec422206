"""Evaluates a traced function with other rules for its convolutions, poolings, normalisations."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax import lax
from jax.extend import core as jax_core

from engine.models.lowering import affine, convolutions, pooling

_POOLINGS = ("reduce_window_max", "reduce_window_sum")
_TARGETS = ("conv_general_dilated", *_POOLINGS)

logger = logging.getLogger(__name__)


def lower(fn: Callable[..., Any], form: str) -> Callable[..., Any]:
    """A function with the same values and gradients whose convolutions batch well.

    Args:
        fn: a function of arrays, traceable.
        form: one of `FORMS`; `native` returns `fn` itself.
    """
    if form == "native":
        return fn

    def lowered(*args: Any) -> Any:
        closed, out_shape = jax.make_jaxpr(fn, return_shape=True)(*args)
        outputs = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args), form)
        return jax.tree.unflatten(jax.tree.structure(out_shape), outputs)

    return lowered


def has_convolutions(fn: Callable[..., Any], *shapes: Any) -> bool:
    """Whether a function has convolutions whose windows overlap.

    Patches that do not, as those in which a transformer sees an image, are one dense product.

    Args:
        fn: a function of arrays, traceable.
        shapes: of its arguments.
    """
    return _overlaps(jax.make_jaxpr(fn)(*shapes).jaxpr)


def _overlaps(jaxpr: Any) -> bool:
    return any(
        _is_overlapping(eqn)
        if eqn.primitive.name == "conv_general_dilated"
        else any(map(_overlaps, _inner_jaxprs(eqn)))
        for eqn in jaxpr.eqns
    )


def _is_overlapping(eqn: Any) -> bool:
    kernel = eqn.invars[1].aval.shape
    window = [kernel[axis] for axis in eqn.params["dimension_numbers"].rhs_spec[2:]]
    return any(w > s for w, s in zip(window, eqn.params["window_strides"], strict=True))


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], form: str) -> list[Any]:
    values: dict[Any, Any] = {}

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, jax_core.Literal) else values[variable]

    values.update(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))
    chains, inside = affine.find(jaxpr) if form == "direct" else ({}, set())
    for eqn in jaxpr.eqns:
        output = eqn.outvars[0] if eqn.outvars else None
        if output in inside:
            continue
        if output in chains:
            values[output] = affine.affine(*map(read, chains[output]))
            continue
        inputs = [read(variable) for variable in eqn.invars]
        values.update(zip(eqn.outvars, _apply(eqn, inputs, form), strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _apply(eqn: Any, inputs: list[Any], form: str) -> list[Any]:
    name = eqn.primitive.name
    if name in _TARGETS:
        rules: Any = pooling if name in _POOLINGS else convolutions
        reason = rules.obstacle(eqn)
        if reason is None:
            more = () if name in _POOLINGS else (form,)
            return [rules.rewrite(eqn, *inputs, *more)]
        logger.warning("%s of %s stays native: %s", name, eqn.invars[0].aval.str_short(), reason)
    elif any(_holds_target(inner) for inner in _inner_jaxprs(eqn)):
        if name in _NESTED:
            return list(_NESTED[name](eqn.params, inputs, form))
        logger.warning("convolutions and poolings inside a %s stay native", name)
    with eqn.ctx.manager:
        outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def _inner_jaxprs(eqn: Any) -> Iterator[Any]:
    """The programs inside an equation."""
    is_program = lambda p: hasattr(p, "eqns") or hasattr(p, "jaxpr")  # noqa: E731
    for param in jax.tree.leaves(list(eqn.params.values()), is_leaf=is_program):
        inner = getattr(param, "jaxpr", param)
        if hasattr(inner, "eqns"):
            yield inner


def _holds_target(jaxpr: Any) -> bool:
    """Whether a program, or one inside it, holds something that could be rewritten."""
    return any(eqn.primitive.name in _TARGETS or any(map(_holds_target, _inner_jaxprs(eqn))) for eqn in jaxpr.eqns)


def _as_function(program: Any, form: str) -> Callable[..., list[Any]]:
    """A program inside an equation as a function of its arguments, rewritten."""
    jaxpr, consts = getattr(program, "jaxpr", program), getattr(program, "consts", ())
    return lambda *args: _evaluate(jaxpr, consts, args, form)


def _jit(params: dict[str, Any], inputs: list[Any], form: str) -> list[Any]:
    return _as_function(params.get("jaxpr") or params["call_jaxpr"], form)(*inputs)


def _remat(params: dict[str, Any], inputs: list[Any], form: str) -> list[Any]:
    fn = _as_function(params["jaxpr"], form)
    return jax.checkpoint(fn, prevent_cse=params["prevent_cse"], policy=params["policy"])(*inputs)


def _scan(params: dict[str, Any], inputs: list[Any], form: str) -> list[Any]:
    body = _as_function(params["jaxpr"], form)
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    consts, carry = inputs[:num_consts], inputs[num_consts : num_consts + num_carry]

    def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outputs = body(*consts, *carry, *x)
        return outputs[:num_carry], outputs[num_carry:]

    carry, stacked = lax.scan(
        step,
        carry,
        inputs[num_consts + num_carry :],
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *stacked]


def _cond(params: dict[str, Any], inputs: list[Any], form: str) -> list[Any]:
    index, *operands = inputs
    return lax.switch(index, [_as_function(b, form) for b in params["branches"]], *operands)


def _while(params: dict[str, Any], inputs: list[Any], form: str) -> list[Any]:
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    of_cond, of_body = inputs[:num_cond], inputs[num_cond : num_cond + num_body]
    test = _as_function(params["cond_jaxpr"], form)
    body = _as_function(params["body_jaxpr"], form)
    return lax.while_loop(
        lambda carry: test(*of_cond, *carry)[0], lambda carry: body(*of_body, *carry), inputs[num_cond + num_body :]
    )


_NESTED: dict[str, Callable[[dict[str, Any], list[Any], str], list[Any]]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "core_call"), _jit),
    **dict.fromkeys(("checkpoint", "remat", "remat2"), _remat),
    "scan": _scan,
    "cond": _cond,
    "while": _while,
}
