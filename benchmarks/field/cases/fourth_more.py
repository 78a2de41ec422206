"""Cases of a fourth collection: rates, optimisers, schedules, clipping, regularisation, batches, and nothing wrong."""

import functools

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.diagnosis.table import NORMAL
from engine.preflight.causes import ALTERED, DECAY, EPSILON, HARD, LARGE_RATE, SCHEDULE, SMALL_RATE

Generator = np.random.Generator

_twins = functools.partial(twins, networks="fourth_more")
_third = functools.partial(twins, networks="third")
_later = functools.partial(twins, networks="later")


def _standard(values: np.ndarray) -> np.ndarray:
    """Returns columns with a mean of 0 and a deviation of 1."""
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)


def _topics(rng: Generator) -> Arrays:
    """Makes sentences of ten words on one of four topics, each of which has two words of its own."""
    label = rng.integers(4, size=1600)
    x = rng.integers(8, 12, size=(1600, 10))
    is_topical = rng.random(x.shape) < 0.4
    x = np.where(is_topical, 2 * label[:, None] + rng.integers(2, size=x.shape), x)
    return {"x": x.astype(np.int32), "y": label.astype(np.int32)}


def _phrases(rng: Generator) -> Arrays:
    """Makes phrases of eight words of one language, and the translation of the first, nearly always the same."""
    x = rng.integers(16, size=(1600, 8))
    word = np.where(rng.random(1600) < 0.95, x[:, 0], rng.integers(16, size=1600))
    return {"x": x.astype(np.int32), "y": rng.permutation(16)[word].astype(np.int32)}


def _records(rng: Generator) -> Arrays:
    """Makes eleven columns of numbers and which of two kinds a row is of, by a weighted sum of them."""
    x = rng.normal(size=(1200, 11))
    y = x @ rng.normal(size=11) + 0.3 * rng.normal(size=1200) > 0
    return {"x": x.astype(np.float32), "y": y.astype(np.int32)}


def _poses(rng: Generator) -> Arrays:
    """Makes images of a bright joint before some clutter, and where it is."""
    row, column = np.mgrid[0:8, 0:8]
    place = rng.uniform(1, 6, size=(1500, 2, 1, 1))
    x = np.exp(-((row - place[:, 0]) ** 2 + (column - place[:, 1]) ** 2) / 2) + 0.15 * rng.random((1500, 8, 8))
    return {"x": x.astype(np.float32)[..., None], "y": _standard(place[:, :, 0, 0])}


def _sentences(rng: Generator) -> Arrays:
    """Makes sentences of eight words and the tag of the last, which depends on the word and on the one before it."""
    x = rng.integers(12, size=(1600, 8))
    y = 2 * (x[:, -1] // 4) + (x[:, -2] > 5)
    return {"x": x.astype(np.int32), "y": y.astype(np.int32)}


def _waves(rng: Generator) -> Arrays:
    """Makes noisy waves, and how high, how fast and how far from zero they are."""
    height, pace, shift = rng.uniform(0.5, 1.5, 1500), rng.uniform(0.3, 0.9, 1500), rng.normal(0, 0.5, 1500)
    phase = pace[:, None] * np.arange(32) + rng.uniform(0, 6.3, size=(1500, 1))
    x = height[:, None] * np.sin(phase) + shift[:, None] + 0.1 * rng.normal(size=(1500, 32))
    return {"x": x.astype(np.float32)[..., None], "y": _standard(np.stack([height, pace, shift], axis=1))}


def _marked(rng: Generator, length: int) -> Arrays:
    """Makes series of numbers of which two are marked, and the sum of these."""
    x = rng.uniform(-1, 1, size=(2000, length))
    marks = rng.permuted(np.tile(np.arange(length) < 2, (2000, 1)), axis=1)
    y = _standard((x * marks).sum(axis=1, keepdims=True))
    return {"x": np.stack([x, marks], axis=-1).astype(np.float32), "y": y}


def _episodes(rng: Generator, is_drawn: bool) -> Arrays:
    """Makes episodes of two characters with a label each, drawn anew or their own, and one of both without it."""
    first, other = rng.integers(4, size=3000), 4 + rng.integers(4, size=3000)
    characters = np.stack([first, other], axis=1)
    labels = np.tile(np.arange(2), (3000, 1))
    if is_drawn:
        labels = rng.permuted(labels, axis=1)
    order = rng.permuted(np.tile(np.arange(2), (3000, 1)), axis=1)
    characters, labels = (np.take_along_axis(each, order, axis=1) for each in (characters, labels))
    asked = rng.integers(2, size=3000)
    pick = np.arange(3000)
    shown = np.concatenate([characters, characters[pick, asked][:, None]], axis=1)
    features = np.eye(8)[shown] + 0.1 * rng.normal(size=(3000, 3, 8))
    given = np.concatenate([np.eye(2)[labels], np.zeros((3000, 1, 2))], axis=1)
    x = np.concatenate([features, given], axis=-1)
    return {"x": x.astype(np.float32), "y": labels[pick, asked].astype(np.int32)}


def _parity(rng: Generator, bits: int) -> Arrays:
    """Makes strings of 20 bits, -1 or 1, and whether the product of some of them is positive."""
    x = rng.choice((-1, 1), size=(3000, 20))
    return {"x": x.astype(np.float32), "y": (x[:, :bits].prod(axis=1) > 0).astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        "a rate of 2 without its formula",
        "https://github.com/OpenNMT/OpenNMT-py/issues/869",
        "A transformer does not train at all without the option that turns a rate of 2 into a small one by the width "
        "and the step: Adam gets the 2 itself. The answer is that it takes an adequate rate.",
        LARGE_RATE,
        *_third(
            "Reader --model_arg=num_outputs=4 --optimizer=adam --batch_size=32",
            "--learning_rate=2",
            "--learning_rate=1e-3",
        ),
        data=_topics,
    ),
    Case(
        "a default of 0.1 without normalisation",
        "https://github.com/pytorch/vision/pull/1998",
        "Training scripts start at a rate of 0.1, with momentum, which is right for networks with batch normalisation "
        "and too high for those without. The change documents 0.01 for these.",
        LARGE_RATE,
        *_twins("Plain --optimizer=sgd --momentum=0.9 --batch_size=32", "--learning_rate=0.1", "--learning_rate=0.01"),
        data=digit_images,
    ),
    Case(
        "an epsilon of a tenth",
        "https://github.com/mlpnlp/mlpnlp-nmt/pull/4",
        "The default epsilon of Adam in a translator was 0.1, with which training does not work well. The change takes "
        "the 0.00000001 of the library below it.",
        EPSILON,
        *_later("Language --optimizer=adam --learning_rate=1e-3 --batch_size=32", "--epsilon=0.1", "--epsilon=1e-8"),
        data=_phrases,
    ),
    Case(
        "warmed up and gone",
        "https://github.com/jaehyunnn/ViTPose_pytorch/issues/20",
        "The rate of an estimator of poses rises to what was asked for and is 0 soon after, while the training goes "
        "on: factors for its layers were applied at every step and not once. Here it takes 8 steps to rise and as "
        "many to fall, where the whole training was meant.",
        SCHEDULE,
        *_twins(
            "Joints --optimizer=adamw --weight_decay=0.01 --learning_rate=5e-4 --batch_size=32 --schedule=cosine"
            " --warmup_steps=8 --horizon=3000",
            "--decay_steps=8",
            "--decay_steps=2992",
        ),
        data=_poses,
    ),
    Case(
        "the rate of gradients that were added up",
        "https://github.com/LxMLS/lxmls-toolkit/pull/152",
        "In an exercise gradients were never set back, so that each step took the sum of all there had been. When that "
        "was repaired, the rate turned out to be too low, and was raised.",
        SMALL_RATE,
        *_twins("Tagger --optimizer=sgd --momentum=0 --batch_size=16", "--learning_rate=0.0005", "--learning_rate=0.1"),
        data=_sentences,
    ),
    Case(
        "clipped before they were scaled back",
        "https://github.com/Lightning-AI/pytorch-lightning/issues/9599",
        "In half precision the loss is multiplied by 65,536 and gradients are divided by it. They were clipped to 1 "
        "before that, which leaves a 65,536th of their length: the curve was very flat. Here both are in one number.",
        ALTERED,
        *_later(
            "Signal --optimizer=sgd --momentum=0.9 --learning_rate=0.05 --batch_size=32",
            "--clip_norm=1.5e-5",
            "--clip_norm=1",
        ),
        data=_waves,
    ),
    Case(
        "a decay without the rate",
        "https://stats.stackexchange.com/questions/117622/"
        "weight-decay-in-neural-neural-networks-weight-update-and-convergence",
        "Somebody's own code takes a thousandth or more of each weight away at every step, whatever the rate, and the "
        "accuracy falls from 99 to 56 %. The answer: a strong decay has to hurt. Here it takes three thousandths at a "
        "rate of 0.01, which is a penalty of 0.3; the twin has none.",
        DECAY,
        *_third(
            "Units --model_arg=num_classes=2 --model_arg=width=5 --model_arg=activation=sigmoid --optimizer=sgd"
            " --momentum=0 --learning_rate=0.01 --batch_size=1",
            "--weight_decay=0.3",
            "--weight_decay=0",
        ),
        data=_records,
    ),
    Case(
        "flat until the eleventh epoch",
        "https://discuss.pytorch.org/t/werid-training-loss-curve/8799",
        "A regression by an LSTM learns the mean, stays there from the second to the tenth epoch and then drops, in "
        "the same way each time. Answers: typical of an LSTM, a saddle. Here it adds two marked numbers; the twin's "
        "series are shorter.",
        NORMAL,
        *_third("Cells --optimizer=adam --learning_rate=2e-3 --batch_size=32 --horizon=4000", has_other_data=True),
        data=lambda rng: _marked(rng, 16),
        healthy_data=lambda rng: _marked(rng, 3),
    ),
    Case(
        "labels drawn anew in each episode",
        "https://github.com/Luvata/CS330-Stanford-Deep-Multi-Task-and-Meta-Learning/issues/6",
        "A network that is to learn from the examples it is shown has a flat loss and guesses. That is expected: it "
        "goes down after 3,000 to 4,000 epochs. In the twin characters keep their labels, which can be learnt by "
        "heart.",
        NORMAL,
        *_twins("Episodes --optimizer=adam --learning_rate=2e-3 --batch_size=32 --horizon=4000", has_other_data=True),
        data=lambda rng: _episodes(rng, True),
        healthy_data=lambda rng: _episodes(rng, False),
        also=(HARD,),
    ),
    Case(
        "three of twenty bits",
        "https://cybertronai.github.io/SutroYaro/research/sparse-parity-literature",
        "The parity of three of twenty bits is learnt after a long time without any progress to be seen: patience is "
        "what is needed, as literature says. In the twin it is one bit.",
        HARD,
        *_third(
            "Units --model_arg=num_classes=2 --model_arg=width=128 --model_arg=activation=relu --optimizer=sgd"
            " --momentum=0 --learning_rate=0.1 --batch_size=32 --horizon=8000",
            has_other_data=True,
        ),
        data=lambda rng: _parity(rng, 3),
        healthy_data=lambda rng: _parity(rng, 1),
        also=(NORMAL,),
    ),
)
