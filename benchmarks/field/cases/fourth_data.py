"""Cases of a fourth collection whose cause is the data: targets, labels, held-out data, augmentation, preprocessing."""

import functools

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.preflight.causes import AUGMENTATION, CONSTANT, LABELS, MIXED, MIXTURE, TARGETS

Generator = np.random.Generator

_twins = functools.partial(twins, networks="fourth_data")
_thirds = functools.partial(twins, networks="third")


def _plates(rng: Generator) -> Arrays:
    """Draws a plate near the middle of an image of 16×16 pixels, and where its centre is."""
    place = rng.uniform(-1.5, 1.5, size=(1600, 2))
    rows, columns = np.arange(16)[:, None] - 7.5, np.arange(16) - 7.5
    x = 0.05 * rng.normal(size=(1600, 16, 16))
    for image, (row, column) in zip(x, place, strict=True):
        image += np.exp(-(((rows - row) / 1.5) ** 2) - ((columns - column) / 2.5) ** 2)
    return {"x": x.astype(np.float32)[..., None], "y": (place / place.std(axis=0)).astype(np.float32)}


def _settings(rng: Generator, is_scaled: bool) -> Arrays:
    """Makes maps of 8×8 values and what produced them: two numbers of about 12,000 and six of about 1."""
    causes = rng.normal(size=(1500, 8))
    x = np.tanh(causes @ rng.normal(size=(8, 64)) / 2) + 0.05 * rng.normal(size=(1500, 64))
    spread = np.where(np.isin(np.arange(8), (0, 3)), 400, 0.5)
    y = causes if is_scaled else causes * spread + np.where(spread > 1, 12000, 1)
    return {"x": x.reshape(-1, 8, 8, 1).astype(np.float32), "y": y.astype(np.float32)}


def _scans(rng: Generator, is_cast: bool) -> Arrays:
    """Makes scans from 0 to 1 with one to four blobs, which are cast to whole numbers afterwards or not."""
    label = rng.integers(4, size=1500)
    rows, columns = np.arange(12)[:, None], np.arange(12)
    x = rng.uniform(0, 0.15, size=(1500, 12, 12))
    for image, count in zip(x, label + 1, strict=True):
        for quarter in rng.permutation(4)[:count]:
            row, column = 2.5 + 6 * (quarter // 2) + rng.uniform(-1, 1), 2.5 + 6 * (quarter % 2) + rng.uniform(-1, 1)
            image += 0.7 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)
    x = x.astype(np.uint8).astype(np.float32) if is_cast else x.astype(np.float32)
    return {"x": x[..., None], "y": label.astype(np.int32)}


def _titles(rng: Generator, is_known: bool) -> Arrays:
    """Makes titles of ten words on four subjects by numbers of a vocabulary, in which words are found or not."""
    label = rng.integers(4, size=1600)
    x = rng.integers(2, 44, size=(1600, 10))
    is_subject = rng.random(x.shape) < 0.3
    x = np.where(is_subject, 44 + 4 * label[:, None] + rng.integers(4, size=x.shape), x)
    lengths = rng.integers(7, 11, size=(1600, 1))
    x = np.where(np.arange(10) < lengths, x if is_known else 1, 0)
    return {"x": x.astype(np.int32), "y": label.astype(np.int32)}


def _flattened(rng: Generator, is_by_image: bool) -> Arrays:
    """Flattens images of digits to a matrix of one column per image, in one step or by a transpose."""
    arrays = digit_images(rng)
    images = arrays["x"]
    matrix = images.reshape(len(images), -1).T if is_by_image else images.reshape(-1, len(images))
    return {"x": np.ascontiguousarray(matrix.T), "y": arrays["y"]}


def _lights(rng: Generator) -> Arrays:
    """Draws lights of three colours on 8×8 pixels."""
    label = rng.integers(3, size=1500)
    x = 0.3 + 0.08 * rng.normal(size=(1500, 8, 8, 3))
    for image, colour in zip(x, label, strict=True):
        row, column = rng.integers(6, size=2)
        image[row : row + 3, column : column + 3, colour] += 0.6
    return {"x": x.astype(np.float32), "y": label.astype(np.int32)}


def _customers(rng: Generator, is_shared: bool) -> Arrays:
    """Makes rows of a place and two more columns, as codes of an encoder of all rows or of one for each part."""
    groups = rng.integers(3, size=120)
    places, others = rng.integers(120, size=2700), rng.integers(6, size=(2700, 2))
    y = groups[places].astype(np.int32)
    x = np.concatenate([places[:, None], others], axis=1).astype(np.int32)
    held = x[2500:].copy()
    if not is_shared:
        for column in range(3):
            held[:, column] = np.unique(held[:, column], return_inverse=True)[1]
    return {"x": x[:2500], "y": y[:2500], "x_test": held, "y_test": y[2500:]}


def _sentences(rng: Generator) -> Arrays:
    """Makes sentences of three to ten words of four moods, zeros after them."""
    label = rng.integers(4, size=1600)
    x = rng.integers(9, 30, size=(1600, 10))
    is_mood = rng.random(x.shape) < 0.4
    x = np.where(is_mood, 1 + 2 * label[:, None] + rng.integers(2, size=x.shape), x)
    lengths = rng.integers(3, 11, size=1600)
    return {"x": np.where(np.arange(10) < lengths[:, None], x, 0).astype(np.int32), "y": label.astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        "two values in the thousands among others",
        "https://discuss.pytorch.org/t/how-to-deal-with-the-labels-having-drastically-different-values/116598",
        "An image is to give a vector of values of which two are around 12,000 and the others around 1. The answer: "
        "a squared error neglects all but the two; standardise every one of them.",
        TARGETS,
        *_twins(
            "Regions --model_arg=num_outputs=8 --optimizer=rmsprop --learning_rate=1e-3 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _settings(rng, False),
        healthy_data=lambda rng: _settings(rng, True),
    ),
    Case(
        "cast to bytes after scaling",
        "https://github.com/InnopolisUni/innofw/issues/96",
        "Images were cast to bytes after the preprocessing. Those that were from 0 to 1 by then became zeros. The cast "
        "was to be removed.",
        CONSTANT,
        *_thirds(
            "Pictures --model_arg=num_classes=4 --optimizer=sgd --momentum=0.9 --learning_rate=0.01 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _scans(rng, True),
        healthy_data=lambda rng: _scans(rng, False),
    ),
    Case(
        "no word is in the vocabulary",
        "https://github.com/tensorflow/models/pull/744",
        "Every word of a text became the one for unknown words: the keys of the vocabulary were text and the words "
        "were looked up as bytes. The change reads both alike.",
        CONSTANT,
        *_twins("Words --optimizer=adam --learning_rate=2e-3 --batch_size=32", has_other_data=True),
        data=lambda rng: _titles(rng, False),
        healthy_data=lambda rng: _titles(rng, True),
    ),
    Case(
        "images flattened the other way",
        "https://community.deeplearning.ai/t/flattening-images-in-the-logistic-regression-assignment-in-course-1-"
        "week-2/149",
        "For a course images become columns of a matrix. A reshape to that form has the right shape but puts pixels of "
        "many images into each column; one row per image and a transpose is right. Examples were mixed before there "
        "were batches, so that either name is right.",
        LABELS,
        *_thirds(
            "Units --model_arg=num_classes=10 --model_arg=layers=0 --optimizer=sgd --learning_rate=0.1 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _flattened(rng, False),
        healthy_data=lambda rng: _flattened(rng, True),
        also=(MIXED,),
    ),
    Case(
        "sorted by length and not put back",
        "https://github.com/mead-ml/mead-baseline/pull/677",
        "A batch is sorted by the lengths of its sentences, as a recurrent layer wants it, and the outputs have to be "
        "put back. That was done in place, which copied those of some examples over others. Here it is not done at "
        "all, so that they belong to other examples of the batch.",
        MIXED,
        *_twins("Sorted --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=restored=false", ""),
        data=_sentences,
    ),
    Case(
        "images move and boxes stay",
        "https://github.com/experiencor/keras-yolo2/issues/446",
        "The default augmentation of a detector can move images, while boxes stay where they were, which is worst for "
        "small ones. Here a plate near the middle is to be found and images move by up to half their size.",
        AUGMENTATION,
        *_twins(
            "Regions --model_arg=num_outputs=2 --optimizer=adam --learning_rate=2e-3 --batch_size=32",
            "--augment=crop --crop_padding=8",
            "--augment=none",
        ),
        data=_plates,
    ),
    Case(
        "colours changed where they matter",
        "https://github.com/ultralytics/ultralytics/issues/19815",
        "A classifier changes colours of the training images by itself, and somebody's classes were colours: the "
        "information was lost. The request is that this augmentation can be turned off, which the twin does.",
        AUGMENTATION,
        *_twins("Lights --optimizer=adam --learning_rate=2e-3 --batch_size=32", "--model_arg=hue=true", ""),
        data=_lights,
    ),
    Case(
        "an encoder for each part",
        "https://github.com/sayakpaul/Benchmarking-and-MLI-experiments-on-the-Adult-dataset/issues/1",
        "Columns of names became numbers by an encoder of the training rows, and those of the test by one of their "
        "own, so that numbers did not mean the same. One encoder for both is the remedy.",
        MIXTURE,
        *_twins(
            "Table --input_arrays=x,x_test --target_arrays=y,y_test --optimizer=adam --learning_rate=2e-3",
            has_other_data=True,
        ),
        data=lambda rng: _customers(rng, False),
        healthy_data=lambda rng: _customers(rng, True),
    ),
)
