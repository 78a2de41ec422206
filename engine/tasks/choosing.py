"""Which source of examples an arm means."""

import dataclasses
from typing import Any

from engine.arms.arm import COMMON, Arm, places
from engine.arms.choices import options_of
from engine.errors import InputError
from engine.tasks.augmentation import has_crop
from engine.tasks.places import kind_of_place

# They change batches and networks, and not the arrays.
_NOT_OF_ARRAYS = ("augment", "crop_padding", "gradient_noise")


def choose_source(arm: Arm) -> Arm:
    """Returns the arm with the source of its examples; where only a place is given, its content tells which."""
    if arm.dataset_dir is not None and arm.dataset == COMMON["dataset"].default:
        arm = dataclasses.replace(arm, dataset=kind_of_place(arm.dataset_dir))
    if arm.crop_padding is not None and not has_crop(arm.augment or "none"):
        raise InputError(f"crop_padding={arm.crop_padding} has no effect with augment={arm.augment or 'none'}")
    return arm


def source_of(arm: Arm) -> tuple[Any, ...]:
    """Returns everything that the arrays of a resolved arm depend on: arms with equal ones share them."""
    options = options_of("dataset", arm.dataset)
    values = {name: arm.options[name] for name in options if name in arm.options and name not in _NOT_OF_ARRAYS}
    return arm.dataset, arm.control, *sorted(values.items()), *places(arm).values()
