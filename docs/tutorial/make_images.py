"""Writes the handwritten digits of scikit-learn as a folder of PNG files, one sub-folder per class.

`python docs/tutorial/make_images.py FOLDER` stands in for the images that you have.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main(folder: Path) -> None:
    """Writes 1,797 files of 8×8 grey values."""
    digits = load_digits()
    for i, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        of_class = folder / str(label)
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(image * 255 / 16).astype(np.uint8)).save(of_class / f"{i:04}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
