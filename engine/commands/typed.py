"""What was typed for a verb, as values."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from absl import flags

from ..arms.options import declared_in, owned
from ..errors import InputError, did_you_mean, unknown_name
from ..registry import Registry

T = TypeVar("T")

# Ranges of a sweep, each with an example.
_RANGES = {"log": "log:1e-5:1e-1:9", "linear": "linear:0:0.8:5"}
_MOST_VALUES = 1000
# What other tools call our flags.
_ELSEWHERE = {
    **dict.fromkeys(("lr", "eta", "step_size", "base_lr"), "learning_rate"),
    **dict.fromkeys(("lr_schedule", "lr_scheduler", "scheduler", "lr_scheduler_type"), "schedule"),
    **dict.fromkeys(("wd", "decay", "l2"), "weight_decay"),
    **dict.fromkeys(("bs", "batch", "minibatch", "per_device_train_batch_size"), "batch_size"),
    **dict.fromkeys(("eps", "adam_eps", "adam_epsilon"), "epsilon"),
    **dict.fromkeys(("net", "network", "arch", "architecture"), "model"),
    **dict.fromkeys(("data", "task"), "dataset"),
    **dict.fromkeys(("path", "train_dir", "data_path"), "dataset_dir"),
    **dict.fromkeys(("output", "out", "outdir", "out_dir", "output_dir", "logdir", "log_dir", "save_dir"), "workdir"),
    **dict.fromkeys(("steps", "num_steps", "max_steps", "iterations"), "horizon"),
    **dict.fromkeys(("num_train_epochs", "max_epochs"), "epochs"),
    **dict.fromkeys(("num_runs", "runs", "repeats", "trials", "replicates"), "seeds"),
    **dict.fromkeys(("seed", "rng", "random_state"), "root_seed"),
    **dict.fromkeys(("jobs", "n_jobs", "processes", "num_workers", "cpus"), "workers"),
    **dict.fromkeys(("augmentation", "transforms"), "augment"),
    **dict.fromkeys(("nonlinearity", "act"), "activation"),
    **dict.fromkeys(("dtype", "amp", "mixed_precision"), "precision"),
    **dict.fromkeys(("log", "logs", "file", "csv"), "curves"),
    **dict.fromkeys(("wandb", "mlflow", "trackio", "tracker", "report_to", "logger"), "track"),
}


def unknown_flag(name: str, values: flags.FlagValues) -> InputError:
    """Makes the error for a flag that a verb does not have, with the one that was probably meant."""
    word = name.lower().replace("-", "_")
    meant = _ELSEWHERE.get(word)
    if meant is not None and meant in values:
        return InputError(f"unknown flag --{name}; did you mean '--{meant}'?")
    known = [flag for flag in values if not flag.startswith("no")]
    hint = did_you_mean(f"--{word}", [f"--{flag}" for flag in known], cutoff=0.7)
    return InputError(f"unknown flag --{name}{hint or ': --help lists those that there are'}")


def required(values: flags.FlagValues, name: str) -> str:
    """Returns what was typed for a flag.

    Raises:
        InputError: nothing was.
    """
    value = values[name].value
    if not value:
        raise InputError(f"--{name} is missing: {values[name].help}")
    return str(value)


def given_flags(values: flags.FlagValues) -> dict[str, Any]:
    """Returns what was typed, by flag."""
    return {name: values[name].value for name in values if values[name].value is not None}


def given_for(owner: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was typed for the fields of a dataclass, by field."""
    typed = {name: option.flag or name for name, option in declared_in(owner).items()}
    return {name: given[flag] for name, flag in typed.items() if flag in given}


def given_owned(table: Registry, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was typed for options that entries of a table own."""
    return {name: given[name] for name in owned(table) if name in given}


def filled(make: Callable[..., T], given: Mapping[str, Any], **more: Any) -> T:
    """Makes a dataclass of what was typed for its fields, and of more."""
    assert isinstance(make, type)
    made: T = make(**given_for(make, given), **more)
    return made


def parse_numbers(name: str, text: str) -> list[float]:
    """Returns numbers with commas between them.

    Raises:
        InputError: one of them is none.
    """
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise InputError(f"--{name}={text}: expected numbers with commas between them, such as 50,30,20") from None


def parse_sweeps(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Returns `{field: values}` of `--sweep=field=v1,v2` and `--sweep=field=log:FIRST:LAST:NUMBER` flags.

    Raises:
        InputError: one of them cannot be read, or a field is there twice.
    """
    from ..arms.arm import field_names, find_option
    from ..studies.study import is_argument

    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, separator, listed = text.partition("=")
        if not separator or not listed:
            raise InputError(f"--sweep={text}: expected field=value,value,…")
        if name in axes:
            raise InputError(f"--sweep={text}: {name} is swept twice; put all values in one")
        if is_argument(name):
            axes[name] = _spread(text, listed, float)
            continue
        if name not in field_names():
            raise unknown_name("field to sweep", name, field_names())
        option = find_option(name)
        if option.most is not None:
            raise InputError(f"--sweep={text}: {name} is a list itself; write an experiment for it")
        axes[name] = [option.parse(value) for value in _spread(text, listed, option.kind)]
    return axes


def _spread(text: str, listed: str, kind: type) -> list[str]:
    """Returns the values of a sweep as text, those of a range evenly spread, to four digits and each once."""
    scale, *bounds = listed.split(":")
    if scale not in _RANGES or not bounds:
        return listed.split(",")
    if kind not in (int, float):
        raise InputError(f"--sweep={text}: {scale} spreads numbers, and this field has none: give values with commas")
    try:
        first, last, number = float(bounds[0]), float(bounds[1]), int(":".join(bounds[2:]))
    except (ValueError, IndexError):
        first, last, number = math.nan, math.nan, 0
    if not (2 <= number <= _MOST_VALUES and math.isfinite(first - last) and (scale != "log" or min(first, last) > 0)):
        above = " above 0" if scale == "log" else ""
        raise InputError(
            f"--sweep={text}: expected {scale}:FIRST:LAST:NUMBER with bounds{above} and 2 to {_MOST_VALUES} values, as "
            f"in {_RANGES[scale]}"
        )
    values = (np.geomspace if scale == "log" else np.linspace)(first, last, number).tolist()
    if kind is int:
        return list(dict.fromkeys(str(round(value)) for value in values))
    # Of the rounding of sums nothing remains beside zero, and bounds are as typed.
    texts = [f"{0.0 if abs(value) < 1e-9 * abs(last - first) else value:.4g}" for value in values]
    texts[0], texts[-1] = bounds[0], bounds[1]
    if len(set(texts)) < number:
        raise InputError(f"--sweep={text}: values so close are the same to four digits: give them with commas")
    return texts
