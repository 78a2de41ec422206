"""Cases whose cause is the scale of inputs or targets, or inputs that are the same for all examples."""

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images
from engine.preflight.causes import CONSTANT, INPUTS, TARGETS

Generator = np.random.Generator


def _network(name: str, *arguments: str) -> tuple[str, ...]:
    """Returns the flags that name a network of `networks/scaling.py`, with arguments of its constructor."""
    return (f"--model={{networks}}/scaling.py:{name}", *(f"--model_arg={argument}" for argument in arguments))


def _twins(*flags: str) -> dict[str, tuple[str, ...]]:
    """Returns the flags of a case and of its twin, which differ in their data alone."""
    return {"flags": ("--dataset_dir={data}", *flags), "healthy": ("--dataset_dir={healthy}", *flags)}


def _pulses(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns six times between heart beats, around 800 ms, and whether the pulse slows down."""
    beats = rng.normal(size=(1200, 6))
    slows = (beats @ (-1, -0.6, -0.2, 0.2, 0.6, 1) > 0).astype(np.int32)
    x = beats if is_scaled else 800 + 60 * beats
    return {"x": x.astype(np.float32), "y": slows}


def _districts(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns eight columns of districts, from rooms per house to people, and the price of houses in 100,000."""
    scales = np.array([1.9, 12.6, 2.5, 0.5, 1130.0, 2.0, 2.1, 2.0])
    means = np.array([3.9, 28.6, 5.4, 1.1, 1425.0, 3.1, 35.6, -119.6])
    columns = rng.normal(size=(1500, 8))
    price = 2.1 + columns @ np.array([0.8, 0.1, 0.2, -0.1, -0.2, -0.3, -0.4, -0.4]) + 0.3 * rng.normal(size=1500)
    x = columns if is_scaled else columns * scales + means
    return {"x": x.astype(np.float32), "y": price[:, None].astype(np.float32)}


def _outlines(rng: Generator, is_local: bool) -> Arrays:
    """Returns outlines of small buildings of three shapes, in metres of a national grid or about their first corner."""
    shapes = np.array(
        [
            [(0, 0), (8, 0), (8, 8), (0, 8), (0, 4), (0, 2)],
            [(0, 0), (12, 0), (12, 4), (0, 4), (0, 3), (0, 1)],
            [(0, 0), (8, 0), (8, 4), (4, 4), (4, 8), (0, 8)],
        ],
        dtype=float,
    )
    kinds = rng.integers(0, 3, size=1500)
    corners = shapes[kinds] * rng.uniform(0.8, 1.2, size=(1500, 1, 1)) + 0.4 * rng.normal(size=(1500, 6, 2))
    if not is_local:
        corners += rng.uniform((125_000.0, 433_000.0), (185_000.0, 493_000.0), size=(1500, 1, 2))
    return {"x": (corners / 10 if is_local else corners).astype(np.float32), "y": kinds.astype(np.int32)}


def _squares(is_scaled: bool) -> Arrays:
    """Returns x² + 3 of the whole numbers below 100, of which x itself is standardised in both twins."""
    x = np.arange(100.0)
    y = x**2 + 3
    y = (y - y.mean()) / y.std() if is_scaled else y
    return {"x": ((x - x.mean()) / x.std())[:, None].astype(np.float32), "y": y[:, None].astype(np.float32)}


def _dates(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns days, months and years, and the quarter of the year as the class."""
    dates = np.stack([rng.integers(1, 29, 1400), rng.integers(1, 13, 1400), rng.integers(2008, 2018, 1400)], axis=1)
    scaled = dates / (31, 12, 1) - (0, 0, 2008)
    x = scaled / (1, 1, 10) if is_scaled else dates
    return {"x": x.astype(np.float32), "y": ((dates[:, 1] - 1) // 3).astype(np.int32)}


def _colours(rng: Generator, largest: float) -> Arrays:
    """Returns colours as red, green and blue, and whether dark letters can be read on them."""
    colours = rng.uniform(size=(1000, 3))
    is_light = colours @ (0.3, 0.59, 0.11) > 0.5
    return {"x": (colours * largest).astype(np.float32), "y": is_light.astype(np.int32)}


def _energies(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns distances in a molecule and its total energy, which differs from its mean by hundredths of a percent."""
    distances = rng.normal(size=(1200, 6))
    strain = distances @ np.array([0.5, -0.4, 0.3, 0.2, -0.3, 0.4]) + 0.3 * distances[:, 0] ** 2
    energy = strain if is_scaled else strain - 508.0
    return {"x": distances.astype(np.float32), "y": energy[:, None].astype(np.float32)}


def _one_column(rng: Generator) -> Arrays:
    """Returns one column and a smooth function of it."""
    x = rng.uniform(-3, 3, size=(800, 1))
    return {"x": x.astype(np.float32), "y": (np.sin(x) + 0.5 * x + 0.1 * rng.normal(size=x.shape)).astype(np.float32)}


def _depths(rng: Generator, unit: float) -> Arrays:
    """Returns features of a scene and a depth of some metres in a given unit."""
    features = rng.normal(size=(1500, 10))
    depth = 3.0 + np.tanh(features[:, :5].sum(axis=1) / 2) + 0.5 * features[:, 5]
    return {"x": features.astype(np.float32), "y": (depth * unit)[:, None].astype(np.float32)}


def _products(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns pairs of numbers up to 10 and their product, divided by constants or not."""
    x = rng.uniform(0, 10, size=(2000, 2))
    y = np.prod(x, axis=1, keepdims=True)
    return {"x": (x / 10).astype(np.float32), "y": (y / 100 if is_scaled else y).astype(np.float32)}


CASES: tuple[Case, ...] = (
    Case(
        name="inputs times 255, no biases",
        address="https://cloud.tencent.com.cn/developer/ask/sof/106177874?from=16139",
        report="A network without biases learns CIFAR-10 with SGD and momentum until its inputs are multiplied by 255: "
        "gradients explode within a few steps, and all outputs end at zero. The scale of the inputs is all that "
        "changed.",
        cause=INPUTS,
        data=lambda rng: digit_images(rng, 255),
        healthy_data=lambda rng: digit_images(rng, 1),
        **_twins(
            *_network("BiasFree"),
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.02",
            "--weight_decay=1e-4",
            "--batch_size=250",
            "--horizon=600",
        ),
    ),
    Case(
        name="squares up to 10,000, linear layers",
        address="https://wiki.hoelee.com/content/stats.stackexchange.com_en_all_2022-05/questions/418955/"
        "why-is-deep-neural-net-with-linear-activation-diverges",
        report="Two linear layers diverge on x² + 3 with SGD at its usual rate although x is standardised. The targets "
        "reach 10,000; with scaled targets it converges.",
        cause=TARGETS,
        data=lambda rng: _squares(False),
        healthy_data=lambda rng: _squares(True),
        **_twins(
            *_network("Linear", "steps=2"),
            "--optimizer=sgd",
            "--learning_rate=0.01",
            "--batch_size=32",
            "--horizon=900",
        ),
    ),
    Case(
        name="heart beats, sigmoid units",
        address="https://openillumi.com/en/en-pytorch-performance-fix-standardization",
        report="A network of sigmoid units that separates points around zero fails on data of heart beats, whose mean "
        "is far from 0. Standardised inputs restore it.",
        cause=INPUTS,
        data=lambda rng: _pulses(rng, False),
        healthy_data=lambda rng: _pulses(rng, True),
        **_twins(*_network("Sigmoids", "units=16"), "--optimizer=adam", "--learning_rate=0.01", "--horizon=1000"),
    ),
    Case(
        name="one large column, linear model",
        address="https://thepalindrome.org/p/linear-regression-and-the-exploding-gradients",
        report="Linear regression on the districts of California ends in NaN: the gradient of the column that counts "
        "people is orders of magnitude above the others. At rates that do not explode nothing moves; scaled columns "
        "cure it.",
        cause=INPUTS,
        data=lambda rng: _districts(rng, False),
        healthy_data=lambda rng: _districts(rng, True),
        **_twins(*_network("Linear"), "--optimizer=sgd", "--learning_rate=0.01", "--horizon=800"),
    ),
    Case(
        name="coordinates of a national grid",
        address="https://reinvantveer.github.io/2017/09/04/coordinate-normalization.html",
        report="Shapes of some metres are to be learned from coordinates that span a country, a matter of scale that "
        "standardising the whole data set does not cure; each record is moved to an origin of its own.",
        cause=INPUTS,
        data=lambda rng: _outlines(rng, False),
        healthy_data=lambda rng: _outlines(rng, True),
        **_twins(
            "--model=mlp",
            "--dense_widths=64,32",
            "--init=he",
            "--optimizer=adam",
            "--learning_rate=3e-4",
            "--horizon=2000",
        ),
    ),
    Case(
        name="days, months and years",
        address="https://github.com/BrainJS/brain.js/issues/913",
        report="A network of sigmoid units gives the same outputs for every date that it gets as day, month and year. "
        "The user normalises the inputs and puts it down to that.",
        cause=INPUTS,
        data=lambda rng: _dates(rng, False),
        healthy_data=lambda rng: _dates(rng, True),
        **_twins(
            *_network("Sigmoids", "num_classes=4", "units=20"),
            "--optimizer=sgd",
            "--momentum=0.1",
            "--learning_rate=0.3",
            "--batch_size=16",
            "--horizon=3000",
        ),
    ),
    Case(
        name="colours from 0 to 255, sigmoid units",
        address="https://github.com/BrainJS/brain.js/issues/98",
        report="A network of sigmoid units gives one answer whatever the input. The maintainer finds inputs that are "
        "not normalised, which a sigmoid cannot do without.",
        cause=INPUTS,
        data=lambda rng: _colours(rng, 255),
        healthy_data=lambda rng: _colours(rng, 1),
        **_twins(
            *_network("Sigmoids", "units=3"),
            "--optimizer=sgd",
            "--momentum=0.1",
            "--learning_rate=0.3",
            "--batch_size=16",
            "--horizon=2000",
        ),
    ),
    Case(
        name="total energies",
        address="https://github.com/materialyzeai/matgl/pull/780",
        report="Total energies of molecules are nearly all one constant, and a network spends its training on it. "
        "The remedy subtracts reference energies before training.",
        cause=TARGETS,
        data=lambda rng: _energies(rng, False),
        healthy_data=lambda rng: _energies(rng, True),
        **_twins(
            *_network("Tower", "width=48", "activation=silu"),
            "--optimizer=adam",
            "--learning_rate=1e-3",
            "--horizon=2000",
        ),
    ),
    Case(
        name="one column, normalised over itself",
        address="https://github.com/pytorch/pytorch/issues/108956",
        report="Layer normalisation of a single column returns zero for every example, and what comes after it cannot "
        "learn. It needs two columns at least; without it the column gets through.",
        cause=CONSTANT,
        data=_one_column,
        flags=("--dataset_dir={data}", *_network("Column"), "--learning_rate=3e-3", "--horizon=800"),
        healthy=(
            "--dataset_dir={data}",
            *_network("Column", "normalise=false"),
            "--learning_rate=3e-3",
            "--horizon=800",
        ),
    ),
    Case(
        name="depths divided by 10,000",
        address="https://github.com/xapharius/pytorch-nyuv2/issues/8",
        report="A network for depth ends with kernels of zeros. Depths are divided by 10,000 while the change of units "
        "before it is gone from the user's version; without the division it learns.",
        cause=TARGETS,
        data=lambda rng: _depths(rng, 1e-4),
        healthy_data=lambda rng: _depths(rng, 1),
        **_twins(*_network("Tower", "layers=3"), "--optimizer=adam", "--learning_rate=2e-3", "--horizon=1500"),
    ),
    Case(
        name="products of two numbers",
        address="https://intellipaat.com/community/11039/cant-approximate-simple-multiplication-function-in-neural-network-with-1-hidden-layer",
        report="One hidden layer and plain SGD do not learn the product of two numbers at all: gradients of "
        "such large targets throw hidden units into a state without gradient. Divide by a constant first.",
        cause=TARGETS,
        data=lambda rng: _products(rng, False),
        healthy_data=lambda rng: _products(rng, True),
        **_twins(
            "--model=mlp",
            "--dense_widths=100",
            "--init=he",
            "--optimizer=sgd",
            "--learning_rate=0.05",
            "--horizon=2000",
        ),
    ),
)
