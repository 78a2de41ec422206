"""The record of a diagnosis that is about to be run."""

from engine.diagnosis.factors import Factors
from engine.studies.diagnosis_record import DiagnosisRecord


def record_of(
    factors: Factors, minutes: float | None, budget: list[str], has_constant_inputs: bool | None
) -> DiagnosisRecord:
    """The record of a diagnosis that is about to be run.

    Args:
        factors: its arms.
        minutes, budget, has_constant_inputs: see `DiagnosisRecord`.
    """
    rates = {name: factor.relative_rate for name, factor in factors.arms.items() if factor.relative_rate is not None}
    kinds = {name: factor.kind for name, factor in factors.arms.items()}
    words = {name: factor.words for name, factor in factors.arms.items()}
    return DiagnosisRecord(kinds, words, rates, factors.skipped, minutes, budget, has_constant_inputs)
