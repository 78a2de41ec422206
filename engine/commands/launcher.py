"""The command line: reads the verb and its flags, calls it, and turns what goes wrong into a line and an exit code."""

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from .. import __version__
from ..arms.choices import KINDS, table_of
from ..arms.flags import given_arm_fields
from ..errors import InputError, StorageError, WorkerFailedError, one_line, unknown_name
from ..workers.interruption import SignalWatch
from .flags import TAKES_AN_ARM, describe_flags, make_flags, typed_experiment
from .typed import given_flags, unknown_flag
from .verbs import VERBS, read_study

if TYPE_CHECKING:
    from ..arms.options import Option

_ABOUT = "Plateau: measures how often, when and why training kicks in."
_HELP, _ALL_HELP = ("--help", "-h"), "--help=all"


def _describe_verbs(program: str) -> str:
    calls = {" ".join([name, one.usage]).strip(): one.doc for name, one in VERBS.items()}
    width = max(map(len, calls))
    lines = [f"  {program} {call:{width}}  {doc}" for call, doc in calls.items()]
    after = f"`{program} VERB --help` names the flags of a verb, `{_ALL_HELP}` with the options of every choice. "
    return "\n".join([_ABOUT, "", *lines, "", f"{after}Without a verb it is run."])


def _describe_verb(
    program: str, verb: str, values: flags.FlagValues, of_experiment: dict[str, "Option"], is_all: bool
) -> str:
    lines = [f"{program} {verb} {VERBS[verb].usage}".strip(), f"  {VERBS[verb].doc}", ""]
    return "\n".join([*lines, *describe_flags(verb, values, _choices_typed(values), of_experiment, is_all)])


def _experiment_options(verb: str, words: Sequence[str]) -> dict[str, "Option"]:
    """The options of the experiment that is named among some words."""
    name = typed_experiment(words) if verb in TAKES_AN_ARM else None
    if name is None:
        return {}
    from ..studies.experiment_files import find_experiment
    from ..studies.shipped import EXPERIMENTS

    return find_experiment(name, EXPERIMENTS).options


def _choices_typed(values: flags.FlagValues) -> list[tuple[str, str]]:
    """The choices of the first arm of the experiment that was typed, or those that were typed, as kind and name."""
    fields = given_arm_fields(given_flags(values))
    if "experiment" in values and values["experiment"].value:
        arm = next(iter(read_study(values).arms.values()))
        return [(kind, getattr(arm, kind) or next(iter(table_of(kind)))) for kind in KINDS]
    return [(kind, fields[kind]) for kind in KINDS if kind in fields]


def main(argv: Sequence[str]) -> int:
    """Runs one command.

    Args:
        argv: the program's name and its arguments.

    Returns:
        0; 2 for input that is not usable; 1 for a failure inside; 130 after Ctrl-C, 143 after
        SIGTERM; of `verify` also 3, 4 and 5, see `verification.VERDICTS`.
    """
    with SignalWatch():
        try:
            return _main(argv)
        except KeyboardInterrupt as interrupted:
            number = getattr(interrupted, "number", signal.SIGINT)
            stored = getattr(interrupted, "stored", "")
            print(f"\nstopped{stored and ': '}{stored}", file=sys.stderr)
            if _split(argv)[0] in (None, "run", "diagnose"):
                print(f"to go on: {shlex.join([*_program(argv[0]), *argv[1:]])}", file=sys.stderr)
            return 128 + number


def _program(program: str) -> list[str]:
    """The words that started the program whose name is `argv[0]`: its command, or Python with what it was given."""
    if Path(program).suffix == ".py":
        return sys.orig_argv[: -len(sys.argv) + 1 or None] if program == sys.argv[0] else ["python", program]
    on_path = shutil.which(Path(program).name)
    is_on_path = on_path is not None and Path(program).exists() and Path(on_path).samefile(program)
    return [Path(program).name if is_on_path else program]


def _split(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The verb, or `None` where none was typed, and the words after it."""
    words = list(argv[1:])
    has_verb = bool(words) and not words[0].startswith("-")
    return (words[0], words[1:]) if has_verb else (None, words)


def _main(argv: Sequence[str]) -> int:
    typed, words = _split(argv)
    verb = typed or "run"
    try:
        if verb == "help" and words[:1] != ["--help"]:
            return _main([argv[0], *words[:1], "--help"])
        if words == ["--version"] and typed is None:
            print(f"plateau-engine {__version__}")
            return 0
        if verb not in VERBS:
            raise unknown_name("verb", verb, VERBS)
        is_all = _ALL_HELP in words
        words = [_HELP[0] if word == _ALL_HELP else word for word in words]
        if typed is None and len(words) == 1 and words[0] in _HELP and not is_all:
            print(_describe_verbs(shlex.join(_program(argv[0]))))
            return 0
        of_experiment = _experiment_options(verb, words)
        values = make_flags(verb, of_experiment)
        try:
            rest = values([argv[0], *words])[1:]
        except flags.UnrecognizedFlagError as error:
            raise unknown_flag(error.flagname, values) from None
        if values["help"].value:
            print(_describe_verb(shlex.join(_program(argv[0])), verb, values, of_experiment, is_all))
            return 0
        bare = VERBS[verb].bare
        if rest and bare is not None and not values[bare].present:
            values[bare].parse(rest.pop(0))
        if rest:
            raise InputError(f"unexpected argument {rest[0]!r}: expected --flag=value")
        if not argv[1:]:
            raise InputError("nothing to do: expected a verb or flags, see --help")
        return VERBS[verb].call(values) or 0
    except (InputError, flags.Error) as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except (StorageError, WorkerFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _open_streams() -> None:
    """Lets every message be printed: none fails for a sign that the terminal lacks, or because a stream is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # A file of the study would be opened in its place, and get what libraries print.
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def console() -> None:
    """Entry point of the `plateau` command."""
    _open_streams()
    try:
        code = main(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    sys.exit(code)
