"""An ordinary training script: a small network, Adam, and a log of the loss after every epoch.

`python docs/tutorial/train.py FOLDER` trains on the images in a folder with one sub-folder per
class, and writes `FOLDER.csv`.
"""

import csv
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from PIL import Image

small = nn.initializers.normal(0.05)


class Net(nn.Module):
    """Two convolutions and three dense layers, everything started with small random numbers."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """From images `[batch, height, width, channels]` to `[batch, num_classes]`."""
        for filters in (8, 16):
            x = nn.relu(nn.Conv(filters, (3, 3), kernel_init=small, bias_init=small)(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        for width in (32, 32):
            x = nn.relu(nn.Dense(width, kernel_init=small, bias_init=small)(x))
        return nn.Dense(self.num_classes, kernel_init=small, bias_init=small)(x)


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images in [0, 1] and the positions of their classes."""
    images, labels = [], []
    for label, of_class in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for path in sorted(of_class.glob("*.png")):
            images.append(np.asarray(Image.open(path), np.float32)[..., None] / 255)
            labels.append(label)
    return np.stack(images), np.asarray(labels)


def main(folder: Path, num_epochs: int = 20, batch_size: int = 64) -> None:
    """Trains once, and writes what the loss was."""
    images, labels = load(folder)
    net, optimizer = Net(), optax.adam(3e-4)
    params = net.init(jax.random.key(0), images[:1])
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss_fn(params):
            logits = net.apply(params, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    rng = np.random.default_rng(0)
    with folder.with_suffix(".csv").open("w", newline="") as file:
        log = csv.writer(file)
        log.writerow(["epoch", "step", "train_loss"])
        for epoch in range(1, num_epochs + 1):
            order = rng.permutation(len(images))
            losses = []
            for first in range(0, len(order) - batch_size + 1, batch_size):
                rows = order[first : first + batch_size]
                params, state, loss = step(params, state, jnp.asarray(images[rows]), jnp.asarray(labels[rows]))
                losses.append(float(loss))
            log.writerow([epoch, epoch * len(losses), np.mean(losses)])
            print(f"epoch {epoch}: loss {np.mean(losses):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
