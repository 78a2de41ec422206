"""The network in PyTorch."""

import itertools

import torch
from torch import nn
from torch.nn import functional


class Net(nn.Module):
    """Starts as PyTorch's layers do, or with numbers of one standard deviation `std`."""

    def __init__(self, num_classes: int = 10, std: float | None = None) -> None:
        super().__init__()
        sizes = (1, 16, 16, 32, 32, 32)
        self.convs = nn.ModuleList(nn.Conv2d(*pair, 3, padding=1) for pair in itertools.pairwise(sizes))
        self.dense1, self.dense2, self.head = nn.Linear(128, 128), nn.Linear(128, 64), nn.Linear(64, num_classes)
        if std is not None:
            for p in self.parameters():
                nn.init.normal_(p, std=std)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images `[batch, 1, 8, 8]` to logits."""
        for i, conv in enumerate(self.convs):
            x = functional.relu(conv(x))
            if i in (1, 3):
                x = functional.max_pool2d(x, 2)
        x = functional.relu(self.dense1(x.flatten(1)))
        return self.head(functional.relu(self.dense2(x)))


class _Block(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        self.shortcut: nn.Module = nn.Identity()
        if inputs != width or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norms[0](self.first(x)))
        return functional.relu(self.norms[1](self.second(y)) + self.shortcut(x))


class Residual(nn.Module):
    """A stem and three blocks of 16, 32 and 32 channels, with batch statistics, read by the mean of the image."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(_Block(16, 16, 1), _Block(16, 32, 2), _Block(32, 32, 1))
        self.head = nn.Linear(32, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images `[batch, 1, 8, 8]` to logits."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Attention(nn.Module):
    """Rows of an image as tokens, and two blocks of four heads, normalised after each part."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.positions = nn.Parameter(torch.randn(1, 8, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images `[batch, 1, 8, 8]` to logits."""
        return self.head(self.encoder(self.embed(x.reshape(-1, 8, 8)) + self.positions).mean(1))


class Recurrent(nn.Module):
    """Rows of an image as steps of a long short-term memory."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.cells = nn.LSTM(8, 32, batch_first=True)
        self.head = nn.Linear(32, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images `[batch, 1, 8, 8]` to logits."""
        return self.head(self.cells(x.reshape(-1, 8, 8))[0][:, -1])
