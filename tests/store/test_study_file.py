import copy
import functools
import json
import operator
import os

import numpy as np
import pytest

from engine import store
from engine.errors import InputError
from engine.store import provenance, study_file, validation
from engine.store.files import DamagedError
from engine.store.json_files import checksum, to_json
from tests.stored import make_document, make_row


def _document():
    return make_document({"b": {"learning_rate": 0.1}, "a": {"learning_rate": 0.2}})


def _stored(path, num_runs=1):
    workdir = store.create_or_resume(path, _document())
    workdir.append([make_row("a", seed) for seed in range(num_runs)])
    return workdir


def test_a_backup_of_the_same_content_is_written_besides(tmp_path):
    workdir = _stored(tmp_path)
    for _ in range(2):
        contents = {(tmp_path / name).read_bytes() for name in study_file.OF_A_LAUNCH}
        (content,) = contents
        assert set(json.loads(content)) == {*workdir.document, "checksum"}
        workdir.document["looks"] = []
        workdir.save_document()
    assert store.open_existing(tmp_path).document == workdir.document


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "gone", "folder", "fifo"])
def test_the_backup_stands_in_for_a_study_file_that_is_not_whole(tmp_path, damage):
    workdir = _stored(tmp_path)
    path = tmp_path / "study.json"
    content = path.read_bytes()
    path.unlink()
    if damage == "flip":
        path.write_bytes(content.replace(b'"root_seed": 0', b'"root_seed": 1'))
    elif damage == "truncate":
        path.write_bytes(content[:-3])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "folder":
        path.mkdir()
    elif damage == "fifo":
        os.mkfifo(path)
    notes = []
    opened = store.open_existing(tmp_path, notes.append)
    assert opened.document == workdir.document
    (note,) = notes
    assert "study.json' is not whole" in note
    assert "its backup is read" in note

    notes.clear()
    resumed = store.create_or_resume(tmp_path, _document(), notes.append)
    assert len(resumed.document["launches"]) == 2
    (note,) = notes
    assert "written anew from its backup" in note
    assert os.path.lexists(tmp_path / "damaged" / "study.json") == (damage != "gone")
    assert store.open_existing(tmp_path, pytest.fail).document == resumed.document
    assert resumed.finished_keys() == workdir.finished_keys()


def test_what_is_set_aside_never_takes_the_place_of_what_was(tmp_path):
    for i in range(3):
        store.create_or_resume(tmp_path, _document(), lambda _: None)
        (tmp_path / "study.json").write_text(f"{i}")
    store.create_or_resume(tmp_path, _document(), lambda _: None)
    aside = {p.name: p.read_text() for p in (tmp_path / "damaged").iterdir()}
    assert aside == {"study.json": "0", "study.json.1": "1", "study.json.2": "2"}


def test_where_both_are_damaged_it_is_one_clear_error_unless_there_is_nothing_to_lose(tmp_path):
    _stored(tmp_path)
    for name in study_file.OF_A_LAUNCH:
        (tmp_path / name).write_text("{")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    for open_it in (store.open_existing, store.find_existing, lambda path: store.create_or_resume(path, _document())):
        with pytest.raises(InputError, match=r"damaged.*restore one of them") as caught:
            open_it(tmp_path)
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    for part in (tmp_path / "parts").glob("*.parquet"):
        part.unlink()
    assert store.find_existing(tmp_path) is None
    notes = []
    store.create_or_resume(tmp_path, _document(), notes.append)
    assert "begins anew" in notes[0]
    assert sorted(os.listdir(tmp_path / "damaged")) == list(study_file.OF_A_LAUNCH)
    assert store.open_existing(tmp_path, pytest.fail).read().num_rows == 0


def test_one_whole_file_is_there_wherever_a_save_is_cut_off(tmp_path, monkeypatch):
    """Cut off before each replacement, of a study's first save and of a later one."""
    real = os.replace
    for name in ("new", "old"):
        for most in range(2):
            path = tmp_path / f"{name}{most}"
            path.mkdir()
            document = _document()
            if name == "old":
                study_file.save(path, document)
            done = []

            def replace(*paths, done=done, most=most):
                if len(done) == most:
                    raise KeyboardInterrupt
                done.append(paths)
                real(*paths)

            monkeypatch.setattr(os, "replace", replace)
            with pytest.raises(KeyboardInterrupt):
                study_file.save(path, {**document, "looks": []})
            monkeypatch.setattr(os, "replace", real)
            if name == "new" and most == 0:
                assert store.find_existing(path) is None
            else:
                looks = store.open_existing(path).document.get("looks")
                assert looks == ([] if most else None)


def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path):
    _stored(tmp_path)
    document = store.open_existing(tmp_path).document
    content = (tmp_path / "study.json").read_bytes()
    (tmp_path / "study.json.bak").unlink()
    generator = np.random.default_rng(0)
    num_found = 0
    for position in generator.integers(0, 8 * len(content), 300):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        (tmp_path / "study.json").write_bytes(flipped)
        try:
            assert store.open_existing(tmp_path).document == document
        except InputError:
            num_found += 1
    assert num_found > 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"schema_version": 4}', b"\xff\x00", b"1e400"])
def test_a_damaged_document_is_one_clear_error(tmp_path, content):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        store.open_existing(tmp_path)


def test_a_study_without_its_checksum_is_damaged(tmp_path):
    (tmp_path / "study.json").write_bytes(store.to_json(_document()))
    with pytest.raises(InputError, match="no checksum"):
        store.open_existing(tmp_path)


@pytest.mark.parametrize("version", [3, 99])
def test_another_schema_version_is_refused_in_one_line(tmp_path, version):
    document = {**_document(), "schema_version": version}
    (tmp_path / "study.json").write_bytes(to_json({**document, "checksum": checksum(document)}))
    with pytest.raises(InputError, match=f"schema version {version}, this version of Plateau reads 4: ") as caught:
        store.open_existing(tmp_path)
    assert "\n" not in str(caught.value)


def test_whatever_may_be_typed_for_the_detector_is_read_back(tmp_path):
    document = _document()
    document["identity"]["detector"]["high"] = 0.9995
    store.create_or_resume(tmp_path, document)
    assert store.open_existing(tmp_path, pytest.fail).document == document


_GONE = object()
_WRONG = (_GONE, None, True, -1, 2**40, 0.5, "", "x", [], [None], {}, {"a": None}, float(2**62))


def _places(value, place=()):
    """Every entry of a document, by the keys that lead to it."""
    yield place
    is_list = isinstance(value, list)
    for key in range(len(value)) if is_list else value if isinstance(value, dict) else ():
        yield from _places(value[key], (*place, key))


def test_an_entry_that_is_wrong_or_missing_is_refused_and_nothing_else_is_raised():
    whole = _document()
    whole["looks"] = [{"seeds": 16, "goal": "fraction", "undecided": ["a"]}]
    whole["launches"][0] |= {"ended": "", "num_runs": 1}
    validation.check_document(whole)
    num_refused = 0
    for *above, last in filter(None, _places(whole)):
        for wrong in _WRONG:
            changed = copy.deepcopy(whole)
            parent = functools.reduce(operator.getitem, above, changed)
            if wrong is _GONE:
                del parent[last]
            else:
                parent[last] = wrong
            try:
                validation.check_document(changed)
            except DamagedError:
                num_refused += 1
    assert num_refused > 700


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["identity"]["horizons"].pop("a"), "identity.horizons: expected a value for"),
        (lambda d: d["identity"]["horizons"].update(a=1.5), "a whole number from 1"),
        (lambda d: d["identity"]["arms"].update(a=1), "named values"),
        (lambda d: d["identity"]["detector"].update(other=1), "unknown 'other'"),
        (lambda d: d["identity"]["detector"].update(low=0.5), "detector.low=0.5: expected less than detector.high"),
        (lambda d: d["study"].update(baseline="c"), "study.baseline: expected the name of an arm"),
        (lambda d: d["study"]["chance_loss"].update(a=0), "study.chance_loss"),
        (lambda d: d["identity"]["block"].update(a=3), "block: expected a divisor of the width"),
        (lambda d: d["identity"]["fork_step"].update(a=12), "fork_step: expected a multiple"),
        (lambda d: d["launches"].clear(), "launches: expected a list of at least 1"),
        (lambda d: d["arm_order"].append("a"), "arm_order"),
        (lambda d: d.update(looks=[{"seeds": 1}]), "looks[0].goal"),
    ],
)
def test_the_line_says_which_entry_and_what_was_expected(change, words):
    document = _document()
    change(document)
    with pytest.raises(DamagedError) as caught:
        validation.check_document(document)
    assert words in str(caught.value)


@pytest.mark.parametrize("wrong", [None, True, -1, "x", [None], {}, {"a": {}}, float(2**62)])
def test_what_a_launch_says_of_itself_is_no_reason_to_refuse_a_study(wrong):
    whole = _document()
    whole["launches"][0] |= {"devices": {"kind": "x"}, "settings": {}, "xla_flags": {}, "seconds": 1.5}
    whole["launches"][0] |= {"seed_steps": 3, "num_workers": 1}
    validation.check_document(whole)
    assert "seconds" in whole["launches"][0]
    for name in whole["launches"][0]:
        changed = copy.deepcopy(whole)
        changed["launches"][0][name] = wrong
        validation.check_document(changed)
        (launch,) = changed["launches"]
        assert provenance.environment_of(launch).keys() == provenance.environment_of(whole["launches"][0]).keys()
        assert isinstance(launch["command"], list)
        assert isinstance(launch["started"], str)
        assert {"machine", "cores"} <= launch["hardware"].keys()
        assert "kind" in launch.get("devices", {"kind": ""})
        assert ("seconds" in launch) == ("seed_steps" in launch)


@pytest.mark.parametrize("folder", ["parts", "checkpoint", "figures", "damaged"])
def test_folders_that_lead_elsewhere_are_refused(tmp_path, folder):
    home = tmp_path / "home"
    home.mkdir()
    (home / "curves_9.svg").write_text("precious")
    workdir = _stored(tmp_path / "w")
    if (workdir.path / folder).exists():
        os.rename(workdir.path / folder, tmp_path / "moved")
    (workdir.path / folder).symlink_to(home)
    for open_it in (store.open_existing, store.find_existing, lambda path: store.create_or_resume(path, _document())):
        with pytest.raises(InputError, match="symbolic link, expected a real directory"):
            open_it(workdir.path)
    with pytest.raises(InputError, match="symbolic link"), store.hold(workdir.path, pytest.fail):
        pass
    assert (home / "curves_9.svg").read_text() == "precious"


def test_parts_that_are_a_file_are_one_clear_error(tmp_path):
    study_file.save(tmp_path, _document())
    (tmp_path / "parts").write_text("")
    with pytest.raises(InputError, match="cannot use"):
        store.create_or_resume(tmp_path, _document())
