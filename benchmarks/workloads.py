"""What is trained in the benchmarks: networks in plain Flax and plain PyTorch, and their data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from flax import linen as nn


class Workload(NamedTuple):
    """A network and a mini-batch size.

    Attributes:
        size, channels: of the square images.
        batch_size: of the mini-batches.
        conv_widths, pool_after, dense_widths: of the plain networks.
        is_residual: whether it is the ResNet instead.
        shared: the name of a network that `benchmarks.libraries` has in every library, in place of these.
        num_seeds: side by side, where a row trains several.
    """

    size: int
    channels: int
    batch_size: int
    conv_widths: tuple[int, ...] = ()
    pool_after: tuple[int, ...] = (2, 4)
    dense_widths: tuple[int, ...] = ()
    is_residual: bool = False
    shared: str | None = None
    num_seeds: int = 8


class Prepared(NamedTuple):
    """A way of training, ready to run.

    Attributes:
        advance: takes some steps and waits for them.
        seed_steps: steps times seeds of one call.
        compile_seconds: spent in compilation, or `None`.
        bytes_per_seed: memory of the compiled program per seed, or `None`.
    """

    advance: Callable[[], None]
    seed_steps: int
    compile_seconds: float | None = None
    bytes_per_seed: float | None = None


class Row(NamedTuple):
    """A way of training and how many processes share the machine."""

    prepare: Callable[[Workload], Prepared]
    is_one_per_core: bool


WORKLOADS = {
    "cnn8": Workload(8, 1, 64, (16, 16, 32, 32, 32), dense_widths=(128, 64)),
    "mlp": Workload(8, 1, 64, dense_widths=(128, 64)),
    "cnn8_32": Workload(32, 3, 128, (32, 32, 64, 64, 64), dense_widths=(256, 128), num_seeds=2),
    "resnet": Workload(32, 3, 64, is_residual=True, num_seeds=2),
    **{shared: Workload(8, 1, 64, shared=shared) for shared in ("residual", "attention", "recurrent")},
}
# Side by side on a CPU, as the engine's rule has it: a convolution fills a core by itself.
_FILL_CORE = ("residual",)
NUM_CLASSES = 10
LEARNING_RATE = 1e-4
# Between two evaluations; a row of small images takes so many steps in a call.
STEPS = 11
_NUM_EXAMPLES = 1408
_STAGES = (16, 32, 64)


def examples(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Images `[n, size, size, channels]` and labels `[n]`: the digits, or noise of their number."""
    if (workload.size, workload.channels) == (8, 1):
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = (digits.images[:_NUM_EXAMPLES, :, :, None] / 16.0).astype(np.float32)
        return images, digits.target[:_NUM_EXAMPLES].astype(np.int32)
    generator = np.random.default_rng(0)
    shape = (_NUM_EXAMPLES, workload.size, workload.size, workload.channels)
    images = generator.normal(size=shape).astype(np.float32)
    return images, generator.integers(0, NUM_CLASSES, _NUM_EXAMPLES).astype(np.int32)


class PlainNetwork(nn.Module):
    """Convolutions, pooling and dense layers."""

    workload: Workload

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """From images to logits."""
        for layer, width in enumerate(self.workload.conv_widths, start=1):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            if layer in self.workload.pool_after:
                x = nn.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        for width in self.workload.dense_widths:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(NUM_CLASSES)(x)


class ResNet(nn.Module):
    """A stem, one residual block per stage, and the mean over the image; batch statistics."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """From images to logits."""

        def normalise(x: Any) -> Any:
            return nn.BatchNorm(use_running_average=False)(x)

        x = nn.relu(normalise(nn.Conv(_STAGES[0], (3, 3), use_bias=False)(x)))
        for stage, width in enumerate(_STAGES):
            strides = (1, 1) if stage == 0 else (2, 2)
            y = nn.relu(normalise(nn.Conv(width, (3, 3), strides, use_bias=False)(x)))
            y = normalise(nn.Conv(width, (3, 3), use_bias=False)(y))
            if x.shape != y.shape:
                x = normalise(nn.Conv(width, (1, 1), strides, use_bias=False)(x))
            x = nn.relu(x + y)
        return nn.Dense(NUM_CLASSES)(x.mean((1, 2)))


def fills_core(workload: Workload) -> bool:
    """Tells whether a single run keeps a CPU core busy."""
    return workload.is_residual or bool(workload.conv_widths) or workload.shared in _FILL_CORE


def flax_network(workload: Workload) -> nn.Module:
    """The network of a workload."""
    if workload.shared is not None:
        from benchmarks.libraries import in_flax

        network: nn.Module = getattr(in_flax, workload.shared.capitalize())()
        return network
    return ResNet() if workload.is_residual else PlainNetwork(workload)


def torch_network(workload: Workload, has_buffers: bool) -> Any:
    """The same network in PyTorch, with images `[n, channels, size, size]`."""
    import torch
    from torch import nn as tnn

    def norm(width: int) -> Any:
        return tnn.BatchNorm2d(width, track_running_stats=has_buffers)

    class Block(tnn.Module):
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            self.first = tnn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.second = tnn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.norms = tnn.ModuleList([norm(width), norm(width)])
            self.shortcut: Callable[[Any], Any] = tnn.Identity()
            if inputs != width or stride != 1:
                projection = tnn.Conv2d(inputs, width, 1, stride, bias=False)
                self.shortcut = tnn.Sequential(projection, norm(width))

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.norms[0](self.first(x)))
            return torch.relu(self.norms[1](self.second(y)) + self.shortcut(x))

    if workload.shared is not None:
        from benchmarks.libraries import in_torch

        return getattr(in_torch, workload.shared.capitalize())()
    layers: list[Any] = []
    width, size = workload.channels, workload.size
    if workload.is_residual:
        first = tnn.Conv2d(width, _STAGES[0], 3, 1, 1, bias=False)
        layers = [first, norm(_STAGES[0]), tnn.ReLU()]
        width = _STAGES[0]
        for stage, out in enumerate(_STAGES):
            layers.append(Block(width, out, 1 if stage == 0 else 2))
            width = out
        layers += [tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(width, NUM_CLASSES)]
        return tnn.Sequential(*layers)
    for layer, out in enumerate(workload.conv_widths, start=1):
        layers += [tnn.Conv2d(width, out, 3, padding=1), tnn.ReLU()]
        width = out
        if layer in workload.pool_after:
            layers.append(tnn.MaxPool2d(2))
            size //= 2
    width *= size * size
    layers.append(tnn.Flatten())
    for out in workload.dense_widths:
        layers += [tnn.Linear(width, out), tnn.ReLU()]
        width = out
    return tnn.Sequential(*layers, tnn.Linear(width, NUM_CLASSES))
