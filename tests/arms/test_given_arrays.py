"""Arrays given as data: kept in a file by their content, and trained as if that file had been named."""

import numpy as np
import optax
import pytest

import engine
from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import Study, resolve_arm

DRAW = np.random.default_rng(0)
Y = np.arange(200) % 4
X = (DRAW.normal(size=(200, 6)) + 2 * np.eye(6)[Y]).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "plateau-engine" / "arrays"


def test_equal_arrays_share_a_file_and_others_do_not(cache):
    place = Arm(dataset=(X, Y)).dataset_dir
    assert Arm(dataset=[X.copy(), Y.tolist()]).dataset_dir == place
    assert Arm(dataset={"x": X, "y": Y}).dataset_dir == place
    others = {
        Arm(dataset=(X + 1, Y)).dataset_dir,
        Arm(dataset=(X.astype(np.float64), Y)).dataset_dir,
        Arm(dataset=(X.reshape(200, 3, 2), Y)).dataset_dir,
        Arm(dataset=(X, Y, X[:20], Y[:20])).dataset_dir,
    }
    assert len(others | {place}) == 5
    assert len(list(cache.iterdir())) == 5
    with np.load(place) as kept:
        np.testing.assert_array_equal(kept["x"], X)
        np.testing.assert_array_equal(kept["y"], Y)


def test_a_study_of_arrays_runs_and_is_verified(tmp_path, cache_dir):
    arm = Arm(dataset=(X, Y), model="mlp", dense_widths=(8,), batch_size=32)
    study = Study(name="arrays", arms={"a": arm}, seeds=2, horizon=20, eval_every=10)
    options = {"workers": 0, "compilation_cache": cache_dir, "quiet": True}
    results = engine.run(study, tmp_path / "w", has_report=False, **options)
    assert results.outcomes.num_rows == 2
    assert results.outcomes["chance_loss"][0].as_py() == pytest.approx(np.log(4), abs=0.01)
    assert engine.verify(tmp_path / "w", **options).verdict == "identical"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((X,), "dataset is a tuple: expected a name, .inputs, targets."),
        ({0: X}, "dataset is a dict"),
        (7, "dataset is a int"),
        ((np.array([{}, None]), Y), "array x is of type object and shape .2,.: expected numbers or text"),
        ((np.array(["2020-01-01"], "M8[D]"), Y[:1]), "array x is of type datetime64"),
        (([[1, 2], [3]], Y[:2]), "array x is none"),
        ((3.0, Y), "array x is of type float64 and shape"),
    ],
)
def test_what_is_no_data_is_said_in_a_line(given, words):
    with pytest.raises(InputError, match=words):
        Arm(dataset=given)


def test_a_folder_that_cannot_be_written_is_said_in_a_line(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="the arrays cannot be kept in"):
        Arm(dataset=(X, Y))


def test_an_optax_object_is_answered_with_what_to_give():
    with pytest.raises(InputError, match="expected its name and its options, such as optimizer='adamw'"):
        Arm(optimizer=optax.adamw(1e-3))


def test_another_source_takes_the_place_of_arrays(tmp_path):
    arm = Arm(dataset=(X, Y), model="mlp")
    assert (resolve_arm(arm).dataset, arm.dataset) == ("arrays", "arrays")
    other = resolve_arm(arm.replace(dataset="digits"))
    assert (other.dataset, other.dataset_dir) == ("digits", None)
    assert arm.replace(learning_rate=0.1).dataset_dir == arm.dataset_dir
    with pytest.raises(InputError, match="give one of them"):
        Arm(dataset=(X, Y), dataset_dir=str(tmp_path))
