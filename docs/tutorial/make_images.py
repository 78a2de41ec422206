"""Writes the handwritten digits of scikit-learn: a folder of PNG files with a sub-folder per class, or one file.

`python docs/tutorial/make_images.py FOLDER`, or `FILE.npz`, stands in for the images that you have.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main(place: Path) -> None:
    """Writes 1,797 images of 8×8 grey values."""
    digits = load_digits()
    images = np.round(digits.images * 255 / 16).astype(np.uint8)
    if place.suffix == ".npz":
        place.parent.mkdir(parents=True, exist_ok=True)
        np.savez(place, x=images, y=digits.target)
        return
    for i, (image, label) in enumerate(zip(images, digits.target, strict=True)):
        of_class = place / str(label)
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(of_class / f"{i:04}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
