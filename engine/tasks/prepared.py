"""`prepared`: a prepared tensorflow-datasets directory (--dataset_dir=FOLDER/1.0.0).

The splits `train` and `test` (or `validation`) are trained on and held out; of a single split a fifth is held out. The
names of features, or --input_arrays and --target_arrays, tell which is which. For images see `engine.tasks.images`.
"""

import numpy as np

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.tasks.examples import make_arrays
from engine.tasks.options import ARRAY_OPTIONS, DATASET_DIR, EXAMPLE_OPTIONS, IMAGE_OPTIONS
from engine.tasks.passes import array_task
from engine.tasks.places import find_place, find_prepared, naming_place
from engine.tasks.reading import Reading
from engine.tasks.tfds_directory import read_directory

OPTIONS = (DATASET_DIR, *EXAMPLE_OPTIONS, *IMAGE_OPTIONS, *ARRAY_OPTIONS)
build = array_task


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of `engine.tasks.examples`; raises as `engine.tasks.tfds_directory.read_directory`."""
    directory = find_prepared(find_place(arm.dataset_dir))
    if directory is None:
        raise InputError(
            f"dataset_dir={arm.dataset_dir!r} is no prepared data set: expected a directory with a dataset_info.json"
        )
    with naming_place(arm.dataset_dir):
        return make_arrays(arm, read_directory(directory, arm, reading), reading)
