"""`.npz` files of friends and strangers."""

import io
import zipfile

import numpy as np
import pytest

from engine.errors import InputError
from engine.tasks import fingerprint
from engine.tasks.scales import are_wrong_inputs, are_wrong_targets, off_scale, scale_of
from tests.tasks.sources import lines, read, read_and_build

CHANCE = np.random.default_rng(0)
X = CHANCE.integers(0, 256, (300, 8, 8), np.uint8)
Y = CHANCE.integers(0, 3, 300)
V = CHANCE.normal(size=(300, 2))


def _read(tmp_path, fields=None, **arrays):
    np.savez(tmp_path / "data.npz", **arrays)
    return read(tmp_path / "data.npz", **(fields or {}))


@pytest.mark.parametrize(
    ("inputs", "targets"), [("x", "y"), ("X", "Y"), ("images", "labels"), ("inputs", "targets"), ("features", "label")]
)
def test_names_are_guessed_and_that_is_said(inputs, targets, tmp_path):
    data, reading = _read(tmp_path, **{inputs: X, targets: Y})
    assert data["inputs"].shape == (240, 8, 8, 1)
    assert data["held_out_labels"].size == 60
    assert f"by their names: {inputs!r} → {targets!r}" in lines(reading)
    expected = _read(tmp_path, x=X, y=Y)[0]
    assert fingerprint(data) == fingerprint(expected)


@pytest.mark.parametrize("style", ["{0}_{1}", "{1}_{0}", "{0}-{1}"])
def test_test_arrays_are_held_out(style, tmp_path):
    names = {style.format(a, p): (X if a == "x" else Y)[: 300 if p == "train" else 40]
             for a in "xy" for p in ("train", "test", "val")}  # fmt: skip
    data, reading = _read(tmp_path, **names)
    assert len(data["labels"]) == 300
    assert data["held_out_labels"].size == 40
    assert f"{style.format('x', 'val')!r}" in lines(reading)
    with pytest.raises(InputError, match=r"held_out_fraction=0\.5 has no effect"):
        read(tmp_path / "data.npz", held_out_fraction=0.5)


def test_arrays_without_names(tmp_path):
    np.savez(tmp_path / "data.npz", X, Y)
    data, _ = read(tmp_path / "data.npz")
    assert fingerprint(data) == fingerprint(_read(tmp_path, x=X, y=Y)[0])


def test_names_can_be_said(tmp_path):
    arrays = {"a": X, "b": Y, "c": X[:40], "d": Y[:40], "y": V}
    fields = {"input_arrays": ("a", "c"), "target_arrays": ("b", "d")}
    data, _ = _read(tmp_path, fields, **arrays)
    assert data["held_out_labels"].size == 40
    fields = {"input_arrays": ("a",), "target_arrays": ("y",)}
    assert _read(tmp_path, fields, **arrays)[0]["targets"].shape == (240, 2)


@pytest.mark.parametrize(
    ("targets", "num_classes"),
    [
        (np.array(["cat", "dog", "eel"])[Y], 3),
        (np.array([b"cat", b"dog", b"eel"])[Y], 3),
        (10 * Y - 7, 3),
        (Y.astype(np.uint8)[:, None], 3),
        (Y > 0, 2),
        (np.eye(3)[Y], 3),
        (np.eye(3, dtype=int)[Y], 3),
    ],
)
def test_classes_are_what_is_distinct_in_sorted_order(targets, num_classes, tmp_path):
    data, _ = _read(tmp_path, x=X, y=targets)
    plain, _ = _read(tmp_path, x=X, y=np.minimum(Y, num_classes - 1))
    assert fingerprint(data) == fingerprint(plain)


def test_values_are_regressed_on_and_chance_is_their_variance(tmp_path):
    np.savez(tmp_path / "data.npz", x=CHANCE.normal(size=(300, 5)), y=V)
    assert "taken as values" in lines(read(tmp_path / "data.npz")[1])
    data, task = read_and_build(tmp_path / "data.npz")
    assert task.correct is None
    assert task.num_outputs == 2
    # All 240 training examples are evaluated on, so it is their variance to the last digits.
    assert task.chance_loss == pytest.approx(np.var(data["targets"], axis=0).mean(), rel=1e-6)


def test_kinds_of_targets_can_be_said(tmp_path):
    assert "targets" in _read(tmp_path, {"target_kind": "values"}, x=X, y=Y)[0]
    assert "labels" in _read(tmp_path, {"target_kind": "classes"}, x=X, y=1.0 * Y)[0]


def test_scalings(tmp_path):
    tall = X.astype(np.uint16) * 257
    unit, _ = _read(tmp_path, x=X, y=Y)
    np.testing.assert_allclose(unit["inputs"], _read(tmp_path, x=tall, y=Y)[0]["inputs"], rtol=1e-6)
    features = np.column_stack([CHANCE.normal(1e4, 3.0, 300), np.full(300, 7.0)])
    data, _ = _read(tmp_path, {"scaling": "standard"}, x=features, y=Y)
    # Single precision of numbers around one.
    np.testing.assert_allclose(data["inputs"].mean(axis=0), [0, 0], atol=1e-5)
    np.testing.assert_allclose(data["inputs"].std(axis=0), [1, 0], atol=1e-5)
    plain, _ = _read(tmp_path, x=features, y=Y)
    np.testing.assert_array_equal(np.unique(plain["inputs"][:, 1]), [7.0])
    with pytest.raises(InputError, match="scaling=unit needs inputs of 8 or 16 bits"):
        _read(tmp_path, {"scaling": "unit"}, x=features, y=Y)


def test_values_are_standardised_over_the_training_examples(tmp_path):
    values = np.column_stack([CHANCE.normal(2e5, 4e4, 300), CHANCE.normal(4e-19, 1e-20, 300)])
    plain, _ = _read(tmp_path, x=X, y=values)
    data, _ = _read(tmp_path, {"target_scaling": "standard"}, x=X, y=values)
    # Single precision of numbers around one; the values themselves keep seven digits, of which the offset takes two.
    np.testing.assert_allclose(data["targets"].mean(axis=0), [0, 0], atol=1e-5)
    np.testing.assert_allclose(data["targets"].std(axis=0), [1, 1], atol=1e-5)
    np.testing.assert_array_equal(data["held_out_inputs"], plain["held_out_inputs"])
    expected = (plain["held_out_targets"] - plain["targets"].mean(axis=0, dtype=np.float64)) / plain["targets"].std(
        axis=0, dtype=np.float64
    )
    np.testing.assert_allclose(data["held_out_targets"], expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match="these targets are classes"):
        _read(tmp_path, {"target_scaling": "standard"}, x=X, y=Y)


@pytest.mark.parametrize("power", [-1000, -100, -63, 63, 100, 1000])
def test_the_unit_of_standardised_targets_changes_no_bit(power, tmp_path):
    """From 1e-301 to 1e301: squares of such numbers have no place, and a power of two changes no digit."""
    expected, _ = _read(tmp_path, {"target_scaling": "standard"}, x=X, y=V)
    found, reading = _read(tmp_path, {"target_scaling": "standard"}, x=X, y=np.ldexp(V, power))
    assert fingerprint(found) == fingerprint(expected)
    deviations = np.sort(np.ldexp(np.delete(V, _held_out(expected), axis=0).std(axis=0), power))
    low, high = (f"{value:.3g}" for value in deviations)
    assert f"a loss of 1 is an error (root mean square) of {low} to {high} (by target) in their unit" in lines(reading)


def _held_out(data):
    """Positions that are not trained on, found again by their inputs."""
    training = {row.tobytes() for row in np.rint(255 * data["inputs"]).astype(np.uint8)}
    return [i for i, row in enumerate(X) if row.tobytes() not in training]


def test_digits_that_single_precision_has_no_place_for_are_kept_where_targets_are_standardised(tmp_path):
    """Days since 4713 BC, a thousandth of a day apart: single precision knows quarters of a day there."""
    days = 2_460_000.5 + CHANCE.normal(0, 1e-3, 300)
    data, _ = _read(tmp_path, {"target_scaling": "standard"}, x=X, y=days)
    rows = np.delete(days, _held_out(data))
    # Days themselves are kept to 2⁻³¹, half a millionth of the deviation.
    np.testing.assert_allclose(data["targets"][:, 0], (rows - rows.mean()) / rows.std(), atol=2e-6)


@pytest.mark.parametrize(
    ("scale", "offset", "words"),
    [(1.0, 0.0, None), (0.3, 0.4, None), (100.0, 0.0, "root mean square"), (1.0, 50.0, "root mean square"),
     (1e-3, 1.0, "standard deviation"), (0.0, 1.0, None)],
)  # fmt: skip
def test_numbers_far_from_order_one_are_told(scale, offset, words):
    found = off_scale(offset + scale * CHANCE.normal(size=(500, 3, 2)))
    assert (found is None) == (words is None)
    assert words is None or words in str(found)


@pytest.mark.parametrize("scale", [1e-3, 0.02, 11.0, 300.0])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_what_is_called_wrong_is_also_tried(scale, offset):
    values = scale * (offset + CHANCE.normal(size=(500, 6)))
    scale_of_inputs = scale_of(values)
    assert are_wrong_inputs(scale_of_inputs.size, scale_of_inputs.largest) <= (off_scale(values) is not None)
    assert are_wrong_targets(scale_of(values), 1.0) <= (off_scale(values) is not None)


def test_targets_that_are_given_and_not_learned_are_not_wrong():
    assert not are_wrong_targets(scale_of(np.tile([1.0, -2.0, 0.5], (500, 1))), 1.0)
    assert are_wrong_targets(scale_of(5 + 1e-3 * CHANCE.normal(size=(500, 2))), 1.0)


def test_channels(tmp_path):
    first = CHANCE.integers(0, 256, (300, 3, 8, 9), np.uint8)
    data, reading = _read(tmp_path, x=first, y=Y)
    assert data["inputs"].shape == (240, 8, 9, 3)
    assert "channels first" in lines(reading)
    last, _ = _read(tmp_path, x=np.moveaxis(first, 1, -1), y=Y)
    assert fingerprint(last) == fingerprint(data)
    sequences = X.astype(np.float32)
    assert _read(tmp_path, x=sequences, y=Y)[0]["inputs"].shape == (240, 8, 8)
    grey, _ = _read(tmp_path, {"channels": "grey"}, x=sequences, y=Y)
    assert grey["inputs"].shape == (240, 8, 8, 1)
    assert _read(tmp_path, x=sequences[:, 0, 0], y=Y)[0]["inputs"].shape == (240, 1)
    with pytest.raises(InputError, match="channels=colour needs"):
        _read(tmp_path, {"channels": "colour"}, x=X, y=Y)


def _row(value: float) -> np.ndarray:
    return np.where(np.arange(300)[:, None] == 7, value, np.ones((300, 4)))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "there are none"),
        ({"foo": X, "bar": Y}, "'foo' uint8 \\[300, 8, 8\\]"),
        ({"x": X, "images": X, "y": Y}, "not clear"),
        ({"x": X, "y": Y, "x_test": X}, "not clear"),
        ({"x": X, "y": Y[:200]}, "as many of the one as of the other"),
        ({"x": np.float32(1), "y": Y}, "as many"),
        ({"x": X, "y": np.array([{}] * 300, object)}, "array 'y' holds pickled Python objects"),
        ({"x": np.array([X] * 2, object), "y": Y}, "array 'x' holds pickled Python objects"),
        ({"x": _row(np.nan), "y": Y}, "not finite in row 7"),
        ({"x": _row(-np.inf), "y": Y}, "not finite in row 7"),
        ({"x": _row(1e300), "y": Y}, "not finite in row 7"),
        ({"x": X, "y": _row(np.nan)[:, 0]}, "not finite in 1 row, .* 7:"),
        ({"x": X, "y": _row(1e300)[:, 0]}, "beyond 3.4e\\+38 in 1 row, .* 7, .* give --target_scaling=standard"),
        ({"x": np.ones((300, 4), complex), "y": Y}, "complex128"),
        ({"x": np.array(["a"] * 300), "y": Y}, "expected numbers"),
        ({"x": np.zeros(300, "datetime64[s]"), "y": Y}, "datetime64"),
        ({"x": np.zeros(300, [("a", "i4")]), "y": Y}, "expected numbers or text"),
        ({"x": X, "y": np.zeros(300, int)}, "one class"),
        ({"x": X, "y": np.full(300, 1.5)}, "nothing to learn"),
        ({"x": X, "y": np.arange(300)}, "--target_kind"),
        ({"x": X, "y": np.arange(600).reshape(300, 2) % 5}, "rows of 2 whole numbers: are they tokens, one at each"),
        ({"x": X, "y": np.eye(3, dtype=int)[Y] | np.eye(3, dtype=int)[Y - 1]}, "rows of 3 whole"),
        ({"x": X, "y": np.zeros((300, 2, 2))}, "expected one per example"),
        ({"x": X[:1], "y": Y[:1]}, "1 example"),
        ({"x": X[:2], "y": np.array([0, 1])}, "is held out"),
        ({"x": X[:0], "y": Y[:0]}, "are empty"),
        ({"x": X[:, :0], "y": Y}, "expected numbers"),
        ({"x_train": X, "y_train": Y, "x_test": X[:9, 1:], "y_test": Y[:9]}, "of one shape"),
        ({"x_train": X, "y_train": Y, "x_test": X[:9], "y_test": Y[:9] + 9},
         "no training example.* where the data have no held-out part"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_one_line(arrays, words, tmp_path):
    with pytest.raises(InputError, match=words) as caught:
        _read(tmp_path, **arrays)
    assert str(caught.value).startswith("dataset_dir=")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input_arrays": ("z",)}, "there is no array 'z'"),
        ({"input_arrays": ("x", "y", "z")}, "there is no array 'z'"),
        ({"target_arrays": ("x", "y", "z")}, "expected one or two"),
        ({"target_kind": "value"}, "did you mean 'values'"),
        ({"target_kind": "classes", "target_arrays": ("v",)}, "cannot be classes"),
        ({"target_kind": "values", "target_arrays": ("s",)}, "are text"),
        ({"image_size": (8,)}, "no effect with dataset=arrays"),
        ({"batch_size": 300}, "at most the 240 training examples"),
    ],
)
def test_options_that_do_not_fit(fields, words, tmp_path):
    arrays = {"x": X, "y": Y, "v": V, "s": np.array(["a", "b", "c"])[Y]}
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(InputError, match=words):
        read_and_build(tmp_path / "data.npz", **fields)


@pytest.mark.parametrize("name", ["data.pkl", "data.pt", "data.npy", "data.npz"])
def test_files_that_are_no_npz(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match=r"pickle|npz"):
        read(tmp_path / name)


def test_nothing_in_a_pickle_is_executed(tmp_path):
    marker = tmp_path / "executed"

    class Harmful:
        def __reduce__(self):
            return open, (str(marker), "w")

    with pytest.raises(InputError, match="pickled"):
        _read(tmp_path, x=X, y=np.array([Harmful()] * 300, object))
    assert not marker.exists()


def test_a_size_that_is_only_claimed_takes_no_memory(tmp_path):
    """The head says a hundred terabytes, with a few bytes behind it."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (10**14,)})
    np.savez(tmp_path / "data.npz", y=Y)
    with zipfile.ZipFile(tmp_path / "data.npz", "a") as archive:
        archive.writestr("x.npy", buffer.getvalue() + b"\0" * 100)
    with pytest.raises(InputError, match="array 'x' is damaged"):
        read(tmp_path / "data.npz")


def test_an_array_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.tasks.reading.host_memory", lambda: 10_000)
    with pytest.raises(InputError, match="array 'x' need"):
        _read(tmp_path, x=X, y=Y)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_files_are_read_as_they_were_or_refused(save, tmp_path):
    """Cut anywhere, or with bytes changed at random, with a fixed generator."""
    path = tmp_path / "data.npz"
    save(path, x=X[:60], y=Y[:60])
    expected = fingerprint(read(path)[0])
    whole = path.read_bytes()
    chance = np.random.default_rng(2)
    refusals = []
    for i in range(200):
        damaged = np.frombuffer(whole, np.uint8).copy()
        if i % 4:
            damaged[chance.integers(0, len(damaged), 3)] = chance.integers(0, 256, 3)
        else:
            damaged = damaged[: chance.integers(0, len(damaged))]
        path.write_bytes(damaged.tobytes())
        try:
            assert fingerprint(read(path)[0]) == expected
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all(words.isprintable() for words in refusals)
