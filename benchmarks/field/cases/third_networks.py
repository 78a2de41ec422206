"""Cases of a third collection whose cause is the network, its outputs, the start, the rate or the gradient."""

import functools

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.preflight.causes import (
    EPSILON,
    MIXED,
    NOT_FINITE,
    SATURATING,
    SCALE,
    TARGETS,
    UNREACHABLE,
    UNTRAINED,
    VANISHING,
)

_twins = functools.partial(twins, networks="third")


def _standard(values: np.ndarray) -> np.ndarray:
    """Returns values with a mean of 0 and a deviation of 1 per column, `[num, columns]`."""
    columns = values.reshape(len(values), -1)
    return ((columns - columns.mean(axis=0)) / columns.std(axis=0)).astype(np.float32)


def _temperatures(rng: np.random.Generator) -> Arrays:
    """Makes windows of the days' deviations from the normal temperature, and the temperature of the next day."""
    deviation = np.zeros(1720)
    for day in range(1, 1720):
        deviation[day] = 0.8 * deviation[day - 1] + rng.normal()
    year = np.sin(2 * np.pi * np.arange(1720) / 365)
    series = np.stack([deviation / 1.7, year], axis=1)
    x = np.lib.stride_tricks.sliding_window_view(series, 10, axis=0)[:1600].swapaxes(1, 2)
    y = 12 + 8 * year[10:1610] + 2 * deviation[10:1610]
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)[:, None]}


def _signatures(rng: np.random.Generator) -> Arrays:
    """Makes pairs of signatures, and 1 where both are by the same hand; some pairs hold the same one twice."""
    hands = rng.normal(size=(8, 20))
    first, other = rng.integers(8, size=(2, 1600))
    is_same = rng.random(1600) < 0.5
    x = hands[np.stack([first, np.where(is_same, first, other)], axis=1)] + 0.3 * rng.normal(size=(1600, 2, 20))
    is_twice = is_same & (rng.random(1600) < 0.1)
    x[is_twice, 1] = x[is_twice, 0]
    is_same |= first == other
    return {"x": x.astype(np.float32), "y": is_same.astype(np.float32)[:, None]}


def _reviews(rng: np.random.Generator) -> Arrays:
    """Makes texts of up to 12 words of three moods, zeros after them, and some without any word."""
    label = rng.integers(3, size=1600)
    x = rng.integers(7, 20, size=(1600, 12))
    is_mood = rng.random(x.shape) < 0.35
    x = np.where(is_mood, 1 + 2 * label[:, None] + rng.integers(2, size=x.shape), x)
    lengths = rng.integers(3, 13, size=1600)
    lengths[rng.random(1600) < 0.02] = 0
    return {"x": np.where(np.arange(12) < lengths[:, None], x, 0).astype(np.int32), "y": label.astype(np.int32)}


def _candidates(rng: np.random.Generator) -> Arrays:
    """Makes features and four candidates for each, and how well these fit them."""
    x = rng.normal(size=(1600, 5, 6))
    y = np.einsum("bf,bnf->bn", x[:, 0, :3], x[:, 1:, :3])
    return {"x": x.astype(np.float32), "y": _standard(y)}


def _simulations(rng: np.random.Generator) -> Arrays:
    """Makes noisy oscillations, and the two parameters that they were simulated with."""
    pace, damping = rng.uniform(0.5, 1.5, size=1500), rng.uniform(0.05, 0.5, size=1500)
    times = np.arange(16)
    x = np.exp(-damping[:, None] * times) * np.cos(pace[:, None] * times) + 0.05 * rng.normal(size=(1500, 16))
    return {"x": x.astype(np.float32), "y": _standard(np.stack([pace, damping], axis=1))}


def _questions(rng: np.random.Generator) -> Arrays:
    """Makes questions of up to eight words of four kinds, with zeros after them up to 60."""
    label = rng.integers(4, size=1600)
    x = rng.integers(5, 24, size=(1600, 60))
    lengths = rng.integers(3, 9, size=1600)
    x[np.arange(1600), rng.integers(lengths)] = 1 + label
    return {"x": np.where(np.arange(60) < lengths[:, None], x, 0).astype(np.int32), "y": label.astype(np.int32)}


def _finer(rng: np.random.Generator) -> Arrays:
    """Makes coarse images of digits from 0 to 1, and the images that they were made of."""
    images = digit_images(rng)["x"]
    coarse = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    return {"x": coarse.astype(np.float32)[..., None], "y": images.reshape(len(images), -1)}


CASES: tuple[Case, ...] = (
    Case(
        "the state of a cell for degrees",
        "https://github.com/nicodjimenez/lstm/issues/37",
        "What a cell of a recurrent network holds was taken for the value itself, and it did not get to some of the "
        "targets; with a linear layer after it, it gets to any. Here they are degrees. Targets between -1 and 1 would "
        "have helped as well.",
        UNREACHABLE,
        *_twins("Cells --optimizer=adam --learning_rate=0.01 --batch_size=32", "--model_arg=linear=false", ""),
        data=_temperatures,
        also=(TARGETS,),
    ),
    Case(
        "the root of no distance",
        "https://github.com/keras-team/keras/issues/9097",
        "A siamese network takes the root of a sum of squares. For a pair of the same input twice that is the root of "
        "0, whose derivative is no number, and so was the loss. With 0.01 added under the root it trains.",
        NOT_FINITE,
        *_twins("Siamese --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=floor=0", ""),
        data=_signatures,
    ),
    Case(
        "texts of padding only",
        "https://github.com/pytorch/pytorch/issues/40932",
        "Attention gives padding a score of minus infinity. One example of a batch was nothing but padding, so that "
        "its softmax was no number, and then the weights. Another library takes -100,000,000, which works.",
        NOT_FINITE,
        *_twins("Padded --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=masked=-inf", ""),
        data=_reviews,
    ),
    Case(
        "repeated in another order",
        "https://github.com/wenet-e2e/west/pull/121",
        "What an example is about is repeated for each of its answers: the whole batch again and again, where answers "
        "lie example after example, so that they are paired with other examples. Repeating each in place repairs it.",
        MIXED,
        *_twins(
            "Candidates --optimizer=adam --learning_rate=3e-3 --batch_size=32", "--model_arg=interleaved=false", ""
        ),
        data=_candidates,
    ),
    Case(
        "the optimiser of the network before",
        "https://github.com/sbi-dev/sbi/issues/200",
        "An option builds a network for simulations anew, but the optimiser still has the weights of the old one, so "
        "that nothing is trained. It has to be built anew as well. Here only the biases of the last layer are trained.",
        UNTRAINED,
        *_twins("Rebuilt --optimizer=adam --learning_rate=2e-3 --batch_size=50", "--model_arg=stale=true", ""),
        data=_simulations,
    ),
    Case(
        "the state after the padding",
        "https://github.com/thtrieu/qclass_dl/issues/1",
        "A classifier of questions takes the state at the last word. Somebody took the last state of all, after the "
        "padding, and the result was terrible: little of the words is left by then.",
        VANISHING,
        *_twins("Questions --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=at_the_word=false", ""),
        data=_questions,
    ),
    Case(
        "weights between 0 and 1",
        "https://community.insaid.co/hc/en-us/articles/360051529674-Difference-between-rand-and-randn-function",
        "A network of sigmoids learned with weights from a normal distribution and not with uniform ones from 0 to 1: "
        "the sums are far from 0, where a sigmoid has hardly any slope. To blame the start is as right.",
        SATURATING,
        *_twins(
            "Uniform --optimizer=sgd --momentum=0 --learning_rate=0.3 --batch_size=16", "--model_arg=normal=false", ""
        ),
        data=digit_images,
        also=(SCALE,),
    ),
    Case(
        "epsilon under the root",
        "https://github.com/apache/mxnet/issues/4493",
        "A library adds 0.0001 to the mean square of RMSprop before the root, which is 0.01 after it. Images from 0 to "
        "1 have squared errors with much smaller gradients, so that epsilon decides. Others add 0.00000001.",
        EPSILON,
        *_twins("Finer --optimizer=rmsprop --learning_rate=1e-4 --batch_size=32", "--epsilon=0.01", "--epsilon=1e-8"),
        data=_finer,
    ),
)
