"""Which column is what: guessed from its name, unless the user says so."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import InputError, some_of, unknown_name
from .log_table import NoCurveError
from .options import ReadOptions

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_LOSS = {"loss", "losses", "nll", "xent", "crossentropy", "logloss", "objective", "cost", "ce"}
_ACCURACY = {"acc", "accuracy", "top1"}
_HELD_OUT = {
    "val", "valid", "validation", "eval", "evaluation", "test", "testing", "dev", "heldout", "holdout", "held", "vl",
}  # fmt: skip
_TRAIN = {"train", "training", "trainer", "tr", "fit"}
_FINE = {"step", "batch", "minibatch", "iter", "iteration", "running"}
_PLAIN = {
    "avg", "average", "mean", "total", "all", "value", "metric", "metrics", "log", "logs", "cross", "entropy", "top",
    "categorical", "sparse", "binary", "out", "vs", "iterations", "scalars", "classification", "cls",
}  # fmt: skip
_RATES = ({"lr"}, {"learning", "rate"}, {"learningrate"})
# What else the name of a learning rate may say: the optimiser, and which of its groups of parameters.
_OF_RATE = _TRAIN | {
    "current", "value", "optimizer", "optim", "opt", "adam", "w", "adamw", "sgd", "lion", "adafactor", "group", "param",
    "pg", "0",
}  # fmt: skip
# Most usual first. A name that says more than these words is none of them.
_STEPS = [
    "global step", "step", "steps", "iteration", "iterations", "iter", "iters", "update", "updates", "num updates",
    "num steps", "optimizer step", "batch", "batches", "it", "itr", "n iter", "batch idx", "niter",
]  # fmt: skip
_EPOCHS = ["epoch", "epochs", "current epoch", "epoch number"]
_INDICES = ["", "unnamed 0", "index", "row"]
_RUNS = [
    "run", "run id", "run name", "runid", "seed", "run seed", "trial", "trial id", "replicate", "replica", "repetition",
    "rep", "name",
]  # fmt: skip
_ARMS = [
    "arm", "group", "condition", "config", "variant", "treatment", "setting", "configuration", "experiment", "method",
]  # fmt: skip
# How the web page of Weights & Biases names columns: the run, then the metric, then its bound.
_OF_RUN = re.compile(r"(?P<run>.+) - (?P<metric>.+)", re.DOTALL)
_BOUNDS = ("__MIN", "__MAX")
# What columns of a step and a loss are called in a file without names.
NAMELESS = ["column 1", "column 2"]


class ColumnRoles(NamedTuple):
    """What the columns of a log are; an empty name where there is no such column.

    Attributes:
        losses: columns of the loss by the name of the run, where each run has its own; else one under an empty name.
        is_held_out: whether these are on held-out examples, because there are no others.
        run, arm: columns whose values name runs and groups.
    """

    step: str
    epoch: str
    losses: dict[str, str]
    is_held_out: bool
    accuracy: str = ""
    held_out_loss: str = ""
    held_out_accuracy: str = ""
    learning_rate: str = ""
    run: tuple[str, ...] = ()
    arm: tuple[str, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether every run has a column of its own."""
        return "" not in self.losses

    def used(self) -> set[str]:
        """Returns the columns that have a role and so cannot tell runs apart; a learning rate may."""
        single = {self.step, self.epoch, self.accuracy, self.held_out_loss, self.held_out_accuracy}
        return {*single, *self.losses.values(), *self.run, *self.arm} - {""}


def words_of(name: str) -> list[str]:
    """Splits a name into lower-case words: `trainLoss` and `train/loss` into `train` and `loss`."""
    return [word.lower() for word in _WORDS.findall(name)]


def find_roles(names: Sequence[str], options: ReadOptions, source: str) -> ColumnRoles:
    """Finds out what the columns of a log are; messages name the log `source`.

    Raises:
        NoCurveError: nothing looks like a loss.
        InputError: more than one column does, or a column that is asked for does not exist.
    """
    plain = [name for name in names if not name.endswith(_BOUNDS)]
    step = _asked(options.step_column, names, "step_column", source) or _most_usual(plain, _STEPS)
    left = [name for name in plain if name != step]
    epoch = _asked(options.epoch_column, names, "epoch_column", source) or _most_usual(left, _EPOCHS)
    if not step and not epoch:
        step = next((name for name in plain[:1] if " ".join(words_of(name)) in _INDICES), "")
        step = NAMELESS[0] if list(names) == NAMELESS else step
    run = _all_asked(options.run_column, names, "run_column", source)
    arm = _all_asked(options.arm_column, names, "arm_column", source)
    left = [name for name in plain if name not in {step, epoch, *run, *arm}]
    run = run or tuple(filter(None, [_most_usual(left, _RUNS)]))
    arm = arm or tuple(filter(None, [_most_usual(left, _ARMS)]))
    left = [name for name in left if name not in {*run, *arm}]
    losses, is_held_out = _losses(left, names, options, source)
    if "" not in losses:
        return ColumnRoles(step, epoch, losses, is_held_out)
    left = [name for name in left if name != losses[""]]
    accuracy = _asked(options.accuracy_column, names, "accuracy_column", source)
    accuracy = accuracy or _best_fit(left, _ACCURACY, is_held_out=False)
    held_out_loss = "" if is_held_out else _best_fit(left, _LOSS, is_held_out=True)
    held_out_accuracy = _best_fit(left, _ACCURACY, is_held_out=True)
    of_held_out = (held_out_loss, held_out_accuracy)
    return ColumnRoles(step, epoch, losses, is_held_out, accuracy, *of_held_out, _rate(left), run, arm)


def _asked(name: str | None, names: Sequence[str], flag: str, source: str) -> str:
    """Returns the column that the user names, or an empty name."""
    if name is not None and name not in names:
        shown = [one for one in names if not one.endswith(_BOUNDS)][:100]
        raise InputError(f"{source}: {unknown_name(flag, name, shown)}")
    return name or ""


def _all_asked(text: str | None, names: Sequence[str], flag: str, source: str) -> tuple[str, ...]:
    if text is None:
        return ()
    parts = [text] if text in names else map(str.strip, text.split(","))
    return tuple(_asked(name, names, flag, source) for name in parts)


def _most_usual(names: Sequence[str], known: Sequence[str]) -> str:
    """Returns the name that comes first among the known ones, whatever it says of training; or an empty one."""
    plain = [" ".join(word for word in words_of(name) if word not in _TRAIN) for name in names]
    return next((names[plain.index(words)] for words in known if words in plain), "")


class _Misfit(NamedTuple):
    """How badly a name fits, the smaller the better."""

    num_extra: int
    is_held_out: bool
    is_coarse: bool
    is_not_fine: bool
    is_not_training: bool


def _rank(names: Sequence[str], kind: set[str]) -> list[tuple[_Misfit, str]]:
    """Returns the names that fit a kind of metric, the best one first."""
    return sorted((misfit, name) for name in names if (misfit := _misfit(name, kind)) is not None)


def _misfit(name: str, kind: set[str]) -> _Misfit | None:
    """Returns how badly a name fits a kind of metric; `None` if it is of another kind."""
    words = set(words_of(name))
    if kind is _ACCURACY and {"top", "1"} <= words:
        words = words - {"1"} | {"top1"}
    if not words & kind and not (kind is _LOSS and {"cross", "entropy"} <= words):
        return None
    extra = words - kind - _HELD_OUT - _TRAIN - _FINE - _PLAIN - {"epoch"}
    return _Misfit(len(extra), bool(words & _HELD_OUT), "epoch" in words, not words & _FINE, not words & _TRAIN)


def _best_fit(names: Sequence[str], kind: set[str], is_held_out: bool) -> str:
    """Returns the name that fits best; an empty one where none does, or two do equally well."""
    fitting = [pair for pair in _rank(names, kind) if pair[0].is_held_out == is_held_out]
    is_tie = len(fitting) > 1 and fitting[0][0] == fitting[1][0]
    return fitting[0][1] if fitting and not is_tie else ""


def _rate(names: Sequence[str]) -> str:
    """Returns the name of the learning rate; an empty one where there is none, or several are as short."""
    lengths: dict[str, int] = {}
    for name in names:
        words = set(words_of(name))
        if any(rate <= words <= rate | _OF_RATE for rate in _RATES):
            lengths[name] = len(words)
    shortest = [name for name, length in lengths.items() if length == min(lengths.values())]
    return shortest[0] if len(shortest) == 1 else ""


def _losses(
    others: Sequence[str], names: Sequence[str], options: ReadOptions, source: str
) -> tuple[dict[str, str], bool]:
    """Returns columns of the loss, by run where each has its own; and whether they are on held-out examples."""
    asked = options.loss_column
    if asked is not None and asked in names and options.layout != "wide":
        misfit = _misfit(asked, _LOSS)
        return {"": asked}, misfit is not None and misfit.is_held_out
    of_runs = _columns_of_runs(others, asked)
    if of_runs:
        return of_runs, all(set(words_of(name.rsplit(" - ", 1)[-1])) & _HELD_OUT for name in of_runs.values())
    _asked(asked, names, "loss_column", source)
    if options.layout == "wide" or (options.layout is None and _are_numbered_runs(others)):
        return {name: name for name in others}, False
    ranked = _rank(others, _LOSS)
    if not ranked and list(names) in (NAMELESS[:1], NAMELESS):
        return {"": names[-1]}, False
    if not ranked:
        raise NoCurveError(
            f"{source}: no column is called like a loss: give --loss_column=NAME, or --layout=wide if "
            f"each column is a run; there are {some_of([repr(name) for name in names], 12)}"
        )
    alike = [repr(name) for misfit, name in ranked if misfit == ranked[0][0]]
    if len(alike) > 1:
        raise InputError(
            f"{source}: which column is the loss? {some_of(alike, 12)} could be: give one of them as --loss_column"
        )
    return {"": ranked[0][1]}, ranked[0][0].is_held_out


def _columns_of_runs(names: Sequence[str], asked: str | None) -> dict[str, str]:
    """Returns columns called `run - metric` by run, of the metric that is asked for or fits best."""
    by_metric: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for match in filter(None, map(_OF_RUN.fullmatch, names)):
        by_metric[match["metric"]][match["run"]] = match[0]
    metrics = [asked] if asked is not None else [metric for _, metric in _rank(list(by_metric), _LOSS)]
    return by_metric.get(metrics[0], {}) if metrics else {}


def _are_numbered_runs(names: Sequence[str]) -> bool:
    """Tells whether names differ in a number only, like `seed_0`, `seed_1`."""
    stems = {re.sub(r"\d+", "#", name) for name in names}
    if len(stems) != 1 or len(names) < 2:
        return False
    words = set(words_of(stem := stems.pop()))
    return "#" in stem and (not words or bool(words & (_LOSS | {"seed", "run", "trial", "rep", "replicate"})))
