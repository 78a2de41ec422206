"""`digits`: 1,797 handwritten digits, 8×8 grey values, ten classes; ships with scikit-learn, needs no network.

Source: Alpaydin and Kaynak (1998), UCI Optical Recognition of Handwritten Digits.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arms.arm import Arm
from .archives import Part, Source
from .examples import make_scale
from .options import AUGMENTATION, SCALING
from .passes import array_task
from .reading import Reading
from .splitting import arrays_of, split_examples

OPTIONS = (SCALING, *AUGMENTATION)
build = array_task
_MAX_GREY = np.float32(16)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns arrays in scikit-learn's order, pixels in `[0, 1]` by default; raises InputError for damaged data."""
    examples = Source("digits", "", {}, _of_scikit).examples(arm, data_dir, reading)
    rows = split_examples(examples.targets)
    if arm.scaling in (None, "unit"):
        return arrays_of(examples.inputs.astype(np.float32) / _MAX_GREY, examples.targets, rows)
    scale = make_scale(arm.scaling, examples.inputs, rows.training)
    return arrays_of(examples.inputs, examples.targets, rows, scale)


def _of_scikit(paths: Sequence[Path]) -> dict[str, Part]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return {"train": (digits.images[..., None].astype(np.uint8), digits.target)}
