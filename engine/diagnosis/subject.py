"""What is known of a configuration before it is diagnosed."""

from collections.abc import Mapping

import numpy as np

from ..arms.arm import Arm
from ..models import has_own_dropout, make_model, takes_tokens
from ..tasks import build_task
from ..tasks.controls import has_examples
from ..tasks.parts import PackedShape
from ..tasks.scales import off_scale
from .changes import Subject


def subject_of(arm: Arm, data: Mapping[str, np.ndarray]) -> Subject:
    """Returns what a diagnosis must know of a resolved arm and the arrays of its task."""
    if not has_examples(data):
        return Subject(arm)
    task, targets = build_task(arm, data), data.get("targets")
    are_values = targets is not None and np.issubdtype(targets.dtype, np.floating) and not arm.reconstruct
    values = targets if are_values else None
    are_several = isinstance(task.example_shape, PackedShape)
    # Whole numbers name things.
    are_names = are_several or takes_tokens(arm, task.example_shape, task.num_outputs)
    are_numbers = np.issubdtype(data["inputs"].dtype, np.floating) and not are_names
    return Subject(
        arm,
        num_examples=len(data["inputs"]),
        has_values=values is not None,
        inputs_off=off_scale(data["inputs"]) if are_numbers else None,
        targets_off=None if values is None else off_scale(values),
        has_own_dropout=has_own_dropout(arm, task.example_shape, task.num_outputs),
        library=make_model(arm, task.example_shape, task.num_outputs).library,
        is_plain=not are_several and task.num_positions is None,
        has_names=are_names,
    )
