"""Makes examples and their targets, as they were read, into the arrays of a task."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, counted, one_line
from ..losses import are_tokens
from .parts import PARTS, PackedShape, pack, to_array
from .reading import Reading
from .splitting import HELD_OUT_FRACTION, arrays_of, near_one, split_rows, strata_of, stratified_choice
from .targets import Targets

# Names of training parts, and of held-out parts, of which the first that is there is used.
TRAINING_PARTS = ("train", "training")
HELD_OUT_PARTS = ("test", "testing", "val", "valid", "validation")

_LARGEST = {"bool": 1, "uint8": 2**8 - 1, "uint16": 2**16 - 1}
_LONGEST_NAME = 60
_ROWS_AT_ONCE = 1024
_CHANNELS = (1, 3)


class Examples(NamedTuple):
    """Examples in a fixed order: inputs `[num_examples, …]` and targets.

    `is_held_out` `[num_examples]` is `None` where a stratified choice is still to be made, and `are_scaled`, for the
    last axis of the inputs, where all of it is to be scaled. `parts` says what inputs are made of that are several.
    """

    inputs: np.ndarray
    targets: np.ndarray
    class_names: Sequence[str]
    is_held_out: np.ndarray | None
    are_scaled: np.ndarray | None = None
    parts: PackedShape | None = None


def make_arrays(arm: Arm, examples: Examples, reading: Reading) -> dict[str, np.ndarray]:
    """Returns training, evaluation and held-out arrays, with inputs scaled as the arm says."""
    is_standardised = arm.target_scaling == "standard"
    targets = examples.targets
    if targets.ndim == 2 and not is_standardised and not are_tokens(targets):
        targets = _in_single_precision(targets)
    if len(targets) < 2:
        found = "1 example" if len(targets) else "no examples"
        raise InputError(f"{found}: expected at least one to train on and one to hold out")
    strata = (
        np.zeros(len(targets), int) if are_tokens(targets) else strata_of(targets) if targets.ndim == 2 else targets
    )
    if examples.is_held_out is None:
        number = round(held_out_fraction(arm) * len(targets))
        held_out = stratified_choice(strata, number, "held_out")
    else:
        held_out = np.flatnonzero(examples.is_held_out)
    _check_parts(targets, held_out, examples.class_names)
    rows = split_rows(strata, held_out)
    reading.tell(_in_words(examples, len(rows.training), len(held_out), bool(arm.reconstruct)))
    if is_standardised:
        targets = _standardised(targets, rows.training, reading)
    scale = make_scale(arm.scaling, examples.inputs, rows.training, examples.are_scaled)
    arrays = arrays_of(examples.inputs, targets, rows, scale)
    return arrays if examples.parts is None else arrays | {PARTS: to_array(examples.parts)}


def arrays_of_several(
    arm: Arm,
    inputs: Mapping[str, np.ndarray],
    targets: Targets,
    is_held_out: np.ndarray | None,
    reading: Reading,
    are_scaled: Mapping[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Returns the arrays of several inputs, `[num_examples, …]` each, by the names by which a network takes them.

    Images of 8 or 16 bits are divided by the largest value of their type, unless the arm says how to scale; other whole
    numbers are never scaled. Inputs that `are_scaled` names are standardised unless the arm says how, where it is set.
    """
    made, masks, asked = {}, [], are_scaled or {}
    for name, array in inputs.items():
        largest = _LARGEST.get(array.dtype.name) if array.ndim > len(("example", "position")) else None
        pixels = array.astype(np.float32)
        made[name] = array if largest is None else pixels / np.float32(largest) if arm.scaling is None else pixels
        is_free = made[name].dtype.kind == "f" and arm.scaling is not None
        masks.append(asked.get(name, np.full(int(np.prod(array.shape[1:])), is_free)))
    flat, parts = pack(made)
    scaled = arm.replace(scaling="standard") if asked and arm.scaling is None else arm
    return make_arrays(scaled, Examples(flat, *targets, is_held_out, np.concatenate(masks), parts), reading)


def _standardised(targets: np.ndarray, training: np.ndarray, reading: Reading) -> np.ndarray:
    if np.issubdtype(targets.dtype, np.integer):
        kind = "classes" if targets.ndim == 1 else "tokens"
        raise InputError(f"target_scaling=standard needs values to predict: these targets are {kind}")
    values, exponent = near_one(targets)
    mean, deviation = moments(values, training)
    reading.caution(
        f"the targets are standardised: a loss of 1 is an error (root mean square) of "
        f"{_extent(np.ldexp(deviation, exponent))} in their unit, and 0 stands for {_extent(np.ldexp(mean, exponent))}"
    )
    return ((values - mean) / deviation).astype(np.float32)


def _extent(values: np.ndarray) -> str:
    low, high = (f"{value:.3g}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high} (by target)"


def _in_single_precision(targets: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = targets.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise InputError(
            f"the targets are beyond {np.finfo(np.float32).max:.2g} in {counted(len(bad), 'row')}, the first of them "
            f"{bad[0]}, which has no place in single precision: give --target_scaling=standard"
        )
    return values


def with_channels(inputs: np.ndarray, channels: str | None, reading: Reading) -> np.ndarray:
    """Returns inputs `[num_examples, …]`, where they are images with an axis of channels at the end.

    Pixels of 8 or 16 bits without such an axis are grey images, unless `channels` says otherwise. One or three channels
    before height and width move to the end. Single numbers get an axis.
    """
    is_pixels = inputs.dtype in (np.uint8, np.uint16)
    if inputs.ndim == 1:
        return inputs[:, None]
    if inputs.ndim == 3 and (channels == "grey" or (channels is None and is_pixels)):
        return inputs[..., None]
    if inputs.ndim == 4 and inputs.shape[1] in _CHANNELS and inputs.shape[3] not in _CHANNELS:
        reading.tell(f"images of shape {list(inputs.shape[1:])} have their channels first: turned")
        inputs = np.moveaxis(inputs, 1, -1)
    number = {"grey": 1, "colour": 3}.get(channels or "")
    if number is not None and (inputs.ndim != 4 or inputs.shape[-1] != number):
        raise InputError(
            f"channels={channels} needs inputs [examples, height, width, {number}]: these are {list(inputs.shape)}"
        )
    return inputs


def _in_words(examples: Examples, num_training: int, num_held_out: int, is_given_back: bool) -> str:
    size = "×".join(map(str, examples.inputs.shape[1:]))
    if examples.parts is not None:
        size = f"{' and '.join(part.name for part in examples.parts.parts)}, together {size}"
    about = counted(len(examples.class_names), "class", "classes")
    if examples.targets.ndim == 2:
        kind = "token" if are_tokens(examples.targets) else "value"
        about = "to be given back" if is_given_back else counted(examples.targets.shape[1], kind) + " to predict"
    return (
        f"{counted(len(examples.targets), 'example')} of {size} {'number' if size == '1' else 'numbers'}, {about}: "
        f"{num_training:,} to train on, {num_held_out:,} held out"
    )


def held_out_fraction(arm: Arm) -> float:
    """Returns the share of examples that are never trained on, where the data do not say which."""
    return HELD_OUT_FRACTION if arm.held_out_fraction is None else arm.held_out_fraction


def refuse_fraction(arm: Arm, where: str) -> None:
    """Raises InputError where a fraction was requested, and the data say what is held out."""
    if arm.held_out_fraction is not None:
        raise InputError(
            f"held_out_fraction={arm.held_out_fraction} has no effect: {where} says which examples are held out"
        )


def _check_parts(targets: np.ndarray, held_out: np.ndarray, class_names: Sequence[str]) -> None:
    training = np.delete(targets, held_out, axis=0)
    if not len(held_out) or not len(training):
        part, flag = ("held out", "greater") if not len(held_out) else ("trained on", "smaller")
        raise InputError(
            f"of {counted(len(targets), 'example')} none is {part}: expected more examples, or a {flag} "
            f"--held_out_fraction"
        )
    if are_tokens(targets):
        if len(np.unique(training[training >= 0])) < 2:
            raise InputError("all tokens to train on are the same: there is nothing to learn")
        return
    if targets.ndim == 2:
        if not np.ptp(training, axis=0).any():
            raise InputError("all training targets are the same: there is nothing to learn")
        return
    counts = np.bincount(training, minlength=len(class_names))
    if len(counts) < 2:
        raise InputError("all examples are of one class: expected at least two classes")
    if not counts.all():
        name = class_names[int(np.argmin(counts))]
        number = int(np.sum(targets == np.argmin(counts)))
        raise InputError(
            f"class {one_line(name)[:_LONGEST_NAME]!r} has no training example, because all "
            f"{number} of it are held out: expected some to train on, or, where the data have no "
            f"held-out part of their own, a smaller --held_out_fraction"
        )


def make_scale(
    scaling: str | None, inputs: np.ndarray, training: np.ndarray, are_scaled: np.ndarray | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what scales rows as `scaling` says, by their type where it is `None`; `training` are rows of `inputs`.

    What `are_scaled` leaves out of the last axis is not standardised.
    """
    largest = _LARGEST.get(inputs.dtype.name)
    scaling = scaling or ("none" if largest is None else "unit")
    if scaling == "none":
        return lambda values: values.astype(np.float32)
    if scaling == "unit":
        if largest is None:
            raise InputError(
                f"scaling=unit needs inputs of 8 or 16 bits, whose largest value is known: these "
                f"are {inputs.dtype.name}; expected none or standard"
            )
        divisor = np.float32(largest)
        return lambda values: values.astype(np.float32) / divisor
    mean, deviation = moments(inputs, training)
    if are_scaled is not None:
        mean, deviation = np.where(are_scaled, mean, 0.0), np.where(are_scaled, deviation, 1.0)
    return lambda values: ((values - mean) / deviation).astype(np.float32)


def moments(inputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of each entry of the last axis, over everything else; 1 in place of 0."""
    sums = np.zeros((2, inputs.shape[-1]))
    parts = np.array_split(rows, -(-len(rows) // _ROWS_AT_ONCE))
    centre = inputs[rows[0]].reshape(-1, inputs.shape[-1])[0].astype(np.float64)
    number = len(rows) * max(1, int(np.prod(inputs.shape[1:-1])))
    for part in parts:
        values = inputs[part].reshape(-1, inputs.shape[-1]).astype(np.float64) - centre
        sums += values.sum(axis=0), (values**2).sum(axis=0)
    mean, square = sums / number
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    return mean + centre, np.where(deviation > 0, deviation, 1.0)
