"""Set-ups whose mistake lies in the data pipeline, regularisation, the schedule, precision or the batch."""

import numpy as np
from sklearn import datasets

from benchmarks.field.case import Arrays, Case
from engine.preflight import causes


def _standard(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean(0)) / x.std(0), np.float32)


def _tumours(rng: np.random.Generator) -> Arrays:
    tumours = datasets.load_breast_cancer()
    order = rng.permutation(len(tumours.target))
    return {"x": _standard(tumours.data)[order], "y": tumours.target[order].astype(np.int32)}


def _sorted_labels(rng: np.random.Generator) -> Arrays:
    arrays = _tumours(rng)
    return {"x": arrays["x"], "y": np.sort(arrays["y"])}


def _digits(rng: np.random.Generator) -> Arrays:
    digits = datasets.load_digits()
    order = rng.permutation(len(digits.target))
    return {"x": (digits.images[order] / 16).astype(np.float32), "y": digits.target[order].astype(np.int32)}


def _raw_digits(rng: np.random.Generator) -> Arrays:
    arrays = _digits(rng)
    return {"x": np.round(arrays["x"] * 255), "y": arrays["y"]}


def _arrows(rng: np.random.Generator) -> Arrays:
    """Draws 12×12 arrows that point to the left or to the right, anywhere, with noise."""
    y = rng.integers(0, 2, 1600).astype(np.int32)
    x = rng.normal(0, 0.03, (1600, 12, 12))
    for image, label in zip(x, y, strict=True):
        arrow = np.zeros((5, 7))
        arrow[2] = 1
        arrow[[1, 3], 1] = arrow[[0, 4], 2] = 1
        row, column = rng.integers(0, 8), rng.integers(0, 6)
        image[row : row + 5, column : column + 7] += arrow[:, ::-1] if label else arrow
    return {"x": x.astype(np.float32)[..., None], "y": y}


def _diabetes(rng: np.random.Generator) -> Arrays:
    diabetes = datasets.load_diabetes()
    order = rng.permutation(len(diabetes.target))
    x, y = _standard(diabetes.data)[order], _standard(diabetes.target[:, None])[order]
    return {"x": x, "y": y}


def _other_patients(rng: np.random.Generator) -> Arrays:
    arrays = _diabetes(rng)
    return {"x": arrays["x"], "y": rng.permutation(arrays["y"])}


def _split(arrays: Arrays, size: int) -> Arrays:
    """Holds out what comes after the first examples."""
    x, y = arrays["x"], arrays["y"]
    return {"x": x[:size], "y": y[:size], "x_test": x[size:], "y_test": y[size:]}


def _by_class(arrays: Arrays) -> Arrays:
    order = np.argsort(arrays["y"], kind="stable")
    return {name: array[order] for name, array in arrays.items()}


def _wine(rng: np.random.Generator) -> Arrays:
    wine = datasets.load_wine()
    order = rng.permutation(len(wine.target))
    return {"x": _standard(wine.data)[order], "y": wine.target[order].astype(np.int32)}


def _sorted_wine(rng: np.random.Generator) -> Arrays:
    return _by_class(_wine(rng))


def _split_sorted_tones(rng: np.random.Generator) -> Arrays:
    """Trains on five classes and the first three examples of the sixth, and holds out the rest."""
    arrays = _by_class(_tones(rng))
    return _split(arrays, int(np.searchsorted(arrays["y"], 5)) + 3)


def _split_tones(rng: np.random.Generator) -> Arrays:
    return _split(_tones(rng), 1250)


def _tones(rng: np.random.Generator) -> Arrays:
    """Draws windows of noise with one of six tones."""
    y = rng.integers(0, 6, 1500).astype(np.int32)
    phases = 2 * np.pi * ((1 + y[:, None]) * np.arange(24) / 24 + rng.random((1500, 1)))
    return {"x": (np.sin(phases) + rng.normal(0, 0.2, phases.shape)).astype(np.float32), "y": y}


def _load(rng: np.random.Generator) -> Arrays:
    """Draws the demand for electricity against the hour, counted from the start of a year before."""
    hours = rng.integers(8760, 17520, 1800)
    load = np.sin(2 * np.pi * (hours - 7) / 24) + 0.1 * rng.normal(size=hours.shape)
    return {"x": hours[:, None].astype(np.float32), "y": load[:, None].astype(np.float32)}


def _clusters(rng: np.random.Generator) -> Arrays:
    """Draws three classes of points around four centres each, in twelve dimensions."""
    centres = rng.normal(0, 1.2, (12, 12))
    which = rng.integers(0, 12, 1500)
    x = centres[which] + rng.normal(0, 0.4, (1500, 12))
    return {"x": _standard(x), "y": (which % 3).astype(np.int32)}


CASES: tuple[Case, ...] = (
    Case(
        name="features from a shuffling generator",
        address="https://github.com/keras-team/keras/pull/7520",
        report=(
            "Features of a pretrained network were predicted from a generator that shuffles, while the labels "
            "were taken from the generator's list in the order of the folders. The answer: predict without "
            "shuffling."
        ),
        cause=causes.LABELS,
        flags=(
            "--dataset_dir={data}",
            "--model={networks}/pipeline.py:Head",
            "--optimizer=rmsprop",
            "--learning_rate=1e-4",
            "--batch_size=16",
            "--horizon=600",
        ),
        healthy=(
            "--dataset_dir={healthy}",
            "--model={networks}/pipeline.py:Head",
            "--optimizer=rmsprop",
            "--learning_rate=1e-4",
            "--batch_size=16",
            "--horizon=600",
        ),
        data=_sorted_labels,
        healthy_data=_tumours,
    ),
    Case(
        name="a scheduler stepped at every batch",
        address="https://github.com/Lornatang/SRGAN-PyTorch/issues/1",
        report=(
            "The scheduler was meant for epochs and was called after every batch, so that the rate was near zero "
            "within a few steps and nothing trained. Called after every epoch, training showed results."
        ),
        cause=causes.SCHEDULE,
        flags=(
            "--model=mlp",
            "--dense_widths=64,32",
            "--init=torch",
            "--optimizer=adam",
            "--learning_rate=2e-4",
            "--schedule=cosine",
            "--decay_steps=40",
            "--horizon=1500",
        ),
        healthy=(
            "--model=mlp",
            "--dense_widths=64,32",
            "--init=torch",
            "--optimizer=adam",
            "--learning_rate=2e-4",
            "--schedule=cosine",
            "--decay_steps=1500",
            "--horizon=1500",
        ),
    ),
    Case(
        name="left and right signs, mirrored",
        address="https://github.com/AlexeyAB/darknet/issues/2416",
        report=(
            "A network for traffic signs confused those that point to the left with those that point to the "
            "right. The training mirrored images at random; the remedy was to switch that off."
        ),
        cause=causes.AUGMENTATION,
        flags=(
            "--dataset_dir={data}",
            "--model=cnn8",
            "--conv_widths=8,8,16",
            "--pool_after=1,2",
            "--dense_widths=32",
            "--init=he",
            "--augment=flip",
            "--learning_rate=1e-3",
            "--horizon=800",
        ),
        healthy=(
            "--dataset_dir={data}",
            "--model=cnn8",
            "--conv_widths=8,8,16",
            "--pool_after=1,2",
            "--dense_widths=32",
            "--init=he",
            "--learning_rate=1e-3",
            "--horizon=800",
        ),
        data=_arrows,
    ),
    Case(
        name="a warm-up of 2,000 steps in a training of 500",
        address="https://github.com/Morizeyao/GPT2-Chinese/issues/60",
        report=(
            "The default warm-up takes 2,000 steps; a training with fewer steps in all never comes near its rate "
            "and hardly converges. The reporter asks for a default of no warm-up."
        ),
        cause=causes.SCHEDULE,
        flags=(
            "--dataset_dir={data}",
            "--model=mlp",
            "--dense_widths=48",
            "--activation=gelu",
            "--init=lecun",
            "--optimizer=adamw",
            "--weight_decay=0.01",
            "--learning_rate=1.5e-4",
            "--schedule=warmup",
            "--warmup_steps=2000",
            "--batch_size=32",
            "--horizon=500",
        ),
        healthy=(
            "--dataset_dir={data}",
            "--model=mlp",
            "--dense_widths=48",
            "--activation=gelu",
            "--init=lecun",
            "--optimizer=adamw",
            "--weight_decay=0.01",
            "--learning_rate=1.5e-4",
            "--batch_size=32",
            "--horizon=500",
        ),
        data=_digits,
    ),
    Case(
        name="weight decay of a half",
        address="https://github.com/BVLC/caffe/issues/1396",
        report=(
            "A network gave the same output whatever the input. One found that a weight decay of 0.5 takes all "
            "weights to zero; with 0.0005 it was normal."
        ),
        cause=causes.DECAY,
        flags=(
            "--model=cnn8",
            "--conv_widths=8,16",
            "--pool_after=1,2",
            "--dense_widths=32",
            "--init=glorot",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.01",
            "--weight_decay=0.5",
            "--horizon=800",
        ),
        healthy=(
            "--model=cnn8",
            "--conv_widths=8,16",
            "--pool_after=1,2",
            "--dense_widths=32",
            "--init=glorot",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.01",
            "--weight_decay=0.0005",
            "--horizon=800",
        ),
    ),
    Case(
        name="root mean square in half precision",
        address="https://github.com/xlite-dev/LeetCUDA/pull/335",
        report=(
            "Layers that divide by the root of a mean square summed it in half precision. The sum overflowed, and "
            "values divided by infinity are zero. The remedy was to sum in single precision."
        ),
        cause=causes.PRECISION,
        flags=(
            "--dataset_dir={data}",
            "--scaling=none",
            "--model={networks}/pipeline.py:Normed",
            "--model_arg=half=true",
            "--learning_rate=1e-3",
            "--horizon=600",
        ),
        healthy=(
            "--dataset_dir={data}",
            "--scaling=none",
            "--model={networks}/pipeline.py:Normed",
            "--model_arg=half=false",
            "--learning_rate=1e-3",
            "--horizon=600",
        ),
        data=_raw_digits,
    ),
    Case(
        name="targets by another index",
        address="https://github.com/IBM/AutoXAI4Omics/pull/58",
        report=(
            "After a table was shuffled and split, features and targets were put together by an index that no "
            "longer agreed, so that the targets were those of other samples. The fix resets the index on both "
            "sides."
        ),
        cause=causes.LABELS,
        flags=(
            "--dataset_dir={data}",
            "--model={networks}/pipeline.py:Regressor",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.002",
            "--batch_size=32",
            "--horizon=500",
        ),
        healthy=(
            "--dataset_dir={healthy}",
            "--model={networks}/pipeline.py:Regressor",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.002",
            "--batch_size=32",
            "--horizon=500",
        ),
        data=_other_patients,
        healthy_data=_diabetes,
    ),
    Case(
        name="a share to keep, given as a share to drop",
        address="https://github.com/bonlime/keras-deeplab-v3-plus/issues/4",
        report=(
            "A port took the share of units to keep, 0.9, for the share to drop. The owner corrected it to 0.1. "
            "Here every layer has it."
        ),
        cause=causes.DROPOUT,
        flags=(
            "--model=mlp",
            "--dense_widths=64,48,48,32",
            "--init=he",
            "--dropout=0.9",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.01",
            "--horizon=1000",
        ),
        healthy=(
            "--model=mlp",
            "--dense_widths=64,48,48,32",
            "--init=he",
            "--dropout=0.1",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.01",
            "--horizon=1000",
        ),
    ),
    Case(
        name="sigmoid with L2 under RMSprop",
        address="https://stackoom.com/en/question/4HpqD",
        report=(
            "A layer of 36 sigmoid units with dropout learned digits until an L2 penalty was added: from then on "
            "the accuracy was 10 %, and without it all was well. The answer suspects that both together are too "
            "much. Here the penalty is larger, and enough by itself."
        ),
        cause=causes.DECAY,
        flags=(
            "--model=mlp",
            "--dense_widths=36",
            "--activation=sigmoid",
            "--init=glorot",
            "--dropout=0.5",
            "--optimizer=rmsprop",
            "--weight_decay=0.1",
            "--learning_rate=1e-3",
            "--batch_size=128",
            "--horizon=1500",
        ),
        healthy=(
            "--model=mlp",
            "--dense_widths=36",
            "--activation=sigmoid",
            "--init=glorot",
            "--dropout=0.5",
            "--optimizer=rmsprop",
            "--learning_rate=1e-3",
            "--batch_size=128",
            "--horizon=1500",
        ),
    ),
    Case(
        name="split before it was shuffled",
        address="https://github.com/khanrc/pt.darts/issues/24",
        report=(
            "The training loss fell, while the validation loss did not and its accuracy stayed zero. Shuffling "
            "before the split was the remedy. Here the examples lie by class, and three of the last class are "
            "trained on."
        ),
        cause=causes.MIXTURE,
        flags=(
            "--dataset_dir={data}",
            "--input_arrays=x,x_test",
            "--target_arrays=y,y_test",
            "--model={networks}/pipeline.py:Head",
            "--model_arg=num_classes=6",
            "--model_arg=width=40",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.05",
            "--horizon=800",
        ),
        healthy=(
            "--dataset_dir={healthy}",
            "--input_arrays=x,x_test",
            "--target_arrays=y,y_test",
            "--model={networks}/pipeline.py:Head",
            "--model_arg=num_classes=6",
            "--model_arg=width=40",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.05",
            "--horizon=800",
        ),
        data=_split_sorted_tones,
        healthy_data=_split_tones,
    ),
    Case(
        name="one class after the other",
        address="https://github.com/epfml/disco/issues/288",
        report=(
            "Without shuffling, the curves oscillated early in training and the accuracy was poor; a shuffle of "
            "their own, in place of the one of the library, solved it. Here the engine shuffles, and it learns."
        ),
        cause=causes.ORDER,
        flags=(
            "--dataset_dir={data}",
            "--model=mlp",
            "--dense_widths=24",
            "--activation=tanh",
            "--init=glorot",
            "--optimizer=sgd",
            "--learning_rate=0.05",
            "--batch_size=16",
            "--horizon=600",
        ),
        healthy=(
            "--dataset_dir={healthy}",
            "--model=mlp",
            "--dense_widths=24",
            "--activation=tanh",
            "--init=glorot",
            "--optimizer=sgd",
            "--learning_rate=0.05",
            "--batch_size=16",
            "--horizon=600",
        ),
        data=_sorted_wine,
        healthy_data=_wine,
    ),
    Case(
        name="batches of one",
        address="https://github.com/adapter-hub/adapters/issues/597",
        report=(
            "With batches of one the loss rose after the first epoch and never converged; other settings did not "
            "help, and batches of 16 or more did. A much smaller rate may do the same for batches of one."
        ),
        cause=causes.SMALL_BATCH,
        flags=(
            "--model=mlp",
            "--dense_widths=48,48,48",
            "--init=he",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.03",
            "--batch_size=1",
            "--horizon=1000",
        ),
        healthy=(
            "--model=mlp",
            "--dense_widths=48,48,48",
            "--init=he",
            "--optimizer=sgd",
            "--momentum=0.9",
            "--learning_rate=0.03",
            "--batch_size=32",
            "--horizon=1000",
        ),
        also=(causes.LARGE_RATE,),
    ),
    Case(
        name="a batch of nearly all examples",
        address="https://github.com/nfmcclure/tensorflow_cookbook/issues/38",
        report=(
            "An example did not converge with its batch of 50 out of 120 examples, and did better with 10 or 15: "
            "as many epochs have more steps. A larger rate for the large batch would do as well."
        ),
        cause=causes.LARGE_BATCH,
        flags=(
            "--dataset_dir={data}",
            "--model=mlp",
            "--dense_widths=32,16",
            "--init=lecun",
            "--optimizer=sgd",
            "--learning_rate=0.02",
            "--batch_size=1024",
            "--epochs=40",
        ),
        healthy=(
            "--dataset_dir={data}",
            "--model=mlp",
            "--dense_widths=32,16",
            "--init=lecun",
            "--optimizer=sgd",
            "--learning_rate=0.02",
            "--batch_size=16",
            "--epochs=40",
        ),
        data=_tones,
        also=(causes.SMALL_RATE,),
    ),
    Case(
        name="hours in bfloat16",
        address="https://github.com/RosettaCommons/foundry/pull/236",
        report=(
            "Indices and distances in the thousands were held in bfloat16, whose steps are 16 and more there, so "
            "that different values became the same. The remedy keeps them in single precision. Here they are "
            "hours."
        ),
        cause=causes.PRECISION,
        flags=(
            "--dataset_dir={data}",
            "--model={networks}/pipeline.py:Clock",
            "--precision=bfloat16",
            "--learning_rate=3e-3",
            "--horizon=1000",
        ),
        healthy=(
            "--dataset_dir={data}",
            "--model={networks}/pipeline.py:Clock",
            "--learning_rate=3e-3",
            "--horizon=1000",
        ),
        data=_load,
    ),
    Case(
        name="exponential features in half precision",
        address="https://github.com/facebookresearch/xformers/issues/96",
        report=(
            "Attention with exponential random features had a loss that was not a number at once in half "
            "precision: what it normalises by underflows there. The remedy is in that step."
        ),
        cause=causes.PRECISION,
        flags=(
            "--dataset_dir={data}",
            "--model={networks}/pipeline.py:Kernel",
            "--model_arg=half=true",
            "--learning_rate=2e-3",
            "--batch_size=32",
            "--horizon=900",
        ),
        healthy=(
            "--dataset_dir={data}",
            "--model={networks}/pipeline.py:Kernel",
            "--model_arg=half=false",
            "--learning_rate=2e-3",
            "--batch_size=32",
            "--horizon=900",
        ),
        data=_clusters,
    ),
)
