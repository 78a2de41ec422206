"""What several modules of cases make alike: flags of a set-up and of its twin, and small images of digits."""

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.field.case import Arrays

Flags = tuple[tuple[str, ...], tuple[str, ...]]


def twins(both: str, wrong: str = "", right: str = "", has_other_data: bool = False, networks: str = "later") -> Flags:
    """Returns the flags of a set-up and of its twin, from those of both and those of each, as on a command line.

    A capitalised word in front names a network of a module of `networks`. With `has_other_data` the twin has its own.
    """
    if both[0].isupper():
        both = f"--dataset_dir={{data}} --model={{networks}}/{networks}.py:{both}"
    other = both.replace("{data}", "{healthy}") if has_other_data else both
    return tuple(f"{both} {wrong}".split()), tuple(f"{other} {right}".split())


def digit_images(rng: np.random.Generator, largest: float = 1.0) -> Arrays:
    """Returns the digits of scikit-learn in another order, with grey values from 0 to `largest`, `[num, 8, 8, 1]`."""
    digits = load_digits()
    order = rng.permutation(len(digits.target))
    pixels = (digits.images[order, ..., None] / 16 * largest).astype(np.float32)
    return {"x": pixels, "y": digits.target[order].astype(np.int32)}
