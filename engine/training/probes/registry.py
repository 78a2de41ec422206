"""The names of the diagnostics."""

from collections.abc import Sequence

from ...errors import InputError
from ...registry import Registry

ALL = "all"
# Stands for the whole network where the name of a layer is expected.
WHOLE = ""
DIAGNOSTICS = Registry(
    "diagnostic",
    {
        "norms": ".training.probes.norms",
        "epsilon": ".training.probes.epsilon",
        "dead": ".training.probes.dead",
        "spread": ".training.probes.spread",
        "outputs": ".training.probes.outputs",
        "cosine": ".training.probes.cosine",
        "displacement": ".training.probes.displacement",
        "curvature": ".training.probes.curvature",
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
