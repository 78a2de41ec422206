"""Networks with two inputs, tokens `[batch, 4]` and numbers `[batch, 3]`, in each library."""


def torch(num_classes):
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(9, 8)
            self.dense = torch.nn.Linear(3, 8)
            self.last = torch.nn.Linear(8, num_classes)

        def forward(self, tokens, numbers):
            return self.last(torch.relu(self.table(tokens).mean(dim=1) + self.dense(numbers)))

    return Net()


def keras(num_classes):
    import keras

    tokens, numbers = keras.Input((4,), dtype="int32", name="tokens"), keras.Input((3,), name="numbers")
    embedded = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(9, 8)(tokens))
    hidden = keras.layers.ReLU()(embedded + keras.layers.Dense(8)(numbers))
    return keras.Model({"tokens": tokens, "numbers": numbers}, keras.layers.Dense(num_classes)(hidden))


def haiku(num_classes):
    import haiku as hk
    import jax

    class Net(hk.Module):
        def __call__(self, tokens, numbers):
            hidden = hk.Embed(9, 8)(tokens).mean(axis=1) + hk.Linear(8)(numbers)
            return hk.Linear(num_classes)(jax.nn.relu(hidden))

    return Net()


def equinox(num_classes, key):
    import equinox as eqx
    import jax

    class Net(eqx.Module):
        table: eqx.nn.Embedding
        dense: eqx.nn.Linear
        last: eqx.nn.Linear

        def __call__(self, tokens, numbers):
            return self.last(jax.nn.relu(jax.vmap(self.table)(tokens).mean(axis=0) + self.dense(numbers)))

    one, two, three = jax.random.split(key, 3)
    return Net(eqx.nn.Embedding(9, 8, key=one), eqx.nn.Linear(3, 8, key=two), eqx.nn.Linear(8, num_classes, key=three))
