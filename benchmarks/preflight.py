"""What `check` says of healthy set-ups and of planted faults, one line for each.

    python -m benchmarks.preflight

The healthy set-ups are ordinary ways to train small networks, and our experiments; a finding that claims a fault is a
false alarm in any of them. Faults are planted one at a time, each in several networks or data sets.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from engine import Arm, Study
from engine.errors import InputError
from engine.preflight.checking import check_here
from engine.preflight.findings import Finding
from engine.studies.expand import expand
from engine.studies.shipped import EXPERIMENTS

_NETWORK = f"{Path(__file__).parent.parent / 'tests' / 'preflight' / 'mistakes.py'}:Net"


class _Case(NamedTuple):
    """A set-up; `expected` is the finding that names its fault, empty where it is healthy."""

    name: str
    arm: Arm
    expected: str = ""
    horizon: int = 2000


def _save(folder: Path) -> dict[str, str]:
    """Writes data sets as they should be, and spoilt ones, and returns their paths."""
    draw = np.random.default_rng(0)
    sets = {"iris": load_iris(), "wine": load_wine(), "cancer": load_breast_cancer(), "digits": load_digits()}
    arrays = {}
    for name, loaded in sets.items():
        order = draw.permutation(len(loaded.target))
        inputs, labels = loaded.data[order], loaded.target[order].astype(np.int32)
        standard = (inputs - inputs.mean(axis=0)) / np.maximum(inputs.std(axis=0), 1e-9)
        arrays[name] = standard, labels
        arrays[f"{name}_raw"] = inputs * (255 / 16 if name == "digits" else 1), labels
        arrays[f"{name}_permuted"] = standard, draw.permutation(labels)
        by_class = np.argsort(labels, kind="stable")
        arrays[f"{name}_sorted"] = standard[by_class], labels[by_class]
    diabetes = load_diabetes()
    inputs = diabetes.data / diabetes.data.std(axis=0)
    arrays["diabetes_raw"] = inputs, diabetes.target[:, None]
    arrays["diabetes"] = inputs, ((diabetes.target - diabetes.target.mean()) / diabetes.target.std())[:, None]
    waves = draw.normal(size=(1500, 6))
    values = np.sin(waves @ draw.normal(size=(6, 2)))
    arrays |= {"waves": (waves, values), "waves_negative": (waves, values - 3), "waves_far": (waves, 1e4 + values)}
    arrays |= {"waves_series": (waves[..., None], values)}
    for name, (x, y) in arrays.items():
        np.savez(folder / f"{name}.npz", x=x.astype(np.float32), y=y if y.dtype == np.int32 else y.astype(np.float32))
    (x, y), size = arrays["digits"], 1300
    parts = {"x": x[:size], "y": y[:size], "x_test": x[size:], "y_test": (y[size:] + 1) % 10}
    np.savez(folder / "digits_renumbered.npz", **parts)
    return {path.stem: str(path) for path in folder.glob("*.npz")}


def _healthy(paths: dict[str, str]) -> Iterator[_Case]:
    mlp = {"model": "mlp", "dense_widths": (48, 32), "init": "he"}
    for name in ("iris", "wine", "cancer", "digits", "diabetes", "waves"):
        yield _Case(f"{name}, dense", Arm(**mlp, dataset_dir=paths[name]))
        yield _Case(f"{name}, a user's network", Arm(model=_NETWORK, dataset_dir=paths[name]))
    yield _Case("digits_raw, a network that normalises them", _normalising(paths["digits_raw"]))
    for optimizer, activation in itertools.product(("adam", "sgd", "rmsprop"), ("relu", "tanh", "gelu", "sigmoid")):
        rate = 1e-2 if optimizer == "sgd" else 1e-3
        fields = {**mlp, "optimizer": optimizer, "activation": activation, "learning_rate": rate}
        yield _Case(f"digits, {optimizer}, {activation}", Arm(**fields))
    for init, width in itertools.product(("he", "glorot", "lecun", "torch"), (16, 256)):
        yield _Case(f"digits, {init}, {width} units", Arm(model="mlp", dense_widths=(width,) * 3, init=init))
    for dropout, depth in itertools.product((0.1, 0.3, 0.5), (1, 2, 3)):
        fields = {"model": "mlp", "dense_widths": (64,) * depth, "init": "he", "dropout": dropout}
        yield _Case(f"digits, dropout {dropout}, {depth} layers", Arm(**fields))
    for decay in (1e-4, 1e-2, 0.1):
        yield _Case(f"digits, AdamW, decay {decay:g}", Arm(**mlp, optimizer="adamw", weight_decay=decay))
    yield _Case("digits, normalised", Arm(**mlp, batch_norm=True))
    yield _Case("digits, warm-up", Arm(**mlp, schedule="warmup", warmup_steps=100))
    yield _Case("digits, cosine", Arm(**mlp, schedule="cosine", decay_steps=1800, warmup_steps=100))
    yield _Case("digits, cnn8", Arm(init="he"))
    for name in EXPERIMENTS:
        study = EXPERIMENTS.load(name).study()
        arm = study.baseline or next(iter(study.arms))
        yield _Case(f"experiment {name}", study.arms[arm], horizon=study.horizons_by_arm[arm] or 2000)


def _normalising(path: str) -> Arm:
    return Arm(model=_NETWORK, model_args=("end=normalised",), dataset_dir=path)


def _faulty(paths: dict[str, str]) -> Iterator[_Case]:
    mlp = {"model": "mlp", "dense_widths": (48, 32), "init": "he"}
    for name in ("wine", "cancer", "digits"):
        yield _Case(f"{name}, inputs as they are", Arm(**mlp, dataset_dir=paths[f"{name}_raw"]), "input_scale")
    # Features of unlike sizes stay so when each example is normalised over them.
    yield _Case("wine_raw, a network that normalises examples", _normalising(paths["wine_raw"]), "uneven_inputs")
    for name in ("wine", "cancer", "digits"):
        arm = Arm(**mlp, dataset_dir=paths[f"{name}_permuted"])
        yield _Case(f"{name}, labels permuted", arm, "unrelated_labels")
    arrays = {"input_arrays": ("x", "x_test"), "target_arrays": ("y", "y_test")}
    arm = Arm(**mlp, dataset_dir=paths["digits_renumbered"], **arrays)
    yield _Case("digits, held-out classes numbered anew", arm, "held_out_labels")
    for name in ("iris", "wine", "cancer", "digits"):
        yield _Case(f"{name}, sorted", Arm(**mlp, dataset_dir=paths[f"{name}_sorted"]), "sorted_examples")
    for name in ("diabetes_raw", "waves_far"):
        yield _Case(f"{name}, dense", Arm(**mlp, dataset_dir=paths[name]), "target_scale")
        yield _Case(f"{name}, a user's network", Arm(model=_NETWORK, dataset_dir=paths[name]), "target_scale")
    for name, end, expected in (
        *(("digits", end, "bounded_outputs") for end in ("relu", "sigmoid", "tanh")),
        ("waves_negative", "relu", "bounded_outputs"),
        ("waves_negative", "tanh", "bounded_outputs"),
        ("digits", "softmax", "softmax_inside"),
        ("wine", "softmax", "softmax_inside"),
        ("digits", "scaled", "altered_gradient"),
        ("waves", "scaled", "altered_gradient"),
        ("digits", "mixed", "mixed_examples"),
        ("waves", "mixed", "mixed_examples"),
        ("digits", "dead", "constant_outputs"),
        ("digits", "cast", "lost_inputs"),
        ("cancer", "rescaled", "rescaled_inputs"),
        ("digits", "rescaled", "rescaled_inputs"),
        ("digits", "root", "broken_gradient"),
        ("waves", "root", "broken_gradient"),
    ):
        arm = Arm(model=_NETWORK, model_args=(f"end={end}",), dataset_dir=paths[name])
        yield _Case(f"{name}, {end}", arm, expected)
    bag = Arm(model=_NETWORK, model_args=("end=bag",), dataset_dir=paths["waves_series"])
    yield _Case("waves as a series, a mean over positions", bag, "blind_to_order")
    first = Arm(model=_NETWORK, model_args=("end=first",), dataset_dir=paths["waves_series"])
    yield _Case("waves as a series, read at the first position", first, "unseen_positions")
    for depth in (6, 9):
        sigmoid = Arm(model="mlp", dense_widths=(48,) * depth, init="glorot", activation="sigmoid")
        yield _Case(f"digits, {depth} layers of sigmoids", sigmoid, "saturating_layers")
    for dropout in (0.8, 0.9):
        arm = Arm(model="mlp", dense_widths=(64,) * 4, init="he", dropout=dropout)
        yield _Case(f"digits, dropout {dropout} in 4 layers", arm, "strong_dropout")
    for decay in (10.0, 50.0):
        yield _Case(f"digits, decay {decay:g}", Arm(**mlp, optimizer="adamw", weight_decay=decay), "strong_decay")
    yield _Case("digits, warm-up of 10,000", Arm(**mlp, schedule="warmup", warmup_steps=10_000), "warm_up")
    for rate in (0.5, 1e-10):
        yield _Case(f"digits, rate {rate:g}", Arm(**mlp, learning_rate=rate), "step_size")
    narrow = Arm(model="mlp", dense_widths=(48, 2), init="he")
    yield _Case("digits, a layer of 2 units", narrow, "narrow_layer")
    yield _Case("digits, SGD, rate 1e-6", Arm(**mlp, optimizer="sgd", learning_rate=1e-6), "one_batch")
    yield _Case("digits, σ = 0.005", Arm(init_scale=0.005), "below_epsilon")


def _check(case: _Case) -> list[Finding]:
    study = Study(name="check", arms={"one": case.arm}, seeds=1, horizon=case.horizon)
    plan = expand(study, "cpu")
    return check_here(plan.programs[0].spec, plan.arms["one"], plan.horizons["one"])


def main() -> int:
    """Prints a line for each set-up, and a summary; returns 0."""
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    alarms, named, counts, seconds = 0, 0, [0, 0], []
    with tempfile.TemporaryDirectory() as folder:
        paths = _save(Path(folder))
        print("| set-up | expected | found |\n|---|---|---|")
        for case in (*_healthy(paths), *_faulty(paths)):
            began = time.monotonic()
            try:
                found = _check(case)
            except InputError as error:
                print(f"| {case.name} | {case.expected or 'nothing'} | refused: {error} |", flush=True)
                continue
            seconds.append(time.monotonic() - began)
            counts[bool(case.expected)] += 1
            alarms += not case.expected and any(finding.strength == "fault" for finding in found)
            named += case.expected in [finding.name for finding in found]
            words = ", ".join(f"{finding.name} ({finding.strength})" for finding in found)
            print(f"| {case.name} | {case.expected or 'nothing'} | {words or 'nothing'} |", flush=True)
    print(f"\nhealthy set-ups with a fault claimed: {alarms} of {counts[0]}")
    print(f"planted faults named: {named} of {counts[1]}")
    print(f"seconds: median {np.median(seconds):.1f}, longest {max(seconds):.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
