"""What `study.json` says a diagnosis was made of."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from engine.arms.arm import Arm
from engine.diagnosis.changes import Subject
from engine.diagnosis.factors import factors_of
from engine.errors import InputError
from engine.studies.diagnosis import read_record
from engine.studies.study import resolve_arm


@pytest.fixture
def document() -> dict[str, Any]:
    factors = factors_of(Subject(resolve_arm(Arm(model="mlp")), num_examples=1438))
    record = factors.record._replace(minutes=10.0, budget=["ten minutes"])
    about = {"baseline": "as_given", "diagnosis": copy.deepcopy(record._asdict())}
    return {"arm_order": list(factors.arms), "study": about}


def test_a_record_is_read_as_it_was_written(document: dict):
    record = read_record(document)
    assert record is not None
    assert record._asdict() == document["study"]["diagnosis"]


def test_a_record_with_a_field_of_before_is_read(document: dict):
    document["study"]["diagnosis"]["has_constant_inputs"] = False
    assert read_record(document) is not None


def test_another_study_has_none(document: dict):
    del document["study"]["diagnosis"]
    assert read_record(document) is None


_WRONG: list[tuple[Callable[[dict], object], str]] = [
    (lambda d: d["study"].update(diagnosis="yes"), "what a diagnosis was made of"),
    (lambda d: d["study"]["diagnosis"]["kinds"].pop("one_batch"), "what a diagnosis was made of"),
    (lambda d: d["study"]["diagnosis"]["kinds"].update(one_batch="given"), "what a diagnosis"),
    (lambda d: d["study"]["diagnosis"]["kinds"].update(as_given="far"), "what a diagnosis"),
    (lambda d: d["study"]["diagnosis"]["rates"].update(init=1.0), "what a diagnosis"),
    (lambda d: d["arm_order"].remove("one_batch"), "the arms of the study"),
    (lambda d: d["study"].update(baseline="init=he"), "compared with as_given"),
]


@pytest.mark.parametrize(("change", "expected"), _WRONG)
def test_what_is_no_record_of_this_study_is_refused(document: dict, change: Callable[[dict], object], expected: str):
    change(document)
    with pytest.raises(InputError, match=expected):
        read_record(document)
