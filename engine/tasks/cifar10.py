"""`cifar10`: 60,000 photographs, 32×32 in colour, ten classes.

Source: Krizhevsky (2009), Learning multiple layers of features from tiny images.
"""

import numpy as np

from engine.config import Arm
from engine.tasks.archives import USED, CifarFormat, Source, load_archives
from engine.tasks.classification import classification_task
from engine.tasks.downloads import Archive
from engine.tasks.reading import Reading
from engine.tasks.task import Data, Task

__all__ = ["USED", "build", "load"]

_FOLDER = "cifar-10-batches-bin"
_FORMAT = CifarFormat(
    {
        "train": [f"{_FOLDER}/data_batch_{i}.bin" for i in range(1, 6)],
        "test": [f"{_FOLDER}/test_batch.bin"],
    },
    num_label_bytes=1,
)
SOURCE = Source(
    "cifar10",
    (
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    _FORMAT.read,
)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """The arrays of `engine.tasks.examples`, in the order of the original files.

    Raises:
        InputError: see `engine.tasks.archives.load_archives`.
    """
    return load_archives(SOURCE, arm, data_dir, reading)


def build(arm: Arm, data: Data) -> Task:
    """The task of a resolved arm."""
    return classification_task(data, arm.batch_size)
