"""Which source of examples an arm means, and which options go with it."""

import dataclasses
import importlib
import importlib.util
import re
from types import ModuleType
from typing import Any

from engine.arms.arm import DEFAULTS, Arm, fill_defaults, places
from engine.errors import InputError, unknown_name
from engine.tasks.augmentation import AUGMENTS, has_crop
from engine.tasks.controls import CONTROLS
from engine.tasks.places import kind_of_place
from engine.tasks.registry import TASKS

# Reads whatever tensorflow-datasets knows by name.
_NAMED = "engine.tasks.named"
# A place is made of it, which must not lead elsewhere; and no arguments for somebody's code.
_ELSEWHERE = re.compile(r"\w+(/\w[\w.+-]*)?")
_AUGMENTATION = ("augment", "crop_padding")
_READING = (
    "image_size",
    "channels",
    "resize",
    "scaling",
    "held_out_fraction",
    "input_arrays",
    "target_arrays",
    "target_kind",
)
# Of examples that are made by a rule.
_DRAWN = ("slope", "num_inputs", "teacher_units", "parity_size", "modulus")
_DOMAIN = ("dataset_dir", "task_seed", "gradient_noise", *_DRAWN, *_READING, *_AUGMENTATION)

OPTIONS = {
    "channels": ("grey", "colour"),
    "resize": ("crop", "stretch", "pad"),
    "scaling": ("unit", "standard", "none"),
    "target_kind": ("classes", "values"),
    "augment": AUGMENTS,
    "control": tuple(CONTROLS),
}
_MOST_NAMES = {"image_size": 2, "input_arrays": 2, "target_arrays": 2}


def module_of(dataset: str) -> ModuleType:
    """The module of a source of examples, ours or one for all of tensorflow-datasets.

    Raises:
        InputError: neither knows the name, and the message has the nearest one that is known; or
            it is more than a name.
    """
    if dataset in TASKS:
        return TASKS.load(dataset)
    known = _known_elsewhere()
    if dataset.partition("/")[0] in known:
        if not _ELSEWHERE.fullmatch(dataset):
            raise InputError(f"dataset={dataset!r}: expected NAME or NAME/CONFIGURATION")
        return importlib.import_module(_NAMED)
    if not known:
        return TASKS.load(dataset)
    words, separator, hint = str(unknown_name(TASKS.kind, dataset, TASKS)).partition("; did you")
    if not hint:
        separator, hint = str(unknown_name(TASKS.kind, dataset, known)).partition("; did you")[1:]
    raise InputError(f"{words}, or a name of tensorflow-datasets{separator}{hint}")


def _known_elsewhere() -> list[str]:
    """The data sets that tensorflow-datasets knows; none where it is not installed."""
    if importlib.util.find_spec("tensorflow_datasets") is None:
        return []
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def resolve(arm: Arm) -> dict[str, Any]:
    """Values of every field that the arm's data source uses.

    Where only a place is given, what lies there says which source it is.

    Raises:
        InputError: the source or an option is unknown, or a field is set that it does not use.
    """
    for name, choices in OPTIONS.items():
        value = getattr(arm, name)
        if value is not None and value not in choices:
            raise unknown_name(name, value, choices)
    for name, most in _MOST_NAMES.items():
        values = getattr(arm, name)
        if values is not None and not 1 <= len(values) <= most:
            raise InputError(f"{name}={','.join(map(str, values))}: expected one or two of them")
    if arm.dataset_dir is not None and arm.dataset == DEFAULTS["dataset"]:
        arm = dataclasses.replace(arm, dataset=kind_of_place(arm.dataset_dir))
    used = module_of(arm.dataset).USED
    values = fill_defaults(arm, f"dataset={arm.dataset}", _DOMAIN, used)
    if arm.crop_padding is not None and not has_crop(arm.augment):
        raise InputError(f"crop_padding={arm.crop_padding} has no effect with augment={arm.augment}")
    return {"dataset": arm.dataset, **values}


def source_of(arm: Arm) -> tuple[Any, ...]:
    """Everything that the arrays of a resolved arm depend on: arms with equal ones share them."""
    names = ("dataset", "task_seed", "control", *_DRAWN, *_READING)
    return (*(getattr(arm, name) for name in names), *places(arm).values())
