"""What was followed beyond the horizon, read from the studies below a diagnosis."""

from pathlib import Path

from engine import store
from engine.diagnosis.gathering import FOLLOWED, read_followed
from engine.store import WorkDirectory
from engine.studies.diagnosis import DiagnosisRecord
from tests.report.studies import early, stuck
from tests.stored import make_document

RECORD = DiagnosisRecord({"as_given": "given", "init=he": "remedy"}, {}, {}, {}, None, [], None)


def _save(path: Path, name: str, rows: list, num_seeds: int) -> WorkDirectory:
    document = make_document({name: {"init": name, "learning_rate": 0.1}}, 880, num_seeds, name=FOLLOWED)
    directory = store.create_or_resume(path, document)
    directory.append(rows)
    return directory


def test_the_runs_that_stay_away_are_counted(tmp_path: Path):
    directory = _save(tmp_path, "init=he", early("init=he", 2), 2)
    assert read_followed(directory, RECORD) == {}
    _save(tmp_path / FOLLOWED / "1", "init=he", [*early("init=he", 6), *stuck("init=he", 8)[6:]], 8)
    found = read_followed(directory, RECORD)["init=he"]
    assert (found.num_runs, found.num_kept, found.num_fell_back, found.is_kept) == (8, 6, 0, False)
    assert found.horizon == 40.0


def test_what_is_still_being_followed_is_left_out(tmp_path: Path):
    directory = _save(tmp_path, "init=he", early("init=he", 2), 2)
    _save(tmp_path / FOLLOWED / "1", "init=he", early("init=he", 6), 8)
    assert read_followed(directory, RECORD) == {}


def test_what_is_no_study_of_the_diagnosis_is_left_alone(tmp_path: Path):
    directory = _save(tmp_path, "init=he", early("init=he", 2), 2)
    _save(tmp_path / FOLLOWED / "1", "init=other", early("init=other", 8), 8)
    (tmp_path / FOLLOWED / "2").mkdir()
    (tmp_path / FOLLOWED / ".hidden").write_text("")
    assert read_followed(directory, RECORD) == {}
