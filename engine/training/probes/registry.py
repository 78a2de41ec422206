"""The names of the diagnostics."""

from collections.abc import Sequence

from engine.errors import InputError
from engine.registry import Registry

ALL = "all"
# Stands for the whole network where the name of a layer is expected.
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
    """Returns the named diagnostics (`all` names every one), each once, in the registry's order; raises InputError."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"diagnostics={names!r}: expected names, such as ('norms', 'dead')")
    if tuple(names) == (ALL,):
        return tuple(DIAGNOSTICS)
    if ALL in names:
        raise InputError(f"diagnostics: {ALL} stands alone, without other names")
    chosen = {DIAGNOSTICS.check(name) for name in names}
    return tuple(name for name in DIAGNOSTICS if name in chosen)
