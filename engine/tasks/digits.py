"""`digits`: 1,797 handwritten digits, 8×8 grey values, ten classes; needs no network.

The images ship with scikit-learn. They are prepared once as a tensorflow-datasets data set in
array_record format, and read from there; on a platform without array_record they come straight
from scikit-learn, as the same arrays.

Source: Alpaydin and Kaynak (1998), UCI Optical Recognition of Handwritten Digits.
"""

import importlib.util

import numpy as np

from engine.arms.arm import Arm
from engine.tasks.classification import classification_task
from engine.tasks.options import AUGMENTATION
from engine.tasks.reading import Reading
from engine.tasks.splitting import split_arrays
from engine.tasks.task import Data, Task

OPTIONS = AUGMENTATION
_MAX_GREY = 16.0


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """The arrays of `split_arrays`, pixels in `[0, 1]`, in the order of scikit-learn's file.

    Raises:
        InputError: the data directory cannot be written, or what is in it is damaged.
    """
    if importlib.util.find_spec("array_record") and importlib.util.find_spec("tensorflow_datasets"):
        from engine.tasks.digits_builder import read_digits

        images, labels = read_digits(data_dir)
    else:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
    inputs = (np.asarray(images, np.float32) / _MAX_GREY).reshape(-1, 8, 8, 1)
    return split_arrays(inputs, np.asarray(labels, np.int32))


def build(arm: Arm, data: Data) -> Task:
    """The task of a resolved arm."""
    return classification_task(data, arm.batch_size)
