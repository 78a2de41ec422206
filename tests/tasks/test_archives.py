"""Data sets that come as archives: tiny ones of the same format, served on loopback."""

import importlib.util
import socket
import time

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import resolve_arm
from engine.tasks import TASKS, archives, fingerprint, load_data
from tests.tasks.sources import ARCHIVES, archives_of, examples_of, serving, use_archives


def _load(dataset, data_dir, **fields):
    return load_data(resolve_arm(Arm(dataset=dataset, model="mlp", **fields)), 0, str(data_dir))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("dataset", ARCHIVES)
def test_what_is_fetched_is_what_was_archived(dataset, tmp_path, monkeypatch):
    """Training in the order of the files, test examples held out; the second time without them."""
    contents = archives_of(dataset)
    with serving(contents) as (root, asked):
        use_archives(monkeypatch, dataset, root)
        data = _load(dataset, tmp_path)
    assert sorted(asked) == sorted(contents)
    images, labels = examples_of(dataset)["train"]
    np.testing.assert_array_equal(data["labels"], labels)
    np.testing.assert_array_equal(data["inputs"], images.astype(np.float32) / np.float32(255))
    test_images = examples_of(dataset)["test"][0].astype(np.float32) / np.float32(255)
    held_out = data["held_out_inputs"].reshape(-1, *test_images.shape[1:])
    assert {image.tobytes() for image in held_out} == {image.tobytes() for image in test_images}
    assert list(tmp_path.glob(f"plateau_{dataset}/1.0.0/*.array_record*"))
    assert not list(tmp_path.rglob("*.part"))
    assert fingerprint(_load(dataset, tmp_path)) == fingerprint(data)


def test_without_array_record_the_archives_are_read_straight(tmp_path, monkeypatch):
    with serving(archives_of("mnist")) as (root, _):
        use_archives(monkeypatch, "mnist", root)
        data = _load("mnist", tmp_path / "a")
        real = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "array_record" else real(name))
        assert fingerprint(_load("mnist", tmp_path / "b")) == fingerprint(data)
    assert not (tmp_path / "b" / "plateau_mnist").exists()


def test_files_placed_by_hand_are_used(tmp_path, monkeypatch):
    """Below the data directory, or in a folder of one's own; nothing is fetched."""
    contents = use_archives(monkeypatch, "cifar10", "http://127.0.0.1:9/nothing")
    (name,) = contents
    for place in (tmp_path / "own", tmp_path / "a/downloads/manual/plateau_cifar10"):
        place.mkdir(parents=True)
        (place / name).write_bytes(contents[name])
    first = _load("cifar10", tmp_path / "a")
    second = _load("cifar10", tmp_path / "b", dataset_dir=str(tmp_path / "own"))
    assert fingerprint(first) == fingerprint(second)


def test_no_network_is_said_in_seconds_with_the_way_to_go_on(tmp_path, monkeypatch):
    use_archives(monkeypatch, "mnist", "http://127.0.0.1:9/mnist")
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        _load("mnist", tmp_path)
    assert time.monotonic() - start < 10
    for words in ("refused", "t10k-labels-idx1-ubyte.gz", "downloads/manual/plateau_mnist", "_dir"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.gz*"))


def test_a_host_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(archives, "_SECONDS_TO_REACH", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        root = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "timed out" in archives.find_unreachable([f"{root}/x", "http://127.0.0.1:9/"])
    assert archives.find_unreachable([]) is None
    assert archives.find_unreachable(["gs://bucket/x"]) is None


def test_a_proxy_stands_for_the_host(monkeypatch):
    with serving({}) as (root, _):
        monkeypatch.setenv("http_proxy", root)
        assert archives.find_unreachable(["http://a.invalid/x"]) is None
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:none")
    assert "none" in archives.find_unreachable(["http://a.invalid/x"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda contents: contents.clear(), "404"),
        (lambda contents: contents.update(dict.fromkeys(contents, b"<html>")), "another file"),
    ],
)
def test_what_comes_instead_is_refused_and_not_kept(change, words, tmp_path, monkeypatch):
    served = archives_of("cifar100")
    with serving(served) as (root, _):
        use_archives(monkeypatch, "cifar100", root)
        change(served)
        with pytest.raises(InputError, match=words):
            _load("cifar100", tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_files_that_are_wrong_or_missing_are_named(tmp_path, monkeypatch):
    contents = use_archives(monkeypatch, "mnist", "http://127.0.0.1:9/mnist")
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz is missing"):
        _load("mnist", tmp_path / "data", dataset_dir=str(tmp_path))
    for name in contents:
        (tmp_path / name).write_bytes(contents[name])
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"x")
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte.gz' is not the file"):
        _load("mnist", tmp_path / "data", dataset_dir=str(tmp_path))


def test_a_data_directory_that_cannot_be_written(tmp_path, monkeypatch):
    for name, content in use_archives(monkeypatch, "mnist", "http://127.0.0.1:9/mnist").items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--data_dir"):
        _load("mnist", tmp_path / "file", dataset_dir=str(tmp_path))


def test_what_was_prepared_and_is_damaged_is_named(tmp_path, monkeypatch):
    with serving(archives_of("mnist")) as (root, _):
        use_archives(monkeypatch, "mnist", root)
        _load("mnist", tmp_path)
    shard = next(tmp_path.glob("plateau_mnist/1.0.0/*train.array_record*"))
    shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(InputError, match=r"plateau_mnist.*try again"):
        _load("mnist", tmp_path)


def test_the_tables_have_whole_checksums_and_names():
    for dataset in ARCHIVES:
        for name, sha256 in TASKS.load(dataset).SOURCE.checksums.items():
            assert len(bytes.fromhex(sha256)) == 32
            assert name in archives_of(dataset)
