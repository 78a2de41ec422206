"""Controls: data that have lost something on purpose, to see what a network does without it.

Every network that learns at all can memorise `one_batch`. With `shuffled_labels` and `constant_inputs` what is still
learned is the marginal, or is memorised. Shapes stay those of the data, and so does the number of steps in a pass.

Source: Zhang et al. (2017), "Understanding deep learning requires rethinking generalization".
"""

from collections.abc import Mapping

import jax
import numpy as np

from ..errors import InputError
from . import random_streams

CONTROLS: dict[str, str] = {
    "none": "the data as they are",
    "one_batch": "only the examples of the first evaluation batch, over and over",
    "shuffled_labels": "targets in another order, so that they do not belong to the inputs",
    "constant_inputs": "every input replaced by their mean",
}
_TARGETS = ("labels", "targets")


def has_examples(arrays: Mapping[str, np.ndarray]) -> bool:
    """Tells whether a task holds examples in arrays, so that a control can change them."""
    return "inputs" in arrays and any(name in arrays for name in _TARGETS)


def controlled(arrays: Mapping[str, np.ndarray], control: str, root_seed: int, task_seed: int) -> dict[str, np.ndarray]:
    """Returns the arrays of a task under one of `CONTROLS`; raises InputError where the task draws its examples."""
    if control == "none":
        return dict(arrays)
    if not has_examples(arrays):
        raise InputError(f"control={control} has no effect: the examples are drawn, not held in arrays")
    targets = next(name for name in _TARGETS if name in arrays)
    if control == "one_batch":
        return _one_batch(arrays, targets)
    if control == "constant_inputs":
        return _constant_inputs(arrays)
    return _shuffled(arrays, targets, root_seed, task_seed)


def _one_batch(arrays: Mapping[str, np.ndarray], targets: str) -> dict[str, np.ndarray]:
    found = dict(arrays)
    for name in ("inputs", targets):
        batch = arrays[f"loss_{name}"][0]
        found[name] = batch[np.arange(len(arrays[name])) % len(batch)]
        found[f"loss_{name}"] = np.broadcast_to(batch, arrays[f"loss_{name}"].shape).copy()
    return found


def _constant_inputs(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    mean = arrays["inputs"].mean(axis=0, dtype=np.float64).astype(arrays["inputs"].dtype)
    found = dict(arrays)
    for name in ("inputs", "loss_inputs", "held_out_inputs"):
        found[name] = np.broadcast_to(mean, arrays[name].shape).copy()
    return found


def _shuffled(arrays: Mapping[str, np.ndarray], targets: str, root_seed: int, task_seed: int) -> dict[str, np.ndarray]:
    """Permutes targets within each part, and chooses the evaluation set again, which must have the trained targets."""
    found = dict(arrays)
    key = random_streams.stream(root_seed, "task", task_seed)
    for i, part in enumerate(("", "held_out_")):
        own = arrays[part + targets]
        flat = own if not part else own.reshape(-1, *own.shape[2:])
        with random_streams.on_cpu():
            order = np.asarray(jax.random.permutation(jax.random.fold_in(key, i), len(flat)))
        found[part + targets] = flat[order].reshape(own.shape)
    shape = arrays[f"loss_{targets}"].shape[:2]
    rows = np.linspace(0, len(found["inputs"]) - 1, shape[0] * shape[1]).round().astype(int)
    for name in ("inputs", targets):
        found[f"loss_{name}"] = found[name][rows].reshape(arrays[f"loss_{name}"].shape)
    return found
