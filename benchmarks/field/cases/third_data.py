"""Cases of a third collection whose cause is the data, their pipeline, regularisation, batches or the schedule."""

import functools

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.diagnosis.table import NORMAL
from engine.preflight.causes import CONSTANT, HARD, IMBALANCE, INPUTS, LABELS, MIXED, MIXTURE, SMALL_BATCH, TARGETS

Generator = np.random.Generator

_twins = functools.partial(twins, networks="third")


def _signs(rng: Generator, blue: float) -> Arrays:
    """Draws signs of four colours and kinds of 8×8 pixels, normalised with a given mean of blue."""
    kinds = np.zeros((4, 8, 8, 3))
    kinds[0, 2:6, 2:6, 0] = kinds[1, 2:6, 2:6, 2] = 1
    kinds[2, 3:5, 1:7] = kinds[3, 1:7, 3:5] = (0.9, 0.8, 0.2)
    label = rng.integers(4, size=1500)
    x = 0.4 * kinds[label] + rng.uniform(0.1, 0.5, size=(1500, 1, 1, 1)) + 0.1 * rng.normal(size=(1500, 8, 8, 3))
    x = (np.clip(x, 0, 1) - (0.485, 0.456, blue)) / (0.229, 0.224, 0.225)
    return {"x": x.astype(np.float32), "y": label.astype(np.int32)}


def _currents(rng: Generator, unit: float) -> Arrays:
    """Makes readings of a sensor over time with a pulse, a step or a swing, in a given unit."""
    label = rng.integers(3, size=1500)
    time = np.arange(48) - rng.uniform(12, 36, size=(1500, 1))
    shapes = np.stack([np.exp(-(time**2) / 8), 1 / (1 + np.exp(-time)), np.sin(time / 2) * np.exp(-(time**2) / 60)])
    x = shapes[label, np.arange(1500)] + 0.2 * rng.normal(size=(1500, 48))
    return {"x": (x * unit).astype(np.float32)[..., None], "y": label.astype(np.int32)}


def _chords(rng: Generator, is_relative: bool) -> Arrays:
    """Makes energies of the twelve notes in pieces of music of any loudness, and which of six chords was played."""
    label = rng.integers(6, size=1500)
    notes = np.zeros((6, 12))
    for chord, start in enumerate((0, 2, 5, 7, 9, 11)):
        notes[chord, [start, (start + 4 - chord % 2) % 12, (start + 7) % 12]] = 1
    energies = (notes[label] + 0.2) * np.exp(0.5 * rng.normal(size=(1500, 12)))
    if is_relative:
        x = 2 * energies / energies.sum(axis=1, keepdims=True) - 1
    else:
        x = energies * 10 ** rng.uniform(1, 12, size=(1500, 1))
    return {"x": x.astype(np.float32), "y": label.astype(np.int32)}


def _rates(rng: Generator, is_scaled: bool) -> Arrays:
    """Makes four settings of a device and its efficiency of 0.999, which they change in the fifth digit."""
    x = rng.normal(size=(1500, 4))
    y = np.tanh(x[:, 0] + 0.5 * x[:, 1] * x[:, 2]) - 0.4 * x[:, 3]
    y = (y - y.mean()) / y.std() if is_scaled else 0.999 + 6e-5 * y
    return {"x": x.astype(np.float32), "y": y[:, None].astype(np.float32)}


def _flows(rng: Generator, offset: int) -> Arrays:
    """Makes windows of four sensors and two values of the last step, or of one `offset` steps later."""
    series = rng.normal(size=(3020, 4))
    y = np.stack([np.tanh(series[:, 0] + series[:, 1]), series[:, 2] * np.sign(series[:, 3])], axis=1)
    x = np.lib.stride_tricks.sliding_window_view(series, 8, axis=0)[:3000].transpose(0, 2, 1)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    return {"x": x.astype(np.float32), "y": y[7 + offset : 3007 + offset].astype(np.float32)}


def _payments(rng: Generator) -> Arrays:
    """Makes rows of eight columns of symbols, of which one sets the class and the last none."""
    x = rng.integers(12, size=(1600, 8))
    return {"x": x.astype(np.int32), "y": (x[:, 3] // 3).astype(np.int32)}


def _normalised(rng: Generator, is_same: bool) -> Arrays:
    """Standardises images of digits for training, and those held out too or not."""
    arrays = digit_images(rng, 255)
    x, y = arrays["x"], arrays["y"]
    train = (x[:1400] - x[:1400].mean()) / x[:1400].std()
    held = (x[1400:] - x[:1400].mean()) / x[:1400].std() if is_same else x[1400:]
    return {"x": train, "y": y[:1400], "x_test": held, "y_test": y[1400:]}


def _claims(rng: Generator, share: float) -> Arrays:
    """Makes claims of which a share is of the rare class, in which half of the columns vary more."""
    y = rng.permutation((np.arange(2000) < share * 2000).astype(np.int32))
    x = rng.normal(size=(2000, 12)) * (1 + y[:, None] * (np.arange(12) < 6))
    return {"x": x.astype(np.float32), "y": y}


def _first(rng: Generator) -> Arrays:
    """Makes three numbers, of which the first, 0 or 1, is the class and the others are any digits."""
    x = rng.integers(10, size=(1600, 3))
    x[:, 0] = rng.integers(2, size=1600)
    return {"x": x.astype(np.float32)[..., None], "y": x[:, 0].astype(np.int32)}


def _gate(rng: Generator, is_exclusive: bool) -> Arrays:
    """Makes pairs of bits and whether just one of them is set, or both."""
    x = rng.integers(2, size=(1000, 2))
    y = x[:, 0] ^ x[:, 1] if is_exclusive else x[:, 0] & x[:, 1]
    return {"x": x.astype(np.float32), "y": y.astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        "a mean of 406 for blue",
        "https://github.com/jacobgil/pytorch-grad-cam/issues/189",
        "Whatever the image, the features of somebody's network were the same. Images had been normalised with a mean "
        "of 406 for blue where 0.406 was meant, a point that was forgotten.",
        INPUTS,
        *_twins(
            "Pictures --model_arg=num_classes=4 --optimizer=sgd --momentum=0.9 --learning_rate=0.01 --batch_size=32",
            has_other_data=True,
        ),
        data=lambda rng: _signs(rng, 406),
        healthy_data=lambda rng: _signs(rng, 0.406),
    ),
    Case(
        "readings of a billionth",
        "http://forums.fast.ai/t/data-pre-processing-for-the-input-having-very-small-values/13656",
        "A convolutional network is to read series whose values are around 1e-9. Weights of order one make nothing "
        "of them. The answer is to scale the features.",
        INPUTS,
        *_twins("Windows --optimizer=adam --learning_rate=1e-3 --batch_size=32", has_other_data=True),
        data=lambda rng: _currents(rng, 1e-9),
        healthy_data=lambda rng: _currents(rng, 1),
    ),
    Case(
        "energies of notes up to a trillion",
        "https://dsp.stackexchange.com/questions/14003/normalizing-a-spectrogram-or-a-pitch-class-profile/17946",
        "Chords are to be told from the energies of the twelve notes, which are of the order of ten or of a trillion. "
        "The answer takes the share of each note in the whole, from -1 to 1.",
        INPUTS,
        *_twins(
            "Units --model_arg=activation=relu --optimizer=sgd --learning_rate=0.1 --batch_size=32", has_other_data=True
        ),
        data=lambda rng: _chords(rng, False),
        healthy_data=lambda rng: _chords(rng, True),
    ),
    Case(
        "efficiencies of 0.999",
        "https://codewithsundeep.com/discussion/solution/11228407",
        "Values to predict differ in the fifth digit only, such as 0.99903 and 0.99890. Answers: errors of that size "
        "get lost in the steps and in single precision; normalise. Here the inputs are, and the targets are not.",
        TARGETS,
        *_twins("Values --optimizer=adam --learning_rate=1e-3 --batch_size=32", has_other_data=True),
        data=lambda rng: _rates(rng, False),
        healthy_data=lambda rng: _rates(rng, True),
    ),
    Case(
        "targets one step after the window",
        "https://github.com/keras-team/keras-preprocessing/issues/66",
        "A generator of windows returns the target of the step after the window, where somebody's belonged to its last "
        "step. The reporter shifts it by one. Here steps do not depend on each other.",
        LABELS,
        *_twins("Past --model_arg=width=12 --optimizer=adam --learning_rate=1e-3 --batch_size=32", has_other_data=True),
        data=lambda rng: _flows(rng, 1),
        healthy_data=lambda rng: _flows(rng, 0),
    ),
    Case(
        "images times an array of zeros",
        "https://github.com/btgraham/SparseConvNet-archived/pull/12",
        "An image was multiplied by an array that was made with zeros and not filled, which left it black. The change "
        "corrects it.",
        CONSTANT,
        *_twins("Pictures --optimizer=adam --learning_rate=1e-3 --batch_size=32", "--model_arg=blank=true"),
        data=digit_images,
    ),
    Case(
        "attention over the batch",
        "https://github.com/IBM/TabFormer/pull/14",
        "A transformer for tables handed [batch, columns] to layers that expect the sequence first, so that it "
        "attended over the rows of a batch. Swapping the axes before and after repairs it.",
        MIXED,
        *_twins("Columns --optimizer=adam --learning_rate=1e-3 --batch_size=32", "--model_arg=batch_first=false"),
        data=_payments,
    ),
    Case(
        "held-out images as they are",
        "https://qa.1r1g.com/sf/ask/3855093651",
        "A generator standardises the images of digits that are trained on; those for validation are handed over as "
        "they are, and their accuracy is poor. They have to be standardised with the same numbers.",
        MIXTURE,
        *_twins(
            "Pictures --input_arrays=x,x_test --target_arrays=y,y_test --optimizer=adam --learning_rate=1e-3",
            has_other_data=True,
        ),
        data=lambda rng: _normalised(rng, False),
        healthy_data=lambda rng: _normalised(rng, True),
    ),
    Case(
        "two in a hundred",
        "https://ai.stackexchange.com/questions/8016/"
        "does-balancing-the-training-data-set-distribution-for-a-neural-network-affect-it",
        "Of two classes, one makes up 2 % of the data, with which training is not easy. Asker and answer balance them.",
        IMBALANCE,
        *_twins(
            "Units --model_arg=num_classes=2 --model_arg=activation=relu --optimizer=sgd --learning_rate=0.02",
            has_other_data=True,
        ),
        data=lambda rng: _claims(rng, 0.02),
        healthy_data=lambda rng: _claims(rng, 0.5),
    ),
    Case(
        "batches of one, normalised over the batch",
        "https://github.com/microsoft/CNTK/issues/905",
        "An example with normalisation over the batch gave no useful result with batches of one, and a good one with "
        "64. A mean over one example is that example.",
        SMALL_BATCH,
        *_twins("Normed --optimizer=sgd --momentum=0.9 --learning_rate=0.01", "--batch_size=1", "--batch_size=64"),
        data=digit_images,
    ),
    Case(
        "three layers that wait",
        "https://kiwix.lema.org/stackoverflow.com_en_all_2023-11/questions/43442560/lstm-training-pattern",
        "Three layers of LSTM units are to return the first of three numbers. For twelve epochs nothing moves, and ten "
        "later all are right; nothing is wrong. Here the twin has one layer.",
        NORMAL,
        *_twins("Stack --optimizer=adam --learning_rate=1e-3 --batch_size=32", "", "--model_arg=layers=1"),
        data=_first,
    ),
    Case(
        "one of two, by two sigmoids",
        "https://stats.stackexchange.com/questions/440558/"
        "interpreting-cost-change-plot-in-a-neural-network-for-learning-xor",
        "Two sigmoid units learn whether one of two bits is set, after the cost has stayed where it was for most of "
        "many iterations. Nothing is wrong; it is slow by nature. Here the twin learns whether both are set.",
        HARD,
        *_twins(
            "Units --model_arg=num_classes=2 --model_arg=width=2 --model_arg=activation=sigmoid --optimizer=sgd"
            " --learning_rate=1 --batch_size=32 --horizon=6000",
            has_other_data=True,
        ),
        data=lambda rng: _gate(rng, True),
        healthy_data=lambda rng: _gate(rng, False),
        also=(NORMAL,),
    ),
)
