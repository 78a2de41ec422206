"""Which column is what: guessed from its name, unless a person says so."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.errors import InputError, some_of, unknown_name
from engine.logs.log_table import NoCurveError
from engine.logs.options import ReadOptions

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_LOSS = {"loss", "losses", "nll", "xent", "crossentropy", "logloss", "objective", "cost", "ce"}
_ACCURACY = {"acc", "accuracy", "top1"}
_HELD_OUT = {"val", "valid", "validation", "eval", "evaluation", "test", "testing", "dev"}
_HELD_OUT |= {"heldout", "holdout", "held", "vl"}
_TRAIN = {"train", "training", "trainer", "tr", "fit"}
_FINE = {"step", "batch", "minibatch", "iter", "iteration", "running"}
_COARSE = {"epoch"}
_PLAIN = {"avg", "average", "mean", "total", "all", "value", "metric", "metrics", "log", "logs"}
_PLAIN |= {"cross", "entropy", "categorical", "sparse", "binary", "top", "out", "vs", "iterations"}
_PLAIN |= {"scalars", "classification", "cls"}
# Most usual first. A name that says more than these words is none of them.
_STEPS = [
    ("global", "step"), ("step",), ("steps",), ("iteration",), ("iterations",), ("iter",),
    ("iters",), ("update",), ("updates",), ("num", "updates"), ("num", "steps"),
    ("optimizer", "step"),
    ("batch",), ("batches",), ("it",), ("itr",), ("n", "iter"), ("batch", "idx"), ("niter",),
]  # fmt: skip
_EPOCHS = [("epoch",), ("epochs",), ("current", "epoch"), ("epoch", "number")]
_INDICES = [(), ("unnamed", "0"), ("index",), ("row",)]
_RUNS = [
    ("run",), ("run", "id"), ("run", "name"), ("runid",), ("seed",), ("run", "seed"), ("trial",),
    ("trial", "id"), ("replicate",), ("replica",), ("repetition",), ("rep",), ("name",),
]  # fmt: skip
_ARMS = [
    ("arm",), ("group",), ("condition",), ("config",), ("variant",), ("treatment",), ("setting",),
    ("configuration",), ("experiment",), ("method",),
]  # fmt: skip
# How a web page of Weights & Biases names columns: the run, then the metric, then what of it.
_OF_RUN = re.compile(r"(?P<run>.+) - (?P<metric>.+)", re.DOTALL)
_BOUNDS = ("__MIN", "__MAX")
# What columns are called in a file without names: of a step and a loss, or of a loss.
NAMELESS = ["column 1", "column 2"]


class Roles(NamedTuple):
    """What the columns of a log are; an empty name where there is no such column.

    Attributes:
        step, epoch: of time.
        losses: of the curves, by the name of the run where each has a column of its own; else one,
            under an empty name.
        is_held_out: whether these are on held-out examples, for want of others.
        accuracy, held_out_loss, held_out_accuracy: of other curves, of long tables only.
        run, arm: columns whose values name runs and groups.
    """

    step: str
    epoch: str
    losses: dict[str, str]
    is_held_out: bool
    accuracy: str
    held_out_loss: str
    held_out_accuracy: str
    run: tuple[str, ...]
    arm: tuple[str, ...]

    @property
    def is_wide(self) -> bool:
        """Whether every run has a column of its own."""
        return "" not in self.losses

    def used(self) -> set[str]:
        """The columns that have a role."""
        single = {self.step, self.epoch, self.accuracy, self.held_out_loss, self.held_out_accuracy}
        return {*single, *self.losses.values(), *self.run, *self.arm} - {""}


def words_of(name: str) -> tuple[str, ...]:
    """A name in lower-case words, e.g. `("train", "loss")` of `trainLoss` and of `Loss/train`."""
    return tuple(word.lower() for word in _WORDS.findall(name))


def find_roles(names: Sequence[str], options: ReadOptions, source: str) -> Roles:
    """What the columns of a log are.

    Args:
        names: of the columns.
        options: what is known of them.
        source: of the log, for messages.

    Raises:
        NoCurveError: nothing looks like a loss.
        InputError: more than one column does, or a column that is asked for does not exist.
    """
    plain = [name for name in names if not name.endswith(_BOUNDS)]
    step = _asked(options.step_column, names, "step_column", source)
    epoch = _asked(options.epoch_column, names, "epoch_column", source)
    step = step or _first_of(plain, _STEPS)
    epoch = epoch or _first_of([name for name in plain if name != step], _EPOCHS)
    if not step and not epoch:
        step = next((n for n in plain[:1] if words_of(n) in _INDICES), "")
        step = NAMELESS[0] if list(names) == NAMELESS else step
    run = _listed(options.run_column, names, "run_column", source)
    arm = _listed(options.arm_column, names, "arm_column", source)
    taken = {step, epoch, *run, *arm}
    if not run:
        run = tuple(filter(None, [_first_of([n for n in plain if n not in taken], _RUNS)]))
    if not arm:
        arm = tuple(filter(None, [_first_of([n for n in plain if n not in taken], _ARMS)]))
    others = [name for name in plain if name not in {step, epoch, *run, *arm}]
    losses, is_held_out = _losses(others, names, options, source)
    left = [name for name in others if name not in losses.values()]
    if len(losses) > 1 or "" not in losses:
        return Roles(step, epoch, losses, is_held_out, "", "", "", (), ())
    accuracy = _asked(options.accuracy_column, names, "accuracy_column", source)
    held_out_loss = "" if is_held_out else _metric(left, _LOSS, is_held_out=True)
    held_out_accuracy = _metric(left, _ACCURACY, is_held_out=True)
    accuracy = accuracy or _metric(left, _ACCURACY, is_held_out=False)
    return Roles(step, epoch, losses, is_held_out, accuracy, held_out_loss, held_out_accuracy, run, arm)


def _asked(name: str | None, names: Sequence[str], flag: str, source: str) -> str:
    """A column that a person names; empty where none is."""
    if name is None:
        return ""
    if name not in names:
        shown = [one for one in names if not one.endswith(_BOUNDS)][:100]
        raise InputError(f"{source}: {unknown_name(flag, name, shown)}")
    return name


def _listed(text: str | None, names: Sequence[str], flag: str, source: str) -> tuple[str, ...]:
    """Columns that a person names, with commas between them."""
    if text is None:
        return ()
    if text in names:
        return (text,)
    return tuple(_asked(name.strip(), names, flag, source) for name in text.split(","))


def _first_of(names: Sequence[str], known: Sequence[tuple[str, ...]]) -> str:
    """The name that is the most usual of some, whatever it says of training."""
    ranks = []
    for i, name in enumerate(names):
        words = tuple(word for word in words_of(name) if word not in _TRAIN)
        if words in known:
            ranks.append((known.index(words), i))
    return names[min(ranks)[1]] if ranks else ""


class _Rank(NamedTuple):
    """How well a name fits, the smaller the better."""

    num_extra: int
    is_held_out: bool
    is_coarse: bool
    is_not_fine: bool
    is_not_training: bool


def _rank(name: str, kind: set[str]) -> _Rank | None:
    """How well a name fits a kind of metric; `None` where not at all."""
    words = set(words_of(name))
    is_kind = bool(words & kind) or (kind is _LOSS and {"cross", "entropy"} <= words)
    if kind is _ACCURACY and {"top", "1"} <= words:
        is_kind, words = True, words - {"1"}
    if not is_kind:
        return None
    known = kind | _HELD_OUT | _TRAIN | _FINE | _COARSE | _PLAIN
    return _Rank(
        len(words - known), bool(words & _HELD_OUT), bool(words & _COARSE), not words & _FINE, not words & _TRAIN
    )


def _metric(names: Sequence[str], kind: set[str], is_held_out: bool) -> str:
    """The name that fits best; empty where none does, or where two fit equally well."""
    ranked = [(rank, name) for name in names if (rank := _rank(name, kind)) is not None]
    fitting = sorted(pair for pair in ranked if pair[0].is_held_out == is_held_out)
    if not fitting or (len(fitting) > 1 and fitting[0][0] == fitting[1][0]):
        return ""
    return fitting[0][1]


def _losses(
    others: Sequence[str], names: Sequence[str], options: ReadOptions, source: str
) -> tuple[dict[str, str], bool]:
    """Columns of the loss, by run where each has its own; and whether they are on held-out data."""
    asked = options.loss_column
    if asked is not None and asked in names and options.layout != "wide":
        rank = _rank(asked, _LOSS)
        return {"": asked}, rank is not None and rank.is_held_out
    of_runs = _columns_of_runs(others, asked)
    if of_runs:
        return of_runs, all(_is_held_out(name) for name in of_runs.values())
    if asked is not None:
        _asked(asked, names, "loss_column", source)
    if options.layout == "wide":
        return {name: name for name in others}, False
    numbered = _numbered(others) if options.layout is None else []
    if numbered:
        return {name: name for name in numbered}, False
    ranked = sorted((rank, name) for name in others if (rank := _rank(name, _LOSS)) is not None)
    if not ranked:
        return {"": _only_loss(others, names, source)}, False
    alike = [name for rank, name in ranked if rank == ranked[0][0]]
    if len(alike) > 1:
        raise InputError(
            f"{source}: which column is the loss? {_some(alike)} could be: give one of them as --loss_column"
        )
    return {"": alike[0]}, ranked[0][0].is_held_out


def _is_held_out(name: str) -> bool:
    return bool(set(words_of(name.rsplit(" - ", 1)[-1])) & _HELD_OUT)


def _columns_of_runs(names: Sequence[str], asked: str | None) -> dict[str, str]:
    """Columns like `run - loss` by run, of the metric that is asked for or fits best."""
    by_metric: dict[str, dict[str, str]] = {}
    for name in names:
        match = _OF_RUN.fullmatch(name)
        if match is not None:
            by_metric.setdefault(match["metric"], {})[match["run"]] = name
    if asked is not None:
        return by_metric.get(asked, {})
    ranked = sorted((rank, m) for m in by_metric if (rank := _rank(m, _LOSS)) is not None)
    return by_metric[ranked[0][1]] if ranked else {}


def _numbered(names: Sequence[str]) -> list[str]:
    """Names that differ in a number only, like `seed_0`, `seed_1`, where there are no others."""
    stems = {re.sub(r"\d+", "#", name) for name in names}
    is_numbered = len(stems) == 1 and "#" in next(iter(stems)) and len(names) > 1
    words = set(words_of(next(iter(stems)))) if is_numbered else set()
    is_of_runs = not words or bool(words & (_LOSS | {"seed", "run", "trial", "rep", "replicate"}))
    return list(names) if is_numbered and is_of_runs else []


def _only_loss(others: Sequence[str], names: Sequence[str], source: str) -> str:
    """The only column of a file without names; else there is no loss."""
    if list(names) in (NAMELESS[:1], NAMELESS):
        return names[-1]
    raise NoCurveError(
        f"{source}: no column is called like a loss: give --loss_column=NAME, or --layout=wide if "
        f"each column is a run; there are {_some(names)}"
    )


def _some(names: Iterable[str]) -> str:
    return some_of([repr(name) for name in names], 12)
