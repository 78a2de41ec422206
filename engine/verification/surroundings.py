"""What bits depend on: is it now what it was when the runs were made?"""

from collections.abc import Iterable, Mapping
from typing import Any

_BITS_DEPEND_ON = ("plateau-engine", "jax", "jaxlib", "flax", "optax", "numpy", "scipy")


def surroundings(launch: Mapping[str, Any]) -> dict[str, Any]:
    """What bits depend on, of a launch in `study.json`; older ones say less."""
    found: dict[str, Any] = {}
    versions, hardware, code = (_mapping(launch, key) for key in ("versions", "hardware", "code"))
    found |= {name: versions[name] for name in _BITS_DEPEND_ON if name in versions}
    found |= {name: hardware[name] for name in ("machine", "system") if name in hardware}
    if code.get("revision") is not None:
        is_dirty = " and changes" if code.get("is_dirty") else ""
        found["code"] = f"{str(code['revision'])[:12]}{is_dirty}"
    return found


def changed_surroundings(
    launches: Iterable[Mapping[str, Any]], now: Mapping[str, Any]
) -> list[str]:
    """In words, what bits depend on that is not what it was in some launch: `jax 0.10.1 → 0.10.2`.

    Args:
        launches: that may have made the runs; what one does not say is taken to be the same.
        now: this one.
    """
    here = surroundings(now)
    before: dict[str, set[str]] = {}
    for launch in launches:
        for name, value in surroundings(launch).items():
            if value != here.get(name):
                before.setdefault(name, set()).add(_shown(value))
    return [
        f"{name} {' or '.join(sorted(values))} → {_shown(here.get(name))}"
        for name, values in sorted(before.items())
    ]


def _mapping(launch: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = launch.get(key) if isinstance(launch, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _shown(value: Any) -> str:
    """A value of a file on one short line."""
    text = "none" if value is None else str(value)
    return text[:60] if text.isprintable() else repr(text)[:60]
