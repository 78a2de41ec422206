"""Fields: what is known of a number, a name or a list that a person may set.

From this the launcher makes its flags, values are checked, and what was typed is read.
"""

import dataclasses
import math
import types
import typing
from typing import Any, Literal, NamedTuple

from engine.errors import InputError

Part = Literal["structure", "initial", "hyperparam", "place"]


@dataclasses.dataclass(frozen=True)
class FieldInfo:
    """What the launcher, the validator and the documentation know of a field.

    Attributes:
        doc: one sentence.
        part: `structure` shapes the compiled training program; `initial` only says where a run
            starts; `hyperparam` is a number that the program takes as an argument; `place` says
            where something is found, and may change without the study becoming another.
        unit: of the value, or empty.
        minimum, maximum: bounds of a number, or of every element of a tuple.
        is_open: whether the maximum itself is excluded.
        unset: in words, what leaving an optional field out means.
        is_late: whether studies were stored before it existed; it is left out of the identity of a
            study whose arms all have its default.
        flag: what is typed for it, once for every element, where that is not the field's name.
    """

    doc: str
    part: Part
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    is_open: bool = False
    unset: str = ""
    is_late: bool = False
    flag: str = ""


def make_field(default: Any, part: Part, doc: str, **info: Any) -> Any:
    """A field of a dataclass, with a `FieldInfo` under `info` in its metadata."""
    metadata = {"info": FieldInfo(doc=doc, part=part, **info)}
    return dataclasses.field(default=default, metadata=metadata)


class FieldType(NamedTuple):
    """What a field holds.

    Attributes:
        scalar: the type of its value, or of the elements of a tuple.
        is_tuple: whether it holds several.
        is_optional: whether it may be left out.
    """

    scalar: type
    is_tuple: bool
    is_optional: bool


def field_type(annotation: Any) -> FieldType:
    """What an annotation like `int | None` or `tuple[int, ...]` says."""
    is_optional = False
    if isinstance(annotation, types.UnionType):
        (annotation,) = (a for a in typing.get_args(annotation) if a is not type(None))
        is_optional = True
    if typing.get_origin(annotation) is tuple:
        return FieldType(typing.get_args(annotation)[0], True, is_optional)
    return FieldType(annotation, False, is_optional)


_ARTICLE = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}
_SEVERAL = {int: "whole numbers separated by commas", str: "names separated by commas"}


def check(name: str, value: Any, info: FieldInfo, kind: FieldType) -> Any:
    """The value in the field's own type.

    Raises:
        InputError: it has the wrong type or is out of bounds.
    """
    if value is None:
        if kind.is_optional:
            return None
        raise InputError(f"{name}=None: expected {_ARTICLE[kind.scalar]}")
    if not kind.is_tuple:
        return _check_scalar(name, value, info, kind.scalar)
    if not isinstance(value, (tuple, list)):
        raise InputError(f"{name}={value!r}: expected {_SEVERAL[kind.scalar]}")
    return tuple(_check_scalar(name, element, info, kind.scalar) for element in value)


def parse(name: str, text: str, info: FieldInfo, kind: FieldType) -> Any:
    """What a person typed, in the field's own type; not checked.

    Raises:
        InputError: it is not of that type.
    """
    if info.flag:
        parts = [text] if text else []
    else:
        parts = [part.strip() for part in text.split(",")] if kind.is_tuple else [text.strip()]
    values = [_parse_scalar(name, part, kind.scalar) for part in parts]
    return tuple(values) if kind.is_tuple else values[0]


def _check_scalar(name: str, value: Any, info: FieldInfo, scalar: type) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if scalar is float and is_number:
        try:
            value = float(value)
        except OverflowError:
            raise InputError(f"{name} has hundreds of digits: expected a finite number") from None
    elif scalar is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    is_right = isinstance(value, scalar) and not (scalar is int and isinstance(value, bool))
    if not is_right:
        raise InputError(f"{name}={value!r}: expected {_ARTICLE[scalar]}")
    if scalar is float and not math.isfinite(value):
        raise InputError(f"{name}={value!r}: expected a finite number")
    if info.minimum is not None and value < info.minimum:
        raise InputError(f"{name}={value!r}: expected at least {info.minimum:g}")
    if info.maximum is not None and value > info.maximum:
        raise InputError(f"{name}={value!r}: expected at most {info.maximum:g}")
    if info.is_open and value == info.maximum:
        raise InputError(f"{name}={value!r}: expected less than {info.maximum:g}")
    return value


def _parse_scalar(name: str, text: str, scalar: type) -> Any:
    if scalar is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() in words:
            return words[text.lower()]
        raise InputError(f"{name}={text!r}: expected true or false")
    try:
        return scalar(text)
    except ValueError:
        raise InputError(f"{name}={text!r}: expected {_ARTICLE[scalar]}") from None
