"""Cases kept aside whose cause is the scale of the data, their pipeline, or too much regularisation."""

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.preflight.causes import AUGMENTATION, DECAY, DROPOUT, INPUTS, LABELS, MIXTURE, ORDER, TARGETS

Generator = np.random.Generator


def _notes(rng: Generator, largest: float) -> Arrays:
    """Returns short recordings of four notes with overtones, at any phase and loudness, with noise."""
    label = rng.integers(4, size=1500)
    turns = np.array([3, 5, 8, 13])[label][:, None] * np.arange(128) / 128 + rng.random((1500, 1))
    x = np.sin(2 * np.pi * turns) + 0.3 * np.sin(4 * np.pi * turns) + 0.2 * rng.normal(size=(1500, 128))
    x = np.round(np.clip(rng.uniform(0.1, 0.6, size=(1500, 1)) * x, -1, 1) * 32767)
    return {"x": (x / 32768 * largest).astype(np.float32), "y": label.astype(np.int32)}


def _scans(rng: Generator, is_local: bool) -> Arrays:
    """Returns points on boxes, balls and poles of some metres, where the scanner put them or around their centre."""
    kinds = rng.integers(3, size=1200)
    directions = rng.normal(size=(1200, 24, 3))
    boxes = directions / np.abs(directions).max(axis=-1, keepdims=True)
    balls = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    poles = balls * (0.3, 0.3, 1.2)
    points = np.stack([boxes, balls, poles])[kinds, np.arange(1200)] * rng.uniform(0.7, 1.3, size=(1200, 1, 1))
    if not is_local:
        points += rng.uniform((-60, -60, 0), (60, 60, 6), size=(1200, 1, 3))
    return {"x": points.astype(np.float32), "y": kinds.astype(np.int32)}


def _powers(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns whole numbers up to 100 and their fourth powers, divided by the largest ones or not."""
    x = rng.integers(-100, 101, size=(1500, 1)) / (100 if is_scaled else 1)
    return {"x": x.astype(np.float32), "y": (x**4).astype(np.float32)}


def _returns(rng: Generator, is_scaled: bool) -> Arrays:
    """Returns texts of twelve symbols and what comes of them: a number around 18, or the same standardised."""
    x = rng.integers(12, size=(1500, 10))
    y = 18 + 2 * (rng.normal(size=12)[x].sum(axis=1) / 3 + (x[:, 0] == x[:, 9]))
    y = (y - y.mean()) / y.std() if is_scaled else y
    return {"x": x.astype(np.int32), "y": y.astype(np.float32)[:, None]}


def _faces(rng: Generator) -> Arrays:
    """Draws faces of 10×10 pixels with or without glasses and a smile."""
    glasses, smile = rng.integers(2, size=(2, 1500))
    x = 0.2 * rng.normal(size=(1500, 10, 10))
    x[:, 3, [2, 7]] += 1
    x[:, 7, 3:7] += 1
    x[glasses == 1, 2, 1:9] += 1
    x[glasses == 1, 4, 1:9] += 1
    for column in (2, 7):
        x[smile == 1, 6, column] += 1
    shift = rng.integers(-1, 2, size=1500)
    x = np.stack([np.roll(image, by, axis=0) for image, by in zip(x, shift, strict=True)])
    return {"x": x.astype(np.float32)[..., None], "y": (2 * glasses + smile).astype(np.int32)}


def _listed_faces(rng: Generator) -> Arrays:
    """Returns the faces in the order of their numbers as text, and the labels in the order of their numbers."""
    arrays = _faces(rng)
    order = sorted(range(len(arrays["x"])), key=str)
    return {**arrays, "x": arrays["x"][order]}


def _permuted(rng: Generator, is_same: bool) -> Arrays:
    """Returns digits with their pixels in another order: the same one for all, or a new one for each."""
    arrays = digit_images(rng)
    x = arrays["x"].reshape(len(arrays["x"]), -1)
    x = x[:, rng.permutation(x.shape[1])] if is_same else rng.permuted(x, axis=1)
    return {**arrays, "x": x}


def _events(rng: Generator) -> Arrays:
    """Makes histograms over time of moving edges, of five speeds."""
    label = rng.integers(5, size=1500)
    place = 6 + (label[:, None] - 2) * (np.arange(6) - 2.5) * 0.8 + rng.normal(size=(1500, 1))
    x = np.exp(-((np.arange(12) - place[..., None]) ** 2)) + 0.1 * rng.normal(size=(1500, 6, 12))
    return {"x": x.astype(np.float32), "y": label.astype(np.int32)}


def _split_events(rng: Generator, is_same: bool) -> Arrays:
    """Holds out some of the events, with their classes in the same order or in another one."""
    arrays = _events(rng)
    numbers = np.arange(5) if is_same else np.array([3, 0, 4, 1, 2])
    x, y = arrays["x"], arrays["y"]
    return {"x": x[:1200], "y": y[:1200], "x_test": x[1200:], "y_test": numbers[y[1200:]].astype(np.int32)}


def _textures(rng: Generator) -> Arrays:
    """Makes textures of 8×8 pixels of six directions."""
    label = rng.integers(6, size=1500)
    turn = np.pi * label / 6
    down, right = np.mgrid[:8, :8]
    along = np.cos(turn)[:, None, None] * down + np.sin(turn)[:, None, None] * right
    x = np.sin(1.6 * along + 2 * np.pi * rng.random((1500, 1, 1))) + 0.3 * rng.normal(size=(1500, 8, 8))
    return {"x": x.astype(np.float32)[..., None], "y": label.astype(np.int32)}


def _sorted_textures(rng: Generator) -> Arrays:
    """Makes the same, one class after the other."""
    arrays = _textures(rng)
    order = np.argsort(arrays["y"], kind="stable")
    return {name: array[order] for name, array in arrays.items()}


def _spiral(rng: Generator) -> Arrays:
    """Makes a spiral with three arms."""
    label = rng.integers(3, size=1500)
    radius = rng.random(1500)
    angle = 4 * (radius + label * np.pi / 6) + 0.2 * rng.normal(size=1500)
    return {"x": (radius * np.stack([np.sin(angle), np.cos(angle)])).T.astype(np.float32), "y": label.astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        "divided by 255 twice",
        "https://github.com/pkmital/pycadl/pull/5",
        "Batches of images were divided by 255 where they were made and once more in the pipeline, before a recurrent "
        "network read them. The change leaves one of them out.",
        INPUTS,
        *twins("Rows --optimizer=adam --learning_rate=1e-4 --batch_size=32 --horizon=1500", has_other_data=True),
        data=lambda rng: digit_images(rng, 1 / 255),
        healthy_data=digit_images,
    ),
    Case(
        "sound as whole numbers",
        "https://github.com/JusperLee/Dual-Path-RNN-Pytorch/issues/16",
        "Recordings were read as whole numbers of 16 bits, and the loss of a network was no number at some "
        "point; it expects them from -1 to 1, as another reader returns them.",
        INPUTS,
        *twins("Waveform --optimizer=sgd --momentum=0.9 --learning_rate=0.05 --batch_size=32", has_other_data=True),
        data=lambda rng: _notes(rng, 32768),
        healthy_data=lambda rng: _notes(rng, 1),
    ),
    Case(
        "points where the scanner put them",
        "https://github.com/Pointcept/Pointcept/issues/541",
        "A network for clouds of points gave poor results on somebody's scans until the coordinates were "
        "normalised to be between -1 and 1.",
        INPUTS,
        *twins("Points --optimizer=adam --learning_rate=1e-3 --batch_size=32", has_other_data=True),
        data=lambda rng: _scans(rng, False),
        healthy_data=lambda rng: _scans(rng, True),
    ),
    Case(
        "fourth powers up to 100 million",
        "http://stackoverflow.com.mevn.net/questions/52800582/why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
        "A network cannot learn the fourth power of numbers up to 100: weights of order one cannot make such large "
        "outputs in any number of steps, and the first layer of sigmoids saturates. Both were to be scaled.",
        TARGETS,
        *twins(
            "Layers --model_arg=activations=sigmoid,elu --optimizer=adam --learning_rate=1e-3 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _powers(rng, False),
        healthy_data=lambda rng: _powers(rng, True),
        also=(INPUTS,),
    ),
    Case(
        "returns of a critic",
        "https://github.com/deepspeedai/DeepSpeedExamples/issues/556",
        "The loss of a critic, which estimates what is to come of a text, only grew. Returns rose to about 20, too "
        "wide a range at its small rate; scaled by their deviation they were learned. Here they are there at once.",
        TARGETS,
        *twins("Attentive --optimizer=adam --learning_rate=1e-4 --batch_size=32 --horizon=1000", has_other_data=True),
        data=lambda rng: _returns(rng, False),
        healthy_data=lambda rng: _returns(rng, True),
    ),
    Case(
        "faces in the order of a listing",
        "https://github.com/NoahVl/Explaining-In-Style-Reproducibility-Study/issues/9",
        "Images came in the order in which the folder was listed, labels in that of a table, so that they did not "
        "correspond. Sorting the list was the remedy. Here it is sorted as text, without leading zeros.",
        LABELS,
        *twins(
            "--dataset_dir={data}"
            " --model=cnn8 --conv_widths=8,12 --pool_after=1,2 --dense_widths=24 --init=he --optimizer=adam"
            " --learning_rate=5e-4 --batch_size=32",
            has_other_data=True,
        ),
        data=_listed_faces,
        healthy_data=_faces,
    ),
    Case(
        "pixels in a new order each time",
        "https://github.com/aimagelab/mammoth/issues/38",
        "Digits whose pixels are in another order, the same for all, were at 10 % whatever the model: workers of the "
        "loader each drew an order anew. It has to be drawn once. Nearly nothing of an image is left, as after an "
        "augmentation that is too strong.",
        LABELS,
        *twins(
            "--dataset_dir={data}"
            " --model=mlp --dense_widths=48 --init=he --optimizer=sgd --momentum=0.9 --learning_rate=0.01",
            has_other_data=True,
        ),
        data=lambda rng: _permuted(rng, False),
        healthy_data=lambda rng: _permuted(rng, True),
        also=(AUGMENTATION,),
    ),
    Case(
        "classes numbered anew in the test set",
        "https://github.com/uzh-rpg/rpg_event_representation_learning/issues/2",
        "The accuracy in training was good and that in validation poor: classes were numbered in the order in which a "
        "folder was listed, which differed between both. Sorted names repaired it.",
        LABELS,
        *twins(
            "Rows --input_arrays=x,x_test --target_arrays=y,y_test --learning_rate=2e-3 --batch_size=16",
            has_other_data=True,
        ),
        data=lambda rng: _split_events(rng, False),
        healthy_data=lambda rng: _split_events(rng, True),
        also=(MIXTURE,),
    ),
    Case(
        "a loader that does not shuffle",
        "https://github.com/Deci-AI/super-gradients/issues/416",
        "By default a loader did not shuffle, and a network that was trained from folders saw one class at a time, "
        "which threw it off. Shuffling solved it. Here the engine shuffles, and it learns.",
        ORDER,
        *twins(
            "Likely --model_arg=num_classes=6 --optimizer=sgd --momentum=0.9 --learning_rate=0.02", has_other_data=True
        ),
        data=_sorted_textures,
        healthy_data=_textures,
    ),
    Case(
        "a penalty of 0.1 on a spiral",
        "https://github.com/leonardoaraujosantos/DLMatFramework/issues/1",
        "An exercise draws what a network makes of a toy data set: with a penalty of 0.001 on its weights it "
        "separates the classes, with 0.1, too much, it does not.",
        DECAY,
        *twins(
            "--dataset_dir={data}"
            " --model=mlp --dense_widths=64 --init=he --optimizer=sgd --momentum=0 --learning_rate=0.5"
            " --batch_size=100",
            "--weight_decay=0.1",
            "--weight_decay=0.001",
        ),
        data=_spiral,
    ),
    Case(
        "a share of a thousandth, turned round",
        "https://github.com/tiny-dnn/tiny-dnn/issues/961",
        "A library took the share of units to drop for the share to keep: with a thousandth to drop nearly all units "
        "were dropped, and the network did not train. Turned round it worked.",
        DROPOUT,
        *twins(
            "--dataset_dir={data}"
            " --model=cnn8 --conv_widths=8,12 --pool_after=1,2 --dense_widths=40 --activation=tanh --init=glorot"
            " --optimizer=adam --learning_rate=1e-3 --batch_size=32 --horizon=1000",
            "--dropout=0.999",
            "--dropout=0.001",
        ),
        data=digit_images,
    ),
)
