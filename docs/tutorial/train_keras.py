"""An ordinary training script in Keras 3: a small network, Adam, and a log of every epoch.

`python docs/tutorial/train_keras.py FILE.npz` trains on images `x` `[number, height, width]` and
labels `y`, and writes `FILE.csv`.
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers


def make_net(num_classes: int = 10, std: float = 0.05) -> keras.Model:
    """Two convolutions and three dense layers, everything started with small random numbers."""

    def small() -> dict[str, keras.Initializer]:
        normal = keras.initializers.RandomNormal
        return {"kernel_initializer": normal(stddev=std), "bias_initializer": normal(stddev=std)}

    made = []
    for filters in (8, 16):
        made += [layers.Conv2D(filters, 3, padding="same", activation="relu", **small()), layers.MaxPooling2D()]
    made.append(layers.Flatten())
    made += [layers.Dense(32, activation="relu", **small()) for _ in range(2)]
    return keras.Sequential([*made, layers.Dense(num_classes, **small())])


def main(file: Path, num_epochs: int = 20, seed: int = 0) -> None:
    """Trains once, and writes what the loss was."""
    keras.utils.set_random_seed(seed)
    net = make_net()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(keras.optimizers.Adam(3e-4), loss, metrics=["accuracy"])
    with np.load(file) as arrays:
        images, labels = arrays["x"][..., None] / 255, arrays["y"]
    log = keras.callbacks.CSVLogger(str(file.with_suffix(".csv")))
    net.fit(images, labels, batch_size=64, epochs=num_epochs, callbacks=[log], verbose=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
