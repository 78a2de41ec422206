"""Cases of a fourth collection whose cause is in the network: what it reads, keeps and ends in."""

import functools

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.diagnosis.table import NORMAL
from engine.preflight.causes import CAPACITY, CONSTANT, HARD, UNREACHABLE, UNTRAINED, VANISHING

Generator = np.random.Generator

_twins = functools.partial(twins, networks="fourth_networks")


def _notes(rng: Generator) -> Arrays:
    """Makes texts of 12 words after a symbol for the start; one of the words tells which of four kinds it is."""
    label = rng.integers(4, size=1600)
    x = rng.integers(5, 20, size=(1600, 13))
    x[np.arange(1600), rng.integers(1, 13, size=1600)] = 1 + label
    x[:, 0] = 0
    return {"x": x.astype(np.int32), "y": label.astype(np.int32)}


def _sensors(rng: Generator) -> Arrays:
    """Makes four readings of each of 16 sensors, and what each will read next."""
    x = rng.normal(size=(1500, 16, 4))
    y = np.tanh(2 * x[..., 0]) + np.abs(x[..., 1])
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}


def _scans(rng: Generator) -> Arrays:
    """Makes two layers of pictures, the second of which holds whether the picture is one, and that as a number."""
    y = rng.integers(2, size=1200)
    x = np.stack([rng.random((1200, 12, 8)), np.broadcast_to(y[:, None, None], (1200, 12, 8))], axis=-1)
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)[:, None]}


def _sums(rng: Generator, length: int) -> Arrays:
    """Makes numbers and marks at two of them, and the sum of these two."""
    x = np.zeros((2500, length, 2))
    x[..., 0] = rng.random((2500, length))
    first, second = rng.integers(length // 2, size=2500), rng.integers(length // 2, length, size=2500)
    for place in (first, second):
        x[np.arange(2500), place, 1] = 1
    return {"x": x.astype(np.float32), "y": (x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True).astype(np.float32)}


def _echoes(rng: Generator) -> Arrays:
    """Makes sequences of 64 numbers, the first of which is the class."""
    y = rng.integers(2, size=3000)
    x = 0.1 * rng.normal(size=(3000, 64, 1))
    x[:, 0, 0] = y
    return {"x": x.astype(np.float32), "y": y.astype(np.int32)}


def _spirals(rng: Generator, turns: float) -> Arrays:
    """Makes points on two spirals around each other."""
    y = rng.integers(2, size=2000)
    along = np.sqrt(rng.uniform(0.02, 1, size=2000))
    angle = 2 * np.pi * turns * along + np.pi * y
    x = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) * 2 + 0.02 * rng.normal(size=(2000, 2))
    return {"x": x.astype(np.float32), "y": y.astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        "an answer at the first symbol",
        "https://github.com/rasbt/MachineLearning-QandAI-book/issues/18",
        "A book puts a classifier on the first state of a network in which symbols see those before them only. The "
        "reader is right that the first one sees nothing but itself, and it became the last. Here texts begin with a "
        "symbol for the start.",
        CONSTANT,
        *_twins("Answering --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=place=0", ""),
        data=_notes,
    ),
    Case(
        "instances of one place",
        "https://github.com/pytorch/pytorch/issues/19250",
        "A channel that has one place left is normalised over that place, which makes it zero, whatever the example, "
        "and nothing can be learned. The reporter wants an error. In the twin that layer is not there.",
        CONSTANT,
        *_twins("Shrinking --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=to_the_end=true", ""),
        data=digit_images,
    ),
    Case(
        "layers made anew at each call",
        "https://github.com/gupta-abhay/setr-pytorch/issues/4",
        "A decoder made its layers where the network is called, so that their weights are drawn anew for every batch "
        "and none of them is trained. They were moved to where the network is built.",
        UNTRAINED,
        *_twins("Decoded --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=anew=true", ""),
        data=digit_images,
    ),
    Case(
        "eight layers of neighbours",
        "https://github.com/DropEdge/DropEdge/issues/8",
        "A graph network with eight layers was right in 16 % of cases and with two in 83 %. Each layer averages over "
        "the neighbours, so that all nodes are alike in the end.",
        VANISHING,
        *_twins("Neighbours --optimizer=adam --learning_rate=3e-3 --batch_size=32", "--model_arg=layers=8", ""),
        data=_sensors,
    ),
    Case(
        "a softmax over one unit",
        "https://stats.stackexchange.com/questions/481881/convolutional-neural-network-fails-even-when-given-answer",
        "A convolutional network says yes whatever it gets, even where the answer is a part of the picture: a softmax "
        "over its one output is 1. A sigmoid is what was meant.",
        UNREACHABLE,
        *_twins("Verdict --optimizer=adam --learning_rate=1e-3 --batch_size=32", "--model_arg=end=softmax", ""),
        data=_scans,
    ),
    Case(
        "a flat region in every run",
        "https://discuss.pytorch.org/t/werid-training-loss-curve/8799",
        "The loss of an LSTM network in a regression stays flat for epochs and then drops, each time again. Answers: "
        "that is usual, it finds the mean first and how to use its inputs later. The twin's sequences are shorter.",
        NORMAL,
        *_twins("Adding --optimizer=adam --learning_rate=2e-3 --batch_size=50", has_other_data=True),
        data=lambda rng: _sums(rng, 30),
        healthy_data=lambda rng: _sums(rng, 4),
    ),
    Case(
        "convolutions that do not reach back",
        "https://github.com/philipperemy/keras-tcn/issues/1",
        "How far a network of dilated convolutions reaches back depends on its layers. The author advises to make sure "
        "that it is the whole sequence and tests it with the first value as the target. Three layers see eight of 64; "
        "that the input does not get there is as right.",
        CAPACITY,
        *_twins("Dilated --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=layers=3", ""),
        data=_echoes,
        also=(CONSTANT,),
    ),
    Case(
        "two spirals",
        "https://www.paperexplained.cn/articles/paper/detail/de8f292d456f8541b53587f46f30ea22a9b8ad52/",
        "To tell two spirals apart is hard for a network with ordinary layers because it is far from linear; it takes "
        "thousands of epochs. The twin's spirals have fewer turns.",
        HARD,
        *_twins("Spirals --optimizer=sgd --momentum=0.9 --learning_rate=0.02 --batch_size=32", has_other_data=True),
        data=lambda rng: _spirals(rng, 2),
        healthy_data=lambda rng: _spirals(rng, 0.5),
        also=(NORMAL,),
    ),
)
