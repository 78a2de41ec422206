"""Flags of an arm, made from the declarations of its fields and of the options of all choices."""

from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from ..errors import InputError
from .arm import COMMON, field_names, find_option
from .choices import KINDS, OF_USERS, options_of, table_of
from .options import Option


class _OptionParser(flags.ArgumentParser):
    """Parses a flag by the rules of its option."""

    def __init__(self, option: Option) -> None:
        self._option = option

    def parse(self, argument: Any) -> Any:
        return self._option.parse(argument) if isinstance(argument, str) else argument

    def flag_type(self) -> str:
        return self._option.name


def define_arm_flags(values: flags.FlagValues) -> None:
    """Defines a flag for every field of an arm and for every option of a choice."""
    for name in field_names():
        option = find_option(name)
        # What has a flag of another name is typed once for each element.
        if option.flag:
            flags.DEFINE_multi_string(option.flag, None, f"{option.help} (repeated)", flag_values=values)
        elif name not in values:
            define_option(option, values)


def define_option(option: Option, values: flags.FlagValues) -> None:
    """Defines the flag of an option, which is checked when it is parsed."""
    if option.kind is bool:
        flags.DEFINE_bool(option.name, None, option.help, flag_values=values)
    else:
        flags.DEFINE(_OptionParser(option), option.name, None, option.help, flag_values=values)


def describe_options(owner: str, owned: Mapping[str, Option]) -> list[str]:
    """Returns a heading and a line for each option of an owner, or nothing where there is none."""
    lines = [f"  --{name}: {option.describe()}" for name, option in owned.items()]
    return ["", f"Options of {owner}:", *lines] if lines else []


def given_arm_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was typed for an arm, by field and option, from what was typed, by flag."""
    names = {find_option(name).flag or name: name for name in field_names()}
    return {names[flag]: value for flag, value in given.items() if flag in names}


def describe_arm_flags(choices: Sequence[tuple[str, str]], is_all: bool) -> list[str]:
    """Returns a line for what every arm can be given, and for each option of some choices, pairs of kind and name.

    `is_all`: of every choice that there is.
    """
    lines = ["An arm; what is given holds for every arm of the experiment:"]
    for name, option in COMMON.items():
        names = f": {', '.join(table_of(name))}" if name in KINDS else ""
        lines.append(f"  --{option.flag or name}: {option.describe(names)}")
    if is_all:
        own = {kind: ["path/to/file.py:NAME"] for kind in OF_USERS}
        choices = [(kind, choice) for kind in KINDS for choice in (*table_of(kind), *own.get(kind, ()))]
    for kind, choice in choices:
        try:
            lines += describe_options(f"{kind}={choice}", options_of(kind, choice))
        except InputError:
            continue
    if not is_all:
        lines += ["", "A choice has options of its own: name it with --help, as in --help --model=transformer."]
    return lines
