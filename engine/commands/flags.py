"""Flags of every verb: made from the dataclasses that they fill, and from the few declarations below."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from ..arms.flags import define_arm_flags, define_option, describe_arm_flags, describe_options
from ..arms.options import Option, declared_in, owned
from ..errors import InputError
from ..registry import Registry, resolve
from ..training.probes.registry import check_names
from .running.options import RunOptions

Flags = dict[str, Option]


def _flags(*owners: type, without: Sequence[str] = ()) -> Flags:
    """The options that some dataclasses declare, by what is typed for them."""
    declared = (item for owner in owners for item in declared_in(owner).items())
    return {option.flag or name: option for name, option in declared if (option.flag or name) not in without}


def _named(*options: Option) -> Flags:
    return {option.name: option for option in options}


_EXPERIMENT = Option(
    "experiment",
    str,
    None,
    "name of the experiment, see `list`; or a file of your own, path/to/file.py, with a function study() that "
    "returns an engine.Study, or path/to/file.py:function",
)
_WORKDIR = Option("workdir", str, None, "directory of the study")
_OWN_WORKDIR = Option(
    "workdir", str, None, "directory of the study; the same command resumes it (default: in runs/, by its name)"
)
_INIT_SEEDS = Option("init_seeds", int, None, "random starts of a crossed design: the same as --seeds")
_SWEEP = Option(
    "sweep",
    str,
    None,
    "field=v1,v2,… or model_arg.name=v1,v2,… (also optimizer_arg, trainer_arg): one arm per value; log:1e-5:1e-1:9 and "
    "linear:0:0.8:5 spread values between bounds; several make a grid (repeated)",
    most=1000,
)
# What a diagnosis decides itself; what a step costs it measures on this machine.
_DECIDED = (
    "cluster",
    "cluster_options",
    "baseline",
    "design",
    "init_seeds",
    "order_seeds",
    "forks",
    "fork_step",
    "stop",
    "tune",
)
_COMPARE = _named(
    Option("workdir", str, None, "directory of the one study"),
    Option("baseline", str, None, "directory of the other"),
    Option("arm", str, None, "arm of the one study (default: every arm that both have)"),
    Option("baseline_arm", str, None, "arm of the other (default: the one of the same name)"),
)
_READ = _named(
    Option(
        "curves",
        str,
        None,
        "file, folder or pattern of logs: CSV, JSON lines, TensorBoard, Weights & Biases, Keras, Lightning, "
        "HuggingFace; with NAME= before it for a group of runs (repeated)",
        most=1000,
    ),
    Option("class_counts", str, None, "training examples of every class, as in 50,30,20, where they differ"),
    Option("workdir", str, None, "directory for rows and report (default: nothing is written)"),
)
_BOARD = _named(
    Option("folder", str, None, "folder below which the work directories are (default: runs)"),
    Option("serve", bool, False, "serve the page on this machine, made anew at every visit, until Ctrl-C"),
    Option("port", int, None, "port to serve on, 0 for any that is free (default: 8712)"),
)
_QUESTION = _named(
    Option(
        "question",
        str,
        None,
        "`fraction` (how often), `failure` (is it rarer than a rate, without having seen one), `median` (when) or "
        "`comparison` (of two arms)",
    ),
    Option("pilot", str, None, "directory of a study that has run: what it learned, and what a step costs"),
)
_NUMBERS = _named(
    Option("fraction", float, None, "that is expected (default: the pilot's, or 0.5)"),
    Option("half_width", float, None, "half of the width of the interval of a fraction"),
    Option("rate", float, None, "rate of failures that is to be excluded"),
    Option("relative_half_width", float, None, "half of the width of the interval of the median, over the median"),
    Option("log_deviation", float, None, "standard deviation of log time (default: the pilot's)"),
    Option("event_share", float, None, "share of the runs that have the event (default: the pilot's, or 1)"),
    Option("hazard_ratio", float, None, "hazard ratio of the two arms"),
    Option("power", float, None, "power of the comparison (default: 0.9)"),
    Option("level", float, None, "level of the comparison, two-sided (default: 0.05)"),
    Option("confidence", float, None, "confidence of the interval (default: 0.95)"),
)
_COST = ("experiment", "horizon", "epochs", "eval_every", "data_dir", "compilation_cache")
_FOLDER = Option(
    "experiments", str, None, "folder of experiment files (default: the current one, and `experiments` in it)"
)


def _of_study() -> Flags:
    from ..studies.study import Study

    return _named(_EXPERIMENT, _OWN_WORKDIR) | _flags(Study) | _named(_INIT_SEEDS) | _flags(RunOptions)


def _of_run() -> Flags:
    from ..studies.until import Until

    return _of_study() | _flags(Until) | _named(_SWEEP)


def _of_diagnose() -> Flags:
    from .diagnose import DiagnoseOptions

    study = {name: option for name, option in _of_study().items() if name not in _DECIDED}
    return _flags(DiagnoseOptions) | study


def _of_plan() -> Flags:
    study = _of_study()
    # What a question and a study call alike is the question's.
    return {name: study[name] for name in _COST} | _QUESTION | _NUMBERS | _named(_SWEEP)


def _of_verify() -> Flags:
    from .verify import VerifyOptions

    return _named(Option("workdir", str, None, "directory of the study; nothing in it is changed")) | _flags(
        VerifyOptions
    )


def _of_read() -> Flags:
    from ..logs.options import ReadOptions

    return _READ | _flags(ReadOptions)


def _of_check() -> Flags:
    from .diagnose import DiagnoseOptions

    study = _of_study()
    return {"arm": _flags(DiagnoseOptions)["arm"]} | {name: study[name] for name in _COST}


# By verb; what a verb does not need is not imported.
_TABLES: dict[str, Callable[[], Flags]] = {
    "run": _of_run,
    "check": _of_check,
    "diagnose": _of_diagnose,
    "status": lambda: _named(_WORKDIR),
    "report": lambda: _named(_WORKDIR) | {"tensorboard": _flags(RunOptions)["tensorboard"]},
    "compare": lambda: _COMPARE,
    "plan": _of_plan,
    "verify": _of_verify,
    "read": _of_read,
    "board": lambda: _BOARD,
    "list": lambda: _named(_FOLDER),
}
# By verb, the table whose entries own options.
_OWNERS = {
    "run": ".training.probes.registry:DIAGNOSTICS",
    "diagnose": ".training.probes.registry:DIAGNOSTICS",
    "report": ".report.sections:SECTIONS",
    "read": ".logs.formats:FORMATS",
}
TAKES_AN_ARM = ("run", "plan", "check", "diagnose")
QUESTION_NUMBERS = tuple(_NUMBERS)
_KINDS: dict[type, str] = {int: "an integer", float: "a number", str: "text"}


class _Parser(flags.ArgumentParser):
    """Parses a flag by the kind of its option; what the value may be is checked by what it fills."""

    syntactic_help = ""

    def __init__(self, option: Option) -> None:
        self._option = option

    def parse(self, argument: Any) -> Any:
        option, text = self._option, str(argument).strip()
        if option.alone is not None and text.lower() in ("true", "false"):
            return option.alone if text.lower() == "true" else None
        if option.most is not None:
            return tuple(filter(None, map(str.strip, text.split(","))))
        try:
            return option.kind(text) if option.kind is not int else int(text, 0)
        except ValueError:
            such = "" if option.alone is None else f", such as {option.alone:g}"
            raise ValueError(f"expected {option.unit or _KINDS[option.kind]}{such}") from None

    def flag_type(self) -> str:
        return self._option.kind.__name__


def make_flags(verb: str, of_experiment: Mapping[str, Option] | None = None) -> flags.FlagValues:
    """Makes the flags of a verb, with the options of an experiment, before anything is read.

    Raises:
        InputError: an option of the experiment has the name of a flag.
    """
    values = flags.FlagValues()
    flags.DEFINE_bool("help", False, "show this", flag_values=values, short_name="h")
    for name, option in _TABLES[verb]().items():
        if option.kind is bool:
            flags.DEFINE_bool(name, None, option.help, flag_values=values)
        elif "(repeated)" in option.help:
            flags.DEFINE_multi_string(name, None, option.help, flag_values=values)
        else:
            is_alone = option.alone is not None
            flag = flags.Flag(_Parser(option), None, name, None, option.help, boolean=is_alone)
            flags.DEFINE_flag(flag, flag_values=values)
    if verb in _OWNERS:
        for option in owned(resolve(_OWNERS[verb])).values():
            define_option(option, values)
    if verb in TAKES_AN_ARM:
        define_arm_flags(values)
    for name, option in (of_experiment or {}).items():
        if name in values:
            raise InputError(f"the experiment has an option {name!r}, and there is a flag of that name: rename it")
        define_option(option, values)
    return values


def typed_experiment(words: Sequence[str]) -> str | None:
    """Returns the experiment that is named among some words of a command line, or `None`."""
    values = flags.FlagValues()
    flags.DEFINE_string("experiment", None, "", flag_values=values)
    values(["", *words], known_only=True)
    name: str | None = values["experiment"].value
    return name


def describe_flags(
    verb: str,
    values: flags.FlagValues,
    choices: Sequence[tuple[str, str]],
    of_experiment: Mapping[str, Option],
    is_all: bool,
) -> list[str]:
    """Returns a line for every flag of a verb, with the options of some choices of an arm, or of all that there are."""
    lines = [
        f"  --{name}: {option.help}" + (f"; {_KINDS[option.kind]}" if option.kind in _KINDS else "")
        for name, option in _TABLES[verb]().items()
    ]
    if verb == "verify":
        from ..verification import VERDICTS

        codes = [*VERDICTS.values(), (1, "a failure inside"), (2, "what was given is not usable")]
        lines += ["", "The exit code says what was found:", *(f"  {code}: {words}" for code, words in sorted(codes))]
    if verb in _OWNERS:
        table: Registry = resolve(_OWNERS[verb])
        for name in check_names(values["diagnostics"].value or ()) if "diagnostics" in values else table:
            lines += describe_options(f"{table.kind} {name}", owned(table, [name]))
    lines += describe_options("the experiment", of_experiment)
    if verb in TAKES_AN_ARM:
        lines += ["", *describe_arm_flags(choices, is_all)]
    return lines
