"""Cases whose cause is the start, the activation, the depth, the rate, epsilon, the size or the problem itself."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from benchmarks.field.case import Arrays, Case
from benchmarks.field.making import digit_images, twins
from engine.diagnosis.table import NORMAL
from engine.preflight.causes import (
    CAPACITY,
    DEAD,
    EPSILON,
    HARD,
    INPUTS,
    LARGE_RATE,
    SATURATING,
    SCALE,
    SMALL_RATE,
    VANISHING,
)

DATA = "--dataset_dir={data}"
OWN = DATA + " --model={networks}/starts.py"
SGD = "--optimizer=sgd"
ADAM = "--optimizer=adam"


def _case(
    name: str,
    address: str,
    report: str,
    cause: str,
    both: str,
    wrong: str,
    right: str,
    data: Callable[[np.random.Generator], Arrays] | None = None,
    healthy_data: Callable[[np.random.Generator], Arrays] | None = None,
    also: tuple[str, ...] = (),
) -> Case:
    """Makes a case from the flags of both twins and those of each, written as on a command line."""
    flags, healthy = twins(both, wrong, right, has_other_data=healthy_data is not None)
    return Case(name, address, report, cause, flags, healthy, data, healthy_data, also)


def _of(load: Callable[[], Any], rng: np.random.Generator) -> Arrays:
    """Shuffles and standardises a table that ships with scikit-learn."""
    table = load()
    order = rng.permutation(len(table.target))
    x = table.data[order]
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    y = table.target[order]
    values = ((y - y.mean()) / y.std()).astype(np.float32)[:, None]
    return {"x": x.astype(np.float32), "y": values if y.dtype.kind == "f" else y.astype(np.int32)}


def _cancer(rng: np.random.Generator) -> Arrays:
    """Makes the breast-cancer table."""
    return _of(load_breast_cancer, rng)


def _wine(rng: np.random.Generator) -> Arrays:
    """Makes the wine table."""
    return _of(load_wine, rng)


def _iris(rng: np.random.Generator) -> Arrays:
    """Makes the iris table."""
    return _of(load_iris, rng)


def _diabetes(rng: np.random.Generator) -> Arrays:
    """Makes the diabetes table."""
    return _of(load_diabetes, rng)


def _probabilities(rng: np.random.Generator) -> Arrays:
    """Makes ten numbers between 0 and 1, whose class is told by a few of them."""
    x = rng.uniform(0, 1, (1000, 10))
    return {"x": x.astype(np.float32), "y": (x[:, 0] + x[:, 1] + x[:, 2] > 1.5).astype(np.int32)}


def _identity(rng: np.random.Generator) -> Arrays:
    """Makes numbers that are to be returned as they are."""
    x = rng.uniform(-1, 1, (1000, 1)).astype(np.float32)
    return {"x": x, "y": x}


def _bits(count: int, rng: np.random.Generator, tell: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    """Makes all words of some bits, several times over, with the class that a function tells."""
    words = np.array(list(product((0, 1), repeat=count)))
    words = np.tile(words, (max(1, 512 // len(words)), 1))
    words = words[rng.permutation(len(words))]
    return {"x": words.astype(np.float32), "y": tell(words).astype(np.int32)}


def _xor(rng: np.random.Generator) -> Arrays:
    """Makes the four cases of an exclusive or."""
    return _bits(2, rng, lambda words: words.sum(axis=1) % 2)


def _quadrants(rng: np.random.Generator) -> Arrays:
    """Makes a cloud whose class is told by the signs of both its coordinates."""
    x = rng.normal(size=(1000, 2))
    return {"x": x.astype(np.float32), "y": (x[:, 0] * x[:, 1] > 0).astype(np.int32)}


def _parity(rng: np.random.Generator) -> Arrays:
    """Makes the parity of six bits."""
    return _bits(6, rng, lambda words: words.sum(axis=1) % 2)


def _multiples(of: int, rng: np.random.Generator) -> Arrays:
    """Makes binary numbers below 512 that are multiples of a number, or not."""
    return _bits(9, rng, lambda words: (words @ (1 << np.arange(9))) % of == 0)


def _multiples_of_three(rng: np.random.Generator) -> Arrays:
    """Makes binary numbers that three divides, or not."""
    return _multiples(3, rng)


def _multiples_of_four(rng: np.random.Generator) -> Arrays:
    """Makes binary numbers that four divides, or not."""
    return _multiples(4, rng)


def _line(rng: np.random.Generator) -> Arrays:
    """Makes a line through eight points, from 5 to 40."""
    x = np.tile(np.arange(5, 45, 5), 40).astype(np.float32)[:, None]
    return {"x": x, "y": 0.4 * x}


CASES: tuple[Case, ...] = (
    _case(
        "all weights and biases are zero",
        "http://pullrequest.ru/11818227/neironnaya-set-odnim-skrytym-sloem-mozhet-byt-obuchena",
        "A hidden layer was put into a softmax regression, whose variables all started at zero, and nothing was "
        "learned. The answer starts them at random.",
        SCALE,
        f"{OWN}:Perceptron --model_arg=activation=relu {SGD} --momentum=0 --learning_rate=0.5 --batch_size=100"
        " --horizon=1000",
        "--model_arg=zeros=true",
        "",
        digit_images,
    ),
    _case(
        "one more hidden layer at 0.001",
        "https://www.e-learn.cn/topic/463140",
        "A network that returns its input learned with one hidden layer and stood still with two, all weights at "
        "0.001. The answer measured a vanishing gradient, and cured it with Xavier's start and positive biases.",
        VANISHING,
        f"{OWN}:Stack --model_arg=depth=2 --model_arg=scheme=xavier {SGD} --momentum=0 --learning_rate=0.01"
        " --batch_size=16 --horizon=2000",
        "--model_arg=scale=0.001",
        "--model_arg=bias=0.1",
        _identity,
        also=(SCALE,),
    ),
    _case(
        "deviation 0.01 in every layer",
        "https://github.com/BVLC/caffe/issues/3243",
        "A network of rectifiers stayed at the loss of guessing for 20,000 iterations with weights of deviation "
        "0.01. With the start of He and others it learned.",
        SCALE,
        f"{OWN}:Stack --model_arg=num_outputs=10 --model_arg=depth=5 --model_arg=width=24 {SGD} --momentum=0.9"
        " --learning_rate=0.01 --batch_size=32 --horizon=500",
        "--model_arg=scale=0.01",
        "",
        digit_images,
        also=(VANISHING,),
    ),
    _case(
        "four layers of sigmoids",
        "https://github.com/phlippe/uvadlc_notebooks/issues/119",
        "The sigmoids of a tutorial on activations often do not start at all with gradient descent, where tanh and "
        "rectifiers do: what reaches the early layers is too weak.",
        SATURATING,
        f"{OWN}:Stack --model_arg=num_outputs=3 --model_arg=depth=4 --model_arg=width=32 --model_arg=scheme=xavier"
        f" {SGD} --momentum=0.9 --learning_rate=0.01 --batch_size=16 --horizon=500",
        "--model_arg=activation=sigmoid",
        "--model_arg=activation=tanh",
        _wine,
        also=(VANISHING,),
    ),
    _case(
        "biases far below zero",
        "https://github.com/facebookresearch/dlrm/pull/358",
        "Biases of a ranking network could start far below zero, so that no rectifier was ever on and no derivative"
        " was left. The change starts them at zero.",
        DEAD,
        f"{OWN}:Ranking {SGD} --momentum=0 --learning_rate=0.1 --batch_size=32 --horizon=500",
        "--model_arg=bias=-2.0",
        "",
        _diabetes,
    ),
    _case(
        "constant weights, the second layer negative",
        "https://github.com/ayush9818/MLDS-SQ",
        "Rectifiers with constant weights 0.5 and then -0.5 are all off: the network predicts a constant and does "
        "not learn. Swish in their place does.",
        DEAD,
        f"{OWN}:Opposed {ADAM} --learning_rate=1e-2 --batch_size=32 --horizon=600",
        "",
        "--model_arg=activation=swish",
        _probabilities,
    ),
    _case(
        "Adam at a rate above 0.03",
        "https://github.com/NLeSC/mcfly/issues/43",
        "Of ten models with rates chosen at random two never learned, loss and accuracy perfectly still: those with"
        " rates above 0.03.",
        LARGE_RATE,
        f"{DATA} --model=mlp --dense_widths=32,32,16,16 --init=lecun {ADAM} --batch_size=32 --horizon=500",
        "--learning_rate=0.1",
        "--learning_rate=1e-3",
        digit_images,
        also=(DEAD,),
    ),
    _case(
        "a line that goes to infinity",
        "https://kiwix.lema.org/stackoverflow.com_en_all_2023-11/questions/48335501/"
        "how-to-know-correct-learning-rate-for-gradientdescentoptimizer-in-tensorflow",
        "Gradient descent at 0.01 on a line through numbers from 5 to 40 went to infinity, and at 0.001 it was right.",
        LARGE_RATE,
        f"{OWN}:Stack --model_arg=depth=0 {SGD} --momentum=0 --batch_size=64 --horizon=300",
        "--learning_rate=0.01",
        "--learning_rate=0.001",
        _line,
        also=(INPUTS,),
    ),
    _case(
        "gradient descent that needs a bolder rate",
        "https://github.com/tegg89/SRCNN-Tensorflow/issues/24",
        "The loss of a regression with plain gradient descent at a tiny rate improved by 0.03 % in all. The advice "
        "is a larger rate.",
        SMALL_RATE,
        f"{OWN}:Stack --model_arg=width=24 --model_arg=scheme=xavier {SGD} --momentum=0 --batch_size=32 --horizon=500",
        "--learning_rate=1e-6",
        "--learning_rate=1e-2",
        _diabetes,
    ),
    _case(
        "a rate that is almost zero",
        "https://github.com/matteo-dunnhofer/imagenet/issues/10",
        "The loss did not change for epochs. A mistake made the rate ten times smaller again and again, until it "
        "was almost zero; with the rate that was meant it fell.",
        SMALL_RATE,
        f"{DATA} --model=mlp --dense_widths=32,16 --init=torch --optimizer=rmsprop --batch_size=16 --horizon=500",
        "--learning_rate=1e-7",
        "--learning_rate=1e-3",
        _cancer,
    ),
    _case(
        "epsilon at 0.1",
        "https://github.com/mlpnlp/mlpnlp-nmt/pull/4",
        "A translator set Adam's epsilon to 0.1 by default, and did not train well. The change sets it to 1e-8.",
        EPSILON,
        f"{DATA} --model=mlp --dense_widths=32 --activation=tanh --init=lecun {ADAM} --learning_rate=1e-4"
        " --batch_size=32 --horizon=500",
        "--epsilon=0.1",
        "--epsilon=1e-8",
        digit_images,
    ),
    _case(
        "an exclusive or with one neuron",
        "https://ai.stackexchange.com/questions/27010/why-does-my-neural-network-to-solve-the-xor-problem-always-output-0-5",
        "The outputs for all four inputs of an exclusive or became 0.5 and stayed there. There was no hidden layer;"
        " two units at least are needed, and more make it sure.",
        CAPACITY,
        f"{OWN}:Stack --model_arg=num_outputs=2 --model_arg=width=8 --model_arg=activation=tanh"
        f" --model_arg=scheme=xavier {SGD} --momentum=0.9 --learning_rate=0.1 --batch_size=32 --horizon=600",
        "--model_arg=depth=0",
        "--model_arg=depth=1",
        _xor,
    ),
    _case(
        "two linear layers in a row",
        "https://discuss.pytorch.org/t/unable-to-learn-xor-representation-using-2-layers-of-multi-layered-perceptron-mlp/"
        "13287/3",
        "A perceptron of two layers did not learn an exclusive or: there was nothing between the layers, so it was "
        "a linear model. A rectifier between them is the cure.",
        CAPACITY,
        f"{OWN}:Stack --model_arg=num_outputs=2 --model_arg=depth=1 --model_arg=width=16 {ADAM} --learning_rate=1e-2"
        " --batch_size=32 --horizon=500",
        "--model_arg=activation=linear",
        "--model_arg=activation=relu",
        _quadrants,
    ),
    _case(
        "the parity of some bits",
        "https://greaterwrong.com/posts/JK9nxcBhQfzEgjjqe/deep-learning-models-might-be-secretly-almost-linear"
        "?commentId=SjkgTF3CMeQofY4Bj",
        "A plain network could not even learn the table of the parity of five bits by heart. It is far from "
        "anything linear: it takes long, and fewer bits take less.",
        HARD,
        f"{OWN}:Stack --model_arg=num_outputs=2 --model_arg=depth=2 --model_arg=width=24 --model_arg=activation=tanh"
        f" --model_arg=scheme=xavier {SGD} --momentum=0.9"
        " --learning_rate=0.01 --batch_size=32 --horizon=500",
        "",
        "",
        _parity,
        _xor,
    ),
    _case(
        "which numbers three divides",
        "https://ai.stackexchange.com/questions/17050/can-a-deep-neural-network-be-trained-to-classify-an-integer-n1-as-"
        "being-divisibl/17053",
        "A network told quickly which binary numbers a power of two divides, and got nowhere with other divisors, "
        "whatever its size and rate: these depend on all bits at once.",
        HARD,
        f"{OWN}:Stack --model_arg=num_outputs=2 --model_arg=depth=1 --model_arg=width=24 --model_arg=activation=sigmoid"
        f" --model_arg=scheme=xavier {ADAM} --learning_rate=3e-3 --batch_size=32 --horizon=600",
        "",
        "",
        _multiples_of_three,
        _multiples_of_four,
    ),
    _case(
        "the long step of an exclusive or",
        "https://stats.stackexchange.com/questions/440558/interpreting-cost-change-plot-in-a-neural-network-for-learning-xor",
        "The cost of an exclusive or stays at one value for most of the training and then falls, and the network is"
        " right in the end. That is what small weights and sigmoids do here.",
        NORMAL,
        f"{OWN}:Stack --model_arg=num_outputs=2 --model_arg=depth=1 --model_arg=width=4 --model_arg=activation=sigmoid"
        f" {SGD} --momentum=0.9 --learning_rate=0.1 --batch_size=32 --horizon=1500",
        "--model_arg=scale=0.3",
        "--model_arg=scale=3.0",
        _xor,
        also=(SCALE,),
    ),
    _case(
        "six flat epochs and a drop",
        "https://github.com/ChuhuaW/SGNet.pytorch/issues/14",
        "The loss did not improve for five to seven epochs and then dropped within two. The author had seen the "
        "same at the full rate: training crosses a plateau first, and then it learns.",
        NORMAL,
        f"{DATA} --model=mlp --dense_widths=24,24,24 {ADAM} --learning_rate=1e-3 --batch_size=16 --horizon=1000",
        "--init=normal --init_scale=0.02",
        "--init=lecun",
        _wine,
        also=(SCALE,),
    ),
    _case(
        "uniform weights of a fixed width",
        "https://github.com/apache/mxnet/pull/1462",
        "Two deep networks did not converge with the default start, uniform and of one width for all layers. "
        "Another start made them converge, and examples should say which one.",
        SCALE,
        f"{OWN}:Uniform {SGD} --momentum=0.9 --learning_rate=0.02 --batch_size=16 --horizon=400",
        "--model_arg=most=0.07",
        "",
        _iris,
        also=(VANISHING,),
    ),
    _case(
        "the seventh layer of sigmoids",
        "https://github.com/microsoft/CNTK/issues/476",
        "Six layers of sigmoids trained well and a seventh made training stand still from the start: too deep for "
        "them, as the author suspected.",
        VANISHING,
        f"{DATA} --model=mlp --activation=sigmoid --init=glorot {SGD} --momentum=0.9 --learning_rate=0.05"
        " --batch_size=32 --horizon=500",
        "--dense_widths=16,16,16,16,16,16,16",
        "--dense_widths=16,16",
        _cancer,
        also=(SATURATING,),
    ),
)
