"""`digits`: 1,797 handwritten digits, 8×8 grey values, ten classes; needs no network.

The images ship with scikit-learn. They are prepared once as a tensorflow-datasets data set in array_record format, and
read from there; without array_record the same arrays come straight from scikit-learn.

Source: Alpaydin and Kaynak (1998), UCI Optical Recognition of Handwritten Digits.
"""

import numpy as np

from engine.arms.arm import Arm
from engine.tasks.options import AUGMENTATION
from engine.tasks.passes import array_task
from engine.tasks.preparing import has_package
from engine.tasks.reading import Reading
from engine.tasks.splitting import split_arrays

OPTIONS = AUGMENTATION
build = array_task
_MAX_GREY = 16.0


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns arrays with pixels in `[0, 1]`, in scikit-learn's order; raises InputError for damaged data."""
    if has_package("array_record") and has_package("tensorflow_datasets"):
        from engine.tasks.builders import read_digits

        images, labels = read_digits(data_dir, lambda: {"train": _of_scikit()}, reading)
    else:
        images, labels = _of_scikit()
    return split_arrays(images[..., None].astype(np.float32) / np.float32(_MAX_GREY), labels.astype(np.int32))


def _of_scikit() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target
