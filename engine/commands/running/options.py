"""How a study is run, as opposed to what is run: one object from the flags to the workers."""

import dataclasses
import math
import numbers
import os
import typing
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import InputError, unknown_name

# What `--live` and `--wandb` mean without a number.
LIVE_SECONDS = 30.0
WANDB_RUNS = 20
WANDB_HELP = "send every arm and the first runs to Weights & Biases; needs `pip install wandb`"


class Option(NamedTuple):
    """What the launcher says of an option, and what values it takes.

    Attributes:
        flag: its name on the command line; `None` where it has none.
        minimum, maximum: bounds, themselves allowed.
        is_positive: whether it must be above 0.
        unit: of the value, as messages name it.
    """

    help: str
    flag: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    is_positive: bool = False
    unit: str = ""

    def describe(self, kind: type) -> str:
        """Says in words which values are allowed."""
        if kind is int:
            end = "or more" if self.maximum is None else f"to {self.maximum}"
            return f"a whole number, {self.minimum} {end}"
        return "a positive number" if self.is_positive else f"at least {self.minimum:g} {self.unit}"


def option(default: Any, help: str, flag: str | None = None, **limits: Any) -> Any:
    """Declares a field of `RunOptions`; `limits` are further attributes of `Option`."""
    return dataclasses.field(default=default, metadata={"option": Option(help, flag, **limits)})


def default_cache_dir() -> Path:
    """Returns the folder of compiled programs that all launches share, by the XDG convention."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "plateau-engine" / "compiled"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a study is run; none of it is part of what the study is.

    With `num_workers=0` everything runs in this process, for debugging; if its backend has already
    started, its number of threads, and so the last bits, cannot be chosen any more.

    Raises:
        InputError: a value is out of bounds, or `is_tuned` is given with `width` or `form`.
    """

    num_workers: int | None = option(
        None, "processes (default: one per core or accelerator; 0: this process only)", flag="workers", minimum=0
    )
    width: int | None = option(
        None, "lanes per worker (default: by a rule per model and device)", flag="width", minimum=1, maximum=10**7
    )
    form: str | None = option(
        None, "how convolutions are computed: direct, patches or native (default: by kind of device)", flag="form"
    )
    is_tuned: bool = option(
        False, "choose width and form by measuring on this machine; kept with the study", flag="tune"
    )
    data_dir: str | None = option(
        None, "folder of prepared data sets (default: ~/tensorflow_datasets)", flag="data_dir"
    )
    cache_dir: str | None = option(None, "folder of compiled programs (default: in ~/.cache)", flag="compilation_cache")
    is_quiet: bool = option(False, "draw no progress bar")
    has_report: bool = option(True, "write the report at the end")
    checkpoint_every: float | None = option(
        None,
        "seconds between checkpoints of unfinished runs (default: 60, or more where they are expensive)",
        flag="checkpoint_every",
        is_positive=True,
    )
    live_every: float | None = option(
        None,
        "keep report.html up to date while the study runs; --live=SECONDS between updates (default: 30, or more "
        "where they are expensive)",
        flag="live",
        minimum=1,
        unit="second",
    )
    has_tensorboard: bool = option(
        False, "write event files to <workdir>/tensorboard: first arms, then every run", flag="tensorboard"
    )
    wandb_runs: int | None = option(
        None,
        "number of single runs sent to Weights & Biases, by seed and then by arm (default: 20)",
        flag="wandb_runs",
        minimum=0,
    )

    def __post_init__(self) -> None:
        for name, declared in OPTIONS.items():
            _check(declared.flag or name, getattr(self, name), declared, KINDS[name])
        if self.form is not None:
            from engine.models.lowering import FORMS

            if self.form not in FORMS:
                raise unknown_name("form", self.form, FORMS)
        if self.is_tuned and (self.width is not None or self.form is not None):
            raise InputError("tune chooses width and form: give neither with it")

    @property
    def cache(self) -> str:
        """Folder of compiled programs."""
        return str(self.cache_dir or default_cache_dir())

    def replace(self, changes: dict[str, Any]) -> "RunOptions":
        """Returns the options with some of them changed.

        Raises:
            InputError: there is no option of that name, or a value is out of bounds.
        """
        for name in changes:
            if name not in OPTIONS:
                raise unknown_name("option", name, OPTIONS)
        return dataclasses.replace(self, **changes)


def _check(name: str, value: Any, declared: Option, kind: type) -> None:
    if value is None or kind not in (int, float):
        return
    number = numbers.Integral if kind is int else numbers.Real
    is_number = isinstance(value, number) and not isinstance(value, bool) and math.isfinite(value)
    lowest = -math.inf if declared.minimum is None else declared.minimum
    highest = math.inf if declared.maximum is None else declared.maximum
    if not (is_number and lowest <= value <= highest and not (declared.is_positive and value <= 0)):
        raise InputError(f"{name}={value}: expected {declared.describe(kind)}")


# What is declared of every option, and the type of its value.
OPTIONS: dict[str, Option] = {f.name: f.metadata["option"] for f in dataclasses.fields(RunOptions)}
KINDS: dict[str, type] = {
    name: next((kind for kind in typing.get_args(hint) if kind is not type(None)), hint)
    for name, hint in typing.get_type_hints(RunOptions).items()
}
