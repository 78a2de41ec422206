"""What a diagnosis was made of, as `study.json` holds it: the report is made from files alone."""

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from engine.diagnosis.factors import AS_GIVEN, LEAST_RATE, Factors, Kind
from engine.errors import InputError


class Record(NamedTuple):
    """What a diagnosis was made of.

    Attributes:
        kinds: why each arm is there, by name.
        words: what was changed in it.
        rates: learning rate of the arms that differ in nothing else, relative to the given one.
        skipped: what does not apply, with the reason, by name.
        minutes: that were asked for, or `None`.
        budget: what they buy, in words.
    """

    kinds: dict[str, str]
    words: dict[str, str]
    rates: dict[str, float]
    skipped: dict[str, str]
    minutes: float | None
    budget: list[str]


def record_of(factors: Factors, minutes: float | None, budget: list[str]) -> Record:
    """The record of a diagnosis that is about to be run."""
    given = factors.arms[AS_GIVEN].arm.learning_rate or LEAST_RATE
    rates = {
        name: factor.arm.learning_rate / given
        for name, factor in factors.arms.items()
        if name.startswith("learning_rate=")
    }
    kinds = {name: factor.kind for name, factor in factors.arms.items()}
    words = {name: factor.words for name, factor in factors.arms.items()}
    return Record(dict(kinds), words, rates, factors.skipped, minutes, budget)


def read_record(content: Any) -> Record:
    """The record that `study.json` holds.

    Raises:
        InputError: it is not one.
    """
    try:
        record = Record(**content)
    except TypeError:
        record = None
    if record is None or not _is_sound(record):
        raise InputError("study.json: diagnosis: expected what a diagnosis was made of")
    return record


def _is_sound(record: Record) -> bool:
    texts = (record.kinds, record.words, record.skipped)
    return (
        all(isinstance(table, Mapping) for table in (*texts, record.rates))
        and all(isinstance(text, str) for table in texts for text in table.values())
        and set(record.kinds.values()) <= set(get_args(Kind))
        and record.kinds.get(AS_GIVEN) == "given"
        and record.words.keys() == record.kinds.keys() >= record.rates.keys()
        and all(_is_number(rate) for rate in record.rates.values())
        and (record.minutes is None or _is_number(record.minutes))
        and isinstance(record.budget, list)
        and all(isinstance(line, str) for line in record.budget)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e12
