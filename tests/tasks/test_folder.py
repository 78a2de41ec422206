"""Folders of images: what is a class, what is held out, and what is said of the rest."""

import hashlib
import os
import shutil

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import resolve_arm
from engine.tasks import Reading, fingerprint, load_data
from engine.tasks.folder import find_files, is_held_out
from tests.tasks.sources import grey, image_bytes, lines, read, read_and_build, write_classes, write_digits


def _held_out(folder) -> set[str]:
    files = find_files(folder, Reading())
    return {file.name for file in files if is_held_out(file.name, 0.2)}


def test_classes_are_the_folders_in_the_order_of_their_names(tmp_path):
    write_classes(tmp_path, "eel", "cat", "dog")
    data, reading = read(tmp_path)
    assert set(data["labels"]) == {0, 1, 2}
    # Of class c the greys are 10 c to 10 c + 19, in the order in which they were written.
    for label, first in ((0, 10), (1, 20), (2, 0)):
        values = np.rint(data["inputs"][data["labels"] == label][:, 0, 0, 0] * 255)
        assert first <= values.min()
        assert values.max() < first + 20
    assert "60 examples of 8×8×1 numbers, 3 classes" in lines(reading)


def test_the_split_is_the_hash_of_the_name_below_the_folder(tmp_path):
    write_classes(tmp_path, "a", "b")
    digest = hashlib.sha256(b"a/3.png").digest()
    assert is_held_out("a/3.png", 0.2) == (int.from_bytes(digest[:8], "big") / 2**64 < 0.2)
    data, _ = read(tmp_path)
    assert len(data["labels"]) == 40 - len(_held_out(tmp_path))
    share = np.mean([is_held_out(f"a/{i}.png", 0.2) for i in range(10_000)])
    # Three standard errors of a fifth of 10,000.
    assert abs(share - 0.2) < 3 * np.sqrt(0.2 * 0.8 / 10_000)


def test_adding_files_moves_no_other(tmp_path):
    write_classes(tmp_path, "a", "b")
    before = _held_out(tmp_path)
    write_classes(tmp_path, "c")
    for i in range(100, 120):
        grey(i).save(tmp_path / "a" / f"{i}.png")
    assert {name for name in _held_out(tmp_path) if (tmp_path / name).exists()} >= before
    names = {f"{c}/{i}.png" for c in "ab" for i in range(20)}
    assert _held_out(tmp_path) & names == before


def test_where_the_folder_is_does_not_matter(tmp_path):
    write_classes(tmp_path / "one", "a", "b")
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "two")
    first, second = read(tmp_path / "one")[0], read(tmp_path / "elsewhere" / "two")[0]
    assert fingerprint(first) == fingerprint(second)


def test_how_a_system_writes_names_does_not_matter(tmp_path):
    """Composed or decomposed, as another system would make of it, or of no encoding at all."""
    for root, name in (("one", "caf\u00e9"), ("two", "cafe\u0301")):
        write_classes(tmp_path / root, name, "plain")
        (tmp_path / root / "plain" / os.fsdecode(b"\xff.png")).write_bytes(image_bytes(grey(1)))
    first, second = (read(tmp_path / root)[0] for root in ("one", "two"))
    assert fingerprint(first) == fingerprint(second)


def test_a_fraction_can_be_asked_for(tmp_path):
    write_classes(tmp_path, "a", "b", num_images=100)
    sizes = [len(read(tmp_path, held_out_fraction=f)[0]["labels"]) for f in (0.1, 0.5)]
    assert sizes[0] > 160
    assert 70 < sizes[1] < 130


def test_train_and_test_folders_are_no_classes(tmp_path):
    write_classes(tmp_path / "train", "a", "b")
    write_classes(tmp_path / "val", "a", "b", num_images=4)
    data, reading = read(tmp_path)
    assert len(data["labels"]) == 40
    assert data["held_out_labels"].size == 8
    assert "what is in 'val' is held out" in lines(reading)
    with pytest.raises(InputError, match=r"held_out_fraction=0\.1 has no effect"):
        read(tmp_path, held_out_fraction=0.1)
    write_classes(tmp_path / "test", "a", "b", num_images=3)
    data, reading = read(tmp_path)
    assert data["held_out_labels"].size == 6
    assert "1 folder left out, beside 'train': val" in lines(reading)
    write_classes(tmp_path / "test", "c", num_images=3)
    with pytest.raises(InputError, match="class 'c' has no training example"):
        read(tmp_path)


def test_what_is_passed_over_and_what_is_said(tmp_path):
    write_classes(tmp_path, "a", "b")
    plain, _ = read(tmp_path)
    (tmp_path / "a" / ".hidden.png").touch()
    (tmp_path / "a" / "Thumbs.db").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "about.txt").write_text("text")
    (tmp_path / "stray.png").write_bytes(b"x")
    (tmp_path / "b" / "cut.png").write_bytes((tmp_path / "b" / "0.png").read_bytes()[:45])
    data, reading = read(tmp_path)
    assert fingerprint(data) == fingerprint(plain)
    for words in (
        "1 folder left out, empty: empty",
        "1 file left out, in no sub-folder: stray.png",
        "1 of 42 files left out, unreadable: 'b/cut.png' (",
        "1 of 42 files left out, no images: 'docs/about.txt'",
        "1 folder left out, without images: docs",
    ):
        assert words in lines(reading)
    cautions = [note.words for note in reading.notes if note.is_caution]
    assert len(cautions) == 5
    assert not any("cut.png" in words or "docs" in words for words in cautions)


def test_folders_below_and_links(tmp_path):
    write_classes(tmp_path / "data", "a", "b", num_images=10)
    write_classes(tmp_path / "more", "inner", num_images=10)
    shutil.move(tmp_path / "more" / "inner", tmp_path / "data" / "a" / "inner")
    write_classes(tmp_path / "outside", "far", num_images=10)
    (tmp_path / "data" / "c").symlink_to(tmp_path / "outside" / "far")
    (tmp_path / "data" / "a" / "circle").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "b" / "one.png").symlink_to(tmp_path / "outside" / "far" / "1.png")
    reading = Reading()
    names = {file.name for file in find_files(tmp_path / "data", reading)}
    assert len(names) == 41
    assert {"a/inner/3.png", "c/3.png", "b/one.png"} <= names
    assert "11 files taken from elsewhere, through links" in lines(reading)


@pytest.mark.parametrize("target", ["/", "..", "."])
def test_a_class_that_is_a_link_to_what_holds_the_data_is_not_searched(target, tmp_path):
    write_classes(tmp_path / "data", "a", "b")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "data" / target)
    with pytest.raises(InputError, match=r"sub-folder 'c' is a link to '/.*, which holds this folder itself"):
        find_files(tmp_path / "data", Reading())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "expected one sub-folder per class"),
        (["a"], "one class, 'a'"),
        (["a", "b", ""], "no image of class 'b' can be read"),
    ],
)
def test_folders_that_nothing_can_be_learned_from(names, words, tmp_path):
    write_classes(tmp_path, *[name for name in names if name])
    if "" in names:
        for path in (tmp_path / "b").iterdir():
            path.write_bytes(b"garbage" if path.stem < "3" else b"")
        (tmp_path / "b" / "about.txt").write_text("text")
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, dataset="folder")
    assert str(caught.value).startswith("dataset_dir=")
    assert "\n" not in str(caught.value)


def test_images_side_by_side_are_no_folder_of_classes(tmp_path):
    for i in range(3):
        grey(i).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match="but 3 files beside each other: expected one sub-folder"):
        read(tmp_path)


@pytest.mark.parametrize("num_images", [1, 2])
def test_one_image_in_a_class(num_images, tmp_path):
    """Either it is trained on, or the message says that it is held out."""
    write_classes(tmp_path, "a", "b")
    for i in range(12):
        folder = write_classes(tmp_path, f"c{i}", num_images=num_images)
        names = [f"c{i}/{k}.png" for k in range(num_images)]
        if all(is_held_out(name, 0.2) for name in names):
            with pytest.raises(InputError, match=rf"class 'c{i}' .* {num_images} of it are held"):
                read(folder)
            shutil.rmtree(tmp_path / f"c{i}")
        else:
            assert len(set(read(folder)[0]["labels"])) == len(list(folder.iterdir()))


def test_the_digits_as_images_are_the_digits(tmp_path, data_dir):
    """Up to the split, and the rounding of sixteen greys to 255."""
    write_digits(tmp_path, num_images=400)
    data, task = read_and_build(tmp_path)
    ours = load_data(resolve_arm(Arm()), 0, data_dir)
    arrays = [ours["inputs"], ours["held_out_inputs"].reshape(-1, 8, 8, 1)]
    known = {np.rint(image * 16).tobytes() for image in np.concatenate(arrays)}
    is_known = [np.rint(image * 16).tobytes() in known for image in data["inputs"]]
    # The built-in held-out set is cut to whole batches.
    num_left_out = 1797 - sum(map(len, [arrays[0], arrays[1]]))
    assert sum(is_known) >= len(is_known) - num_left_out
    assert data["inputs"].max() == 1.0
    assert task.num_outputs == 10
    assert task.example_shape == (8, 8, 1)
