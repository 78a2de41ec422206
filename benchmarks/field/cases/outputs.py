"""Set-ups whose outputs do not fit the loss or the targets, or whose gradient does not reach the network."""

import numpy as np

from benchmarks.field.case import Arrays, Case
from engine.preflight.causes import ALTERED, DEAD, MISFIT, MIXED, SCALE, TARGETS, UNREACHABLE, UNTRAINED

_DATA = "--dataset_dir={data}"
_DIGITS = "--dataset=digits"


def _twins(
    data: str, net: str, argument: str, wrong: str, right: str, *others: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the flags of a set-up and of its twin, which differ in one argument of their network."""
    same = (data, "--model={networks}/outputs.py:" + net)
    return (*same, f"--model_arg={argument}={wrong}", *others), (*same, f"--model_arg={argument}={right}", *others)


def _scores(rng: np.random.Generator) -> Arrays:
    """Makes 43 features and a score from 0 to 100."""
    x = rng.normal(size=(1500, 43)).astype(np.float32)
    y = 50 + 18 * np.tanh(x @ rng.normal(size=43) / 5) + 12 * np.tanh(x @ rng.normal(size=43) / 5)
    return {"x": x, "y": np.clip(y + 4 * rng.normal(size=1500), 0, 100).astype(np.float32)[:, None]}


def _load(rng: np.random.Generator) -> Arrays:
    """Makes windows of a series, a load with a daily rhythm from 3 to 12, and the value after each."""
    time = np.arange(1400)
    series = (
        7.5 + 3 * np.sin(2 * np.pi * time / 24) + 0.8 * np.sin(2 * np.pi * time / 167) + 0.2 * rng.normal(size=1400)
    )
    windows = np.lib.stride_tricks.sliding_window_view(series, 13)
    return {"x": (windows[:, :12] / 12).astype(np.float32), "y": windows[:, 12:].astype(np.float32)}


def _unit_load(rng: np.random.Generator) -> Arrays:
    """Makes the same with the targets between 0 and 1, by their least and greatest value."""
    arrays = _load(rng)
    y = arrays["y"]
    return {"x": arrays["x"], "y": (y - y.min()) / (y.max() - y.min())}


def _log_prices(rng: np.random.Generator) -> Arrays:
    """Makes features of houses and the decimal logarithms of their prices."""
    x = rng.normal(size=(1200, 8)).astype(np.float32)
    y = 5.2 + 0.25 * np.tanh(x @ rng.normal(size=8) / 2) + 0.05 * x[:, 0] * x[:, 1] + 0.05 * rng.normal(size=1200)
    return {"x": x, "y": y.astype(np.float32)[:, None]}


def _motions(rng: np.random.Generator) -> Arrays:
    """Makes films of a spot that moves in one of four directions, from anywhere, round a small world."""
    count, frames, side = 1600, 5, 5
    label = rng.integers(4, size=count)
    step = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)])[label]
    place = (rng.integers(side, size=(count, 1, 2)) + np.arange(frames)[:, None] * step[:, None]) % side
    x = np.zeros((count, frames, side, side))
    x[np.arange(count)[:, None], np.arange(frames), place[..., 0], place[..., 1]] += 1
    return {"x": x.reshape(count, frames, -1).astype(np.float32), "y": label.astype(np.int32)}


def _crossed(rng: np.random.Generator) -> Arrays:
    """Makes two classes that only two of ten features together tell apart."""
    x = rng.normal(size=(1600, 10)).astype(np.float32)
    return {"x": x, "y": (x[:, 2] * x[:, 7] > 0).astype(np.int32)}


def _relations(rng: np.random.Generator) -> Arrays:
    """Makes two descriptions, and how they relate, of three ways."""
    a, b = rng.normal(size=(2, 1800, 6)).astype(np.float32)
    alike = (a[:, :2] * b[:, :2]).sum(axis=1)
    return {"x": np.concatenate([a, b], axis=1), "y": np.digitize(alike, [-0.5, 0.5]).astype(np.int32)}


def _kinds(rng: np.random.Generator) -> Arrays:
    """Makes four classes by the signs of two mixtures of 24 features."""
    x = rng.normal(size=(1600, 24)).astype(np.float32)
    signs = x @ rng.normal(size=(24, 2)) > 0
    return {"x": x, "y": (signs[:, 0] + 2 * signs[:, 1]).astype(np.int32)}


def _reach(rng: np.random.Generator) -> Arrays:
    """Makes angles of an arm of two parts, and where its hand is."""
    angles = rng.uniform(-1.5, 1.5, size=(1500, 2))
    second = angles.sum(axis=1)
    hand = np.stack([np.cos(angles[:, 0]) + np.cos(second), np.sin(angles[:, 0]) + np.sin(second)], axis=1)
    return {"x": angles.astype(np.float32), "y": hand.astype(np.float32)}


def _flow(rng: np.random.Generator) -> Arrays:
    """Makes points and conditions, and the standardised flow and pressure there."""
    x = rng.uniform(-1, 1, size=(1600, 6)).astype(np.float32)
    y = np.stack([np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2], x[:, 3] - x[:, 4] + x[:, 0] ** 2], axis=1)
    return {"x": x, "y": ((y - y.mean(axis=0)) / y.std(axis=0)).astype(np.float32)}


def _maps(rng: np.random.Generator) -> Arrays:
    """Makes images with bright spots, and a map of where they are at half the resolution."""
    truth = (rng.uniform(size=(1200, 4, 4)) < 0.25).astype(np.float32)
    x = truth.repeat(2, axis=1).repeat(2, axis=2) + 0.3 * rng.normal(size=(1200, 8, 8))
    return {"x": x[..., None].astype(np.float32), "y": truth.reshape(1200, -1)}


def _identities(rng: np.random.Generator) -> Arrays:
    """Makes forty people, each with fifty noisy portraits."""
    label = rng.integers(40, size=2000)
    x = rng.normal(size=(40, 16))[label] + 0.6 * rng.normal(size=(2000, 16))
    return {"x": x.astype(np.float32), "y": label.astype(np.int32)}


_LOAD = (
    "--model={networks}/outputs.py:Ended",
    "--model_arg=end=sigmoid",
    "--model_arg=hidden=24",
    "--optimizer=rmsprop",
    "--learning_rate=3e-3",
    "--horizon=600",
)

CASES: tuple[Case, ...] = (
    Case(
        "sigmoid, scores to 100",
        "http://stackoverflow.com/questions/14982358/backpropagation-algorithm-matlab-output-values-are-saturating-to-1/14982792",
        "A network of the asker's own with 20 sigmoid units predicts a score from 0 to 100 through a sigmoid, and "
        "all its outputs saturate at 1. Scaling the targets into the range of the sigmoid would help as well.",
        UNREACHABLE,
        *_twins(
            _DATA,
            "Ended",
            "end",
            "sigmoid",
            "linear",
            "--model_arg=hidden=20",
            "--model_arg=depth=1",
            "--model_arg=activation=sigmoid",
            "--learning_rate=0.01",
            "--batch_size=32",
            "--horizon=2000",
        ),
        _scores,
        also=(TARGETS,),
    ),
    Case(
        "tanh, log prices",
        "https://github.com/UC-IIC2613/Syllabus/issues/208",
        "A regression of a course does not train until the tanh, or sigmoid, of its last layer is left out: the "
        "values to predict are outside of what these can be.",
        UNREACHABLE,
        *_twins(
            _DATA,
            "Ended",
            "end",
            "tanh",
            "linear",
            "--model_arg=activation=tanh",
            "--learning_rate=3e-3",
            "--horizon=1500",
        ),
        _log_prices,
    ),
    Case(
        "states reshaped",
        "https://github.com/timbmg/Sentence-VAE/issues/15",
        "The last states of a recurrent network in two directions have the batch as their second axis. A view to "
        "one row per example puts states of different examples into a row; the axes have to be swapped first.",
        MIXED,
        *_twins(_DIGITS, "BothWays", "joined", "false", "true", "--learning_rate=3e-3", "--horizon=500"),
    ),
    Case(
        "batch read as time",
        "https://github.com/HHTseng/video-classification/issues/42",
        "A classifier of films hands (batch, time, features) to an LSTM that expects time first, so that it runs "
        "across the films of a batch and what happens over time cannot be used. Transposing repairs it.",
        MIXED,
        *_twins(
            _DATA, "Frames", "batch_first", "false", "true", "--learning_rate=3e-3", "--batch_size=40", "--horizon=600"
        ),
        _motions,
    ),
    Case(
        "softmax over the batch",
        "https://github.com/DeepReinforcementLearning/DeepReinforcementLearningInAction/issues/32",
        "The softmax at the end of a book's network goes over axis 0, which is the batch as soon as there is one: "
        "the outputs of an example depend on the others. Here the loss takes a softmax of its own, so that leaving "
        "it out is the remedy, and to say that outputs and loss do not fit is as right. The loss "
        "stays just below chance, for the outputs are small, while the accuracy rises.",
        MIXED,
        *_twins(
            _DIGITS,
            "Ended",
            "end",
            "softmax_over_batch",
            "linear",
            "--model_arg=hidden=64",
            "--batch_size=128",
            "--learning_rate=1e-3",
            "--horizon=400",
        ),
        also=(MISFIT,),
    ),
    Case(
        "detached encoder",
        "https://github.com/lucidrains/CoCa-pytorch/issues/6",
        "An extractor detaches the features that it returns, so that no gradient reaches the encoder before it and "
        "only what follows is trained. Here that is a linear head on classes that only products of features tell "
        "apart.",
        UNTRAINED,
        *_twins(_DATA, "Detached", "detached", "true", "false", "--learning_rate=3e-3", "--horizon=1200"),
        _crossed,
    ),
    Case(
        "layers in a list",
        "https://github.com/pytorch/pytorch/issues/715",
        "The hidden layers of a network for pairs of sentences are in a plain list and are not among the "
        "parameters: the optimiser gets the classifier alone. Registering them is the remedy.",
        UNTRAINED,
        *_twins(
            _DATA, "Listed", "registered", "false", "true", "--learning_rate=3e-3", "--batch_size=32", "--horizon=1500"
        ),
        _relations,
    ),
    Case(
        "argmax between networks",
        "https://github.com/pytorch/pytorch/issues/1339",
        "The argmax of a first network's outputs is what a second network reads. Its derivative is 0 everywhere, so "
        "the first network gets no gradient. The shares of a softmax in its place let it through.",
        UNTRAINED,
        *_twins(_DATA, "Routed", "chosen", "true", "false", "--learning_rate=2e-3", "--horizon=1000"),
        _kinds,
    ),
    Case(
        "clipped to a negative norm",
        "https://github.com/strands-labs/robots/pull/2028",
        "Nobody checks the norm to which gradients are clipped before every step: 0 leaves all parameters where "
        "they are, and a negative one turns nearly all gradients round, without any message.",
        ALTERED,
        *_twins(_DATA, "Clipped", "most", "-0.05", "1", "--learning_rate=3e-4", "--horizon=600"),
        _reach,
    ),
    Case(
        "gradient divided by the size of the map",
        "https://github.com/libornovax/master_thesis_code/issues/6",
        "A loss layer divides its gradient by the number of pixels of all maps of a batch, where the loss is a mean "
        "already: it all but vanishes, and even a rate of 1 does not help. Divided less, the network learns.",
        ALTERED,
        *_twins(
            _DATA,
            "AccuracyMap",
            "count",
            "1024",
            "1",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.005",
            "--horizon=600",
        ),
        _maps,
    ),
    Case(
        "every batch clipped",
        "https://github.com/wandb/senpai/pull/978",
        "Gradients are clipped to a norm that all batches exceed twentyfold, here more, so that steps are far "
        "shorter than the rate says and training is slower than it could be. A higher norm is proposed.",
        ALTERED,
        *_twins(
            _DATA,
            "Clipped",
            "most",
            "0.002",
            "1",
            "--model_arg=width=48",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=3e-4",
            "--horizon=700",
        ),
        _flow,
    ),
    Case(
        "softmax in a small CNN",
        "https://github.com/NaJaeMin92/pytorch-DANN/issues/7",
        "The classifier of a convolutional network ends in a softmax although the loss has one, which makes it hard "
        "to train; it learns far more slowly. The author left it out.",
        MISFIT,
        *_twins(
            _DIGITS,
            "SmallImages",
            "end",
            "softmax",
            "linear",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.01",
            "--horizon=300",
        ),
    ),
    Case(
        "cosines without a scale",
        "https://github.com/layumi/Person_reID_baseline_pytorch/issues/304",
        "A loss on the cosines between features and weights does not converge without another loss beside it: the "
        "scale of the cosines is as it came and has to be chosen for it. With a scale of 1 no class can get a large "
        "share. Here training leaves chance late, and ends at a loss of 2.9 where its twin ends at 0.02.",
        MISFIT,
        *_twins(
            _DATA,
            "Cosine",
            "scale",
            "1",
            "16",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.01",
            "--horizon=600",
        ),
        _identities,
        also=(UNREACHABLE,),
    ),
    Case(
        "both factors zero",
        "https://github.com/nvidia-cosmos/cosmos-predict2.5/pull/15",
        "Weights are initialised after the adapters of a frozen network were added, which sets both factors of "
        "their product to 0: the gradient of each is 0 too, and nothing is trained. Here only the biases of the "
        "last layer are, as an option of such adapters has it. To blame the start is as right.",
        UNTRAINED,
        *_twins(_DIGITS, "Adapted", "both_zero", "true", "false", "--learning_rate=2e-3", "--horizon=600"),
        also=(SCALE,),
    ),
    Case(
        "ReLU before the loss",
        "https://github.com/pytorch/tutorials/pull/1644",
        "The network of an introduction has a ReLU after its last layer, right before the cross-entropy, which then "
        "is not calculated as it should be. It was removed. Here training leaves chance, late, but for classes whose "
        "logits are cut to 0 for all examples and that are never learned.",
        MISFIT,
        *_twins(
            _DIGITS,
            "Ended",
            "end",
            "relu",
            "linear",
            "--init=torch",
            "--optimizer=sgd",
            "--momentum=0",
            "--learning_rate=0.05",
            "--horizon=1000",
        ),
        also=(UNREACHABLE, DEAD),
    ),
    Case(
        "sigmoid, load",
        "https://github.com/jsyoon0823/Time-series-prediction/issues/3",
        "A network for series ends in a sigmoid, also in a regression, and says nowhere that it takes targets from "
        "0 to 1 only: with others it will not work. The author agrees; the targets have to be scaled to that range.",
        UNREACHABLE,
        (_DATA, *_LOAD),
        ("--dataset_dir={healthy}", *_LOAD),
        _load,
        healthy_data=_unit_load,
        also=(TARGETS,),
    ),
)
