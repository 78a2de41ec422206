"""Networks of Keras 3 as people write them, for one run, on images of 8×8 numbers."""

import keras
from keras import layers


def cnn(num_classes=10, dropout=0.0):
    """Sequential, with normalisation and dropout."""
    return keras.Sequential(
        [
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv_7"),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(num_classes),
        ]
    )


def _block(x, filters, strides):
    y = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
    if strides != 1 or x.shape[-1] != filters:
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides, use_bias=False)(x))
    return layers.ReLU()(layers.Add()([x, y]))


def resnet(num_classes=10):
    """Functional."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = _block(_block(x, 4, 1), 8, 2)
    return keras.Model(inputs, layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(x)))


class Transformer(keras.Model):
    """A class of its own; rows of an image as tokens."""

    def __init__(self, num_classes=10, dropout=0.0):
        super().__init__()
        self.embed = layers.Dense(16)
        self.attention = layers.MultiHeadAttention(2, 8, dropout=dropout)
        self.norm = layers.LayerNormalization()
        self.hidden = layers.Dense(32, activation="gelu")
        self.out = layers.Dense(16)
        self.head = layers.Dense(num_classes)

    def call(self, x, training=False):
        x = self.embed(keras.ops.reshape(x, (-1, 8, 8)))
        x = self.norm(x + self.attention(x, x, training=training))
        return self.head(keras.ops.mean(x + self.out(self.hidden(x)), axis=1))


def lstm(num_classes=10):
    return keras.Sequential([layers.Reshape((8, 8)), layers.LSTM(16), layers.Dense(num_classes)])


def gru(num_classes=10):
    return keras.Sequential([layers.Reshape((8, 8)), layers.GRU(16), layers.Dense(num_classes)])


def frozen(num_classes=10):
    first = layers.Dense(16, activation="tanh", trainable=False)
    return keras.Sequential([layers.Flatten(), first, layers.Dense(num_classes)])


def with_penalty(num_classes=10):
    return keras.Sequential([layers.Flatten(), layers.Dense(10, kernel_regularizer=keras.regularizers.L2(0.1))])


made = keras.Sequential([layers.Flatten(), layers.Dense(10)])


class Plain(keras.Model):
    """A class whose call knows nothing of training, with layers that do, and two layers of one name."""

    def __init__(self, num_classes=10, dropout=0.0):
        super().__init__()
        self.flat = layers.Flatten()
        self.first = layers.Dense(16, activation="tanh", name="dense")
        self.second = layers.Dense(16, activation="tanh", name="dense")
        self.drop = layers.Dropout(dropout)
        self.head = layers.Dense(num_classes)

    def call(self, x):
        return self.head(self.drop(self.second(self.first(self.flat(x)))))


def with_activity(num_classes=10):
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(16, activity_regularizer=keras.regularizers.L2(0.01))(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(10)(x))
