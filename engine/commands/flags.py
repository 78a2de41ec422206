"""Flags of every verb: what can be typed, how it is read, and how it is described."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from engine.arms.arm import Arm, field_names, find_option
from engine.arms.flags import define_arm_flags, describe_arm_flags
from engine.errors import InputError, unknown_name
from engine.training.probes.registry import ALL, DIAGNOSTICS

_STUDY_FLAGS: dict[str, tuple[type, str]] = {
    "experiment": (
        str,
        "name of the experiment, see `list`; or a file of your own, path/to/file.py, with a "
        "function study() that returns an engine.Study, or path/to/file.py:function",
    ),
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
    "stop": (
        str,
        "when a run ends: horizon, or settled: as soon as its outcome is clear, and what it learns "
        "carries over to held-out examples",
    ),
    "diagnostics": (
        str,
        f"what to measure while a run waits: {ALL}, or {', '.join(DIAGNOSTICS)} with commas "
        "between them (default: the experiment's, or nothing)",
    ),
    "diagnostics_every": (int, "steps between these measurements: 1, 2, 4 or 8 times eval_every (default: 4 times)"),
    "root_seed": (int, "seed from which every random stream is derived (default: 0)"),
    "workers": (int, "processes (default: one per core or accelerator; 0: none but this one)"),
    "checkpoint_every": (
        float,
        "seconds between checkpoints of the runs under way (default: 60, or more where they are expensive)",
    ),
    "width": (int, "lanes of a worker (default: by a rule per model and device)"),
    "form": (str, "of the convolutions: direct, patches or native (default: by kind of device)"),
    "data_dir": (str, "where prepared data sets are kept (default: ~/tensorflow_datasets)"),
    "compilation_cache": (str, "where compiled programs are kept (default: in ~/.cache)"),
}
UNTIL_FLAGS: dict[str, tuple[type, str]] = {
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
_DIAGNOSE_FLAGS: dict[str, tuple[type, str]] = {
    "minutes": (
        float,
        "for all of it, the report included: they choose seeds and horizon, where these are not given (default: 10)",
    ),
    "arm": (str, "of the experiment, the one to diagnose (default: its baseline, or its first)"),
}
_COMPARE_FLAGS: dict[str, tuple[type, str]] = {
    "workdir": (str, "directory of the one study"),
    "baseline": (str, "directory of the other"),
    "arm": (str, "arm of the one study (default: every arm that both have)"),
    "baseline_arm": (str, "arm of the other (default: the one of the same name)"),
}
_VERIFY_FLAGS: dict[str, tuple[type, str]] = {
    "workdir": (str, "directory of the study; nothing in it is changed"),
    "runs": (int, "finished runs that are drawn at random and run again (default: 8)"),
    "seed": (int, "of the drawing (default: 0)"),
    "margin": (
        float,
        "where bits differ, the largest difference of distributions that does not matter: of the "
        "restricted mean of the wait as a share of it, and of the share of runs with the event "
        "(default: 0.1)",
    ),
    "dataset_dir": (str, "where the data are now (default: where they were)"),
    "output": (str, "file for the result as JSON, outside of the study"),
}
_CURVES = (
    "file, folder or pattern of logs: CSV, JSON lines, TensorBoard, Weights & Biases, Keras, "
    "Lightning; with NAME= before it for a group of runs (repeated)"
)
_CHANCE_FLAGS: dict[str, tuple[type, str]] = {
    "classes": (int, "how many there are, equally frequent: guessing costs their logarithm"),
    "class_counts": (str, "training examples of every class, as in 50,30,20, where they differ"),
    "chance_loss": (float, "loss of the best constant prediction, in the unit of the curves"),
}
# Fields of `engine.logs.ReadOptions`.
_LOG_FLAGS: dict[str, tuple[type, str]] = {
    "step_column": (str, "column, or tag, of the step"),
    "epoch_column": (str, "column of the epoch, where there is no step"),
    "loss_column": (str, "column of the training loss; of a metric where each run has a column"),
    "accuracy_column": (str, "column of the training accuracy"),
    "run_column": (str, "column that tells runs apart, or several with commas between them"),
    "arm_column": (str, "column that groups runs, or several with commas between them"),
    "layout": (str, "`long`: one row per run and step, or `wide`: one column per run"),
    "steps_per_epoch": (int, "steps in a pass over the data: times are then in epochs"),
    "first_epoch": (int, "what the log calls its first epoch, 0 or 1"),
    "restarts": (
        str,
        "where the step goes back, `replace`: what follows takes the place of what was there, or "
        "`separate`: another run begins",
    ),
    "delimiter": (str, "between the cells of a CSV file"),
    "decimal": (str, "sign in the numbers of a CSV file, . or ,"),
}
_READ_FLAGS: dict[str, tuple[type, str]] = {
    "average": (int, "consecutive points that are averaged first, for noisy losses (default: 1)"),
    "baseline": (str, "arm that the others are compared with (default: the first)"),
    "workdir": (str, "directory for rows and report (default: nothing is written)"),
}
LOG_FIELDS = tuple(_LOG_FLAGS)
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
STUDY_FIELDS = (
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
    "diagnostics",
    "diagnostics_every",
    "root_seed",
)
_LIST_FLAGS: dict[str, tuple[type, str]] = {
    "experiments": (str, "folder of experiment files (default: the current one, and `experiments` in it)")
}
LIVE_SECONDS = 30.0
WANDB_RUNS = 20
_TENSORBOARD = "write event files to <workdir>/tensorboard: arms first, and every run"
_LIVE = (
    "keep report.html up to date while the study runs; --live=SECONDS between two states (default: "
    "30, or more where they are expensive)"
)
_WANDB = "tell Weights & Biases of every arm and of the first runs; needs `pip install wandb`"
_WANDB_RUNS = "single runs of which it is told, by seed and then by arm (default: 20)"
_SWEEP = "field=v1,v2,… or model_arg.name=v1,v2,…: one arm per value; several make a grid"
_MODEL_ARG = "model_arg."
_OWN_CODE = "run the network's own code that the study names; only for a study that you trust"
_ALL = "run every finished run again"
_TUNE = "choose width and form by measuring on this machine; kept with the study"
_KINDS: dict[type, str] = {int: "an integer", float: "a number", str: "text", bool: "true or false"}


class _IntegerParser(flags.IntegerParser):
    """As absl's, with an error for people."""

    def convert(self, argument: Any) -> int:
        return int(_converted(super().convert, argument, int))


class _FloatParser(flags.FloatParser):
    """As absl's, with an error for people."""

    def convert(self, argument: Any) -> float:
        return float(_converted(super().convert, argument, float))


def _converted(convert: Callable[[Any], Any], argument: Any, kind: type) -> Any:
    try:
        return convert(argument)
    except (TypeError, ValueError):
        raise ValueError(f"expected {_KINDS[kind]}") from None


class _LiveParser(flags.ArgumentParser):
    """Parses a flag that may stand alone or have seconds."""

    syntactic_help = ""

    def parse(self, argument: Any) -> float | None:
        text = str(argument).lower()
        if text in ("true", "false"):
            return LIVE_SECONDS if text == "true" else None
        try:
            return float(text)
        except ValueError:
            raise ValueError("expected seconds, such as 30") from None

    def flag_type(self) -> str:
        return "seconds"


def _define(values: flags.FlagValues, table: Mapping[str, tuple[type, str]]) -> None:
    parsers: dict[type, type[flags.ArgumentParser]] = {
        int: _IntegerParser,
        float: _FloatParser,
        str: flags.ArgumentParser,
    }
    for name, (kind, doc) in table.items():
        flags.DEFINE(parsers[kind](), name, None, doc, flag_values=values)


def required(values: flags.FlagValues, name: str) -> str:
    """What was typed for a flag.

    Raises:
        InputError: nothing was.
    """
    value = values[name].value
    if not value:
        raise InputError(f"--{name} is missing: {values[name].help}")
    return str(value)


def given_flags(values: flags.FlagValues) -> dict[str, Any]:
    """What was typed."""
    return {name: values[name].value for name in values if values[name].value is not None}


def parse_numbers(name: str, text: str) -> list[float]:
    """Numbers with commas between them.

    Raises:
        InputError: one of them is none.
    """
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise InputError(f"--{name}={text}: expected numbers with commas between them, such as 50,30,20") from None


def parse_names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def parse_sweeps(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`{field: values}` of `--sweep=field=v1,v2` flags.

    Raises:
        InputError: one of them cannot be read, or a field is there twice.
    """
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, separator, listed = text.partition("=")
        if not separator or not listed:
            raise InputError(f"--sweep={text}: expected field=value,value,…")
        if name.startswith(_MODEL_ARG) and name not in axes:
            axes[name] = listed.split(",")
            continue
        if name not in field_names():
            raise unknown_name("field to sweep", name, field_names())
        option = find_option(name)
        if option.most is not None:
            raise InputError(f"--sweep={text}: {name} is a list itself; write an experiment for it")
        if name in axes:
            raise InputError(f"--sweep={text}: {name} is swept twice; put all values in one")
        axes[name] = [option.parse(value) for value in listed.split(",")]
    return axes


QUESTION_NUMBERS = [name for name in _QUESTION_FLAGS if name not in ("question", "pilot")]
_COST_NAMES = ("experiment", "horizon", "epochs", "eval_every", "data_dir", "compilation_cache")
_COST_FLAGS = {name: _STUDY_FLAGS[name] for name in _COST_NAMES}
# What a diagnosis decides itself.
_OF_DESIGNS = ("baseline", "design", "init_seeds", "order_seeds", "forks", "fork_step", "stop")
_DIAGNOSED = {name: entry for name, entry in _STUDY_FLAGS.items() if name not in _OF_DESIGNS}
# Flags of each verb; what a question and a study call alike is the question's.
_TABLES: dict[str, list[dict[str, tuple[type, str]]]] = {
    "run": [_STUDY_FLAGS, UNTIL_FLAGS],
    "diagnose": [_DIAGNOSE_FLAGS, _DIAGNOSED],
    "report": [{"workdir": _STUDY_FLAGS["workdir"]}],
    "compare": [_COMPARE_FLAGS],
    "plan": [_QUESTION_FLAGS, _COST_FLAGS],
    "verify": [_VERIFY_FLAGS, {name: _STUDY_FLAGS[name] for name in ("workers", "data_dir", "compilation_cache")}],
    "read": [_CHANCE_FLAGS, _READ_FLAGS, _LOG_FLAGS],
    "list": [_LIST_FLAGS],
}
_TAKES_A_STUDY = ("run", "plan", "diagnose")
_TRAINS = ("run", "diagnose")
_SWEEPS = ("run", "plan")


def make_flags(verb: str) -> flags.FlagValues:
    """The flags of a verb, before anything is read."""
    values = flags.FlagValues()
    flags.DEFINE_bool("help", False, "show this", flag_values=values, short_name="h")
    for table in _TABLES[verb]:
        _define(values, table)
    if verb == "run":
        flags.DEFINE_bool("tune", None, _TUNE, flag_values=values)
    if verb in _TRAINS:
        live = flags.Flag(_LiveParser(), None, "live", None, _LIVE, boolean=True)
        flags.DEFINE_flag(live, flag_values=values)
        flags.DEFINE_bool("wandb", None, _WANDB, flag_values=values)
        flags.DEFINE_integer("wandb_runs", None, _WANDB_RUNS, flag_values=values)
    if verb in (*_TRAINS, "report"):
        flags.DEFINE_bool("tensorboard", None, _TENSORBOARD, flag_values=values)
    if verb == "read":
        flags.DEFINE_multi_string("curves", None, _CURVES, flag_values=values)
    if verb == "verify":
        flags.DEFINE_bool("all", None, _ALL, flag_values=values)
        flags.DEFINE_bool("own_code", None, _OWN_CODE, flag_values=values)
    if verb in _SWEEPS:
        flags.DEFINE_multi_string("sweep", None, _SWEEP, flag_values=values)
    if verb in _TAKES_A_STUDY:
        define_arm_flags(values)
    return values


def describe_flags(verb: str, arm: Arm) -> list[str]:
    """A line for every flag of a verb, with those of an arm's choices."""
    lines = [f"  --curves: {_CURVES}; text"] if verb == "read" else []
    for table in _TABLES[verb]:
        lines += [f"  --{name}: {doc}; {_KINDS[kind]}" for name, (kind, doc) in table.items()]
    if verb == "run":
        lines += [f"  --tune: {_TUNE}"]
    if verb in _TRAINS:
        lines += [f"  --live: {_LIVE}"]
    if verb in (*_TRAINS, "report"):
        lines += [f"  --tensorboard: {_TENSORBOARD}"]
    if verb in _TRAINS:
        lines += [f"  --wandb: {_WANDB}", f"  --wandb_runs: {_WANDB_RUNS}; an integer"]
    if verb == "verify":
        from engine.verification import VERDICTS

        lines += [f"  --all: {_ALL}", f"  --own_code: {_OWN_CODE}", "", "The exit code says what was found:"]
        codes = [*VERDICTS.values(), (1, "a failure inside"), (2, "what was given is not usable")]
        lines += [f"  {code}: {words}" for code, words in sorted(codes)]
    if verb in _SWEEPS:
        lines += [f"  --sweep={_SWEEP} (repeated)"]
    if verb in _TAKES_A_STUDY:
        lines += ["", *describe_arm_flags(arm)]
    return lines
