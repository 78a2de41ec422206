"""`fashion_mnist`: 70,000 pieces of clothing, 28×28 grey values, ten classes.

Source: Xiao, Rasul and Vollgraf (2017), arXiv:1708.07747.
"""

from .archives import OPTIONS, Source, build, read_idx_files

__all__ = ["OPTIONS", "build", "load"]

SOURCE = Source(
    "fashion_mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    read_idx_files,
)
load = SOURCE.load
