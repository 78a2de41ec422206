"""In what the identities of two studies differ, in words."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from engine.store.validation import IDENTITY_BY_ARM

_LONGEST_VALUE = 100
# Entries whose values are fingerprints, which tell a reader nothing.
_FINGERPRINTS = {"data": "data", "model_source": "source text of the model", "task_source": "source text of the task"}
_WORDS = {"platform": "kind of device", **_FINGERPRINTS}


class _Change(NamedTuple):
    """One difference: what differs, how, and in which arm (None: in the whole study)."""

    entry: str
    arm: str | None
    words: str


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Says in what two identities differ, a line for each entry; what is the same of several arms is said once."""
    old_arms, new_arms = before.get("arms", {}), now.get("arms", {})
    changed_sets = {
        "is new": [repr(name) for name in new_arms if name not in old_arms],
        "is missing now": [repr(name) for name in old_arms if name not in new_arms],
    }
    lines = [f"arm {_shorten(names)} {words}" for words, names in changed_sets.items() if names]
    arms: dict[tuple[str, str], list[str]] = {}
    for entry, arm, words in _changes(before, now, ()):
        if arm is None:
            arms[entry, words] = []
        elif arm in old_arms and arm in new_arms:
            arms.setdefault((entry, words), []).append(repr(arm))
    return lines + [
        f"{entry}{f' of {_shorten(names)}' if names else ''} {words}" for (entry, words), names in arms.items()
    ]


def _changes(old: Any, new: Any, where: tuple[str, ...]) -> Iterator[_Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            place = (*where, str(key))
            if key not in old:
                yield _change(place, "is new")
            elif key not in new:
                yield _change(place, "is missing now")
            else:
                yield from _changes(old[key], new[key], place)
    elif old != new:
        words = "is another" if where[0] in _FINGERPRINTS else f"was {_shown(old)}, is now {_shown(new)}"
        yield _change(where, words)


def _change(where: tuple[str, ...], words: str) -> _Change:
    entry, *rest = where
    name = f"the {_WORDS[entry]}" if entry in _WORDS else entry
    if entry == "arms" and rest:
        return _Change(".".join(rest[1:]), rest[0], words)
    if entry in IDENTITY_BY_ARM and rest:
        return _Change(name, rest[0], words)
    return _Change(".".join([name, *rest]), None, words)


def _shorten(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} other arms" if len(names) > 2 else " and ".join(names)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
