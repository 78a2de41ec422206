"""Evaluates a traced function with other rules for its convolutions, poolings, products and normalisations."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax

from ..jaxpr import Read, bind, equations, evaluate, inner_programs
from . import affine, convolutions, pooling, products, turned

_POOLINGS = ("reduce_window_max", "reduce_window_sum")
_TARGETS = ("conv_general_dilated", *_POOLINGS)

logger = logging.getLogger(__name__)


def lower(fn: Callable[..., Any], form: str) -> Callable[..., Any]:
    """Returns a function with the same values and gradients whose convolutions batch well, in one of `FORMS`."""
    if form == "native":
        return fn

    def lowered(*args: Any) -> Any:
        program, out_shape = jax.make_jaxpr(fn, return_shape=True)(*args)
        outputs = _evaluate(program, jax.tree.leaves(args), form)
        return jax.tree.unflatten(jax.tree.structure(out_shape), outputs)

    return lowered


def has_convolutions(fn: Callable[..., Any], *shapes: Any) -> bool:
    """Tells whether a function has convolutions whose windows overlap, as those of a transformer's patches do not."""
    return any(map(_is_overlapping, equations(jax.make_jaxpr(fn)(*shapes))))


def _is_overlapping(eqn: Any) -> bool:
    if eqn.primitive.name != "conv_general_dilated":
        return False
    kernel = eqn.invars[1].aval.shape
    window = [kernel[axis] for axis in eqn.params["dimension_numbers"].rhs_spec[2:]]
    return any(w > s for w, s in zip(window, eqn.params["window_strides"], strict=True))


def _evaluate(program: Any, args: Sequence[Any], form: str) -> list[Any]:
    return list(map(turned.plain, _values(program, args, form)))


def _values(program: Any, args: Sequence[Any], form: str) -> list[Any]:
    """Returns the outputs of a program, which may be `Turned`."""
    found: Any = (({}, set()), ({}, set()))
    if form == "direct":
        found = [module.find(getattr(program, "jaxpr", program)) for module in (affine, products)]
    (chains, inside), (swapped, turned_back) = found

    def rule(eqn: Any, read: Read) -> Sequence[Any]:
        output = eqn.outvars[0] if eqn.outvars else None
        if output in inside or output in turned_back:
            return [None]  # only what it is part of would read it
        if output in swapped:
            factors = [turned.plain(read(atom)) for atom in swapped[output].invars]
            return [products.multiply(swapped[output], factors, is_swapped=True)]
        if output in chains:
            return [_affine(chains[output], read)]
        return _apply(eqn, [read(atom) for atom in eqn.invars], form)

    return evaluate(program, args, rule)


def _affine(chain: affine.Chain, read: Read) -> Any:
    x = read(chain.x)
    take = x.like if isinstance(x, turned.Turned) else turned.plain
    shift, offset = take(read(chain.shift)), take(read(chain.offset))
    scale = affine.scale_of(chain.factors, [take(read(factor.variable)) for factor in chain.factors])
    if not isinstance(x, turned.Turned):
        return affine.affine(x, shift, scale, offset)
    return turned.Turned(affine.affine(x.array, shift, scale, offset), x.axes)


def _apply(eqn: Any, inputs: list[Any], form: str) -> Sequence[Any]:
    name = eqn.primitive.name
    outputs = turned.apply(eqn, inputs, bind)
    if outputs is not None:
        return outputs
    if name in ("jit", "pjit") and any(isinstance(value, turned.Turned) for value in inputs):
        return _jit(eqn.params, inputs, form)
    if name in _TARGETS:
        rules: Any = pooling if name in _POOLINGS else convolutions
        reason = rules.obstacle(eqn)
        if reason is None:
            return [
                _pool(eqn, inputs[0]) if name in _POOLINGS else convolutions.rewrite(eqn, inputs[0], inputs[1], form)
            ]
        logger.warning("%s of %s stays native: %s", name, eqn.invars[0].aval.str_short(), reason)
    elif form == "direct" and products.is_split(eqn):
        return [products.multiply(eqn, list(map(turned.plain, inputs)))]
    elif within := _targets_within(eqn, form):
        if name in _NESTED:
            return _NESTED[name](eqn.params, list(map(turned.plain, inputs)), form)
        if not within.isdisjoint(_TARGETS):
            logger.warning("convolutions and poolings inside a %s stay native", name)
    return bind(eqn, list(map(turned.plain, inputs)))


def _targets_within(eqn: Any, form: str) -> set[str]:
    """Returns the names of the operations inside an equation that have a rule."""
    inner = [one for program in inner_programs(eqn) for one in equations(program)]
    is_target = lambda one: one.primitive.name in _TARGETS or (form == "direct" and products.is_split(one))  # noqa: E731
    return {one.primitive.name for one in inner if is_target(one)}


def _pool(eqn: Any, x: Any) -> Any:
    if isinstance(x, turned.Turned):
        on_array = turned.windowed(eqn, x)
        if on_array is not None:
            return turned.Turned(pooling.rewrite(on_array, x.array), x.axes)
    return pooling.rewrite(eqn, turned.plain(x))


def _as_function(program: Any, form: str) -> Callable[..., list[Any]]:
    return lambda *args: _evaluate(program, args, form)


def _jit(params: dict[str, Any], inputs: list[Any], form: str) -> Sequence[Any]:
    return _values(params.get("jaxpr") or params["call_jaxpr"], inputs, form)


def _remat(params: dict[str, Any], inputs: list[Any], form: str) -> Sequence[Any]:
    fn = _as_function(params["jaxpr"], form)
    return jax.checkpoint(fn, prevent_cse=params["prevent_cse"], policy=params["policy"])(*inputs)


def _scan(params: dict[str, Any], inputs: list[Any], form: str) -> Sequence[Any]:
    body = _as_function(params["jaxpr"], form)
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    consts, carry, xs = _split(inputs, num_consts, num_carry)

    def step(carry: list[Any], x: list[Any]) -> tuple[list[Any], list[Any]]:
        outputs = body(*consts, *carry, *x)
        return outputs[:num_carry], outputs[num_carry:]

    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    carry, stacked = lax.scan(step, carry, xs, **options)
    return [*carry, *stacked]


def _cond(params: dict[str, Any], inputs: list[Any], form: str) -> Sequence[Any]:
    index, *operands = inputs
    return lax.switch(index, [_as_function(b, form) for b in params["branches"]], *operands)


def _while(params: dict[str, Any], inputs: list[Any], form: str) -> Sequence[Any]:
    of_test, of_body, carry = _split(inputs, params["cond_nconsts"], params["body_nconsts"])
    test, body = (_as_function(params[name], form) for name in ("cond_jaxpr", "body_jaxpr"))
    return lax.while_loop(lambda carry: test(*of_test, *carry)[0], lambda carry: body(*of_body, *carry), carry)


def _split(values: list[Any], first: int, second: int) -> tuple[list[Any], list[Any], list[Any]]:
    return values[:first], values[first : first + second], values[first + second :]


_NESTED: dict[str, Callable[[dict[str, Any], list[Any], str], Sequence[Any]]] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "core_call"), _jit),
    **dict.fromkeys(("checkpoint", "remat", "remat2"), _remat),
    "scan": _scan,
    "cond": _cond,
    "while": _while,
}
