"""Networks of PyTorch as people write them, for one run, on images of 8×8 numbers."""

import torch
from torch import nn
from torch.nn import functional


class CNN(nn.Module):
    """Normalisation and dropout; the channels come first."""

    def __init__(self, num_classes=10, dropout=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(16 * 4 * 4, num_classes)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.norm1(self.conv1(x))), 2)
        x = torch.relu(self.conv2(x))
        return self.head(self.dropout(x.flatten(1)))


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, 1, 1)
        self.blocks = nn.Sequential(Block(4, 4, 1), Block(4, 8, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.pool(self.blocks(torch.relu(self.stem(x)))).flatten(1))


class Transformer(nn.Module):
    """Rows of an image as tokens."""

    def __init__(self, num_classes=10, dropout=0.0):
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.positions = nn.Parameter(torch.randn(1, 8, 16) * 0.02)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.embed(x.reshape(-1, 8, 8)) + self.positions
        return self.head(self.encoder(x).mean(1))


class LSTM(nn.Module):
    """Rows of an image as steps of time."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.cells = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        return self.head(self.cells(x.reshape(-1, 8, 8))[0][:, -1])


class Frozen(nn.Module):
    """A first layer that is not trained, and a buffer of its own that counts."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.first = nn.Linear(64, 16).requires_grad_(False)
        self.head = nn.Linear(16, num_classes)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        if self.training:
            self.calls += 1
        return self.head(torch.tanh(self.first(x.flatten(1))))


class Tokens(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.embed = nn.Embedding(7, 8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.embed(x).mean(1))


class Untranslated(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(functional.adaptive_max_pool2d(x, 8).flatten(1))


class Deciding(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = x.flatten(1)
        return self.head(-x if x.sum() > 0 else x)


class OnGPU(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(x.flatten(1).cuda())


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.LazyLinear(10)

    def forward(self, x):
        return self.head(x.flatten(1))


made = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


class ScaledNorm(nn.BatchNorm2d):
    """A layer of one's own on top of one that normalises."""

    def forward(self, x):
        return 2 * torch.relu(super().forward(x))


class Subclassed(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = ScaledNorm(4)
        self.head = nn.Linear(4 * 36, num_classes)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).flatten(1))


class Backbone(nn.Module):
    """A first layer that gets no gradient, by a block rather than by its parameters."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.first = nn.Linear(64, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        with torch.no_grad():
            x = torch.tanh(self.first(x.flatten(1)))
        return self.head(x)


class Making(nn.Module):
    """Makes tensors as it goes, without a device."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.cells = nn.GRU(8, 16, batch_first=True)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = x.reshape(-1, 8, 8) * torch.linspace(0.5, 1, 8)
        first = torch.zeros(1, len(x), 16)
        return self.head(self.cells(x, first)[0].masked_fill(torch.ones(16) < 0, 0)[:, -1])


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        x = self.head(x.flatten(1))
        x.register_hook(lambda gradient: gradient * 0)
        return x


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.sign(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class StraightThrough(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return Sign.apply(self.head(x.flatten(1)))


class Holding(nn.Module):
    """Holds a tensor that is neither parameter nor buffer."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.scale = torch.full((10,), 2.0)

    def forward(self, x):
        return self.scale * self.head(x.flatten(1))
