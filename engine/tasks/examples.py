"""Makes examples, as they were read, into the arrays of a task."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from engine.arms.arm import Arm
from engine.errors import InputError, one_line
from engine.tasks.reading import Reading, counted
from engine.tasks.splitting import HELD_OUT_FRACTION as _HELD_OUT_FRACTION
from engine.tasks.splitting import arrays_of, split_rows, strata_of, stratified_choice

# Names of training parts, and of held-out parts, of which the first that is there is used.
TRAINING_PARTS = ("train", "training")
HELD_OUT_PARTS = ("test", "testing", "val", "valid", "validation")

_LONGEST_NAME = 60
_ROWS_AT_ONCE = 1024
_CHANNELS = (1, 3)


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples in a fixed order: inputs `[num_examples, …]`, and targets as in `Targets`.

    `is_held_out` `[num_examples]` is `None` where a stratified choice is still to be made.
    """

    inputs: np.ndarray
    targets: np.ndarray
    class_names: Sequence[str] = ()
    is_held_out: np.ndarray | None = None


def make_arrays(arm: Arm, examples: Examples, reading: Reading) -> dict[str, np.ndarray]:
    """Returns training, evaluation and held-out arrays, with inputs scaled as the arm says."""
    targets = examples.targets
    if len(targets) < 2:
        found = "1 example" if len(targets) else "no examples"
        raise InputError(f"{found}: expected at least one to train on and one to hold out")
    strata = strata_of(targets) if targets.ndim == 2 else targets
    if examples.is_held_out is None:
        number = round(held_out_fraction(arm) * len(targets))
        held_out = stratified_choice(strata, number, "held_out")
    else:
        held_out = np.flatnonzero(examples.is_held_out)
    _check_parts(targets, held_out, examples.class_names)
    rows = split_rows(strata, held_out)
    reading.tell(_in_words(examples, len(rows.training), len(held_out)))
    scale = _make_scale(arm.scaling, examples.inputs, rows.training)
    return arrays_of(examples.inputs, targets, rows, scale)


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


def _in_words(examples: Examples, num_training: int, num_held_out: int) -> str:
    size = "×".join(map(str, examples.inputs.shape[1:]))
    about = f"{len(examples.class_names):,} classes"
    if examples.targets.ndim == 2:
        about = counted(examples.targets.shape[1], "value") + " to predict"
    return (
        f"{counted(len(examples.targets), 'example')} of {size} numbers, {about}: "
        f"{num_training:,} to train on, {num_held_out:,} held out"
    )


def held_out_fraction(arm: Arm) -> float:
    """Returns the share of examples that are never trained on, where the data do not say which."""
    return _HELD_OUT_FRACTION if arm.held_out_fraction is None else arm.held_out_fraction


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
            f"none of the {len(targets)} examples is {part}: expected more examples, or a {flag} --held_out_fraction"
        )
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


def _make_scale(scaling: str | None, inputs: np.ndarray, training: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    largest = {"bool": 1, "uint8": 2**8 - 1, "uint16": 2**16 - 1}.get(inputs.dtype.name)
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
    mean, deviation = _moments(inputs, training)
    return lambda values: ((values - mean) / deviation).astype(np.float32)


def _moments(inputs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
