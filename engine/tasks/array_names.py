"""Tells which named arrays of a file are inputs and targets, to train on and held out: by their names, or as asked."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from ..arms.arm import Arm
from ..errors import InputError
from .examples import HELD_OUT_PARTS, TRAINING_PARTS
from .reading import Reading

_ROLES = {
    "input_arrays": ("x", "input", "inputs", "image", "images", "data", "feature", "features"),
    "target_arrays": ("y", "t", "label", "labels", "target", "targets", "class", "classes"),
}


class Names(NamedTuple):
    """The arrays of one part of the examples: inputs by what a network calls them, and the target, or `None`."""

    inputs: Mapping[str, str]
    target: str | None


class Arrays(Protocol):
    """A file with arrays of some names."""

    names: list[str]

    def describe(self) -> str:
        """Returns every array with its type and shape, for a message."""


def find_names(file: Arrays, arm: Arm, reading: Reading) -> list[Names]:
    """Returns the arrays to train on, and then those held out where there are any.

    Raises InputError where a name that was asked for is not there, or it is not clear which array is which.
    """
    found = []
    for role, words in _ROLES.items():
        asked = getattr(arm, role)
        for name in asked or ():
            if name not in file.names:
                raise InputError(f"there is no array {name!r}: there are {file.describe()}")
        found.append(list(asked) if asked else _guess(file.names, words, are_several=role == "input_arrays"))
    (inputs, targets), words_of_inputs = found, _ROLES["input_arrays"]
    if not (arm.input_arrays or arm.target_arrays) and file.names == ["arr_0", "arr_1"]:
        inputs, targets = ["arr_0"], ["arr_1"]
    if arm.reconstruct and not targets:
        inputs = inputs or (file.names if len(file.names) == 1 else [])
        held_out = [name for name in inputs if _part_of(name.partition(".")[0], words_of_inputs) in HELD_OUT_PARTS]
        parts = _divided(inputs, [None, None] if held_out else [None])
    else:
        parts = _divided(inputs, targets)
    if not parts:
        hint = "--input_arrays" if arm.reconstruct else "--input_arrays and --target_arrays"
        raise InputError(
            f"it is not clear which arrays are inputs and which are targets: there are {file.describe() or 'none'}; "
            f"give {hint}"
        )
    if not (arm.input_arrays and arm.target_arrays):
        _tell(file.names, parts, reading)
    return parts


def _divided(inputs: Sequence[str], targets: Sequence[str | None]) -> list[Names]:
    """Divides inputs evenly among the targets; returns none where that cannot be."""
    if not inputs or not targets or len(targets) > 2 or len(inputs) % len(targets):
        return []
    number = len(inputs) // len(targets)
    labels = [_label(name) for name in inputs[:number]] if number > 1 else [inputs[0]]
    if len(set(labels)) < len(labels):
        return []
    parts = []
    for i, target in enumerate(targets):
        own = inputs[i * number : (i + 1) * number]
        # What is held out has the labels of what is trained on, by its names or by its order.
        by_label = {_label(name): name for name in own}
        are_labelled = all(_label(name) != name for name in (*inputs[:number], *own))
        if number > 1 and are_labelled and by_label.keys() != set(labels):
            return []
        ordered = [by_label[label] for label in labels] if number > 1 and are_labelled else own
        parts.append(Names(dict(zip(labels, ordered, strict=True)), target))
    return parts


def _label(name: str) -> str:
    """Returns what a network calls one of several inputs: what follows `x.` or `x_train.`."""
    owner, dot, label = name.partition(".")
    return label if dot and _part_of(owner, _ROLES["input_arrays"]) is not None else name


def _tell(there: Sequence[str], parts: Sequence[Names], reading: Reading) -> None:
    """Adds a note on which array was taken for which."""
    read = {name for part in parts for name in (*part.inputs.values(), part.target)}
    unread = [repr(name) for name in there if name not in read]
    left = f"; {', '.join(unread[:5])} not read" if unread else ""
    pairs = [
        f"{', '.join(map(repr, part.inputs.values()))} → {'itself' if part.target is None else repr(part.target)}"
        for part in parts
    ]
    between = " to train on, " if len(pairs) == 2 else ""
    reading.tell(f"by their names: {between.join(pairs)}{' held out' if between else ''}{left}")


def _part_of(name: str, words: Sequence[str]) -> str | None:
    """Returns the part that a name such as `x_train` says beside its role, empty for none; `None` if it is no role."""
    pieces = [piece for piece in re.split(r"[^a-z0-9]+", name.lower()) if piece]
    parts = [piece for piece in pieces if piece in (*TRAINING_PARTS, *HELD_OUT_PARTS)]
    num_roles = sum(piece in words for piece in pieces)
    if num_roles != 1 or len(parts) > 1 or len(pieces) != 1 + len(parts):
        return None
    return "train" if parts and parts[0] in TRAINING_PARTS else parts[0] if parts else ""


def _guess(names: Sequence[str], words: Sequence[str], are_several: bool) -> list[str]:
    """Returns the arrays of a role: those to train on, and then those held out; none where it is not clear.

    Several inputs are those whose names go on after a dot, such as `x.tokens` or `x_test.tokens`.
    """
    alone: dict[str, list[str]] = {}
    several: dict[str, dict[str, str]] = {}
    for name in names:
        owner, dot, label = name.partition(".")
        part = _part_of(owner if dot else name, words)
        if part is not None and dot:
            several.setdefault(part, {})[label] = name
        elif part is not None:
            alone.setdefault(part, []).append(name)
    if several:
        return _in_order(several) if are_several and not alone else []
    if any(len(found) > 1 for found in alone.values()):
        return []
    return _in_order({part: {"": found[0]} for part, found in alone.items()})


def _in_order(by_part: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Returns names by part and label: of training, then held out; none where a part is missing, or too much."""
    held_out = next((by_part[part] for part in HELD_OUT_PARTS if part in by_part), None)
    if "" in by_part:
        return [*by_part[""].values()] if held_out is None and "train" not in by_part else []
    if "train" not in by_part:
        return []
    first = by_part["train"]
    if held_out is None:
        return [*first.values()]
    return [*first.values(), *(held_out[label] for label in first)] if first.keys() == held_out.keys() else []
