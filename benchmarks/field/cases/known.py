"""The cases that were known first: what people get wrong most often, one of each kind, none of them kept aside."""

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.field.case import Arrays, Case
from engine.preflight import causes

_DENSE = ("--model=mlp", "--dense_widths=64,64", "--init=he")
_DEEPER = ("--model=mlp", "--dense_widths=64,64,64", "--init=he")
_MOMENTUM = ("--optimizer=sgd", "--momentum=0.9", "--learning_rate=0.01")
_VALUES = ("--dataset_dir={data}", "--model={networks}/known.py:Values", "--learning_rate=1e-3")
_NOISY = ("--dataset_dir={data}", "--model={networks}/known.py:Noisy", "--learning_rate=1e-3")
_CLIPPED = ("--dataset_dir={data}", "--model={networks}/known.py:Clipped", "--optimizer=sgd", "--learning_rate=0.1")
_SIGMOID = ("--model=mlp", "--dense_widths=64,64,64,64,64", "--init=glorot", *_MOMENTUM)


def _digits(random: np.random.Generator) -> Arrays:
    """The digits as flat rows from 0 to 1, in another order."""
    digits = load_digits()
    order = random.permutation(len(digits.target))
    return {"x": (digits.data[order] / 16).astype(np.float32), "y": digits.target[order].astype(np.int32)}


def _bytes(random: np.random.Generator) -> Arrays:
    digits = _digits(random)
    return {**digits, "x": 255 * digits["x"]}


def _of_other_images(random: np.random.Generator) -> Arrays:
    digits = _digits(random)
    return {**digits, "y": random.permutation(digits["y"])}


def _by_class(random: np.random.Generator) -> Arrays:
    digits = _digits(random)
    order = np.argsort(digits["y"], kind="stable")
    return {name: array[order] for name, array in digits.items()}


def _bend(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Eight features, and a number from −1 to 1 that follows from them."""
    features = random.normal(size=(2000, 8)).astype(np.float32)
    return features, np.tanh(features @ random.normal(size=(8, 1)) / 2)


def _prices(random: np.random.Generator) -> Arrays:
    features, bend = _bend(random)
    prices = 2e5 + 6e4 * bend + 5e3 * random.normal(size=bend.shape)
    return {"x": features, "y": prices.astype(np.float32)}


def _below_zero(random: np.random.Generator) -> Arrays:
    features, bend = _bend(random)
    return {"x": features, "y": (0.8 * bend - 2).astype(np.float32)}


def _joule(random: np.random.Generator) -> Arrays:
    features, bend = _bend(random)
    return {"x": features, "y": 4e-19 + 1e-20 * bend}


CASES: tuple[Case, ...] = (
    Case(
        "pixels 0–255",
        "",
        "Grey values went into a dense network as bytes; divided by 255 they train.",
        causes.INPUTS,
        flags=("--dataset_dir={data}", *_DENSE, *_MOMENTUM),
        healthy=("--dataset_dir={healthy}", *_DENSE, *_MOMENTUM),
        data=_bytes,
        healthy_data=_digits,
    ),
    Case(
        "prices of 200,000",
        "",
        "A regression on prices as they are stays far above the loss of their mean; standardised they train.",
        causes.TARGETS,
        flags=_VALUES,
        healthy=(*_VALUES, "--target_scaling=standard"),
        data=_prices,
    ),
    Case(
        "warm-up beyond the horizon",
        "",
        "The warm-up took 100,000 steps, many times as long as the training; without it the network trains.",
        causes.SCHEDULE,
        flags=(*_DENSE, "--learning_rate=1e-3", "--schedule=warmup", "--warmup_steps=100000"),
        healthy=(*_DENSE, "--learning_rate=1e-3"),
    ),
    Case(
        "decay of 50",
        "",
        "AdamW with a weight decay of 50 takes away more than it learns; 0.01 is what was meant.",
        causes.DECAY,
        flags=(*_DEEPER, "--optimizer=adamw", "--learning_rate=1e-3", "--weight_decay=50"),
        healthy=(*_DEEPER, "--optimizer=adamw", "--learning_rate=1e-3", "--weight_decay=0.01"),
    ),
    Case(
        "ReLU on the output",
        "",
        "The targets are all below zero, and the last layer has a ReLU as the hidden ones do; without it they train.",
        causes.UNREACHABLE,
        flags=(*_VALUES, "--model_arg=is_positive=true"),
        healthy=_VALUES,
        data=_below_zero,
    ),
    Case(
        "dropout of 0.9",
        "",
        "What was meant as the share to keep is the share that is dropped, after each of four layers.",
        causes.DROPOUT,
        flags=(*_NOISY, "--model_arg=dropped=0.9"),
        healthy=(*_NOISY, "--model_arg=dropped=0.1"),
        data=_digits,
    ),
    Case(
        "five layers of sigmoids",
        "",
        "The signal of the loss does not get through five sigmoids, so that the vanishing gradient is as right a name; "
        "ReLU in their place trains.",
        causes.SATURATING,
        flags=(*_SIGMOID, "--activation=sigmoid"),
        healthy=(*_SIGMOID, "--activation=relu"),
        also=(causes.VANISHING,),
    ),
    Case(
        "gradients clipped to a millionth",
        "",
        "Clipping was there against explosions, at a length that leaves nothing of any gradient.",
        causes.ALTERED,
        flags=(*_CLIPPED, "--momentum=0", "--model_arg=longest=1e-6"),
        healthy=(*_CLIPPED, "--momentum=0"),
        data=_digits,
    ),
    Case(
        "labels of other images",
        "",
        "Images and labels were shuffled apart: the network learns its examples by heart and nothing else.",
        causes.LABELS,
        flags=("--dataset_dir={data}", *_DENSE, "--learning_rate=1e-3"),
        healthy=("--dataset_dir={healthy}", *_DENSE, "--learning_rate=1e-3"),
        data=_of_other_images,
        healthy_data=_digits,
    ),
    Case(
        "sorted by class",
        "",
        "The file is sorted by class, as a folder is read, and the loop did not shuffle; ours does, so here it trains.",
        causes.ORDER,
        flags=("--dataset_dir={data}", *_DENSE, "--learning_rate=1e-3"),
        healthy=("--dataset_dir={healthy}", *_DENSE, "--learning_rate=1e-3"),
        data=_by_class,
        healthy_data=_digits,
    ),
    Case(
        "a rate that kills units",
        "",
        "Adam at 0.3 throws most units out of reach of every input in the first steps; at 0.01 it trains.",
        causes.LARGE_RATE,
        flags=(*_DEEPER, "--optimizer=adam", "--learning_rate=0.3"),
        healthy=(*_DEEPER, "--optimizer=adam", "--learning_rate=0.01"),
    ),
    Case(
        "energies in joule",
        "",
        "Targets of 4e-19 are rounded to a loss of nothing; standardised they train.",
        causes.TARGETS,
        flags=_VALUES,
        healthy=(*_VALUES, "--target_scaling=standard"),
        data=_joule,
    ),
)
