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
