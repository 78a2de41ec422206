"""`mnist`: 70,000 handwritten digits, 28×28 grey values, ten classes.

Source: LeCun, Bottou, Bengio and Haffner (1998), Proc. IEEE 86, from the mirror that tensorflow-datasets uses.
"""

from .archives import OPTIONS, Source, build, read_idx_files

__all__ = ["OPTIONS", "build", "load"]

SOURCE = Source(
    "mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    read_idx_files,
)
load = SOURCE.load
