"""`mnist`: 70,000 handwritten digits, 28×28 grey values, ten classes.

Source: LeCun, Bottou, Bengio and Haffner (1998), Proc. IEEE 86; fetched from the mirror that
tensorflow-datasets uses.
"""

import numpy as np

from engine.config import Arm
from engine.tasks.archives import USED, Source, load_archives, read_idx_files
from engine.tasks.classification import classification_task
from engine.tasks.downloads import Archive
from engine.tasks.reading import Reading
from engine.tasks.task import Data, Task

__all__ = ["USED", "build", "load"]

_ROOT = "https://storage.googleapis.com/cvdf-datasets/mnist"
SOURCE = Source(
    "mnist",
    (
        Archive(
            f"{_ROOT}/train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        Archive(
            f"{_ROOT}/train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        Archive(
            f"{_ROOT}/t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        Archive(
            f"{_ROOT}/t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    read_idx_files,
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
