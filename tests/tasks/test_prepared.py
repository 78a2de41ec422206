"""Prepared tensorflow-datasets directories, read without TensorFlow."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import resolve_arm
from engine.tasks import fingerprint, load_data, named, prepared
from engine.tasks.prepared import reporting
from tests.tasks.sources import grey, image_bytes, lines, read

NUM = {"train": 40, "test": 20}


class PlateauTestImages(tfds.core.GeneratorBasedBuilder):
    """Grey images of several sizes, with labels, words and numbers."""

    VERSION = tfds.core.Version("1.0.0")
    splits = ("train", "test")

    def _info(self):
        features = {
            "id": tfds.features.Scalar(np.int64),
            "picture": tfds.features.Image(shape=(None, None, 1)),
            "label": tfds.features.ClassLabel(names=["low", "high"]),
            "word": tfds.features.Text(),
            "height": tfds.features.Scalar(np.float32),
            "vector": tfds.features.Tensor(shape=(3,), dtype=np.float32),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(NUM[split]) for split in self.splits}

    def _generate_examples(self, number):
        for i in range(number):
            picture = grey(5 * i, (8 + i % 2, 8))
            yield i, {
                "id": i, "picture": picture, "label": i % 2, "word": "ab"[i % 2],
                "height": i / 10, "vector": [i, 0, 1],
            }  # fmt: skip


def _prepare(root: Path) -> Path:
    with reporting(str):
        builder = PlateauTestImages(data_dir=root, file_format="array_record")
        builder.download_and_prepare()
    return Path(str(builder.data_dir))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return _prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def copied(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "plateau_test_images" / "1.0.0"))


def _change(directory: Path, file: str, change) -> None:
    path = directory / file
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


PICTURES = {"input_arrays": ("picture",)}


def test_images_labels_and_splits(whole):
    data, reading = read(whole, image_size=(8,), **PICTURES)
    assert len(data["labels"]) == 40
    assert data["held_out_labels"].size == 20
    # Sorted by their number: the records come shuffled.
    np.testing.assert_array_equal(data["labels"], np.arange(40) % 2)
    np.testing.assert_allclose(data["inputs"][:, 0, 0, 0] * 255, 5 * np.arange(40), atol=1e-4)
    assert "features by their names: 'picture' → 'label'" in lines(reading)


@pytest.mark.parametrize(
    ("fields", "name", "shape"),
    [
        ({"input_arrays": ("vector",)}, "labels", (40, 3)),
        ({"input_arrays": ("vector",), "target_arrays": ("height",)}, "targets", (40, 3)),
        ({"input_arrays": ("height",), "target_arrays": ("word",)}, "labels", (40, 1)),
        ({**PICTURES, "channels": "colour", "image_size": (4, 6)}, "labels", (40, 4, 6, 3)),
    ],
)
def test_other_features_can_be_asked_for(fields, name, shape, whole):
    data, _ = read(whole, **fields)
    assert name in data
    assert data["inputs"].shape == shape


def test_a_directory_above_and_the_newest_version(copied, whole):
    newer = copied.parent / "1.10.0"
    shutil.copytree(copied, newer)
    shutil.copytree(copied, copied.parent / "1.9.0")
    for place in (copied.parent, copied.parent.parent):
        arm = resolve_arm(Arm(model="mlp", dataset_dir=str(place)))
        assert arm.dataset == "prepared"
    for path in copied.parent.glob("1.9.0/*test.array*"):
        path.unlink()
    assert fingerprint(read(copied.parent, **PICTURES)[0]) == fingerprint(read(whole, **PICTURES)[0])
    shutil.copytree(copied.parent, copied.parent.parent / "another")
    with pytest.raises(InputError, match="holds 2 prepared data sets"):
        read(copied.parent.parent, **PICTURES)


def test_the_format_that_tensorflow_writes(copied, whole):
    """Records between their length and checksums; cut off, it is one clear error."""
    for path in copied.glob("*.array_record*"):
        split = "train" if "train" in path.name else "test"
        builder = tfds.builder_from_directory(whole)
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        source = builder.as_data_source(split, deserialize_method=raw)
        content = b"".join(
            struct.pack("<QI", len(record), 0) + record + b"\0\0\0\0"
            for record in (source[i] for i in range(len(source)))
        )
        path.unlink()
        (copied / path.name.replace("array_record", "tfrecord")).write_bytes(content)
    _change(copied, "dataset_info.json", lambda info: info.update(fileFormat="tfrecord"))
    assert fingerprint(read(copied, **PICTURES)[0]) == fingerprint(read(whole, **PICTURES)[0])
    path = next(copied.glob("*train.tfrecord*"))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="is cut off, or damaged"):
        read(copied, **PICTURES)


def _more(info):
    info["splits"][0]["shardLengths"] = ["99"]


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("dataset_info.json", lambda info: info.update(fileFormat="parquet"), "format parquet"),
        ("dataset_info.json", _more, "cannot be read|should have 99"),
        ("dataset_info.json", lambda info: info["splits"].clear(), "there are none"),
        ("dataset_info.json", lambda info: info["splits"][1].update(name="val2"), None),
        ("features.json", lambda f: f.update(pythonClassName="os.path"), "foreign code"),
        ("features.json", lambda f: f.clear(), "cannot be read"),
    ],
)
def test_what_is_damaged_or_foreign(file, change, words, copied):
    _change(copied, file, change)
    if words is None:
        data, reading = read(copied, **PICTURES)
        assert "split 'test' left out" in lines(reading) or "'val2' left out" in lines(reading)
        assert len(data["labels"]) < 40
        return
    with pytest.raises(InputError, match=words) as caught:
        read(copied, **PICTURES)
    assert str(caught.value).startswith("dataset_dir=")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["pythonClassName", "python_class_name", "type"])
def test_foreign_code_is_not_imported(key, copied, tmp_path, monkeypatch):
    (tmp_path / "harmful.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(tmp_path)
    inner = {key: "harmful.Feature"}
    _change(copied, "features.json", lambda f: f["featuresDict"]["features"].update(x=inner))
    with pytest.raises(InputError, match=r"harmful\.Feature"):
        read(copied, **PICTURES)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target_arrays": ("lable",)}, "expected one of the features"),
        ({**PICTURES, "held_out_fraction": 0.1}, "its split 'test' says"),
        ({"input_arrays": ("vector",), "image_size": (8,)}, "holds arrays, not images"),
        ({"input_arrays": ("word",)}, "expected numbers"),
    ],
)
def test_options_that_do_not_fit(fields, words, copied):
    with pytest.raises(InputError, match=words):
        read(copied, **fields)


def test_it_is_said_where_it_is_not_clear_what_is_what(copied):
    def rename(features):
        inner = features["featuresDict"]["features"]
        inner["another"] = inner["picture"]

    assert read(copied)[0]["inputs"].shape == (40, 64, 64, 1)
    _change(copied, "features.json", rename)
    words = "which feature the inputs are: there are another, height, id, label, picture"
    with pytest.raises(InputError, match=words):
        read(copied)


def test_one_split_is_divided(copied):
    _change(copied, "dataset_info.json", lambda info: info["splits"].pop())
    data, _ = read(copied, **PICTURES)
    sizes = (len(data["labels"]), data["held_out_labels"].size)
    assert sizes in ((32, 8), (16, 4))  # of forty, or of twenty, whichever split was the first


class TestNamed:
    """Any other name that tensorflow-datasets knows."""

    NAME = "plateau_test_images"

    def _load(self, data_dir, **fields):
        fields = {"dataset": self.NAME, "model": "mlp", **PICTURES, **fields}
        return load_data(resolve_arm(Arm(**fields)), 0, str(data_dir))

    def test_one_that_is_prepared_needs_no_tensorflow(self, copied, whole):
        data = self._load(copied.parent.parent)
        assert fingerprint(data) == fingerprint(read(whole, **PICTURES)[0])
        again = self._load("/nonexistent", dataset_dir=str(copied))
        assert fingerprint(again) == fingerprint(data)

    def test_without_tensorflow_one_line_says_what_to_install(self, tmp_path, monkeypatch):
        monkeypatch.setattr(named, "has_package", lambda name: name != "tensorflow")
        with pytest.raises(InputError, match=r"pip install 'plateau-engine\[tf\]'"):
            self._load(tmp_path)
        assert not list(tmp_path.iterdir())

    def test_with_it_tensorflow_datasets_prepares(self, tmp_path, whole, monkeypatch, capsys):
        monkeypatch.setattr(named, "has_package", lambda name: True)
        data = self._load(tmp_path)
        assert fingerprint(data) == fingerprint(read(whole, **PICTURES)[0])
        assert capsys.readouterr().out == ""

    def test_without_a_network_it_is_said_at_once(self, tmp_path, monkeypatch):
        monkeypatch.setattr(named, "has_package", lambda name: True)
        urls = {"http://127.0.0.1:9/x.zip": None}
        monkeypatch.setattr(PlateauTestImages, "url_infos", urls)
        with pytest.raises(InputError, match=r"refused\): prepare it where that works"):
            self._load(tmp_path)

    @pytest.mark.parametrize("more", ["/..", "/a/../../b", "/", "/a:1.0.0", "/data_dir=b", "/a\nb"])
    def test_a_name_leads_nowhere_else(self, more):
        with pytest.raises(InputError, match="expected NAME or NAME/CONFIGURATION"):
            resolve_arm(Arm(dataset=f"{self.NAME}{more}"))

    def test_unknown_names_have_the_nearest_known_one(self):
        for name, nearest in (("mnst", "mnist"), ("plateau_test_image", self.NAME)):
            with pytest.raises(InputError, match=f"tensorflow-datasets; did you mean '{nearest}'"):
                resolve_arm(Arm(dataset=name))
        with pytest.raises(InputError, match=r"or a name of tensorflow-datasets$"):
            resolve_arm(Arm(dataset="qqqqqqqqq"))


def test_images_in_it_that_cannot_be_read_are_left_out(copied, monkeypatch):
    real = prepared._read_split

    def damaged(found, split, reading):
        records = real(found, split, reading)
        records[3]["picture"] = image_bytes(grey(3))[:45]
        return records

    monkeypatch.setattr(prepared, "_read_split", damaged)
    data, reading = read(copied, **PICTURES)
    assert len(data["labels"]) == 39
    assert "2 of 60 files left out, unreadable: 'example 3'" in lines(reading)
