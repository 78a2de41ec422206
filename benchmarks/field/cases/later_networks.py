"""Cases kept aside whose cause is the rate, the start, the outputs, the gradient, or the problem itself."""

import numpy as np

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.diagnosis.table import NORMAL
from engine.preflight.causes import (
    ALTERED,
    EXPLODING,
    HARD,
    LARGE_RATE,
    MISFIT,
    PRECISION,
    SATURATING,
    SCALE,
    SCHEDULE,
    SMALL_RATE,
    UNREACHABLE,
    UNTRAINED,
    VANISHING,
)


def _text(rng: np.random.Generator) -> Arrays:
    """Makes windows of a text whose next symbol follows, mostly, from the two before it."""
    rule = rng.integers(16, size=(16, 16))
    text = list(rng.integers(16, size=2))
    for _ in range(1800):
        text.append(rule[text[-2], text[-1]] if rng.random() < 0.8 else rng.integers(16))
    windows = np.lib.stride_tricks.sliding_window_view(np.array(text), 7)
    return {"x": windows[:, :6].astype(np.int32), "y": windows[:, 6].astype(np.int32)}


def _shapes(rng: np.random.Generator) -> Arrays:
    """Draws a square, a cross, a bar or a ring anywhere on 12×12 pixels."""
    square = np.ones((5, 5))
    cross, bar, ring = np.zeros((3, 5, 5))
    cross[2] = cross[:, 2] = bar[1:4] = 1
    ring[[0, 4]] = ring[:, [0, 4]] = 1
    label = rng.integers(4, size=1600)
    x = 0.1 * rng.normal(size=(1600, 12, 12))
    for image, kind in zip(x, label, strict=True):
        top, left = rng.integers(8, size=2)
        image[top : top + 5, left : left + 5] += (square, cross, bar, ring)[kind]
    return {"x": x.astype(np.float32)[..., None], "y": label.astype(np.int32)}


def _marked(rng: np.random.Generator) -> Arrays:
    """Makes sequences of symbols with exactly one of the first four, and which one it is."""
    label = rng.integers(4, size=1600)
    x = rng.integers(4, 12, size=(1600, 10))
    x[np.arange(1600), rng.integers(10, size=1600)] = label
    return {"x": x.astype(np.int32), "y": label.astype(np.int32)}


def _phrases(rng: np.random.Generator) -> Arrays:
    """Makes four symbols and a fifth, which follows from the second and the third."""
    x = rng.integers(64, size=(2000, 4))
    return {"x": x.astype(np.int32), "y": ((x[:, 1] + 3 * (x[:, 2] > 31)) % 64).astype(np.int32)}


def _sensors(rng: np.random.Generator) -> Arrays:
    """Makes windows of three sensors, and the standardised value that follows from them."""
    x = rng.normal(size=(1500, 16, 3))
    y = np.tanh(x[:, -4:, 0].sum(axis=1)) + 0.5 * x[:, -1, 1] * x[:, -2, 1] + 0.7 * x[:, :8, 2].mean(axis=1)
    return {"x": x.astype(np.float32), "y": ((y - y.mean()) / y.std()).astype(np.float32)[:, None]}


def _series(rng: np.random.Generator) -> Arrays:
    """Makes windows of four series, and three values around 3 that follow from them."""
    x = rng.normal(size=(1500, 10, 4))
    parts = (x[:, :5, 0].sum(axis=1), x[:, 3:7, 1].sum(axis=1) - x[:, 4, 2], np.abs(x[:, :, 3]).sum(axis=1))
    y = np.stack(parts, axis=1)
    return {"x": x.astype(np.float32), "y": (3 + (y - y.mean(axis=0)) / y.std(axis=0)).astype(np.float32)}


def _pictures(rng: np.random.Generator) -> Arrays:
    """Makes images of digits from -1 to 1, which are to be drawn again."""
    x = 2 * digit_images(rng)["x"] - 1
    return {"x": x, "y": x.reshape(len(x), -1)}


def _quarters(rng: np.random.Generator) -> Arrays:
    """Makes points in six dimensions, and 1 or -1 by the quarter of the plane of two of them."""
    x = rng.uniform(-1, 1, size=(1600, 6))
    return {"x": x.astype(np.float32), "y": np.sign(x[:, 1] * x[:, 4]).astype(np.float32)[:, None]}


def _switches(rng: np.random.Generator) -> Arrays:
    """Makes words of 20 bits and a standardised number that some of them set."""
    x = rng.integers(2, size=(1600, 20))
    y = x @ rng.normal(size=20) + 2 * (x[:, 0] ^ x[:, 1])
    return {"x": x.astype(np.float32), "y": ((y - y.mean()) / y.std()).astype(np.float32)[:, None]}


def _angles(rng: np.random.Generator) -> Arrays:
    """Makes images of a slope, and at each pixel by how many radians the ray through it is bent in both directions."""
    side = np.arange(8) / 7 - 0.5
    slope, height = rng.normal(size=(2, 1200, 1, 1))
    x = slope * side[:, None] + height * side + 0.1 * rng.normal(size=(1200, 8, 8))
    y = 0.05 * np.stack([np.tanh(x), np.sin(2 * x)], axis=-1)
    return {"x": x.astype(np.float32)[..., None], "y": y.reshape(1200, -1).astype(np.float32)}


def _recall(rng: np.random.Generator, delay: int) -> Arrays:
    """Makes sequences of symbols whose first one is to be recalled after some others."""
    x = np.concatenate([rng.integers(8, size=(1600, 1)), rng.integers(8, 16, size=(1600, delay))], axis=1)
    return {"x": x.astype(np.int32), "y": x[:, 0].astype(np.int32)}


def _wave(rng: np.random.Generator) -> Arrays:
    """Makes a sine with nearly five periods."""
    x = rng.uniform(-7.5, 7.5, size=(1500, 1))
    return {"x": x.astype(np.float32), "y": np.sin(2 * x).astype(np.float32)}


def _half_wave(rng: np.random.Generator) -> Arrays:
    """Makes a sine with less than one period over the same numbers."""
    x = rng.uniform(-7.5, 7.5, size=(1500, 1))
    return {"x": x.astype(np.float32), "y": np.sin(x / 3).astype(np.float32)}


CASES: tuple[Case, ...] = (
    Case(
        "a language model at a rate of 1",
        "https://github.com/rajveermalviya/language-modeling/issues/3",
        "The loss of a language model hardly went down over many epochs. The configuration had a rate of 1; Adam at "
        "its default of 0.001 trained much better. Here both are Adam.",
        LARGE_RATE,
        *twins("Language --optimizer=adam --batch_size=32", "--learning_rate=1", "--learning_rate=1e-3"),
        data=_text,
    ),
    Case(
        "a residual network that starts at 0.1",
        "https://github.com/akamaster/pytorch_resnet_cifar10/issues/31",
        "Somebody's residual network stayed at the accuracy of guessing for a hundred epochs at the rate of 0.1 that "
        "the script starts with, which is too large there. Here the blocks have no normalisation.",
        LARGE_RATE,
        *twins(
            "Residual --optimizer=sgd --momentum=0.9 --batch_size=32", "--learning_rate=0.1", "--learning_rate=0.005"
        ),
        data=digit_images,
    ),
    Case(
        "rectifiers at the rate of sigmoids",
        "https://github.com/MichalDanielDobrzanski/DeepLearningPython/issues/13",
        "Somebody put rectifiers in the place of a book's sigmoids, and the accuracy did not move from guessing. The "
        "rate was 3 and the start of deviation 1; the answer takes 0.01 and a tenth of the start, both of which are "
        "changed here. To blame the start is as right.",
        LARGE_RATE,
        *twins(
            "--dataset_dir={data} --model=mlp --dense_widths=30 --init=normal --optimizer=sgd --momentum=0"
            " --batch_size=10 --horizon=2000",
            "--init_scale=1 --learning_rate=3",
            "--init_scale=0.1 --learning_rate=0.01",
        ),
        data=digit_images,
        also=(SCALE,),
    ),
    Case(
        "the rate of fine-tuning, from scratch",
        "https://github.com/fizyr/keras-retinanet/pull/843",
        "A detector has a fixed rate of 0.00001, which is right for fine-tuning only and too small for a network that "
        "starts from scratch. The change lets people choose it.",
        SMALL_RATE,
        *twins(
            "--dataset_dir={data} --model=cnn8 --conv_widths=8,16 --pool_after=1,2 --dense_widths=32 --init=he"
            " --optimizer=adam --batch_size=32 --horizon=1000",
            "--learning_rate=1e-5",
            "--learning_rate=1e-3",
        ),
        data=_shapes,
    ),
    Case(
        "a rate that rises to the end",
        "https://github.com/hirofumi0810/neural_sp/issues/137",
        "The warm-up of a recogniser takes 25,000 steps, as its configuration has it, and the whole training of "
        "somebody fewer: the rate rises straight to the end, and the result is poor.",
        SCHEDULE,
        *twins(
            "Attentive --optimizer=adam --batch_size=32 --learning_rate=5e-4 --horizon=600",
            "--schedule=warmup --warmup_steps=25000",
            "",
        ),
        data=_marked,
    ),
    Case(
        "a head of variance 1",
        "https://github.com/huggingface/transformers/pull/26441",
        "The weights of a language model's head start with a variance of 1, whatever the width, so that its logits "
        "are huge and the first loss is many times that of guessing. The change divides the variance by the width.",
        SCALE,
        *twins(
            "Headed --optimizer=adam --learning_rate=1e-4 --batch_size=32 --horizon=500", "--model_arg=wide=true", ""
        ),
        data=_phrases,
    ),
    Case(
        "truncated normal weights as they come",
        "https://e-com-net.com/article/1281957349447188480.htm",
        "A convolutional network of rectifiers got 10 to 20 % of the digits right with weights from a truncated normal "
        "distribution of the default deviation, 1. With 0.1 it learned.",
        SCALE,
        *twins(
            "Truncated --optimizer=adam --learning_rate=1e-4 --batch_size=50 --horizon=1000",
            "--model_arg=deviation=1",
            "",
        ),
        data=digit_images,
        also=(EXPLODING,),
    ),
    Case(
        "all weights are one",
        "https://notebook.community/BeatHubmann/17F-U-DLND/weight-initialization/weight_initialization",
        "A lesson starts a network of rectifiers with ones in place of random weights: the units of a layer all do "
        "the same, which makes it hard to tell which weights to change. It goes on to small random ones.",
        SCALE,
        *twins(
            "--dataset_dir={data} --model=mlp --dense_widths=48,32 --optimizer=adam --learning_rate=1e-3"
            " --batch_size=128",
            "--init=constant --init_scale=1",
            "--init=normal --init_scale=0.1",
        ),
        data=digit_images,
        also=(EXPLODING,),
    ),
    Case(
        "each output against the targets of all",
        "https://github.com/sktime/sktime/pull/10932",
        "Networks return [batch, 1] and the loss gets targets of shape [batch]: it compares every output with every "
        "target, so that the best outputs are all the mean. The change takes the axis away. Here the gradient is "
        "made what it was there, so that an altered gradient is as right a name.",
        MISFIT,
        *twins("Forecast --optimizer=adam --learning_rate=1e-3 --batch_size=64", "--model_arg=broadcast=true", ""),
        data=_sensors,
        also=(ALTERED,),
    ),
    Case(
        "softmax under a regression",
        "https://github.com/raghakot/keras-resnet/issues/46",
        "The loss of a deep network hardly fell, whatever the rate and the optimiser. It was built for classes and "
        "used for a regression: its softmax had to become linear. Here three values are predicted.",
        UNREACHABLE,
        *twins(
            "Signal --optimizer=adam --learning_rate=1e-3 --batch_size=64",
            "--model_arg=end=softmax",
            "--model_arg=end=linear",
        ),
        data=_series,
        also=(MISFIT,),
    ),
    Case(
        "an autoencoder of images from -1 to 1",
        "https://stackoverflow.com/questions/52441877/how-does-binary-cross-entropy-loss-work-on-autoencoders",
        "A sigmoid at the end of an autoencoder is right for values from 0 to 1 only; others, such as these from -1 to "
        "1, need another end.",
        UNREACHABLE,
        *twins(
            "Autoencoder --optimizer=adam --learning_rate=1e-3 --batch_size=64",
            "--model_arg=end=sigmoid",
            "--model_arg=end=tanh",
        ),
        data=_pictures,
    ),
    Case(
        "sigmoids in place of logarithms of shares",
        "https://example-a.com/answer/55469311",
        "A classifier of digits works with a softmax at its end and fails with sigmoids, under a loss that expects "
        "logarithms of shares: one for all classes is the best for it. Here the gradient is made what it was there, so "
        "that an altered gradient is as right a name.",
        MISFIT,
        *twins(
            "Likely --optimizer=sgd --momentum=0.5 --learning_rate=0.02 --batch_size=64",
            "--model_arg=sigmoids=true",
            "",
        ),
        data=digit_images,
        also=(ALTERED,),
    ),
    Case(
        "steps under gradient descent",
        "http://pullrequest.ru/14899114/nuzhno-izmenyat-vhody-pertseptron",
        "A perceptron with a step function is trained by gradient descent. The derivative of a step is 0, so that it "
        "lets no gradient through; the answer proposes tanh. Here the steps are in the hidden layers.",
        UNTRAINED,
        *twins(
            "Layers --model_arg=width=12 --optimizer=adam --learning_rate=3e-3 --batch_size=16",
            "--model_arg=activations=step,step",
            "--model_arg=activations=tanh,tanh",
        ),
        data=_quarters,
    ),
    Case(
        "four layers of sigmoids, a regression",
        "https://ai.stackexchange.com/questions/16557/"
        "what-could-be-the-problem-when-a-neural-network-with-four-hidden-layers-with-the",
        "A regression on binary vectors with four hidden layers of sigmoids cannot learn even the training data. The "
        "answer: each layer takes three quarters of the gradient or more, so that it vanishes.",
        VANISHING,
        *twins(
            "Layers --optimizer=sgd --momentum=0.9 --learning_rate=0.005 --batch_size=32 --horizon=1000",
            "--model_arg=activations=sigmoid,sigmoid,sigmoid,sigmoid",
            "--model_arg=activations=relu,relu,relu,relu",
        ),
        data=_switches,
        also=(SATURATING,),
    ),
    Case(
        "half precision without a scaled loss",
        "https://github.com/engichang1467/Open-Rig3R/issues/35",
        "Training runs in half precision and nothing scales the loss: gradients below 0.00006 become zero on their "
        "way, those of bounded angles first, without any message. The remedy is another format or a scaled loss.",
        PRECISION,
        *twins("Rays --optimizer=adam --learning_rate=1e-3 --batch_size=32", "--model_arg=half=true", ""),
        data=_angles,
    ),
    Case(
        "a memory that comes at once",
        "https://github.com/keras-team/keras/issues/1053",
        "A network with a memory stays at guessing for several epochs and is good all of a sudden; how long that takes "
        "differs from start to start. The author's advice is to go on. Here the twin has to remember for less long.",
        NORMAL,
        *twins("Language --optimizer=adam --learning_rate=1e-3 --batch_size=32 --horizon=3000", has_other_data=True),
        data=lambda rng: _recall(rng, 20),
        healthy_data=lambda rng: _recall(rng, 3),
    ),
    Case(
        "five periods of a sine",
        "https://discuss.pytorch.org/t/neural-net-to-approximate-a-sine-function/101647",
        "Plain gradient descent on a sine with many periods gets the middle first and takes thousands of epochs, far "
        "more than a slow sine; nobody finds a mistake.",
        HARD,
        *twins(
            "--dataset_dir={data} --model=mlp --dense_widths=64,64 --init=torch --optimizer=sgd --momentum=0"
            " --learning_rate=2e-3 --batch_size=64 --horizon=300",
            has_other_data=True,
        ),
        data=_wave,
        healthy_data=_half_wave,
    ),
)
