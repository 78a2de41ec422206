"""Plateau: measures how often, when and why training kicks in.

python launch.py [run] --experiment=NAME --workdir=DIR [flags]   run or resume, then report
python launch.py report --workdir=DIR                            rebuild the report
python launch.py compare --workdir=DIR --baseline=DIR            two studies against each other
python launch.py plan --question=NAME --pilot=DIR                how many seeds, and how long
python launch.py list                                            what there is to choose from

"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from engine import config
from engine.errors import InputError, WorkerFailedError, unknown_name

if TYPE_CHECKING:
    from engine.looks import Until
    from engine.study import Study

_STUDY_FLAGS: dict[str, tuple[type, str]] = {
    "experiment": (str, "name of the experiment, see `list`"),
    "workdir": (str, "directory of the study; the same command resumes it"),
    "seeds": (int, "repetitions of every arm (default: the experiment's)"),
    "horizon": (int, "length of every run in steps (default: the experiment's)"),
    "epochs": (float, "length of every run in passes over the data"),
    "eval_every": (int, "steps between evaluations (default: half an epoch, at most 25 steps)"),
    "baseline": (str, "arm that the others are compared with (default: the experiment's)"),
    "fix_init": (int, "one init seed for all repetitions: only the data order varies"),
    "fix_order": (int, "one order seed for all repetitions: only the start varies"),
    "design": (str, "which seeds are combined: seeds, crossed, fork or crossed_fork"),
    "init_seeds": (int, "random starts of a crossed design: the same as --seeds"),
    "order_seeds": (int, "data orders of a crossed design"),
    "forks": (int, "forks of every parent, in a design with forks"),
    "fork_step": (int, "where forks change the data order (default: half the median onset)"),
    "stop": (str, "when a run ends: horizon, or settled: as soon as its outcome is clear"),
    "root_seed": (int, "seed from which every random stream is derived (default: 0)"),
    "workers": (int, "processes (default: one per core or accelerator; 0: none but this one)"),
    "width": (int, "lanes of a worker (default: by a rule per model and device)"),
    "form": (str, "of the convolutions: direct, patches or native (default: by kind of device)"),
    "data_dir": (str, "where prepared data sets are kept (default: ~/tensorflow_datasets)"),
    "compilation_cache": (str, "where compiled programs are kept (default: in ~/.cache)"),
}
_UNTIL_FLAGS: dict[str, tuple[type, str]] = {
    "until": (
        str,
        "add seeds until `fraction`: every interval is narrow, or `comparison`: every arm is told "
        "from the baseline; the intervals hold at every look",
    ),
    "half_width": (float, "of the interval of a fraction (default: 0.1)"),
    "hazard_ratio": (float, "for which a comparison needs the fewest seeds (default: 2)"),
    "max_seeds": (int, "seeds of an arm after which to stop anyway (default: 1000)"),
    "block": (int, "seeds between looks (default: 16)"),
}
_COMPARE_FLAGS: dict[str, tuple[type, str]] = {
    "workdir": (str, "directory of the one study"),
    "baseline": (str, "directory of the other"),
    "arm": (str, "arm of the one study (default: every arm that both have)"),
    "baseline_arm": (str, "arm of the other (default: the one of the same name)"),
}
_QUESTION_FLAGS: dict[str, tuple[type, str]] = {
    "question": (
        str,
        "`fraction` (how often), `failure` (is it rarer than a rate, without having seen one), "
        "`median` (when) or `comparison` (of two arms)",
    ),
    "pilot": (str, "directory of a study that has run: what it learned, and what a step costs"),
    "fraction": (float, "that is expected (default: the pilot's, or 0.5)"),
    "half_width": (float, "of the interval of a fraction"),
    "rate": (float, "of failures that is to be excluded"),
    "relative_half_width": (float, "of the interval of the median, over the median"),
    "log_deviation": (float, "standard deviation of log time (default: the pilot's)"),
    "event_share": (float, "of the runs, those that have the event (default: the pilot's, or 1)"),
    "hazard_ratio": (float, "of the two arms"),
    "power": (float, "of the comparison (default: 0.9)"),
    "level": (float, "of the comparison, two-sided (default: 0.05)"),
    "confidence": (float, "of the interval (default: 0.95)"),
}
_STUDY_FIELDS = (
    "seeds",
    "horizon",
    "epochs",
    "eval_every",
    "baseline",
    "fix_init",
    "fix_order",
    "design",
    "order_seeds",
    "forks",
    "fork_step",
    "stop",
    "root_seed",
)
_PARTS = {
    "structure": "shapes the compiled program",
    "initial": "says where a run starts",
    "hyperparam": "one program for all values",
}
_SWEEP = "field=v1,v2,…: one arm per value; several make a grid"
_TUNE = "choose width and form by measuring on this machine; kept with the study"
_KINDS: dict[type, str] = {int: "an integer", float: "a number", str: "text", bool: "true or false"}


class _FieldParser(flags.ArgumentParser):
    """Parses a flag that is a field of an arm, by the field's own rules."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.syntactic_help = ""

    def parse(self, argument: Any) -> Any:
        return config.parse_value(self._name, argument) if isinstance(argument, str) else argument

    def flag_type(self) -> str:
        return self._name


def _define_fields(values: flags.FlagValues) -> None:
    for name, info in config.FIELDS.items():
        if config.FIELD_TYPES[name][0] is bool:
            flags.DEFINE_bool(name, None, info.doc, flag_values=values)
        else:
            parser = _FieldParser(name)
            flags.DEFINE(parser, name, None, info.doc, flag_values=values)


def _define(values: flags.FlagValues, table: Mapping[str, tuple[type, str]]) -> None:
    define: dict[type, Any] = {
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    for name, (kind, doc) in table.items():
        define[kind](name, None, doc, flag_values=values)


def _required(values: flags.FlagValues, name: str) -> str:
    value = values[name].value
    if not value:
        raise InputError(f"--{name} is missing: {values[name].help}")
    return str(value)


def _given(values: flags.FlagValues) -> dict[str, Any]:
    """What was typed."""
    return {name: values[name].value for name in values if values[name].value is not None}


def _parse_sweeps(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`{field: values}` of `--sweep=field=v1,v2` flags."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, separator, listed = text.partition("=")
        if not separator or not listed:
            raise InputError(f"--sweep={text}: expected field=value,value,…")
        if name not in config.FIELDS:
            raise unknown_name("field to sweep", name, config.FIELDS)
        if config.FIELD_TYPES[name][1]:
            raise InputError(f"--sweep={text}: {name} is a list itself; write an experiment for it")
        if name in axes:
            raise InputError(f"--sweep={text}: {name} is swept twice; put all values in one")
        axes[name] = [config.parse_value(name, value) for value in listed.split(",")]
    return axes


def _study(values: flags.FlagValues) -> "Study":
    """The experiment with what was typed for it."""
    import dataclasses

    from engine.study import with_fields, with_sweep
    from experiments import EXPERIMENTS

    study = EXPERIMENTS.load(_required(values, "experiment")).study()
    given = _given(values)
    if "init_seeds" in given:
        if "seeds" in given:
            raise InputError("--seeds and --init_seeds are the same number: give one")
        given["seeds"] = given.pop("init_seeds")
    if "horizon" in given and "epochs" in given:
        raise InputError("--horizon and --epochs exclude each other: give one")
    changes: dict[str, Any] = {name: given[name] for name in _STUDY_FIELDS if name in given}
    if "horizon" in changes or "epochs" in changes:
        changes = {"horizon": None, "epochs": None, **changes}
    late = {"baseline": changes.pop("baseline")} if "baseline" in changes else {}
    study = dataclasses.replace(study, **changes)
    axes = _parse_sweeps(values["sweep"].value or [])
    fields = {name: given[name] for name in config.FIELDS if name in given}
    for name in set(axes) & set(fields):
        raise InputError(f"--{name} and --sweep={name}=… exclude each other: give one")
    study = with_sweep(with_fields(study, fields), axes) if axes else with_fields(study, fields)
    return dataclasses.replace(study, **late)


def _until(given: dict[str, Any]) -> "Until | None":
    """The question that decides how many seeds there are, or none."""
    from engine.looks import Until

    names = {name for name in _UNTIL_FLAGS if name in given}
    if "until" in given:
        numbers = {name: given[name] for name in names - {"until"}}
        return Until(given["until"], **numbers)
    if names:
        raise InputError(f"--{min(names)} has no effect without --until")
    return None


def _run(values: flags.FlagValues) -> None:
    import engine

    if values["workers"].value != 0:
        _stay_off_the_device()
    study, given = _study(values), _given(values)
    engine.run(
        study,
        _required(values, "workdir"),
        until=_until(given),
        num_workers=given.get("workers"),
        width=given.get("width"),
        form=given.get("form"),
        is_tuned=bool(given.get("tune")),
        data_dir=given.get("data_dir"),
        cache_dir=given.get("compilation_cache"),
    )


def _stay_off_the_device() -> None:
    """Keeps the process that only plans and writes from taking an accelerator."""
    import jax

    jax.config.update("jax_platforms", "cpu")


def _report(values: flags.FlagValues) -> None:
    from engine.commands.report import report

    report(_required(values, "workdir"))


def _compare(values: flags.FlagValues) -> None:
    from engine.commands.compare import compare

    workdir, baseline = _required(values, "workdir"), _required(values, "baseline")
    compare(workdir, baseline, values["arm"].value, values["baseline_arm"].value)


def _plan(values: flags.FlagValues) -> None:
    from engine.commands.plan import plan

    given = _given(values)
    question = _required(values, "question")
    if "experiment" in given and "pilot" in given:
        raise InputError("--pilot and --experiment both say what a step costs: give one")
    _stay_off_the_device()
    plan(
        question,
        {name: given[name] for name in list(_QUESTION_FLAGS)[2:] if name in given},
        given.get("pilot"),
        _study(values) if "experiment" in given else None,
        given.get("data_dir"),
        given.get("compilation_cache"),
    )


def _list(values: flags.FlagValues) -> None:
    from engine.commands.listing import print_choices
    from experiments import EXPERIMENTS

    print_choices(EXPERIMENTS)


_VERBS: dict[str, tuple[Callable[[flags.FlagValues], None], str]] = {
    "run": (_run, "run a study, or what is missing of it, then report"),
    "report": (_report, "rebuild outcomes, summary, figures and page from the finished runs"),
    "compare": (_compare, "two studies against each other, paired where they share seeds"),
    "plan": (_plan, "how many seeds a question needs, and how long they would take"),
    "list": (_list, "experiments, models, data sources, optimisers and fields"),
}


_COST_FLAGS = {n: f for n, f in _STUDY_FLAGS.items() if n not in ("workdir", "workers", "form")}
# Flags of each verb; what a question and a study call alike is the question's.
_TABLES: dict[str, list[dict[str, tuple[type, str]]]] = {
    "run": [_STUDY_FLAGS, _UNTIL_FLAGS],
    "report": [{"workdir": _STUDY_FLAGS["workdir"]}],
    "compare": [_COMPARE_FLAGS],
    "plan": [_QUESTION_FLAGS, _COST_FLAGS],
    "list": [],
}
_TAKES_A_STUDY = ("run", "plan")


def _make_flags(verb: str) -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_bool("help", False, "show this", flag_values=values, short_name="h")
    for table in _TABLES[verb]:
        _define(values, table)
    if verb == "run":
        flags.DEFINE_bool("tune", None, _TUNE, flag_values=values)
    if verb in _TAKES_A_STUDY:
        flags.DEFINE_multi_string("sweep", None, _SWEEP, flag_values=values)
        _define_fields(values)
    return values


def _help(verb: str | None) -> str:
    """The help text of a verb, or of the program."""
    lines = [(__doc__ or "").strip(), ""]
    if verb is None:
        lines += [*(f"  {name:8} {doc}" for name, (_, doc) in _VERBS.items()), ""]
    shown = verb or "run"
    for table in _TABLES[shown]:
        lines += [f"  --{name}: {doc}; {_KINDS[kind]}" for name, (kind, doc) in table.items()]
    if shown == "run":
        lines += [f"  --tune: {_TUNE}"]
    if shown in _TAKES_A_STUDY:
        lines += [f"  --sweep={_SWEEP} (repeated)", ""]
        lines += ["An arm; what is given holds for every arm of the experiment:"]
        from engine.study import choices

        lines += [f"  --{name}: {_describe(name, choices(name))}" for name in config.FIELDS]
    return "\n".join(lines)


def _describe(name: str, names: Sequence[str]) -> str:
    info, default = config.FIELDS[name], config.DEFAULTS[name]
    shown = info.unset if default is None else default
    if isinstance(default, tuple):
        shown = ",".join(map(str, default))
    elif isinstance(default, bool):
        shown = str(default).lower()
    unit = f", in {info.unit}" if info.unit else ""
    listed = f": {', '.join(names)}" if names else ""
    return f"{info.doc}{unit}{listed} (default: {shown}; {_PARTS[info.part]})"


def main(argv: Sequence[str]) -> int:
    """Runs one command.

    Args:
        argv: the program's name and its arguments.

    Returns:
        0; 2 for input that is not usable; 1 for a failure inside; 130 after Ctrl-C.
    """
    words = list(argv[1:])
    has_verb = bool(words) and not words[0].startswith("-")
    verb = words.pop(0) if has_verb else "run"
    try:
        if verb not in _VERBS:
            raise unknown_name("verb", verb, _VERBS)
        values = _make_flags(verb)
        rest = values([argv[0], *words])[1:]
        if values["help"].value:
            print(_help(verb if has_verb else None))
            return 0
        if rest:
            raise InputError(f"unexpected argument {rest[0]!r}: expected --flag=value")
        if not argv[1:]:
            raise InputError("nothing to do: expected a verb or flags, see --help")
        _VERBS[verb][0](values)
    except (InputError, flags.Error) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; finished runs are stored, the same command goes on", file=sys.stderr)
        return 130
    except WorkerFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def console() -> None:
    """Entry point of the `plateau` command."""
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    console()
