"""Cases of a third collection of several causes: regularisation, schedules, rates, precision, order and more."""

import functools
from itertools import product

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.diagnosis.table import NORMAL
from engine.preflight.causes import (
    ALTERED,
    CAPACITY,
    CONSTANT,
    DEAD,
    DECAY,
    DROPOUT,
    HARD,
    LABELS,
    LARGE_BATCH,
    LARGE_RATE,
    MIXTURE,
    ORDER,
    PRECISION,
    SCALE,
    SCHEDULE,
    SMALL_RATE,
)

Generator = np.random.Generator

_twins = functools.partial(twins, networks="third")


def _steps(rng: Generator) -> Arrays:
    """Makes windows of an accelerometer at five paces."""
    label = rng.integers(5, size=1500)
    phase = 2 * np.pi * (np.array([2, 3, 4, 5, 7])[label][:, None] * np.arange(40) / 40 + rng.random((1500, 1)))
    x = np.stack([np.sin(phase), np.cos(phase + 0.4)], axis=-1) + 0.4 * rng.normal(size=(1500, 40, 2))
    return {"x": x.astype(np.float32), "y": label.astype(np.int32)}


def _tutorial(rng: Generator, is_own: bool) -> Arrays:
    """Holds out images of digits, with labels of their own or with the first ones of the training."""
    arrays = digit_images(rng)
    x, y = arrays["x"], arrays["y"]
    return {"x": x[:1400], "y": y[:1400], "x_test": x[1400:], "y_test": y[1400:] if is_own else y[: len(x) - 1400]}


def _sorted(arrays: Arrays) -> Arrays:
    """Puts one class after the other."""
    order = np.argsort(arrays["y"], kind="stable")
    return {name: array[order] for name, array in arrays.items()}


def _answers(rng: Generator) -> Arrays:
    """Makes rows of symbols with a question mark somewhere, and the symbol after it."""
    x = rng.integers(11, size=(1600, 8))
    place = rng.integers(7, size=1600)
    x[np.arange(1600), place] = 11
    return {"x": x.astype(np.int32), "y": (x[np.arange(1600), place + 1] // 3).astype(np.int32)}


def _trunks(rng: Generator, is_early: bool) -> Arrays:
    """Makes scans of trunks of some centimetres on a map, round or not, rounded before or after they are shifted."""
    label = rng.integers(3, size=1200)
    points = rng.normal(size=(1200, 24, 2))
    points *= 0.04 / np.linalg.norm(points, axis=-1, keepdims=True)
    points *= np.array([(1.4, 0.7), (1, 1), (0.7, 1.4)])[label][:, None]
    if not is_early:
        places = np.array([32_500_000, 5_400_000]) + rng.uniform(-5000, 5000, size=(1200, 1, 2))
        points = ((points + places).astype(np.float32) - places.astype(np.float32)).astype(np.float64)
    return {"x": points.astype(np.float32), "y": label.astype(np.int32)}


def _orders(rng: Generator) -> Arrays:
    """Makes ten events, each of them once, and whether the first kind came before the second."""
    x = rng.permuted(np.tile(np.arange(10), (1600, 1)), axis=1)
    places = np.argsort(x, axis=1)
    return {"x": x.astype(np.int32), "y": (places[:, 0] < places[:, 1]).astype(np.int32)}


def _induction(rng: Generator, length: int) -> Arrays:
    """Makes random symbols with a special one twice, at the end for the second time, and what came after the first."""
    x = rng.integers(8, size=(3000, length))
    place = rng.integers(length - 2, size=3000)
    x[np.arange(3000), place] = x[:, -1] = 8
    return {"x": x.astype(np.int32), "y": x[np.arange(3000), place + 1].astype(np.int32)}


def _formulas(rng: Generator, variables: int, clauses: int) -> Arrays:
    """Makes pairs of formulas that differ in one literal: one can be satisfied, the other cannot."""
    assignments = np.array(list(product((-1, 1), repeat=variables)))
    x: list[np.ndarray] = []
    y: list[bool] = []
    while len(y) < 2400:
        formula = np.zeros((clauses, variables))
        for clause in formula:
            chosen = rng.choice(variables, size=2, replace=False)
            clause[chosen] = rng.choice((-1, 1), size=2)
        changed = formula.copy()
        row = rng.integers(clauses)
        changed[row, rng.choice(np.flatnonzero(changed[row]))] *= -1
        solved = [(each @ assignments.T > -2).all(axis=0).any() for each in (formula, changed)]
        if solved[0] != solved[1]:
            x += [formula, changed]
            y += solved
    literals = np.array(x)
    both = np.concatenate([literals > 0, literals < 0], axis=-1)
    return {"x": both.astype(np.float32), "y": np.array(y).astype(np.int32)}


def _groups(rng: Generator) -> Arrays:
    """Makes points around twice as many centres as there are classes."""
    centres = rng.normal(size=(10, 8)) * 1.2
    which = rng.integers(10, size=1500)
    return {
        "x": (centres[which] + 0.6 * rng.normal(size=(1500, 8))).astype(np.float32),
        "y": (which % 5).astype(np.int32),
    }


def _depths(rng: Generator) -> Arrays:
    """Makes images of slanted surfaces with a step, and how far away each of their pixels is, from 0 to 1."""
    row, column = np.mgrid[0:8, 0:8] / 7 - 0.5
    slopes = rng.uniform(-0.5, 0.5, size=(1500, 2, 1, 1))
    is_behind = column > rng.uniform(-0.4, 0.4, size=(1500, 1, 1))
    depth = 0.5 + slopes[:, 0] * row + slopes[:, 1] * column + rng.uniform(-0.25, 0.25, size=(1500, 1, 1)) * is_behind
    x = 0.8 - 0.6 * depth + 0.03 * rng.normal(size=depth.shape)
    return {"x": x.astype(np.float32)[..., None], "y": depth.reshape(1500, -1).astype(np.float32)}


def _coarse(rng: Generator) -> Arrays:
    """Makes coarse images of digits, 4 pixels wide, and the images that they were made of, 8 pixels wide."""
    images = digit_images(rng)["x"]
    coarse = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    return {"x": coarse.astype(np.float32)[..., None], "y": images.reshape(len(images), -1)}


def _watched(rng: Generator) -> Arrays:
    """Makes users by their numbers and an item that each of them watched, most often one of three."""
    user = rng.integers(100, size=3000)
    favourites = rng.integers(24, size=(100, 3))
    item = np.where(rng.random(3000) < 0.9, favourites[user, rng.integers(3, size=3000)], rng.integers(24, size=3000))
    return {"x": user.astype(np.int32)[:, None], "y": item.astype(np.int32)}


def _openings(rng: Generator) -> Arrays:
    """Makes series of twelve numbers, of which the first two set the class."""
    x = rng.normal(size=(1600, 12))
    return {"x": x.astype(np.float32)[..., None], "y": (x[:, 0] + x[:, 1] > 0).astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        "labels of the training for the test",
        "https://github.com/FluxML/fluxml.github.io/pull/119",
        "A tutorial put the labels of the training to the images of the test, so that the accuracy there was that of "
        "guessing. The change takes the right ones.",
        LABELS,
        *_twins(
            "Pictures --input_arrays=x,x_test --target_arrays=y,y_test --optimizer=sgd --momentum=0.9"
            " --learning_rate=0.01 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _tutorial(rng, False),
        healthy_data=lambda rng: _tutorial(rng, True),
        also=(MIXTURE,),
    ),
    Case(
        "a schedule for 400 steps",
        "https://github.com/determined-ai/determined/pull/711",
        "The schedule of an example for answering questions had 400 steps where the training has thousands, so that "
        "the rate was zero soon and the result stayed where it was. The right number cured it. Here they are 80 of "
        "3,000.",
        SCHEDULE,
        *_twins(
            "Columns --optimizer=adamw --weight_decay=0.01 --learning_rate=3e-4 --batch_size=32"
            " --schedule=cosine --horizon=3000",
            "--decay_steps=80",
            "--decay_steps=3000",
        ),
        data=_answers,
    ),
    Case(
        "all images in a batch, linear model",
        "https://example-a.com/answer/59073288",
        "A linear classifier of images was the worse the larger its batches were, up to a third of the data, for as "
        "many epochs; smaller batches are the answer. A larger rate would do as well.",
        LARGE_BATCH,
        *_twins(
            "Units --model_arg=num_classes=10 --model_arg=layers=0 --optimizer=adam --learning_rate=1e-4 --epochs=60",
            "--batch_size=1400",
            "--batch_size=16",
        ),
        data=digit_images,
        also=(SMALL_RATE,),
    ),
    Case(
        "recordings without a shuffle",
        "https://blog.gcc.ac.cn/post/2024/machinelearninghighaccuracyatfirstthendecrease",
        "The accuracy in training was high at first and fell, while that in validation did not move: the loader did "
        "not shuffle. With a shuffle all was well. Here the engine shuffles, and it learns.",
        ORDER,
        *_twins(
            "Windows --model_arg=num_classes=5 --optimizer=sgd --momentum=0.9 --learning_rate=0.01 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _sorted(_steps(rng)),
        healthy_data=_steps,
    ),
    Case(
        "scans on a map in single precision",
        "https://github.com/ubarsc/pylidar/issues/3",
        "Points of a scanner were put on a map in single precision, whose steps there are larger than what was "
        "scanned. It has to be done in double precision. Here they are to be told apart after that. Nearly all of them "
        "are zero by then, so that inputs which do not reach the network are as right.",
        PRECISION,
        *_twins("Centred --optimizer=adam --learning_rate=1e-3 --batch_size=32", has_other_data=True),
        data=lambda rng: _trunks(rng, False),
        healthy_data=lambda rng: _trunks(rng, True),
        also=(CONSTANT,),
    ),
    Case(
        "attention without places",
        "https://github.com/DaoyuanLi2816/Molecule-Generator/pull/23",
        "A transformer got its symbols without their places. Attention does not see an order of its own, so that all "
        "orders of the same symbols look alike to it. The change adds sines of the place. Here only the order "
        "differs, so that to say that inputs do not reach the network is as right.",
        CAPACITY,
        *_twins(
            "Reader --model_arg=num_outputs=2 --model_arg=blocks=1 --optimizer=adam --learning_rate=3e-3"
            " --batch_size=32",
            "--model_arg=places=false",
            "",
        ),
        data=_orders,
        also=(CONSTANT,),
    ),
    Case(
        "weights of zero under a rectifier",
        "https://github.com/lucidrains/deep-cross-attention/issues/2",
        "A layer chooses how much of each layer before goes on. Its weights start at zero, without a bias and with a "
        "rectifier after it, whose derivative at 0 is 0: it never moves. It starts with small weights now. To blame "
        "the start is as right.",
        DEAD,
        *_twins("Gathering --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=deviation=0", ""),
        data=_groups,
        also=(SCALE,),
    ),
    Case(
        "cliffs on induction",
        "https://github.com/state-spaces/mamba/issues/61",
        "Runs on a task of induction, to recall what came after a special symbol, stay at one loss and fall off it all "
        "at once, each at another time. Nothing was wrong. Here two blocks of attention do it; the twin's texts are "
        "shorter.",
        NORMAL,
        *_twins(
            "Reader --model_arg=num_outputs=8 --model_arg=causal=true --optimizer=adam --learning_rate=1e-3"
            " --batch_size=32 --horizon=3000",
            has_other_data=True,
        ),
        data=lambda rng: _induction(rng, 20),
        healthy_data=lambda rng: _induction(rng, 6),
    ),
    Case(
        "formulas that can be satisfied",
        "https://github.com/ryanzhangfan/NeuroSAT/issues/3",
        "A network that tells which formulas can be satisfied stayed at an accuracy of a half for 47 epochs. The "
        "author's began to converge after 23, and he advises to try smaller formulas first, as the twin has them.",
        HARD,
        *_twins("Clauses --optimizer=adam --learning_rate=1e-3 --batch_size=32 --horizon=1000", has_other_data=True),
        data=lambda rng: _formulas(rng, 5, 12),
        healthy_data=lambda rng: _formulas(rng, 2, 4),
    ),
    Case(
        "a decay of 0.05 on maps of depth",
        "https://github.com/tinghuiz/SfMLearner/issues/34",
        "The code of a network that predicts depth has a weight decay of 0.05. When somebody used it in another "
        "library, the network went to zero very quickly: usual are 0.00005 to 0.0005.",
        DECAY,
        *_twins(
            "Maps --optimizer=adam --learning_rate=1e-3 --batch_size=32", "--weight_decay=0.05", "--weight_decay=0.0005"
        ),
        data=_depths,
    ),
    Case(
        "clipped to a ten-thousandth",
        "https://github.com/twtygqyy/pytorch-vdsr/issues/2",
        "Gradient descent on finer images has a rate of 0.1 and clips gradients against explosions. The author warns "
        "of a very small threshold, such as 0.0001, with which it takes much longer. His code has 0.4.",
        ALTERED,
        *_twins(
            "Maps --optimizer=sgd --momentum=0.9 --learning_rate=0.1 --batch_size=32",
            "--clip_norm=0.0001",
            "--clip_norm=0.4",
        ),
        data=_coarse,
    ),
    Case(
        "the mean at the rate of a sum",
        "https://github.com/tensorflow/recommenders/issues/213",
        "A recommender stops learning when the loss of a batch is its mean: the example sums it, and its rate is one "
        "for sums. Here the rate is that of the sum in both, and gradient descent.",
        SMALL_RATE,
        *_twins("Tastes --optimizer=sgd --learning_rate=0.05 --batch_size=128", "--model_arg=summed=false", ""),
        data=_watched,
    ),
    Case(
        "the sum at the rate of a mean",
        "https://github.com/jax-ml/jax/pull/3113",
        "A notebook sums the loss over the batch, so that gradients explode once batches are larger. The change takes "
        "the mean, at a rate for it. Here that is the rate of both; to say that gradients are scaled is as right.",
        LARGE_RATE,
        *_twins("Rows --optimizer=sgd --learning_rate=0.01 --batch_size=512", "--model_arg=summed=true", ""),
        data=digit_images,
        also=(ALTERED,),
    ),
    Case(
        "dropout on the state that goes on",
        "https://github.com/hankcs/CS224n/pull/12",
        "In an exercise the state of a recurrent network went through dropout at each step, and on to the next one. "
        "The change drops a share of what is put out and leaves the state alone. Here it is a half.",
        DROPOUT,
        *_twins("Forgetful --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=at_the_state=true", ""),
        data=_openings,
    ),
)
