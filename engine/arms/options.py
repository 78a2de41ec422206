"""Options: what can be set, with bounds and a line of help.

Flags, validation, `study.json`, `list` and `--help` all follow from these declarations.
"""

import dataclasses
import inspect
import math
import os
import typing
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, TypeVar

from ..errors import InputError, unknown_name
from ..registry import OWN_FUNCTION, Registry, resolve
from ..user_code import is_reference

T = TypeVar("T")
Part = Literal["structure", "initial", "hyperparam", "place", "none"]

EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}
_EXPECTED_LIST = {int: "whole numbers separated by commas", str: "names separated by commas"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


# Stands for a default that does not exist: the option must be given.
REQUIRED = object()


@dataclasses.dataclass(frozen=True)
class Option:
    """One thing that can be set.

    Attributes:
        kind: type of the value, or of each element of a list.
        default: `REQUIRED` where there is none; `None` where it follows from the data.
        part: `structure` shapes the compiled training program; `initial` says where a run starts;
            `hyperparam` is a number that the program takes as an argument; `place` says where
            something is found, and may change without the study becoming another; `none` is no part of an arm.
        minimum, maximum: bounds of a number, or of each element of a list.
        is_open: whether the maximum itself is excluded.
        choices: names that a value can take, or where a table of them is: `.module:NAME` of this package.
        most: elements that a list may have; `None` for a single value.
        unset: what a default of `None` means, in words.
        is_positive: whether the value must be above 0.
        flag: what is typed for it, where that is not its name.
        alone: the value that the flag stands for where it is typed without one.
        takes_reference: whether a reference to the user's code can take the place of one of the `choices`.
    """

    name: str
    kind: type
    default: Any
    help: str
    part: Part = "structure"
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    is_open: bool = False
    choices: Sequence[str] = ()
    most: int | None = None
    unset: str = ""
    is_positive: bool = False
    flag: str = ""
    alone: Any = None
    takes_reference: bool = False

    def with_default(self, default: Any) -> "Option":
        """Returns the same option for a choice with another default."""
        return dataclasses.replace(self, default=default)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a value can take; empty where it is no name of a closed set."""
        if isinstance(self.choices, str):
            return tuple(resolve(self.choices))
        return tuple(self.choices)

    def check(self, value: Any) -> Any:
        """Returns the value in the option's own type; `None` leaves the option unset.

        Raises InputError where the value has the wrong type, is out of bounds, or is an unknown name.
        """
        value = _plain(value)
        if value is None:
            return None
        if self.most is None:
            return self._check_one(value)
        if isinstance(value, Mapping):
            value = tuple(f"{name}={_plain(one)}" for name, one in value.items())
        if isinstance(value, self.kind) and not isinstance(value, bool):
            value = (value,)
        if not isinstance(value, (tuple, list)):
            raise InputError(f"{self.name}={value!r}: expected {_EXPECTED_LIST[self.kind]}")
        if len(value) > self.most:
            shown, most = ",".join(map(str, value)), "one or two" if self.most == 2 else f"at most {self.most}"
            raise InputError(f"{self.name}={shown}: expected {most} of them")
        if not value and self.default is None:
            return None
        return tuple(self._check_one(_plain(one)) for one in value)

    def parse(self, text: str) -> Any:
        """Returns the value that a person typed: `"1e-8"` gives `1e-8`, `"2,4"` gives `(2, 4)`."""
        if self.most is None:
            return self.check(self._parse_one(text.strip()))
        return self.check(tuple(self._parse_one(part.strip()) for part in text.split(",")))

    def describe(self, names: str = "") -> str:
        """Says in a line what the option is, what it can be and what it is by default."""
        shown = self.default
        if shown is None:
            shown = self.unset
        elif shown is REQUIRED:
            shown = "must be given"
        elif isinstance(shown, tuple):
            shown = ",".join(map(str, shown))
        elif isinstance(shown, bool):
            shown = str(shown).lower()
        unit = f", in {self.unit}" if self.unit else ""
        listed = (
            f": {', '.join(self.names)}{f', or {OWN_FUNCTION}' if self.takes_reference else ''}"
            if self.names
            else names
        )
        return f"{self.help}{unit}{listed} (default: {shown}{PARTS[self.part]})"

    def _check_one(self, value: Any) -> Any:
        name, kind = self.name, self.kind
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            try:
                value = float(value)
            except OverflowError:
                raise InputError(f"{name} has hundreds of digits: expected a finite number") from None
        elif kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError(f"{name}={value!r}: expected {EXPECTED[kind]}")
        if kind in (int, float):
            self._check_bounds(value)
        is_own = self.takes_reference and is_reference(str(value))
        if self.choices and value not in self.names and not is_own:
            raise unknown_name(name, str(value), self.names, OWN_FUNCTION if self.takes_reference else "")
        return value

    def _check_bounds(self, value: Any) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{self.name}={value!r}: expected a finite number")
        if self.minimum is not None and value < self.minimum:
            raise InputError(f"{self.name}={value!r}: expected at least {self._shown(self.minimum)}")
        if self.maximum is not None and value > self.maximum:
            raise InputError(f"{self.name}={value!r}: expected at most {self._shown(self.maximum)}")
        if self.is_positive and value <= 0:
            raise InputError(f"{self.name}={value!r}: expected a positive number")
        if self.is_open and value == self.maximum:
            raise InputError(f"{self.name}={value!r}: expected less than {self._shown(self.maximum)}")

    def _shown(self, bound: float | None) -> str:
        number = str(bound) if isinstance(bound, int) else f"{bound:g}"
        unit = self.unit.removesuffix("s") if bound == 1 else self.unit
        return f"{number} {unit}".strip()

    def _parse_one(self, text: str) -> Any:
        if self.kind is bool:
            if text.lower() not in _BOOLEANS:
                raise InputError(f"{self.name}={text!r}: expected true or false")
            return _BOOLEANS[text.lower()]
        try:
            return self.kind(text)
        except ValueError:
            raise InputError(f"{self.name}={text!r}: expected {EXPECTED[self.kind]}") from None


def _plain(value: Any) -> Any:
    """Returns Python's own value of a number or an array of NumPy or JAX, and the text of a path."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not hasattr(value, "tolist"):
        return value
    plain = value.tolist()
    # 1e-3 in single precision is 0.0010000000475, and was typed as 1e-3.
    return float(str(value)) if isinstance(plain, float) else plain


def option(default: Any, help: str, **about: Any) -> Any:
    """Declares a field of a dataclass that a person can set: an `Option` with the name and kind of the field."""
    return dataclasses.field(default=default, metadata={"option": Option("", str, default, help, **about)})


def declared_in(owner: type) -> dict[str, Option]:
    """Returns the options that the fields of a dataclass declare, by name."""
    hints = typing.get_type_hints(owner)
    return {
        field.name: dataclasses.replace(field.metadata["option"], name=field.name, kind=_kind_of(hints[field.name]))
        for field in dataclasses.fields(owner)
        if "option" in field.metadata
    }


def documented(owner: type[T]) -> type[T]:
    """Decorates a dataclass: its docstring gets a line for each field that a person can set, as `--help` has it."""
    lines = []
    for name, declared in declared_in(owner).items():
        is_said = "default" in declared.help or declared.default in (None, dataclasses.MISSING, ())
        lines.append(f"    {name}: {declared.help}" + ("" if is_said else f" (default: {declared.default})"))
    owner.__doc__ = "\n".join([inspect.cleandoc(owner.__doc__ or ""), "", "Fields:", *lines])
    return owner


def check_fields(instance: Any) -> None:
    """Checks what the fields of a frozen dataclass declare, and gives each value its own type."""
    for name, declared in declared_in(type(instance)).items():
        declared = dataclasses.replace(declared, name=declared.flag or name)
        object.__setattr__(instance, name, declared.check(getattr(instance, name)))


def with_changes(options: T, changes: Mapping[str, Any]) -> T:
    """Returns a dataclass of options with some of them changed, each by the name of its field or of its flag.

    Raises:
        InputError: there is no option of a name, it is given by both, or a value is not usable.
    """
    by_flag = {one.flag: name for name, one in declared_in(type(options)).items() if one.flag}
    known = {field.name: field.name for field in dataclasses.fields(options)} | by_flag  # type: ignore[arg-type]
    typed: dict[str, str] = {}
    for name in changes:
        if name not in known:
            raise unknown_name("option", name, sorted(set(known) - set(by_flag.values())))
        if known[name] in typed:
            raise InputError(f"{typed[known[name]]} and {name} are the same option: give one")
        typed[known[name]] = name
    return dataclasses.replace(options, **{field: changes[name] for field, name in typed.items()})  # type: ignore[type-var]


def owned(table: Registry, names: Iterable[str] | None = None) -> dict[str, Option]:
    """Returns the options that entries of a table declare as `OPTIONS`, by name; by default of all of them."""
    modules = map(table.load, table if names is None else names)
    return {name: one for module in modules for name, one in options_in(module).items()}


def options_in(module: ModuleType) -> dict[str, Option]:
    """Returns the options that a module declares as `OPTIONS`, by name."""
    return {one.name: one for one in getattr(module, "OPTIONS", ())}


def fill_owned(table: Registry, names: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a value for every option that the named entries of a table own, by default where none is given.

    Raises:
        InputError: an option is unknown, has no effect with these entries, or its value is not usable.
    """
    used = owned(table, names)
    for name in given.keys() - used.keys():
        if name not in (known := owned(table)):
            raise unknown_name("option", name, known)
        owners = [entry for entry in table if name in owned(table, [entry])]
        raise InputError(f"{name}={given[name]} has no effect without {table.kind} {' or '.join(owners)}")
    return {name: one.check(given.get(name, one.default)) for name, one in used.items()}


def _kind_of(hint: Any) -> type:
    """The first of the plain types in an annotation such as `int | None` or `tuple[str, ...]`."""
    if hint in EXPECTED:
        kind: type = hint
        return kind
    return next(_kind_of(inner) for inner in typing.get_args(hint) if inner is not type(None))


PARTS: dict[Part, str] = {
    "structure": "; shapes the compiled program",
    "initial": "; says where a run starts",
    "hyperparam": "; one program for all values",
    "place": "; the same study wherever it is",
    "none": "",
}
