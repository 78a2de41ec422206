"""`digits`: 1,797 handwritten digits, 8×8 grey values, ten classes; ships with scikit-learn, needs no network.

Source: Alpaydin and Kaynak (1998), UCI Optical Recognition of Handwritten Digits.
"""

import numpy as np

from ..arms.arm import Arm
from .examples import make_scale
from .options import AUGMENTATION, IMAGE_SIZE, RECONSTRUCT, SCALING
from .passes import array_task
from .reading import Reading, check_memory
from .splitting import arrays_of, split_examples

OPTIONS = (SCALING, IMAGE_SIZE, RECONSTRUCT, *AUGMENTATION)
build = array_task
_MAX_GREY = np.float32(16)


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns arrays in scikit-learn's order, pixels in `[0, 1]` by default."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = digits.images[..., None].astype(np.uint8), digits.target.astype(np.int32)
    rows = split_examples(labels)
    if arm.image_size is not None:
        check_memory(4 * len(images) * arm.image_size[0] * arm.image_size[-1], "digits of this size")
        images = _resized(images[..., 0], arm.image_size[0], arm.image_size[-1])
    if arm.scaling in (None, "unit"):
        return arrays_of(images.astype(np.float32) / _MAX_GREY, labels, rows)
    return arrays_of(images, labels, rows, make_scale(arm.scaling, images, rows.training))


def _resized(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns grey values `[num, height, width, 1]` of another size, interpolated linearly, in single precision."""
    from PIL import Image

    grey = (Image.fromarray(image.astype(np.float32), mode="F") for image in images)
    return np.stack([np.asarray(one.resize((width, height), Image.Resampling.BILINEAR)) for one in grey])[..., None]
