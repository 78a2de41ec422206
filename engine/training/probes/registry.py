"""The names of the diagnostics."""

from collections.abc import Sequence

from engine.errors import InputError
from engine.registry import Registry

ALL = "all"
# Stands in the place of a layer for what is of the whole network.
WHOLE = ""
DIAGNOSTICS = Registry(
    "diagnostic",
    {
        "norms": "engine.training.probes.norms",
        "epsilon": "engine.training.probes.epsilon",
        "dead": "engine.training.probes.dead",
        "spread": "engine.training.probes.spread",
        "outputs": "engine.training.probes.outputs",
        "cosine": "engine.training.probes.cosine",
        "displacement": "engine.training.probes.displacement",
        "curvature": "engine.training.probes.curvature",
    },
)


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The diagnostics that some names stand for, each once, in the order of the registry.

    Args:
        names: of diagnostics, or `all` alone.

    Raises:
        InputError: one of them does not exist.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"diagnostics={names!r}: expected names, such as ('norms', 'dead')")
    if tuple(names) == (ALL,):
        return tuple(DIAGNOSTICS)
    if ALL in names:
        raise InputError(f"diagnostics: {ALL} stands alone, without other names")
    chosen = {DIAGNOSTICS.check(name) for name in names}
    return tuple(name for name in DIAGNOSTICS if name in chosen)
