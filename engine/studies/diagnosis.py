"""What a diagnosis was made of, as `study.json` holds it: its report is made from files alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from ..errors import InputError

# Why an arm of a diagnosis is there: the configuration itself; a change that may be advised; a learning rate far from
# the given one, advised only where nothing near it helps; or a control, which tells slow from broken.
Kind = Literal["given", "remedy", "far", "control"]
# Kinds of the arms that are tested as changes.
CHANGES: tuple[Kind, ...] = ("remedy", "far")

AS_GIVEN = "as_given"
_FINDING = {"name", "strength", "sentence", "advice", "cause"}


class DiagnosisRecord(NamedTuple):
    """What a diagnosis was made of: why each arm is there and what was changed in it, by name.

    `rates` are relative to the given one, of the arms that differ in nothing else; `skipped` are changes that do not
    apply, with the reason; `budget` says what the minutes buy; `findings` are those of a look at data and network
    before anything was trained, each with the fields of `engine.preflight.findings.Finding`.
    """

    kinds: dict[str, Kind]
    words: dict[str, str]
    rates: dict[str, float]
    skipped: dict[str, str]
    minutes: float | None
    budget: list[str]
    findings: Sequence[Mapping[str, str]] = ()


def read_record(document: Mapping[str, Any]) -> DiagnosisRecord | None:
    """Reads the record of a diagnosis from a checked `study.json`; returns `None` for another study.

    Raises `InputError`: the record is not sound, or its arms are not those of the study.
    """
    study = document["study"]
    content = study.get("diagnosis")
    if content is None:
        return None
    try:
        # An earlier field; `findings` have it.
        record = DiagnosisRecord(**{name: value for name, value in content.items() if name != "has_constant_inputs"})
    except (AttributeError, TypeError):
        record = None
    if record is None or not _is_sound(record):
        raise InputError("study.json: diagnosis: expected what a diagnosis was made of")
    if record.kinds.keys() != set(document["arm_order"]) or study["baseline"] != AS_GIVEN:
        raise InputError(f"study.json: diagnosis: expected the arms of the study, compared with {AS_GIVEN}")
    return record


def _is_sound(record: DiagnosisRecord) -> bool:
    texts = (record.kinds, record.words, record.skipped)
    return (
        all(isinstance(table, Mapping) for table in (*texts, record.rates))
        and all(isinstance(text, str) for table in texts for text in table.values())
        and set(record.kinds.values()) <= set(get_args(Kind))
        and [name for name, kind in record.kinds.items() if kind == "given"] == [AS_GIVEN]
        and record.words.keys() == record.kinds.keys() >= record.rates.keys()
        and all(_is_number(rate) for rate in record.rates.values())
        and (record.minutes is None or _is_number(record.minutes))
        and isinstance(record.budget, list)
        and all(isinstance(line, str) for line in record.budget)
        and isinstance(record.findings, Sequence)
        and all(isinstance(one, Mapping) and one.keys() == _FINDING for one in record.findings)
        and all(isinstance(text, str) for one in record.findings for text in one.values())
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e12
