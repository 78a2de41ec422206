"""A person's own data, from the command that names them to the check of somebody else."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import launch
from engine import verify
from engine.arms.arm import Arm, places
from engine.commands.run import run
from engine.errors import InputError
from engine.store import open_existing
from engine.store.json_files import checksum, to_json
from engine.store.opening import differences
from engine.store.study_file import OF_A_LAUNCH
from engine.store.study_json import document, identity_of, plan_of, study_of
from engine.studies.expand import expand
from engine.studies.study import with_sweep
from engine.workers.devices import Devices, current_launch
from tests.conftest import read_all, small_arm, small_study
from tests.tasks.sources import write_classes, write_digits, write_divided_digits


@pytest.fixture(scope="module")
def options(data_dir, cache_dir):
    return {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}


def _study(place: Path | str, **fields):
    arms = {"one": small_arm(dataset_dir=str(place), learning_rate=1e-2, **fields)}
    return small_study(arms=arms, baseline=None, seeds=2)


@pytest.fixture(scope="module")
def ran(tmp_path_factory, options):
    """A study of a folder in somebody's home, that has run."""
    home = tmp_path_factory.mktemp("home")
    write_divided_digits(home / "pictures")
    (home / "pictures" / "train" / "7" / "broken.png").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        run(_study("~/pictures"), home / "study", has_report=False, **options)
    return home


@pytest.fixture
def home(ran, tmp_path, monkeypatch):
    """Another home, with a copy of the study and a link to its data."""
    shutil.copytree(ran / "study", tmp_path / "home" / "study")
    (tmp_path / "home" / "pictures").symlink_to(ran / "pictures")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_where_data_were_is_stored_beside_the_identity(home, ran):
    text = (home / "study" / "study.json").read_text()
    stored = json.loads(text)
    assert stored["study"]["places"] == {"one": {"dataset_dir": "~/pictures"}}
    assert stored["study"]["data_notes"] == {"one": ["1 of 1,798 files left out, unreadable"]}
    assert "dataset_dir" not in stored["identity"]["arms"]["one"]
    assert stored["identity"]["arms"]["one"]["dataset"] == "folder"
    assert str(ran) not in text
    assert "broken.png" not in text


def test_a_study_is_rebuilt_with_its_places(home):
    stored = open_existing(home / "study").document
    assert study_of(stored).arms["one"].dataset_dir == "~/pictures"
    plan = plan_of(stored, "cpu", None)
    assert differences(stored["identity"], identity_of(plan, "cpu")) == []


def test_data_may_be_moved(home, ran, options):
    """The study goes on, and is verified, wherever its data are; not with other data."""
    (home / "pictures").unlink()
    shutil.copytree(ran / "pictures", home / "elsewhere")
    with pytest.raises(InputError, match="cannot be read"):
        verify(home / "study", **options)
    found = verify(home / "study", is_all=True, dataset_dir=str(home / "elsewhere"), **options)
    assert found.verdict == "identical"
    before = read_all(home / "study")
    run(_study(home / "elsewhere"), home / "study", has_report=False, **options)
    assert read_all(home / "study") == before
    stored = open_existing(home / "study").document
    assert stored["study"]["places"] == {"one": {"dataset_dir": "~/elsewhere"}}
    os.remove(home / "elsewhere" / "train" / "0" / "0000.png")
    with pytest.raises(InputError, match=r"another study: the data of 'one' is another"):
        run(_study(home / "elsewhere"), home / "study", has_report=False, **options)


def test_verify_says_what_it_reads_on_the_word_of_the_study(home, options, capsys):
    verify(home / "study", num_runs=1, **options)
    assert "note: the data are read from '~/pictures' (or say where" in capsys.readouterr().err


def test_a_place_that_is_typed_relatively_is_stored_wholly(home, tmp_path, monkeypatch, options):
    (home / "pictures").rename(tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    run(_study("pictures"), "study", has_report=False, **options)
    monkeypatch.chdir("/")
    assert verify(tmp_path / "study", num_runs=1, **options).verdict == "identical"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"one": {"dataset_dir": 7}}, "places: expected"),
        ({"two": {}}, "expected names of arms"),
        ([], "places: expected"),
    ],
)
def test_places_that_are_none_of_ours(value, words, home):
    stored = open_existing(home / "study").document
    stored["study"]["places"] = value
    for name in OF_A_LAUNCH:
        (home / "study" / name).write_bytes(to_json({**stored, "checksum": checksum(stored)}))
    with pytest.raises(InputError, match=words):
        open_existing(home / "study")


@pytest.mark.parametrize(
    ("places_of_one", "words"),
    [
        ({"model": "mlp"}, "unknown place"),
        ({}, "dataset=folder needs dataset_dir"),
        ({"dataset_dir": "\0"}, "expected a folder or a file"),
        ({"dataset_dir": "/nonexistent\x1b[2J"}, "cannot be read"),
    ],
)
def test_places_that_a_stranger_wrote(places_of_one, words, home):
    stored = open_existing(home / "study").document
    stored["study"]["places"] = {"one": places_of_one}
    with pytest.raises(InputError, match=words) as caught:
        plan_of(stored, "cpu", None)
    assert str(caught.value).isprintable()


def test_one_place_cannot_stand_for_two(tmp_path, data_dir):
    for name in ("a", "b"):
        write_classes(tmp_path / name, "x", "y", *("z" if name == "b" else ""), num_images=60)
    arms = {name: small_arm(dataset_dir=str(tmp_path / name)) for name in ("a", "b")}
    plan = expand(small_study(arms=arms, baseline=None), "cpu", data_dir=data_dir)
    stored = document(plan, "cpu", current_launch(Devices("cpu", 1)))
    assert {place["dataset_dir"] for place in stored["study"]["places"].values()} == {
        str(tmp_path / name) for name in ("a", "b")
    }
    with pytest.raises(InputError, match="they lie in 2 places"):
        plan_of(stored, "cpu", data_dir, {"dataset_dir": str(tmp_path / "a")})
    plain = document(expand(small_study(), "cpu", data_dir=data_dir), "cpu", current_launch(Devices("cpu", 1)))
    with pytest.raises(InputError, match="no place of their own"):
        plan_of(plain, "cpu", data_dir, {"dataset_dir": str(tmp_path / "a")})


def test_arms_with_other_data_are_other_groups_and_with_the_same_are_refused(tmp_path, data_dir):
    write_classes(tmp_path / "a", "x", "y", num_images=60)
    write_classes(tmp_path / "b", "x", "y", "z", num_images=60)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    arm = small_arm(dataset_dir=str(tmp_path / "a"))
    folders = [str(tmp_path / name) for name in ("a", "b")]
    study = with_sweep(small_study(arms={"x": arm}, baseline=None), {"dataset_dir": folders})
    # Names are shown and stored, and where somebody's data are is not.
    assert list(study.arms) == ["dataset_dir=a", "dataset_dir=b"]
    plan = expand(study, "cpu", data_dir=data_dir)
    assert len({group.fingerprint for group in plan.programs}) == 2
    both = {"a": arm, "copy": small_arm(dataset_dir=str(tmp_path / "copy"))}
    with pytest.raises(InputError, match="'a' and 'copy' are the same configuration: their data"):
        expand(small_study(arms=both, baseline=None), "cpu", data_dir=data_dir)


def test_a_place_is_not_of_the_structure():
    assert places(Arm(dataset_dir="x")) == {"dataset_dir": "x"}


def _launch(tmp_path: Path, *words: str) -> int:
    shared = ["--experiment=single", "--model=mlp", "--seeds=1", "--horizon=11", "--workers=0"]
    return launch.main(["launch.py", *shared, f"--workdir={tmp_path / 'study'}", *words])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--dataset_dir=/nonexistent"], "expected a folder with one sub-folder"),
        (["--dataset_dir="], "expected a folder or a file"),
        (["--dataset=folder"], "dataset=folder needs dataset_dir"),
        (["--dataset=teacher", "--dataset_dir=/"], "no effect with dataset=teacher"),
        (["--dataset=fodler"], "did you mean 'folder'"),
        (["--dataset=teacher", "--model=mlp", "--image_size=8"], "no effect with dataset=teacher"),
        (["--image_size=1,2,3"], "expected one or two"),
        (["--image_size=0"], "at least 1"),
        (["--held_out_fraction=0"], "at least"),
        (["--held_out_fraction=1"], "less than 1"),
        (["--scaling=unti"], "did you mean 'unit'"),
        (["--resize=corp"], "did you mean 'crop'"),
        (["--channels=color"], "did you mean 'colour'"),
        (["--augment=flop"], "did you mean 'flip'"),
        (["--augment=crop", "--crop_padding=8"], "less than the 8 pixels"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, expected, tmp_path, data_dir, capsys):
    assert _launch(tmp_path, f"--data_dir={data_dir}", *words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err
    assert not (tmp_path / "study").exists()


def test_what_is_left_out_is_said_and_reported(home, options, capsys):
    """On stderr with the names, in the report as a number."""
    summary = run(_study("~/pictures"), home / "study", **options).summary
    assert "note: 1 of 1,798 files left out, unreadable: 'train/7/broken.png'" in capsys.readouterr().err
    assert summary["arms"]["one"]["data_notes"] == ["1 of 1,798 files left out, unreadable"]
    words = "In the data: 1 of 1,798 files left out, unreadable."
    assert words in summary["verdict"]["limits"]
    page = (home / "study" / "report.html").read_text()
    assert words in page
    assert "broken.png" not in page
    assert str(home) not in page


@pytest.mark.slow
def test_values_are_reported_without_words_on_accuracy(tmp_path, capsys):
    chance = np.random.default_rng(0)
    inputs = chance.normal(size=(400, 6))
    targets = inputs @ chance.normal(size=(6, 1))
    np.savez(tmp_path / "data.npz", x=inputs, y=targets[:, 0])
    words = [f"--dataset_dir={tmp_path / 'data.npz'}", "--init=he", "--horizon=220", "--seeds=2"]
    assert _launch(tmp_path, *words) == 0
    summary = json.loads((tmp_path / "study" / "summary.json").read_text())
    arm = summary["arms"]["arm"]
    assert arm["accuracy_after"] is None
    assert arm["fraction"]["value"] == 1
    assert arm["chance_loss"] == pytest.approx(np.var(targets), rel=0.2)
    assert "accuracy" not in json.dumps(summary["verdict"])
    assert all(row["end_loss"] < 0.5 * arm["chance_loss"] for row in read_all(tmp_path / "study"))


@pytest.mark.slow
def test_the_digits_as_images_have_the_verdict_of_the_digits(tmp_path, data_dir):
    """The question's own network on a folder of PNG, against the built-in digits."""
    write_digits(tmp_path / "digits")
    shared = ["--experiment=single", "--init_scale=0.05", "--learning_rate=1e-4", "--epochs=30"]
    shared += ["--seeds=6", f"--data_dir={data_dir}"]
    summaries = []
    for name, words in (("own", [f"--dataset_dir={tmp_path / 'digits'}"]), ("ours", [])):
        place = f"--workdir={tmp_path / name}"
        assert launch.main(["launch.py", *shared, place, *words]) == 0
        summaries.append(json.loads((tmp_path / name / "summary.json").read_text()))
    own, ours = summaries
    assert own["arms"]["arm"]["statuses"] == ours["arms"]["arm"]["statuses"]
    assert own["arms"]["arm"]["statuses"]["broke"] == 6
    assert list(own["verdict"]["answers"]) == list(ours["verdict"]["answers"])
    assert own["verdict"]["headline"][:40] == ours["verdict"]["headline"][:40]
    # Other examples are held out, so that only about the same time is expected: the onsets of one
    # of them spread over two epochs.
    medians = [summary["arms"]["arm"]["median_onset"]["value"] for summary in summaries]
    assert abs(medians[0] - medians[1]) < 1.5


@pytest.mark.long
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_target_s_unit_decides_neither_what_is_trained_nor_whether_it_is_kept(size, tmp_path, options):
    chance = np.random.default_rng(1)
    inputs = chance.normal(size=(128, 4)).astype(np.float32)
    values = inputs @ chance.normal(size=(4, 1))
    rows = {}
    for unit in (1.0, size):
        np.savez(tmp_path / f"{unit}.npz", x=inputs, y=unit * values)
        place = tmp_path / f"study_{unit}"
        arm = Arm(model="mlp", dataset_dir=str(tmp_path / f"{unit}.npz"), target_scaling="standard", learning_rate=0.01)
        results = run(small_study(arms={"one": arm}, baseline=None, seeds=2), place, **options)
        rows[unit] = results.outcomes.to_pydict()
    names = [name for name in rows[1.0] if "loss" in name]
    # Decimal units round each target by at most half of its last digit in double precision; curves are single.
    for name in names:
        np.testing.assert_allclose(rows[size][name], rows[1.0][name], rtol=1e-5)
    (note,) = open_existing(place).document["study"]["data_notes"]["one"]
    deviation = float(note.split("(root mean square) of ")[1].split()[0])
    # That of four fifths of the examples.
    assert deviation == pytest.approx(size * np.std(values), rel=0.2)
    assert note in (place / "report.html").read_text()
