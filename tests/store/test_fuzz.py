"""Damaged and forged studies end in clear errors, or in nothing; `benchmarks.fuzz` for longer."""

import random

import pytest

from benchmarks import damages, forgeries, fuzz
from engine import store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "whole"
    damages.make_study(path)
    return path, store.open_existing(path).read().to_pylist()


def _outcomes(whole, folder, seeds):
    return [fuzz.try_case(seed, *whole, folder) for seed in seeds]


def test_damaged_and_forged_studies_end_in_clear_errors(whole, tmp_path, monkeypatch):
    for name, (read, _) in list(fuzz.READERS.items()):
        is_quick = name in ("rows", "launches of runs", "launch")
        monkeypatch.setitem(fuzz.READERS, name, (read, float(is_quick)))
    outcomes = _outcomes(whole, tmp_path, range(16))
    assert [o for o in outcomes if o.words.startswith("fault")] == []
    assert {o.words for o in outcomes} == {"harmless", "left out", "clear error"}


def test_damaged_pages_and_summaries_end_in_clear_errors(tmp_path):
    document, contents = damages.make_parts()
    outcomes = [fuzz.try_part(seed, document, contents, tmp_path) for seed in range(500)]
    assert {o.words for o in outcomes} == {"harmless", "left out"}


@pytest.mark.slow
def test_many_damaged_and_forged_studies_end_in_clear_errors(whole, tmp_path):
    outcomes = _outcomes(whole, tmp_path, range(1000, 1150))
    assert [o for o in outcomes if o.words.startswith("fault")] == []


def test_a_reader_that_lets_something_through_is_a_fault(whole, tmp_path, monkeypatch):
    """The judge can find against the accused."""
    wrong = [{**whole[1][0], "end_loss": 0.5}]
    reader = lambda path: (wrong, 0)  # noqa: E731
    monkeypatch.setattr(fuzz, "READERS", {"rows": (reader, 1.0)})
    monkeypatch.setattr(fuzz, "DAMAGES", (damages._damage_bytes,))
    monkeypatch.setattr(fuzz, "FORGERIES", ())
    assert _outcomes(whole, tmp_path, [0])[0].words == "fault: other rows than were stored"

    def crash(path):
        raise KeyError("arm")

    monkeypatch.setattr(fuzz, "READERS", {"rows": (crash, 1.0)})
    with pytest.raises(KeyError):
        _outcomes(whole, tmp_path, [0])


def test_a_case_is_the_same_again(whole, tmp_path):
    for damage in (*damages.DAMAGES, *forgeries.FORGERIES):
        contents = []
        for _ in range(2):
            fuzz.shutil.copytree(whole[0], tmp_path / "case")
            kind = damage(random.Random(5), tmp_path / "case")
            files = sorted(p for p in (tmp_path / "case").rglob("*") if p.is_file())
            contents.append((kind, [(p.name, p.read_bytes()) for p in files]))
            fuzz.shutil.rmtree(tmp_path / "case")
        assert contents[0] == contents[1]
