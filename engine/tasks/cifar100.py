"""`cifar100`: 60,000 photographs, 32×32 in colour, a hundred classes.

Source: Krizhevsky (2009), Learning multiple layers of features from tiny images.
"""

from .archives import OPTIONS, CifarFormat, Source, build

__all__ = ["OPTIONS", "build", "load"]

_FOLDER = "cifar-100-binary"
# The twenty coarse classes come first.
_FORMAT = CifarFormat({"train": [f"{_FOLDER}/train.bin"], "test": [f"{_FOLDER}/test.bin"]}, num_label_bytes=2)
SOURCE = Source(
    "cifar100",
    "https://www.cs.toronto.edu/~kriz",
    {"cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
    _FORMAT.read,
)
load = SOURCE.load
