"""An ordinary training script in PyTorch: a small network, Adam, and a line in a log after every epoch.

`python docs/tutorial/train_torch.py FILE.npz` trains on images `x` `[number, height, width]` and
labels `y`, and writes `FILE.csv`.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """Two convolutions and three dense layers, everything started with small random numbers."""

    def __init__(self, num_classes: int = 10, std: float = 0.05) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Linear(64, 32), nn.ReLU()), *(nn.Linear(32, 32), nn.ReLU()), nn.Linear(32, num_classes)
        )
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=std)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps images `[batch, 1, 8, 8]` to logits."""
        return self.classifier(self.features(x).flatten(1))


def main(file: Path, num_epochs: int = 20, batch_size: int = 64, seed: int = 0) -> None:
    """Trains once, and writes what the loss was."""
    torch.manual_seed(seed)
    net = Net()
    optimizer, loss_fn = torch.optim.Adam(net.parameters(), lr=3e-4), nn.CrossEntropyLoss()
    with np.load(file) as arrays:
        images = torch.tensor(arrays["x"][:, None] / 255, dtype=torch.float32)
        labels = torch.tensor(arrays["y"], dtype=torch.int64)
    rows = []
    for epoch in range(1, num_epochs + 1):
        losses = []
        for batch in torch.randperm(len(images)).split(batch_size):
            loss = loss_fn(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        rows.append({"epoch": epoch, "loss": float(np.mean(losses))})
        print(rows[-1])
    with open(file.with_suffix(".csv"), "w", newline="") as log:
        writer = csv.DictWriter(log, ["epoch", "loss"])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
