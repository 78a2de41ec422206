"""What changes are called in the library of the user's network."""

import pytest

from engine.arms.arm import Arm
from engine.diagnosis.changes import Subject
from engine.diagnosis.factors import factors_of
from engine.diagnosis.library_words import in_library, without_library
from engine.studies.study import resolve_arm


def _said(library: str, given: dict, changed: dict) -> str:
    before = resolve_arm(Arm(model="mlp", **given))
    return in_library(library, before, resolve_arm(before.replace(**changed)))


@pytest.mark.parametrize(
    ("given", "changed", "in_torch", "in_keras"),
    [
        ({}, {"init": "he", "init_scale": None}, "torch.nn.init.kaiming_normal_", 'kernel_initializer="he_normal"'),
        ({}, {"epsilon": 1e-12}, "eps=1e-12", "epsilon=1e-12"),
        ({}, {"learning_rate": 0.003}, "lr=0.003", "learning_rate=0.003"),
        ({}, {"clip_norm": 1.0}, "torch.nn.utils.clip_grad_norm_(parameters, 1)", "global_clipnorm=1"),
        ({"clip_norm": 1.0}, {"clip_norm": None}, "no clipping", "no global_clipnorm"),
        ({"dropout": 0.5}, {"dropout": 0.0}, "nn.Dropout(0)", "layers.Dropout(0)"),
        ({"weight_decay": 0.1}, {"weight_decay": None}, "weight_decay=0", "weight_decay=0"),
        ({}, {"batch_size": 16}, "DataLoader(…, batch_size=16)", "fit(…, batch_size=16)"),
    ],
)
def test_a_change_has_its_name_in_a_library(given, changed, in_torch, in_keras):
    assert _said("PyTorch", given, changed) == f"in PyTorch: {in_torch}"
    assert _said("Keras", given, changed) == f"in Keras: {in_keras}"
    assert _said("Flax", given, changed) == ""


def test_another_optimiser_comes_with_its_rate_and_nothing_else():
    before = resolve_arm(Arm(model="mlp"))
    after = resolve_arm(Arm(model="mlp", optimizer="sgd", momentum=0.9, learning_rate=0.01))
    assert in_library("PyTorch", before, after) == "in PyTorch: torch.optim.SGD, lr=0.01, momentum=0.9"


def test_the_words_of_a_diagnosis_have_them_and_figures_do_not():
    arm = resolve_arm(Arm(model="mlp"))
    words = factors_of(Subject(arm, num_examples=1438, library="PyTorch")).record.words
    assert words["init=he"].endswith(", in PyTorch: torch.nn.init.kaiming_normal_")
    assert without_library(words["init=he"]) == "He initialisation with zero biases"
    # A control is nothing to do.
    assert "PyTorch" not in words["linear_probe"]
