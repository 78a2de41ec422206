"""The network in Keras."""

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
