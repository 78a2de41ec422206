"""`cifar100`: 60,000 photographs, 32×32 in colour, a hundred classes.

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

_FOLDER = "cifar-100-binary"
# The twenty coarse classes come first.
_FORMAT = CifarFormat(
    {"train": [f"{_FOLDER}/train.bin"], "test": [f"{_FOLDER}/test.bin"]}, num_label_bytes=2
)
SOURCE = Source(
    "cifar100",
    (
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
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
