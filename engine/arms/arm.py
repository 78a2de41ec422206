"""Arms: one full configuration of a training, without its seed.

`Arm` is the only description of what can be configured. The launcher makes a flag of every field,
`study.json` stores them, and the split into structure and hyperparameters decides which arms share
a compiled program.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from engine.arms.fields import FieldInfo, FieldType, Part, check, field_type, make_field, parse
from engine.errors import InputError, unknown_name

_OWN = "the optimiser's own"
# Beyond this no size of a layer or a batch is meant; a file may say anything.
_WIDEST = 10**6


@dataclasses.dataclass(frozen=True)
class Arm:
    """One configuration. Fields left at `None` are filled in, or refused, by `engine.studies`.

    Raises:
        InputError: a value has the wrong type or lies outside its bounds.
    """

    dataset: str = make_field("digits", "structure", "source of the examples")
    dataset_dir: str | None = make_field(
        None, "place", "your own data: a folder with one sub-folder of images per class, an .npz "
        "file, or a prepared tensorflow-datasets directory; alone it says which",
        unset="none",
    )  # fmt: skip
    image_size: tuple[int, ...] | None = make_field(
        None, "structure", "size to which images are brought: one number, or height,width",
        unit="pixels", minimum=1, maximum=4096,
        unset="theirs where all have one of at most 256×256, else 64×64", is_late=True
    )  # fmt: skip
    channels: str | None = make_field(
        None, "structure", "of the images", unset="colour where some image has any, else grey", is_late=True
    )
    resize: str | None = make_field(
        None, "structure", "how images of another shape are brought to the size", unset="crop", is_late=True
    )
    scaling: str | None = make_field(
        None, "structure", "of the inputs: unit divides by the largest value of their type, "
        "standard takes mean 0 and deviation 1 per channel over the training examples",
        unset="unit for images, none for other numbers", is_late=True
    )  # fmt: skip
    held_out_fraction: float | None = make_field(
        None, "structure", "share of the examples that are never trained on", minimum=1e-6,
        maximum=1, is_open=True, unset="0.2 where the data have no held-out part of their own",
        is_late=True,
    )  # fmt: skip
    input_arrays: tuple[str, ...] | None = make_field(
        None, "structure", "names of the arrays of inputs: training and, where there is one, "
        "held-out; or the feature", unset="guessed, and said", is_late=True
    )  # fmt: skip
    target_arrays: tuple[str, ...] | None = make_field(
        None, "structure", "the same of the targets", unset="guessed, and said", is_late=True
    )
    target_kind: str | None = make_field(
        None, "structure", "what targets are: classes, or values that are regressed on",
        unset="values where they are floating-point numbers, else classes", is_late=True
    )  # fmt: skip
    augment: str = make_field("none", "structure", "random changes of the training images", is_late=True)
    crop_padding: int | None = make_field(
        None, "structure", "how far a random crop moves an image at most", unit="pixels",
        minimum=1, maximum=4096, unset="an eighth of the shorter side", is_late=True
    )  # fmt: skip
    control: str = make_field(
        "none", "structure", "what the examples lose on purpose, to see what is learned without",
        is_late=True
    )  # fmt: skip
    task_seed: int = make_field(0, "structure", "seed of what the task itself draws", minimum=0, maximum=2**32 - 1)
    num_inputs: int | None = make_field(
        None, "structure", "numbers in an input that is drawn", minimum=1, maximum=4096,
        unset="32 of soft_committee, 20 of sparse_parity", is_late=True,
    )  # fmt: skip
    teacher_units: int | None = make_field(
        None, "structure", "hidden units of the committee that is imitated", minimum=1,
        maximum=1000, unset="2 where used", is_late=True,
    )  # fmt: skip
    parity_size: int | None = make_field(
        None, "structure", "inputs whose product is the target", minimum=1, maximum=4096,
        unset="3 where used", is_late=True,
    )  # fmt: skip
    modulus: int | None = make_field(
        None, "structure", "of the addition that is to be learned", minimum=2, maximum=500,
        unset="23 where used", is_late=True,
    )  # fmt: skip
    gradient_noise: float | None = make_field(
        None, "structure", "standard deviation of the noise on the gradient", minimum=0,
        maximum=1e6, unset="4.4721 where used",
    )  # fmt: skip
    slope: float | None = make_field(
        None, "structure", "of the line that is to be learned", minimum=1e-3, maximum=1e3,
        unset="1 where used", is_late=True,
    )  # fmt: skip
    model: str = make_field(
        "cnn8", "structure",
        "network: a name, or path/to/file.py:NAME or package.module:NAME of your own",
    )  # fmt: skip
    model_args: tuple[str, ...] = make_field(
        (), "structure", "argument of your own network, name=value",
        is_late=True, flag="model_arg",
    )  # fmt: skip
    conv_widths: tuple[int, ...] | None = make_field(
        None, "structure", "channels of the convolutions", minimum=1, maximum=_WIDEST, unset="16,16,32,32,32"
    )
    pool_after: tuple[int, ...] | None = make_field(
        None, "structure", "convolutions followed by 2×2 pooling, counted from 1", minimum=1,
        maximum=_WIDEST, unset="2,4",
    )  # fmt: skip
    dense_widths: tuple[int, ...] = make_field(
        (128, 64), "structure", "units of the hidden dense layers", minimum=1, maximum=_WIDEST
    )
    depth: int | None = make_field(
        None, "structure", "weights of a chain", minimum=1, maximum=100, unset="2 where used",
        is_late=True,
    )  # fmt: skip
    student_units: int | None = make_field(
        None, "structure", "hidden units of model=committee", minimum=1, maximum=_WIDEST,
        unset="2 where used", is_late=True,
    )  # fmt: skip
    embedding_width: int | None = make_field(
        None, "structure", "numbers at each position of model=transformer", minimum=1,
        maximum=_WIDEST, unset="128 where used", is_late=True,
    )  # fmt: skip
    attention_heads: int | None = make_field(
        None, "structure", "of model=transformer, which share the embedding's width", minimum=1,
        maximum=_WIDEST, unset="4 where used", is_late=True,
    )  # fmt: skip
    activation: str = make_field("relu", "structure", "non-linearity")
    batch_norm: bool = make_field(False, "structure", "normalise over the batch before activations")
    dropout: float = make_field(
        0.0, "structure", "share of hidden dense units dropped in training", minimum=0, maximum=1, is_open=True
    )
    precision: str = make_field("float32", "structure", "number format of the arithmetic")
    batch_size: int = make_field(64, "structure", "examples in a mini-batch", minimum=1, maximum=_WIDEST)
    stream: bool = make_field(
        False, "structure",
        "keep the training data on the host and send them batch by batch, in one order for all "
        "runs (see --fix_order)",
        is_late=True,
    )  # fmt: skip
    init: str | None = make_field(
        None, "initial", "initial scheme of weights and biases",
        unset="normal; as_written for a network of your own",
    )  # fmt: skip
    init_scale: float | None = make_field(
        None, "initial", "standard deviation of weights and biases under init=normal; every weight "
        "under init=constant", minimum=0, maximum=1e3, unset="0.05 where used",
    )  # fmt: skip
    optimizer: str = make_field("adam", "structure", "optimiser")
    nesterov: bool = make_field(False, "structure", "Nesterov's momentum, for sgd")
    schedule: str = make_field("constant", "structure", "learning rate against the step number")
    learning_rate: float = make_field(
        1e-3, "hyperparam", "learning rate (its peak under a schedule)", minimum=0, maximum=1e6
    )
    momentum: float | None = make_field(None, "hyperparam", "momentum", minimum=0, maximum=1, is_open=True, unset=_OWN)
    beta1: float | None = make_field(
        None, "hyperparam", "decay of the first moment", minimum=0, maximum=1,
        is_open=True, unset=_OWN,
    )  # fmt: skip
    beta2: float | None = make_field(
        None, "hyperparam", "decay of the second moment", minimum=0, maximum=1,
        is_open=True, unset=_OWN,
    )  # fmt: skip
    epsilon: float | None = make_field(
        None, "hyperparam", "added to the root of the second moment", minimum=0, maximum=1e3,
        unset=_OWN,
    )  # fmt: skip
    weight_decay: float | None = make_field(
        None, "hyperparam", "decoupled weight decay", minimum=0, maximum=1e3, unset=_OWN
    )
    warmup_steps: int | None = make_field(
        None, "hyperparam", "length of the linear rise from 0", unit="steps", minimum=0,
        maximum=1e9, unset="0 where used",
    )  # fmt: skip
    decay_steps: int | None = make_field(
        None, "hyperparam", "length of the decay after the rise", unit="steps", minimum=1,
        maximum=1e9, unset="required where used",
    )  # fmt: skip
    end_fraction: float | None = make_field(
        None, "hyperparam", "final learning rate over its peak", minimum=0, maximum=1,
        unset="0 where used",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name in FIELDS:
            object.__setattr__(self, name, check_value(name, getattr(self, name)))


FIELDS: dict[str, FieldInfo] = {f.name: f.metadata["info"] for f in dataclasses.fields(Arm)}
FIELD_TYPES: dict[str, FieldType] = {
    name: field_type(annotation) for name, annotation in typing.get_type_hints(Arm).items()
}
DEFAULTS: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(Arm)}


def check_value(name: str, value: Any) -> Any:
    """The value in the field's own type.

    Raises:
        InputError: there is no such field, or the value has the wrong type or is out of bounds.
    """
    if name not in FIELDS:
        raise unknown_name("field", name, FIELDS)
    return check(name, value, FIELDS[name], FIELD_TYPES[name])


def parse_value(name: str, text: str) -> Any:
    """The value that a person typed for a field: `parse_value("epsilon", "1e-8") == 1e-8`.

    Raises:
        InputError: as `check_value`; also where the text is not of the field's type.
    """
    if name not in FIELDS:
        raise unknown_name("field", name, FIELDS)
    return check_value(name, parse(name, text, FIELDS[name], FIELD_TYPES[name]))


def structure(arm: Arm) -> dict[str, Any]:
    """The fields that shape the compiled training program. Arms with equal structure share it."""
    return _fields_of(arm, "structure")


def arm_of(name: str, fields: Mapping[str, Any], places: Mapping[str, Any] | None = None) -> Arm:
    """The arm that `study.json` describes.

    Args:
        name: of the arm, for messages.
        fields: of its identity.
        places: where its data are found; without them the arm cannot be run.

    Raises:
        InputError: a field does not exist, or is not usable.
    """
    known = identity_fields(Arm())
    for field in fields:
        if field not in known:
            raise unknown_name(f"field in arm {name!r} of study.json", field, known)
    try:
        return Arm(**fields, **(places or {}))
    except InputError as error:
        raise InputError(f"arm {name!r} of study.json: {error}") from None


def places(arm: Arm) -> dict[str, Any]:
    """The fields that say where something is found."""
    return _fields_of(arm, "place")


def identity_fields(arm: Arm) -> dict[str, Any]:
    """The fields that make an arm this one and no other: all but its places."""
    return {name: getattr(arm, name) for name, info in FIELDS.items() if info.part != "place"}


def identities(arms: Mapping[str, Arm]) -> dict[str, dict[str, Any]]:
    """The fields that make the arms of a study these and no others, by arm.

    Late fields that have their default in every arm are left out: a study that was stored before
    there was such a field is the same study.
    """
    fields = {name: identity_fields(arm) for name, arm in arms.items()}
    unset = {
        name
        for name, info in FIELDS.items()
        if info.is_late and all(getattr(arm, name) == DEFAULTS[name] for arm in arms.values())
    }
    return {of: {name: value for name, value in found.items() if name not in unset} for of, found in fields.items()}


def _fields_of(arm: Arm, part: Part) -> dict[str, Any]:
    return {name: getattr(arm, name) for name, info in FIELDS.items() if info.part == part}


class Required:
    """Stands for a default that does not exist: the field must be given."""


REQUIRED = Required()


def fill_defaults(arm: Arm, owner: str, domain: tuple[str, ...], used: dict[str, Any]) -> dict[str, Any]:
    """Values for the fields of a domain, as one choice in that domain uses them.

    Args:
        arm: the arm as given.
        owner: the choice in words, e.g. `"optimizer=sgd"`.
        domain: the fields that choices of this kind may use.
        used: the fields that this choice uses, with its defaults; `REQUIRED` where it has none.

    Returns:
        A value for every field in `used`.

    Raises:
        InputError: a field of the domain is set but not used, or required but not set.
    """
    values = {}
    for name in domain:
        value = getattr(arm, name)
        if name not in used:
            if value != DEFAULTS[name]:
                raise InputError(f"{name}={value!r} has no effect with {owner}: leave it out, or choose what uses it")
        elif value is not None:
            values[name] = value
        elif used[name] is REQUIRED:
            unit = f" ({FIELDS[name].unit})" if FIELDS[name].unit else ""
            raise InputError(f"{owner} needs {name}: {FIELDS[name].doc}{unit}")
        else:
            values[name] = used[name]
    return values
