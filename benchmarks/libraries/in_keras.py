"""The network in Keras."""

from typing import Any

import keras
from keras import layers


def net(num_classes: int = 10, std: float | None = None) -> keras.Model:
    """Starts as Keras' layers do, or with numbers of one standard deviation `std`."""

    def start() -> dict[str, keras.Initializer]:
        if std is None:
            return {}
        normal = keras.initializers.RandomNormal
        return {"kernel_initializer": normal(stddev=std), "bias_initializer": normal(stddev=std)}

    made = []
    for i, width in enumerate((16, 16, 32, 32, 32)):
        made.append(layers.Conv2D(width, 3, padding="same", activation="relu", **start()))
        if i in (1, 3):
            made.append(layers.MaxPooling2D())
    made.append(layers.Flatten())
    made += [layers.Dense(width, activation="relu", **start()) for width in (128, 64)]
    return keras.Sequential([*made, layers.Dense(num_classes, **start())])


def residual(num_classes: int = 10) -> keras.Model:
    """A stem and three blocks of 16, 32 and 32 channels, with batch statistics, read by the mean of the image."""

    def conv(x: Any, width: int, side: int, stride: int = 1) -> Any:
        x = layers.Conv2D(width, side, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    images = keras.Input((8, 8, 1))
    x = layers.ReLU()(conv(images, 16, 3))
    for width, stride in ((16, 1), (32, 2), (32, 1)):
        y = conv(layers.ReLU()(conv(x, width, 3, stride)), width, 3)
        x = conv(x, width, 1, stride) if x.shape != y.shape else x
        x = layers.ReLU()(x + y)
    return keras.Model(images, layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(x)))


class _Positions(layers.Layer):
    """Adds what is learned for each position."""

    def build(self, shape: Any) -> None:
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight(shape=(1, *shape[1:]), initializer=start, name="positions")

    def call(self, x: Any) -> Any:
        return x + self.positions


def attention(num_classes: int = 10) -> keras.Model:
    """Rows of an image as tokens, and two blocks of four heads, normalised after each part."""
    images = keras.Input((8, 8, 1))
    x = _Positions()(layers.Dense(32)(layers.Reshape((8, 8))(images)))
    for _ in range(2):
        x = layers.LayerNormalization(epsilon=1e-5)(x + layers.MultiHeadAttention(4, 8)(x, x))
        hidden = layers.Dense(32)(layers.Dense(64, activation="relu")(x))
        x = layers.LayerNormalization(epsilon=1e-5)(x + hidden)
    return keras.Model(images, layers.Dense(num_classes)(layers.GlobalAveragePooling1D()(x)))


def recurrent(num_classes: int = 10) -> keras.Model:
    """Rows of an image as steps of a long short-term memory."""
    return keras.Sequential([layers.Reshape((8, 8)), layers.LSTM(32), layers.Dense(num_classes)])
