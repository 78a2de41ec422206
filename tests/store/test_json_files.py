import json

import pytest

from engine.lanes.compilation import find_once, keep, recall
from engine.store import json_files, to_json
from engine.store.files import DamagedError


def test_what_is_written_comes_back(tmp_path):
    value = {"b": [1, -2.5, 1e-300, None, True], "a": {"ö\n": "€"}, "n": 2**63 - 1}
    assert json_files.parse_json(to_json(value)) == value
    (tmp_path / "x").write_bytes(to_json(value))
    assert json_files.read_json(tmp_path / "x") == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"\xff\x00", "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": NaN}', "no number"),
        (b'{"a": -Infinity}', "no number"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": 1, "b": 2, "a": 3}', "twice"),
        (b'{"a": 9223372036854775808}', "64 bits"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "64 bits"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b"[" * 33 + b"]" * 33, "32 deep"),
        (b"[" * 1_000_000, "32 deep"),
        (b'{"a":' * 500_000 + b"1", "32 deep"),
        (b"[" + b"1," * 4_000_001 + b"1]", "values"),
    ],
)
def test_what_no_file_of_ours_has_is_one_clear_error(content, words):
    with pytest.raises(DamagedError, match=words):
        json_files.parse_json(content)


def test_a_file_is_refused_by_its_size_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DamagedError, match="1099511627776 bytes"):
        json_files.read_json(path)


def test_the_checksum_is_of_the_values_and_not_of_their_layout():
    value = {"b": [1, 2.5, None], "a": "€"}
    assert json_files.checksum(value) == json_files.checksum(json.loads(to_json(value)))
    assert json_files.checksum(value) == json_files.checksum({"a": "€", "b": (1, 2.5, None)})
    others = ({**value, "c": 1}, {"b": [1, 2.5, 0], "a": "€"}, {"b": [1.0, 2.5, None], "a": "€"})
    assert len({json_files.checksum(v) for v in (value, *others)}) == 4


def test_what_is_kept_is_recalled_unless_it_is_damaged(tmp_path, caplog):
    path = tmp_path / "deep" / "kept"
    keep(path, {"a": 1})
    assert recall(path, {"a"}) == {"a": 1}
    assert recall(path, {"a", "b"}) is None
    path.write_bytes(b"[" * 100_000)
    assert recall(path, {"a"}) is None
    assert caplog.text.count("damaged and made anew") == 2
    assert find_once(None, "folder", "kept", ["a"], lambda: {"a": 2}) == {"a": 2}
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file" / "below", {"a": 1})
    assert "cannot be kept" in caplog.text
