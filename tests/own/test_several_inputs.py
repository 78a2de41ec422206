"""Networks with several inputs: each gets its own, in its type, and the rest of the engine sees one array."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import engine
from engine import Arm, InputError, Study
from engine.models import make_model
from engine.studies.expand import expand
from engine.studies.study import resolve_arm
from engine.tasks import Reading, build_task, load_data
from engine.tasks.parts import PackedShape, apart, pack
from tests.conftest import read_all

DRAW = np.random.default_rng(0)
NUMBER = 240
TOKENS = DRAW.integers(0, 9, (NUMBER, 4))
NUMBERS = DRAW.normal(size=(NUMBER, 3)).astype(np.float32)
# Neither input alone tells the class.
CLASSES = (2 * (NUMBERS[:, 0] > 0) + (TOKENS.mean(axis=1) > 4)).astype(np.int64)
INPUTS = {"tokens": TOKENS, "numbers": NUMBERS}
FLAX = "tests/own/several.py"
OTHERS = "tests/libraries/several.py"
NETWORKS = [
    *(f"{FLAX}:{name}" for name in ("ByName", "AsOne", "Nnx", "functions")),
    *(f"{OTHERS}:{name}" for name in ("torch", "keras", "haiku", "equinox")),
]


def _arm(model=f"{FLAX}:ByName", inputs=INPUTS, **fields):
    return Arm(dataset=(inputs, CLASSES), model=model, batch_size=32, **fields)


def _skip_without(model: str) -> None:
    library = model.rpartition(":")[2]
    if model.startswith(OTHERS) and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


@pytest.mark.parametrize("model", NETWORKS)
def test_each_network_gets_each_input_as_it_is(model):
    _skip_without(model)
    arm = resolve_arm(_arm(model))
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    assert isinstance(task.example_shape, PackedShape)
    assert tuple(task.example_shape) == (7,)
    network = make_model(arm, task.example_shape, task.num_outputs)
    flat = jnp.asarray(data["inputs"][:5])
    params, state = network.init(jax.random.key(0, impl="threefry2x32"), flat)
    outputs = network.batch_apply(params, state, flat)
    assert outputs.shape == (5, 4)
    # What changes is told apart: another token, and another number, change the outputs of their example only.
    for column in (0, 6):
        other = network.batch_apply(params, state, flat.at[2, column].set(1 - flat[2, column]))
        changed = np.any(np.asarray(outputs != other), axis=1)
        np.testing.assert_array_equal(changed, np.arange(5) == 2)


@pytest.mark.parametrize("model", [NETWORKS[0], NETWORKS[4]])
def test_they_learn_what_needs_both_and_are_verified(model, tmp_path, cache_dir):
    _skip_without(model)
    study = Study("several", {"a": _arm(model, learning_rate=0.03)}, seeds=2, horizon=300, eval_every=10)
    options = {"workers": 0, "compilation_cache": cache_dir, "quiet": True}
    engine.run(study, tmp_path / "w", has_report=False, **options)
    assert min(row["end_accuracy"] for row in read_all(tmp_path / "w")) > 0.9
    assert engine.verify(tmp_path / "w", own_code=True, **options).verdict == "identical"


def test_packing_is_undone_to_the_bit():
    inputs = {
        "a": DRAW.integers(0, 2**24, (6, 2, 3)),
        "b": DRAW.normal(size=(6, 4)).astype(np.float32),
        "c": np.arange(6),
    }
    flat, shape = pack(inputs)
    assert flat.shape == (6, 11)
    for name, found in apart(shape, jnp.asarray(flat)).items():
        np.testing.assert_array_equal(found, inputs[name])
    with pytest.raises(InputError, match="a whole number above 16,777,216"):
        pack({"a": np.asarray([2**24 + 1])})


def test_only_numbers_are_standardised():
    data = load_data(resolve_arm(_arm(scaling="standard")), 0, None)
    np.testing.assert_allclose(data["inputs"][:, 4:].std(axis=0), 1, atol=1e-5)
    assert set(np.unique(data["inputs"][:, :4])) == set(range(9))
    images = DRAW.integers(0, 256, (NUMBER, 2, 2), np.uint8)
    data = load_data(resolve_arm(_arm(inputs={"image": images, "tokens": TOKENS})), 0, None)
    assert data["inputs"][:, :4].max() == 1.0
    assert data["inputs"][:, 4:].max() == 8.0


def test_half_precision_rounds_no_token():
    """Of 600 tokens, half precision knows every second above 256, and every fourth above 512."""
    inputs = {"tokens": np.full((NUMBER, 4), 300), "numbers": NUMBERS}
    arm = resolve_arm(_arm(inputs=inputs, precision="bfloat16"))
    task = build_task(arm, load_data(arm, 0, None))
    assert make_model(arm, task.example_shape, task.num_outputs).are_whole
    alone = resolve_arm(Arm(dataset=(TOKENS, CLASSES), model="tests/own/tokens.py:Embedded", precision="bfloat16"))
    assert make_model(alone, (4,), 4).are_whole
    assert not make_model(resolve_arm(Arm(model="mlp", precision="bfloat16")), (4,), 4).are_whole


def test_half_precision_is_that_of_numbers_beside_tokens():
    arm = resolve_arm(_arm(precision="bfloat16"))
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    network = make_model(arm, task.example_shape, task.num_outputs)
    flat = jnp.asarray(data["inputs"][:3])
    params, state = network.init(jax.random.key(0, impl="threefry2x32"), flat)
    halves = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    assert network.batch_apply(halves, state, flat).dtype == jnp.bfloat16


def test_several_inputs_are_given_back_as_one():
    arm = resolve_arm(_arm(f"{FLAX}:AsOne", reconstruct=True))
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    assert (task.num_outputs, [part.name for part in task.example_shape.parts]) == (7, ["tokens", "numbers"])


def test_a_diagnosis_tries_what_fits_several_inputs(tmp_path):
    from engine.diagnosis.factors import factors_of
    from engine.diagnosis.subject import subject_of

    arm = resolve_arm(_arm(learning_rate=1e-3))
    factors = factors_of(subject_of(arm, load_data(arm, 0, None)))
    assert {"linear_probe", "constant_inputs", "scaling=standard"} <= set(factors.record.skipped)
    assert "shuffled_labels" in factors.arms


def test_columns_of_lists_are_inputs_by_their_names(tmp_path):
    table = {"tokens": TOKENS.tolist(), "a": NUMBERS[:, 0], "b": NUMBERS[:, 1], "c": NUMBERS[:, 2], "label": CLASSES}
    parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    fields = {"dataset_dir": str(tmp_path / "a.parquet"), "model": f"{FLAX}:ByName", "batch_size": 32}
    arm = resolve_arm(Arm(input_columns=("tokens", "a", "b", "c"), **fields))
    data = load_data(arm, 0, None)
    shape = build_task(arm, data).example_shape
    assert [(part.name, part.shape, part.is_whole) for part in shape.parts] == [
        ("tokens", (4,), True),
        ("numbers", (3,), False),
    ]
    reading = Reading()
    alone = load_data(resolve_arm(Arm(**fields)), 0, None, reading)
    assert alone["inputs"].shape[1:] == (4,)
    assert "3 columns left out beside 'tokens', which are the input" in " ".join(note.words for note in reading.notes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "mlp"}, "model=mlp takes one input, and dataset=arrays has 2"),
        ({"inputs": {"tokens": TOKENS[:5], "numbers": NUMBERS}}, "expected as many of the one as of the other"),
        ({"inputs": {"tokens": TOKENS.astype(str), "numbers": NUMBERS}}, "expected numbers"),
        ({"inputs": {"words": TOKENS, "numbers": NUMBERS}}, "cannot be built|does not fit"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(fields, words):
    with pytest.raises(InputError, match=words) as refused:
        expand(Study("several", {"a": _arm(**fields)}, seeds=1, horizon=10), "cpu")
    assert "\n" not in str(refused.value)


def _file(place, **arrays):
    np.savez(place / "held_out.npz", **arrays)
    return str(place / "held_out.npz")


_TRAIN, _TEST = slice(0, 200), slice(200, NUMBER)
_PARTS = (("train", _TRAIN), ("test", _TEST))


@pytest.mark.parametrize("is_named", [False, True])
def test_several_inputs_have_held_out_arrays_of_their_own(is_named, tmp_path):
    """By their names, in whatever order they lie in the file, or as they are asked for."""
    arrays = {
        "x_test.numbers": NUMBERS[_TEST],
        "x_train.tokens": TOKENS[_TRAIN],
        "x_train.numbers": NUMBERS[_TRAIN],
        "x_test.tokens": TOKENS[_TEST],
        "y_train": CLASSES[_TRAIN],
        "y_test": CLASSES[_TEST],
    }
    fields = {}
    if is_named:
        order = ["x_train.tokens", "x_train.numbers", "x_test.tokens", "x_test.numbers", "y_train", "y_test"]
        arrays = {f"a{i}": arrays[name] for i, name in enumerate(order)}
        fields = {"input_arrays": ("a0", "a1", "a2", "a3"), "target_arrays": ("a4", "a5")}
    reading = Reading()
    arm = resolve_arm(Arm(dataset_dir=_file(tmp_path, **arrays), model=f"{FLAX}:AsOne", batch_size=20, **fields))
    data = load_data(arm, 0, None, reading)
    assert len(data["inputs"]) == 200
    shape = build_task(arm, data).example_shape
    found = apart(shape, np.concatenate([data["held_out_inputs"].reshape(-1, 7)]))
    labels = ("a0", "a1") if is_named else ("tokens", "numbers")
    assert list(found) == list(labels)
    is_first = (TOKENS[_TEST][:, None] == np.asarray(found[labels[0]])[None]).all(axis=-1)
    assert is_first.any(axis=0).all()
    if not is_named:
        words = (
            "'x_train.tokens', 'x_train.numbers' → 'y_train' to train on, 'x_test.tokens', 'x_test.numbers' → 'y_test'"
        )
        assert words in " ".join(note.words for note in reading.notes)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x_train.a": TOKENS, "x_test.b": TOKENS, "y_train": CLASSES, "y_test": CLASSES},
        {"x_train.a": TOKENS, "x_train.b": TOKENS, "x_test.a": TOKENS, "y_train": CLASSES, "y_test": CLASSES},
        {"x.a": TOKENS, "x_test.a": TOKENS, "y": CLASSES},
        # Several targets are nothing that a network has here.
        {"x.a": TOKENS, "x.b": TOKENS, "y.a": CLASSES, "y.b": CLASSES},
        {"x_train": TOKENS, "x_test": TOKENS, "y.a": CLASSES, "y.b": CLASSES},
    ],
)
def test_held_out_arrays_that_do_not_match_are_refused(arrays, tmp_path):
    arm = resolve_arm(Arm(dataset_dir=_file(tmp_path, **arrays), model=f"{FLAX}:AsOne"))
    with pytest.raises(InputError, match="not clear which arrays are inputs and which are targets"):
        load_data(arm, 0, None)


def test_held_out_arrays_that_are_named_in_another_order_go_by_their_labels(tmp_path):
    parts = {f"x_{part}.{name}": INPUTS[name][rows] for part, rows in _PARTS for name in INPUTS}
    labels = {f"y_{part}": CLASSES[rows] for part, rows in _PARTS}
    asked = ("x_train.tokens", "x_train.numbers", "x_test.numbers", "x_test.tokens")
    fields = {"input_arrays": asked, "target_arrays": ("y_train", "y_test"), "model": f"{FLAX}:AsOne"}
    data = load_data(resolve_arm(Arm(dataset_dir=_file(tmp_path, **parts, **labels), batch_size=20, **fields)), 0, None)
    assert set(np.unique(data["held_out_inputs"][..., :4])) <= set(range(9))


@pytest.mark.parametrize(
    ("arrays", "num_train"),
    [
        ({"images": NUMBERS}, 192),
        ({"whatever": NUMBERS}, 192),
        ({"x_train": NUMBERS[_TRAIN], "x_test": NUMBERS[_TEST]}, 200),
        ({"x": NUMBERS, "y": CLASSES}, 192),
    ],
)
def test_what_is_given_back_needs_no_target(arrays, num_train, tmp_path):
    arm = resolve_arm(Arm(dataset_dir=_file(tmp_path, **arrays), model="mlp", reconstruct=True, scaling="none"))
    data = load_data(arm, 0, None)
    assert len(data["inputs"]) == num_train
    for part in ("", "loss_", "held_out_"):
        np.testing.assert_array_equal(data[f"{part}targets"], data[f"{part}inputs"])
    if num_train == 200:
        np.testing.assert_array_equal(np.unique(data["held_out_inputs"]), np.unique(NUMBERS[_TEST]))


def test_all_columns_of_a_table_are_given_back_where_none_is_named(tmp_path):
    parquet.write_table(pa.table({"a": NUMBERS[:, 0], "b": NUMBERS[:, 1], "label": CLASSES}), tmp_path / "a.parquet")
    fields = {"dataset_dir": str(tmp_path / "a.parquet"), "model": "mlp", "reconstruct": True}
    assert load_data(resolve_arm(Arm(**fields)), 0, None)["targets"].shape[1] == 3
    named = load_data(resolve_arm(Arm(target_column="label", **fields)), 0, None)
    assert named["targets"].shape[1] == 2
