"""What is taken from data on purpose, and what stays."""

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data
from engine.tasks.controls import CONTROLS, controlled

NAMES = [name for name in CONTROLS if name != "none"]


@pytest.fixture(scope="module")
def arrays(data_dir: str) -> dict[str, np.ndarray]:
    return load_data(resolve_arm(Arm(model="mlp")), 0, data_dir)


@pytest.mark.parametrize("control", NAMES)
def test_shapes_and_types_stay(arrays: dict[str, np.ndarray], control: str):
    found = controlled(arrays, control, 0, 0)
    assert {n: (a.shape, a.dtype) for n, a in found.items()} == {n: (a.shape, a.dtype) for n, a in arrays.items()}
    task = build_task(resolve_arm(Arm(model="mlp", control=control)), found)
    assert task.steps_per_epoch == 22


def test_one_batch_without_the_last_class_keeps_its_output(arrays: dict[str, np.ndarray]):
    found = dict(arrays)
    for name in ("labels", "loss_labels"):
        found[name] = np.minimum(arrays[name], 8)
    assert build_task(resolve_arm(Arm(model="mlp", control="one_batch")), found).num_outputs == 10


def test_one_batch_is_all_there_is_to_train_and_evaluate_on(arrays: dict[str, np.ndarray]):
    found = controlled(arrays, "one_batch", 0, 0)
    batch = {row.tobytes() for row in arrays["loss_inputs"][0]}
    for name in ("inputs", "loss_inputs"):
        rows = found[name].reshape(-1, 64)
        assert {row.tobytes() for row in rows} == batch
    label_of = {
        row.tobytes(): label for row, label in zip(arrays["loss_inputs"][0], arrays["loss_labels"][0], strict=True)
    }
    for row, label in zip(found["inputs"], found["labels"], strict=True):
        assert label_of[row.tobytes()] == label
    assert np.array_equal(found["held_out_inputs"], arrays["held_out_inputs"])


def test_shuffled_labels_are_the_same_ones_in_another_order(arrays: dict[str, np.ndarray]):
    found = controlled(arrays, "shuffled_labels", 0, 0)
    for name in ("labels", "held_out_labels"):
        assert np.array_equal(np.sort(found[name], axis=None), np.sort(arrays[name], axis=None))
        # A label stays by chance in a tenth of the examples.
        share = np.mean(found[name] == arrays[name])
        assert abs(share - 0.1) < 4 * np.sqrt(0.09 / found[name].size)
    assert np.array_equal(found["inputs"], arrays["inputs"])
    other = controlled(arrays, "shuffled_labels", 1, 0)
    assert not np.array_equal(other["labels"], found["labels"])


def test_what_detects_has_the_labels_that_are_trained_on(arrays: dict[str, np.ndarray]):
    found = controlled(arrays, "shuffled_labels", 0, 0)
    pairs = {(x.tobytes(), int(y)) for x, y in zip(found["inputs"], found["labels"], strict=True)}
    flat = zip(found["loss_inputs"].reshape(-1, 64), found["loss_labels"].ravel(), strict=True)
    evaluated = [(x.tobytes(), int(y)) for x, y in flat]
    assert set(evaluated) <= pairs
    assert len(evaluated) == 512


def test_constant_inputs_are_the_mean(arrays: dict[str, np.ndarray]):
    found = controlled(arrays, "constant_inputs", 0, 0)
    mean = arrays["inputs"].mean(axis=0)
    for name in ("inputs", "loss_inputs", "held_out_inputs"):
        assert np.allclose(found[name], mean, atol=1e-6)
    assert np.array_equal(found["labels"], arrays["labels"])


def test_values_are_shuffled_as_labels_are():
    rng = np.random.default_rng(0)
    arrays = {"inputs": rng.normal(size=(40, 3)), "targets": rng.normal(size=(40, 2))}
    for part in ("loss", "held_out"):
        arrays[f"{part}_inputs"] = rng.normal(size=(2, 8, 3))
        arrays[f"{part}_targets"] = rng.normal(size=(2, 8, 2))
    found = controlled(arrays, "shuffled_labels", 0, 0)
    before = {tuple(row) for row in arrays["targets"]}
    assert {tuple(row) for row in found["targets"]} == before
    assert not np.array_equal(found["targets"], arrays["targets"])


def test_examples_that_are_drawn_have_nothing_to_lose(data_dir: str):
    arm = resolve_arm(Arm(dataset="teacher", model="mlp", control="shuffled_labels"))
    with pytest.raises(InputError, match="drawn, not held in arrays"):
        load_data(arm, 0, data_dir)
