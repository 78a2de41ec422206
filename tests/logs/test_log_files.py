"""Which files are meant, what they are called, and their bytes."""

import gzip

import pytest

from engine.errors import InputError
from engine.logs import log_files
from engine.logs.log_files import find_files, read_content, short_names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.csv", "a/2.jsonl", "a/notes.txt", "a/.hidden.csv", "b/x=1/m.csv.gz"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("step,loss\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["a"], [("a/1.csv", None), ("a/2.jsonl", None)]),
        (["a/*.csv", "a/1.csv"], [("a/1.csv", None)]),
        (["he=a/1.csv", "b"], [("a/1.csv", "he"), ("b/x=1/m.csv.gz", None)]),
        (["b/x=1/m.csv.gz"], [("b/x=1/m.csv.gz", None)]),
        (["b/x=*/*"], [("b/x=1/m.csv.gz", None)]),
        (["a/notes.txt"], [("a/notes.txt", None)]),
    ],
)
def test_files_folders_patterns_and_groups(words, found, folder):
    assert [(file.path.as_posix(), file.arm) for file in find_files(words)] == found


def test_files_come_in_the_order_in_which_people_count(tmp_path):
    for number in (10, 2, 1):
        (tmp_path / f"seed_{number}.csv").touch()
    for words in (str(tmp_path), str(tmp_path / "*.csv")):
        names = [file.path.stem for file in find_files([words])]
        assert names == ["seed_1", "seed_2", "seed_10"]


@pytest.mark.parametrize("words", ["nothing.csv", "gone/*.csv", "he=nothing", "lr=1=b/x=1", ""])
def test_what_is_not_there_is_said(words, folder):
    with pytest.raises(InputError, match="--curves"):
        find_files([words])


@pytest.mark.parametrize("words", ["~nobody-is-called-so/a.csv", "he=~nobody-is-called-so", "a\0b"])
def test_what_can_be_no_place_is_said(words):
    with pytest.raises(InputError, match=r"no such home|no place in a file"):
        find_files([words])


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["r/seed_1/m", "r/seed_2/m"], ["seed_1", "seed_2"]),
        (["r/a/x", "r/b/y"], ["a/x", "b/y"]),
        (["r/m"], ["m"]),
        (["r/m", "r/m/n"], ["m", "n"]),
        (["/"], ["run"]),
    ],
)
def test_names_are_as_short_as_they_can_be(paths, names):
    assert short_names(paths) == names


def test_gzip_is_unpacked_as_far_as_it_goes(tmp_path, monkeypatch):
    content = "".join(f"{i},{i / 7}\n" for i in range(20_000)).encode()
    path = tmp_path / "log.csv.gz"
    packed = gzip.compress(content)
    path.write_bytes(packed + packed)
    assert read_content(path) == content + content
    path.write_bytes(packed[: len(packed) // 2])
    found = read_content(path)
    assert content.startswith(found)
    assert len(found) > 1000
    path.write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(InputError, match="damaged gzip"):
        read_content(path)
    monkeypatch.setattr(log_files, "MAX_BYTES", len(content) - 1)
    path.write_bytes(packed)
    with pytest.raises(InputError, match="once unpacked"):
        read_content(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected at most"):
        read_content(path)
