"""Evaluates and searches traced programs (jaxprs), whatever equations they are nested in."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax.extend import core as jax_core

Read = Callable[[Any], Any]


def is_variable(atom: Any) -> bool:
    """Tells whether an operand of an equation is a variable rather than a literal."""
    return not isinstance(atom, jax_core.Literal)


def evaluate(
    program: Any,
    args: Sequence[Any],
    rule: Callable[[Any, Read], Sequence[Any]],
    lift: Callable[[Any], Any] = lambda value: value,
) -> list[Any]:
    """Evaluates a jaxpr: `rule` goes from (equation, reader of operands) to outputs, `lift` makes such of constants."""
    jaxpr = getattr(program, "jaxpr", program)
    values = dict(zip(jaxpr.constvars, map(lift, getattr(program, "consts", ())), strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return values[atom] if is_variable(atom) else lift(atom.val)

    for eqn in jaxpr.eqns:
        values.update(zip(eqn.outvars, rule(eqn, read), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def bind(eqn: Any, inputs: Sequence[Any]) -> list[Any]:
    """Evaluates an equation as it is."""
    with eqn.ctx.manager:
        outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
    return list(outputs) if eqn.primitive.multiple_results else [outputs]


def inner_programs(eqn: Any) -> Iterator[Any]:
    """Yields the programs inside an equation, such as a loop's body or the branches of a condition."""
    is_program = lambda p: hasattr(getattr(p, "jaxpr", p), "eqns")  # noqa: E731
    yield from filter(is_program, jax.tree.leaves(list(eqn.params.values()), is_leaf=is_program))


def equations(program: Any, inside: Callable[[Any], Iterator[Any]] = inner_programs) -> Iterator[Any]:
    """Yields the equations of a program and of those programs `inside` its equations."""
    for eqn in getattr(program, "jaxpr", program).eqns:
        yield eqn
        for inner in inside(eqn):
            yield from equations(inner, inside)
