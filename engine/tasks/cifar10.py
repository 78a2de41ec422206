"""`cifar10`: 60,000 photographs, 32×32 in colour, ten classes.

Source: Krizhevsky (2009), Learning multiple layers of features from tiny images.
"""

from .archives import OPTIONS, CifarFormat, Source, build

__all__ = ["OPTIONS", "build", "load"]

_FOLDER = "cifar-10-batches-bin"
_FORMAT = CifarFormat(
    {"train": [f"{_FOLDER}/data_batch_{i}.bin" for i in range(1, 6)], "test": [f"{_FOLDER}/test_batch.bin"]},
    num_label_bytes=1,
)
SOURCE = Source(
    "cifar10",
    "https://www.cs.toronto.edu/~kriz",
    {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    _FORMAT.read,
)
load = SOURCE.load
