"""What the traced program of a network tells: saturating layers, the narrowest place, what first weights are given."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from ..models.jaxpr import Read, bind, evaluate, inner_programs

# |z| beyond which the slope is below 5 % of the steepest: 1 − tanh² = 0.05, and a logistic is a tanh of z / 2.
LIMITS = {"tanh": 2.178, "logistic": 4.357}
_CALLS = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat2", "custom_jvp_call", "custom_vjp_call")
# What leaves a squashed value what it is, where nothing else in the operation comes from the inputs.
_ARITHMETIC = ("add", "sub", "neg", "mul", "div", "convert_element_type", "copy", "copy_p")
_KEEPING = (*_ARITHMETIC, "reshape", "broadcast_in_dim", "transpose", "squeeze", "expand_dims", "slice", "split")
# Where a layer takes in what it is given, as are loops and conditions.
_PRODUCTS = ("dot_general", "conv_general_dilated", "gather")


class Product(NamedTuple):
    """An operand by the place of its operation in the order of evaluation, and its number there."""

    place: int
    operand: int
    is_lookup: bool


class Traced(NamedTuple):
    """A network's evaluation of one batch, and what is known of it.

    Attributes:
        program: from the leaves of parameters and state and the inputs to the outputs.
        saturating: number in the order of evaluation, and name, of each saturating non-linearity in a hidden layer.
        narrowest: the fewest numbers of an example through which all that the outputs know of the inputs passes.
        entering: every array that comes from the inputs and is the first on its way to be multiplied by, or looked up
            in, weights.
    """

    program: Any
    saturating: tuple[tuple[int, str], ...]
    narrowest: int
    entering: tuple[Product, ...]


class Seen(NamedTuple):
    """What an evaluation of a traced network shows.

    Attributes:
        outputs: of the network.
        squashed: what goes into each of its saturating non-linearities.
        entering: what the first weights are given, in the order of `Traced.entering`.
    """

    outputs: Any
    squashed: list[Any]
    entering: list[Any]


class _Flow:
    """A value of the program: how many numbers it has, whether inputs tell on it, and what squashed it.

    Of a value that comes from the parameters alone `is_weights` holds; of one that comes from the inputs, and has met
    no weights in a product, `is_raw`.
    """

    def __init__(
        self,
        size: int = 0,
        depends: bool = False,
        sources: frozenset[int] = frozenset(),
        is_weights: bool = False,
        is_raw: bool = False,
    ) -> None:
        self.size, self.depends, self.sources = size, depends, sources
        self.is_weights, self.is_raw = is_weights, is_raw


def trace(apply: Callable[..., Any], params: Any, state: Any, inputs: Any) -> Traced:
    """Traces an evaluation, whose arguments may be shapes, and follows what comes from the inputs."""
    program = jax.make_jaxpr(apply)(params, state, inputs)
    num_params = len(jax.tree.leaves(params))
    given = [_Flow(is_weights=i < num_params) for i, _ in enumerate(program.jaxpr.invars[:-1])]
    start = _Flow(inputs.size, depends=True, is_raw=True)
    squashed: list[str] = []
    gates: set[int] = set()
    steps: list[tuple[list[_Flow], list[_Flow]]] = []
    entering: list[Product] = []

    def rule(eqn: Any, read: Read) -> list[_Flow]:
        operands = [read(atom) for atom in eqn.invars]
        flows = [flow for flow in operands if flow.depends]
        has_weights = any(flow.is_weights for flow in operands)
        is_product = has_weights and (eqn.primitive.name in _PRODUCTS or any(True for _ in inner_programs(eqn)))
        if is_product:
            is_lookup = eqn.primitive.name == "gather"
            entering.extend(Product(len(steps), i, is_lookup) for i, flow in enumerate(operands) if flow.is_raw)
        is_raw = bool(flows) and not is_product and all(flow.is_raw for flow in flows)
        name, sources = eqn.primitive.name, frozenset[int]()
        if name in LIMITS:
            sources = frozenset([len(squashed)])
            squashed.append(name)
        elif name == "mul" and len(flows) > 1:
            # What multiplies something else is a gate, as in swish, GELU and recurrent cells.
            gates.update(*(flow.sources for flow in flows))
        elif name in _KEEPING and len(flows) == 1:
            sources = flows[0].sources
        is_weights = has_weights and not flows
        made = [_Flow(v.aval.size, bool(flows), sources, is_weights, is_raw) for v in eqn.outvars]
        steps.append((flows, made))
        return made

    outputs = through(program, [*given, start], rule, lambda _: _Flow())
    is_out = frozenset[int]().union(*(flow.sources for flow in outputs))
    hidden = tuple((i, name) for i, name in enumerate(squashed) if i not in gates and i not in is_out)
    return Traced(program, hidden, _narrowest(start, steps, outputs) // max(1, inputs.shape[0]), tuple(entering))


def run(traced: Traced, *args: Any) -> Seen:
    """Evaluates a traced network."""
    before: list[Any] = []
    operands: list[list[Any]] = []
    places = {product.place for product in traced.entering}

    def rule(eqn: Any, read: Read) -> Sequence[Any]:
        inputs = [read(atom) for atom in eqn.invars]
        if eqn.primitive.name in LIMITS:
            before.append(inputs[0])
        operands.append(inputs if len(operands) in places else [])
        return bind(eqn, inputs)

    outputs = through(traced.program, jax.tree.leaves(args), rule, lambda value: value)
    return Seen(
        outputs[0],
        [before[i] for i, _ in traced.saturating],
        [operands[of.place][of.operand] for of in traced.entering],
    )


def through(
    program: Any, args: Sequence[Any], rule: Callable[[Any, Read], Sequence[Any]], lift: Callable[[Any], Any]
) -> list[Any]:
    """Evaluates as `jaxpr.evaluate`, with the programs that are called in place of their calls."""

    def inlined(eqn: Any, read: Read) -> Sequence[Any]:
        if eqn.primitive.name in _CALLS:
            return through(next(inner_programs(eqn)), [read(atom) for atom in eqn.invars], rule, lift)
        return rule(eqn, read)

    return evaluate(program, args, inlined, lift)


def _narrowest(start: _Flow, steps: list[tuple[list[_Flow], list[_Flow]]], outputs: list[_Flow]) -> int:
    """Returns the fewest numbers that are still needed at once, of those that the inputs tell on."""
    last = {id(flow): i for i, (used, _) in enumerate(steps) for flow in used}
    last |= {id(flow): len(steps) for flow in outputs}
    live, sizes = {id(start): start.size}, [start.size]
    for i, (used, made) in enumerate(steps):
        live |= {id(flow): flow.size for flow in made if flow.depends and last.get(id(flow), -1) > i}
        for flow in used:
            if last[id(flow)] <= i:
                live.pop(id(flow), None)
        sizes.append(sum(live.values()))
    return min(sizes)
