"""Arms: one full configuration of a training, without its seed.

An arm names its choices (data, network, initial scheme, optimiser, schedule) and holds the options that these
choices own. Whether an option shapes the compiled program decides which arms share one.
"""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, unknown_name
from ..user_code import canonical, is_reference
from .choices import KINDS, all_options, kinds_of, options_of
from .given_arrays import place_of
from .options import EXPECTED, REQUIRED, Option, Part, declared_in, documented, option
from .references import reference_to

# Beyond this no size of a layer or a batch is meant; a file may say anything.
LARGEST_SIZE = 10**6
# What an arm has in place of the names of choices that a trainer of the user's makes itself.
BY_TRAINER = "trainer"


@documented
@dataclasses.dataclass(frozen=True, init=False)
class Arm:
    """One configuration: names of choices, what every arm has, and the options of the choices.

    `Arm(model="mlp", dense_widths=(64,), optimizer="sgd", momentum=0.9)` makes one, and
    `arm.replace(momentum=0.5)` another. Every option is an attribute, `None` where it is not set:
    `engine.studies.study.resolve_arm` sets what the choices use, and refuses what has no effect.

    `model` can be a class or a function of a file of yours, or a module that was made of one, in place of its name;
    `dataset` can be arrays, `(inputs, targets)` or by name, which are kept in a file of the cache.
    The options of a choice are named by `plateau run --help --model=NAME`, and those of all by `--help=all`.

    Raises InputError where a name is unknown, or a value has the wrong type or is out of bounds.
    """

    dataset: str = option("digits", "source of the examples")
    control: str = option(
        "none", "what the examples lose on purpose, to see what is learned without", choices=".tasks.controls:CONTROLS"
    )
    model: str = option(
        "cnn8", "network: a name, or path/to/file.py:NAME or package.module:NAME for a network of your own"
    )
    model_args: tuple[str, ...] = option((), "argument of your own network, name=value", most=1000, flag="model_arg")
    init: str | None = option(
        None,
        "initial scheme of weights and biases",
        part="initial",
        unset="normal; as_written for a network of your own",
    )
    start_from: str | None = option(
        None,
        "file of weights, .safetensors or .npz, in whose values every run starts; what of the network is not there in "
        "the same shape, such as a new head, starts by the initial scheme",
        part="place",
        unset="everything starts by the initial scheme",
    )
    loss: str | None = option(
        None,
        "loss: a name, or path/to/file.py:NAME for your own function of outputs [batch, outputs] and targets, which "
        "returns [batch]",
        unset="cross-entropy for classes, squared error for values, or what belongs to the data",
    )
    metric: str | None = option(
        None,
        "what is measured besides the loss and accuracy: a name, or path/to/file.py:NAME for your own function of "
        "outputs [examples, outputs] and targets, which returns a number",
        unset="nothing",
    )
    optimizer: str = option(
        "adam",
        "optimiser: a name, or path/to/file.py:NAME for your own function of a learning rate, which returns an optax "
        "transformation",
    )
    optimizer_args: tuple[str, ...] = option(
        (), "argument of your own optimiser, name=value", most=1000, flag="optimizer_arg"
    )
    schedule: str = option("constant", "learning rate against the step number")
    trainer: str | None = option(
        None,
        "path/to/file.py:NAME for training of your own: a function that returns engine.Training(init, step, evaluate), "
        "in place of all of the above",
        unset="the engine's",
    )
    trainer_args: tuple[str, ...] = option(
        (), "argument of your own trainer, name=value", most=1000, flag="trainer_arg"
    )
    learning_rate: float = option(
        1e-3, "learning rate (its peak under a schedule)", part="hyperparam", minimum=0, maximum=1e6
    )
    batch_size: int = option(64, "examples in a mini-batch", minimum=1, maximum=LARGEST_SIZE)
    precision: str = option("float32", "number format of the arithmetic", choices=".training.precision:PRECISIONS")
    stream: bool = option(
        False,
        "keep the training data on the host and send them batch by batch, in one order for all runs (see --fix_order)",
    )
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __init__(self, *, options: Mapping[str, Any] | None = None, **values: Any) -> None:
        given = {**(options or {}), **values}
        if not isinstance(given.get("model"), str | os.PathLike | None):
            given["model"], typed = reference_to(given["model"])
            given["model_args"] = (*(COMMON["model_args"].check(given.get("model_args")) or ()), *typed)
        if not isinstance(given.get("dataset"), str | None):
            if given.get("dataset_dir") is not None:
                raise InputError("dataset_dir has no effect with arrays as dataset: give one of them")
            given |= {"dataset": "arrays", "dataset_dir": place_of(given["dataset"])}
        if hasattr(given.get("optimizer"), "update"):
            raise InputError(
                "optimizer is an optax object, which tells neither its name nor its numbers: expected its name and its "
                "options, such as optimizer='adamw', weight_decay=0.01, learning_rate=1e-3"
            )
        checked = {name: find_option(name).check(value) for name, value in given.items()}
        for name, common in COMMON.items():
            value = checked.pop(name, common.default)
            if value is None and common.default is not None:
                raise InputError(f"{name}=None: expected {EXPECTED[common.kind]}")
            object.__setattr__(self, name, value)
        set_ones = {name: checked[name] for name in sorted(checked) if checked[name] is not None}
        object.__setattr__(self, "options", set_ones)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in all_options():
            return self.options.get(name)
        raise AttributeError(f"an arm has no option {name!r}")

    def replace(self, **values: Any) -> "Arm":
        """Returns another arm, with other values of fields or options; `None` unsets an option."""
        if "dataset" in values and "options" not in values and "dataset_dir" not in values:
            # Another source of data lies elsewhere.
            values["dataset_dir"] = None
        if "optimizer" in values:
            values.setdefault("optimizer_args", ())
        return dataclasses.replace(self, **values)

    def __hash__(self) -> int:
        return hash((*(getattr(self, name) for name in COMMON), *self.options.items()))


COMMON = declared_in(Arm)


def find_option(name: str) -> Option:
    """Returns a declaration, of what every arm has or of a choice's option; raises InputError with the nearest name."""
    if name in COMMON:
        return COMMON[name]
    found = all_options()
    if name not in found:
        raise unknown_name("field", name, [*COMMON, *found])
    return found[name]


def field_names() -> list[str]:
    """Returns every name that an arm can be given."""
    return [*COMMON, *all_options()]


def used_options(arm: Arm, *kinds: str) -> dict[str, Option]:
    """Returns the options that the choices of an arm own, of all kinds or of some, by name."""
    found: dict[str, Option] = {}
    for kind in kinds or KINDS:
        choice = getattr(arm, kind)
        if choice is not None and arm.trainer is None:
            found |= options_of(kind, choice)
    return found


def fill_in(arm: Arm) -> Arm:
    """Returns the arm with every option that its choices own set.

    Raises InputError where a choice is unknown, an option is missing that must be given, or one has no effect.
    """
    used = {kind: used_options(arm, kind) for kind in KINDS}
    filled = {}
    for kind, options in used.items():
        for name, owned in options.items():
            value = arm.options.get(name, owned.default)
            if value is REQUIRED:
                unit = f" ({owned.unit})" if owned.unit else ""
                raise InputError(f"{kind}={getattr(arm, kind)} needs {name}: {owned.help}{unit}")
            filled[name] = value
    for name, value in arm.options.items():
        if name not in filled and not _is_off(all_options()[name], value):
            owner = ", ".join(
                f"{kind}={getattr(arm, kind) or ('none' if kind == 'metric' else 'that of the data')}"
                for kind in kinds_of(name)
            )
            raise InputError(f"{name}={value!r} has no effect with {owner}: leave it out, or choose what uses it")
    return arm.replace(options=filled)


def _is_off(option: Option, value: Any) -> bool:
    """Whether a value only says that nothing is wanted, as batch_norm=False does."""
    return option.part == "structure" and (not value or value == "none")


def with_reference(arm: Arm, field: str) -> Arm:
    """Returns the arm with a reference to the user's code in a field, if that holds one, in the form that is stored."""
    named = getattr(arm, field)
    return arm if named is None or not is_reference(named) else arm.replace(**{field: canonical(named, field)})


def without_options(arm: Arm, *kinds: str) -> Arm:
    """Returns the arm without the options that its choices of some kinds own, for other choices to follow."""
    owned = used_options(arm, *kinds)
    return arm.replace(options={n: v for n, v in arm.options.items() if n not in owned})


def values_of(arm: Arm, *parts: Part) -> dict[str, Any]:
    """Returns what an arm has set of some parts, by name; of a filled-in arm everything that has an effect."""
    values = {**{name: getattr(arm, name) for name in COMMON}, **arm.options}
    return {name: value for name, value in values.items() if find_option(name).part in parts}


def structure(arm: Arm) -> dict[str, Any]:
    """Returns what shapes the compiled program, and the names of its arguments: arms of equal structure share it."""
    return {**values_of(arm, "structure"), "hyperparams": tuple(values_of(arm, "hyperparam"))}


def places(arm: Arm) -> dict[str, Any]:
    """Returns where something is found."""
    return {name: place for name, place in values_of(arm, "place").items() if place is not None}


def identity_fields(arm: Arm) -> dict[str, Any]:
    """Returns what makes an arm this one and no other: all but its places."""
    return values_of(arm, "structure", "initial", "hyperparam")


def arm_of(name: str, fields: Mapping[str, Any], places: Mapping[str, Any] | None = None) -> Arm:
    """Returns the arm that `study.json` describes by the `fields` of its identity; without `places` it cannot be run.

    Raises InputError, with the arm's name, where a field does not exist or is not usable.
    """
    try:
        for field in fields:
            if find_option(field).part == "place":
                raise InputError(f"{field} is no part of the identity")
        return Arm(**fields, **(places or {}))
    except InputError as error:
        raise InputError(f"arm {name!r} of study.json: {error}") from None
