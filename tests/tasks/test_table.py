"""Tables: types of columns, what is missing, which column is predicted, parts, and what is refused."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from engine import Arm, InputError
from engine.studies.study import resolve_arm
from engine.tasks import Reading, build_task, load_data

DRAW = np.random.default_rng(0)
NUMBER = 60
KINDS = np.asarray(["gentoo", "adelie", "chinstrap"])[np.arange(NUMBER) % 3]
LENGTHS = DRAW.normal(50, 3, NUMBER).round(2)


def _lines(**columns) -> str:
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    return "\n".join(rows) + "\n"


def _read(place, **fields):
    arm = resolve_arm(Arm(dataset_dir=str(place), model="mlp", batch_size=8, **fields))
    assert arm.dataset == "table"
    reading = Reading()
    data = load_data(arm, 0, None, reading)
    return data, build_task(arm, data), " | ".join(note.line for note in reading.notes)


def _all(data: dict, name: str) -> np.ndarray:
    """Training and held-out examples, which are all of them."""
    return np.concatenate([data[name], data[f"held_out_{name}"].reshape(-1, *data[name].shape[1:])])


def test_columns_are_taken_as_what_they_are(tmp_path):
    lengths = [str(v) for v in LENGTHS]
    lengths[4], lengths[9] = "", "NA"
    colours = ["red", "blue", ""] * (NUMBER // 3)
    days = [f"2024-01-{1 + i % 28:02d}" for i in range(NUMBER)]
    table = _lines(
        id=range(NUMBER),
        length=lengths,
        colour=colours,
        day=days,
        old=["true", "false"] * (NUMBER // 2),
        empty=[""] * NUMBER,
        word=range(0, 2 * NUMBER, 2),
        species=KINDS,
    )
    (tmp_path / "a.csv").write_text(table)
    data, task, said = _read(tmp_path / "a.csv", scaling="none")
    inputs = _all(data, "inputs")
    # length and where it is missing; two colours and where none is; day; old; word.
    assert inputs.shape == (NUMBER, 8)
    by_word = inputs[np.argsort(inputs[:, 7])]
    median = np.median([float(v) for i, v in enumerate(lengths) if i not in (4, 9)])
    expected = [median if i in (4, 9) else float(v) for i, v in enumerate(lengths)]
    np.testing.assert_allclose(by_word[:, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(by_word[:, 1]), [4, 9])
    cases = {"red": (0, 1, 0), "blue": (1, 0, 0), "": (0, 0, 1)}
    np.testing.assert_array_equal(by_word[:, 2:5], [cases[c] for c in colours])
    np.testing.assert_array_equal(np.diff(by_word[:28, 5]), 1)
    np.testing.assert_array_equal(by_word[:, 6], [1, 0] * (NUMBER // 2))
    assert (task.num_outputs, task.chance_loss) == (3, pytest.approx(np.log(3), rel=0.02))
    for words in ("'species' is predicted", "'id' (it numbers the rows)", "'empty' (empty)", "as categories: colour"):
        assert words in said
    assert "2 columns with missing values, filled with the median and marked: length, colour" in said


def test_numbers_are_standardised_and_marks_are_not(tmp_path):
    (tmp_path / "a.csv").write_text(_lines(length=LENGTHS, colour=["red", "blue"] * (NUMBER // 2), y=KINDS))
    data, _, _ = _read(tmp_path / "a.csv")
    np.testing.assert_allclose(data["inputs"][:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(data["inputs"][:, 0].std(), 1, atol=1e-6)
    assert set(np.unique(data["inputs"][:, 1:])) == {0.0, 1.0}


@pytest.mark.parametrize(("name", "delimiter"), [("a.tsv", "\t"), ("a.csv", ";"), ("b.csv", ",")])
def test_delimiters_and_files_without_a_header_are_seen(name, delimiter, tmp_path):
    columns = zip(LENGTHS, LENGTHS[::-1], np.arange(NUMBER) % 3, strict=True)
    rows = [delimiter.join(map(str, row)) for row in columns]
    (tmp_path / name).write_text("\n".join(rows))
    data, task, said = _read(tmp_path / name, scaling="none")
    assert "'column 3' is predicted" in said
    np.testing.assert_allclose(np.sort(_all(data, "inputs")[:, 0]), np.sort(LENGTHS), rtol=1e-6)
    assert task.num_outputs == 3


def test_a_column_that_is_named_is_predicted_from_those_that_are_named(tmp_path):
    table = pa.table({"a": LENGTHS, "b": np.arange(NUMBER), "name": KINDS, "target": LENGTHS * 2})
    parquet.write_table(table, tmp_path / "a.parquet")
    fields = {"target_column": "a", "input_columns": ("b",), "scaling": "none"}
    data, task, said = _read(tmp_path / "a.parquet", **fields)
    assert data["inputs"].shape[1:] == (1,)
    np.testing.assert_allclose(np.sort(_all(data, "targets")[:, 0]), np.sort(LENGTHS), rtol=1e-6)
    assert task.num_outputs == 1
    assert "is predicted" not in said


def test_rows_without_a_target_are_left_out(tmp_path):
    (tmp_path / "a.csv").write_text(_lines(a=LENGTHS, y=[*KINDS[:-2], "", ""]))
    data, _, said = _read(tmp_path / "a.csv")
    assert len(_all(data, "inputs")) == NUMBER - 2
    assert "2 rows left out, in which the target 'y' is missing" in said


def test_a_folder_of_tables_says_what_is_held_out(tmp_path):
    (tmp_path / "train.csv").write_text(_lines(a=LENGTHS[:40], y=KINDS[:40]))
    (tmp_path / "test.csv").write_text(_lines(y=KINDS[40:], a=LENGTHS[40:]))
    data, _, _ = _read(tmp_path, scaling="none")
    np.testing.assert_allclose(np.sort(data["inputs"][:, 0]), np.sort(LENGTHS[:40]), rtol=1e-6)
    with pytest.raises(InputError, match=r"held_out_fraction=0\.3 has no effect: a table of its own says"):
        _read(tmp_path, held_out_fraction=0.3)
    (tmp_path / "test.csv").write_text(_lines(y=KINDS[40:], b=LENGTHS[40:]))
    with pytest.raises(InputError, match="has other columns: a, b is in one of them only"):
        _read(tmp_path)


def _save(folder, table: pa.Table, features: dict) -> None:
    """Saves as `datasets.Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    halves = [table.slice(0, 20), table.slice(20)]
    names = [f"data-{i:05d}-of-00002.arrow" for i in range(2)]
    for half, name in zip(halves, names, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(half)
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))


def test_a_saved_data_set_of_hugging_face_is_read_without_its_package(tmp_path):
    tokens = [[int(t) for t in DRAW.integers(1, 9, 3 + i % 4)] for i in range(NUMBER)]
    labels = np.arange(NUMBER) % 2
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}, "tokens": {"_type": "List"}}
    for part in ("train", "validation"):
        _save(tmp_path / part, pa.table({"tokens": tokens, "label": labels}), features)
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "validation"]}))
    data, task, said = _read(tmp_path)
    assert data["inputs"].shape == (NUMBER, 6)
    longest = [row + [0] * (6 - len(row)) for row in tokens]
    np.testing.assert_array_equal(data["inputs"], longest)
    assert (task.num_outputs, len(data["held_out_labels"].ravel())) == (2, NUMBER)
    assert "shorter than 6: filled with 0 at the end" in said


def test_images_in_a_column_are_the_whole_input(tmp_path):
    def png(i: int) -> bytes:
        kept = io.BytesIO()
        Image.fromarray(np.full((6, 5), i, np.uint8)).save(kept, "PNG")
        return kept.getvalue()

    images = [{"bytes": png(i), "path": None} for i in range(NUMBER)]
    parquet.write_table(pa.table({"image": images, "label": np.arange(NUMBER) % 2}), tmp_path / "a.parquet")
    data, _, _ = _read(tmp_path / "a.parquet")
    assert data["inputs"].shape[1:] == (6, 5, 1)
    np.testing.assert_allclose(np.sort(_all(data, "inputs")[:, 0, 0, 0]), np.arange(NUMBER) / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "fields", "words"),
    [
        ("a\n1\n2\n3\n", {}, "the table has one column, 'a': expected one to predict, and others to predict from"),
        ("a,b\n", {}, "fewer than two lines"),
        ("", {}, "fewer than two lines"),
        ("a,a,y\n1,2,3\n1,2,4\n", {}, "two columns are called 'a'"),
        ("a,y\n1,2\n1,2,3\n", {}, "the table cannot be read"),
        (_lines(a=LENGTHS, y=KINDS), {"target_column": "z"}, "unknown column 'z': expected one of a, y"),
        (_lines(a=LENGTHS, y=KINDS), {"input_columns": ("y",), "target_column": "y"}, "'y' is the target itself"),
        (_lines(a=[""] * NUMBER, y=KINDS), {}, "no column is left to predict from"),
        (_lines(a=LENGTHS, y=KINDS), {"image_size": (8,)}, "image_size has no effect: no column holds images"),
        (_lines(a=LENGTHS, y=KINDS), {"scaling": "unit"}, "scaling=unit needs inputs of 8 or 16 bits"),
    ],
)
def test_what_is_not_usable_is_refused_in_one_line(content, fields, words, tmp_path):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=words) as refused:
        _read(tmp_path / "a.csv", **fields)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("state.json", '{"_data_files": [{"filename": "../../secret"}]}', "does not lie in its folder"),
        ("state.json", '{"_data_files": [{"filename": "gone.arrow"}]}', "cannot be read"),
        ("state.json", "{", "cannot be read"),
        ("state.json", '{"_data_files": [], "_indices_data_files": [1]}', "call flatten_indices"),
        ("dataset_info.json", "[]", "is no description of a data set"),
        ("data-00000-of-00002.arrow", "no arrow", "cannot be read"),
    ],
)
def test_a_damaged_data_set_is_refused_in_one_line(name, content, words, tmp_path):
    _save(tmp_path / "d", pa.table({"a": LENGTHS, "label": np.arange(NUMBER) % 2}), {})
    (tmp_path / "d" / name).write_text(content)
    with pytest.raises(InputError, match=words):
        _read(tmp_path / "d")


def test_tables_as_spreadsheets_of_other_countries_write_them_are_read(tmp_path):
    decimals = [f"{v:.2f}".replace(".", ",") for v in LENGTHS]
    lines = [
        "länge;tag;art",
        *(f"{v};{1 + i % 28:02d}.01.2024;{'größer' if i % 2 else 'kleiner'}" for i, v in enumerate(decimals)),
    ]
    (tmp_path / "a.csv").write_bytes("\n".join(lines).encode("latin-1"))
    data, task, said = _read(tmp_path / "a.csv", scaling="none")
    np.testing.assert_allclose(np.sort(_all(data, "inputs")[:, 0]), np.sort(LENGTHS), rtol=1e-6)
    assert data["inputs"].shape[1:] == (2,)
    assert task.num_outputs == 2
    assert "numbers are written with a comma" in said
    assert "read as Latin-1" in said


def test_a_mark_is_missing_among_numbers_and_a_category_among_texts(tmp_path):
    numbers = [str(v) for v in LENGTHS]
    numbers[3], numbers[7] = "?", "-"
    classes = ["None", "Insomnia", "-"] * (NUMBER // 3)
    (tmp_path / "a.csv").write_text(_lines(a=numbers, y=classes))
    data, task, _ = _read(tmp_path / "a.csv", scaling="none")
    assert task.num_outputs == 3
    assert data["inputs"].shape[1:] == (2,)
    assert _all(data, "inputs")[:, 1].sum() == 2


def test_what_only_numbers_the_rows_is_left_out_wherever_it_comes_from(tmp_path):
    for part, rows in (("train", slice(0, 40)), ("test", slice(40, None))):
        number = len(LENGTHS[rows])
        (tmp_path / f"{part}.csv").write_text(_lines(id=range(number), a=LENGTHS[rows], y=KINDS[rows]))
    data, _, said = _read(tmp_path)
    assert data["inputs"].shape[1:] == (1,)
    assert "'id' (it numbers the rows)" in said
    kinds = [*KINDS]
    kinds[30] = ""
    (tmp_path / "b.csv").write_text(_lines(id=range(NUMBER), a=LENGTHS, y=kinds))
    assert _read(tmp_path / "b.csv")[0]["inputs"].shape[1:] == (1,)
    # The index of a data frame, shuffled, without a name.
    index = DRAW.permutation(NUMBER)
    (tmp_path / "c.csv").write_text(_lines(**{"": index}, a=LENGTHS, y=KINDS))
    assert _read(tmp_path / "c.csv")[0]["inputs"].shape[1:] == (1,)
    table = pa.table({"a": LENGTHS, "y": KINDS, "__index_level_0__": index})
    about = {b"pandas": json.dumps({"index_columns": ["__index_level_0__"], "columns": []}).encode()}
    parquet.write_table(table.replace_schema_metadata(about), tmp_path / "d.parquet")
    data, task, _ = _read(tmp_path / "d.parquet")
    assert (data["inputs"].shape[1:], task.num_outputs) == ((1,), 3)


def test_a_first_line_like_the_second_is_no_header(tmp_path):
    rows = [f"{a},{b},Iris-{'ab'[i % 2]}" for i, (a, b) in enumerate(zip(LENGTHS, LENGTHS[::-1], strict=True))]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    data, _, said = _read(tmp_path / "a.csv")
    assert len(_all(data, "inputs")) == NUMBER
    assert "no line with names of columns found: called 'column 1' to 'column 3'" in said


def test_cells_may_hold_delimiters_and_line_breaks(tmp_path):
    rows = [f'"{"yes" if i % 2 else "no"};\n maybe",{v},{i % 2}' for i, v in enumerate(LENGTHS)]
    (tmp_path / "a.csv").write_text('"a; b; c",d,y\n' + "\n".join(rows))
    data, _, _ = _read(tmp_path / "a.csv", scaling="none")
    assert data["inputs"].shape[1:] == (3,)


def test_numbers_beside_lists_are_scaled_and_marks_are_not(tmp_path):
    tokens = DRAW.integers(0, 9, (NUMBER, 4))
    colours = np.asarray(["red", "blue"])[np.arange(NUMBER) % 2]
    table = pa.table(
        {"t": tokens.tolist(), "income": 5e4 + 1e3 * LENGTHS, "colour": colours, "y": np.arange(NUMBER) % 2}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    for scaling in (None, "standard"):
        fields = {"input_columns": ("t", "income", "colour"), "scaling": scaling}
        data, _, _ = _read(tmp_path / "a.parquet", **fields)
        np.testing.assert_array_equal(np.unique(data["inputs"][:, :4]), np.arange(9))
        np.testing.assert_allclose(data["inputs"][:, 4].std(), 1, atol=1e-5)
        assert set(np.unique(data["inputs"][:, 5:])) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([[1, 2], None] * 30, "that is missing"),
        ([[1, None], [1, 2, 3]] * 30, "that is missing"),
        ([["a"], ["b", "c"]] * 30, "has lists of string"),
        ([[[1, 2], [3]]] * 60, "several lengths, or empty ones"),
        ([[1.0, float("nan")]] * 60, "missing or not finite in row 0"),
        ([[], []] * 30, "has lists of|several lengths, or empty ones"),
        ([[1.5], [1.5, 2.5]] * 30, "lists of 1 to 2 entries: expected one length"),
    ],
)
def test_lists_that_are_no_rows_of_numbers_are_refused_in_one_line(column, words, tmp_path):
    parquet.write_table(pa.table({"a": column, "y": np.arange(60) % 2}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=words) as refused:
        _read(tmp_path / "a.parquet")
    assert "\n" not in str(refused.value)


def test_large_whole_numbers_are_numbers(tmp_path):
    (tmp_path / "a.csv").write_text(_lines(a=[2**60 + 7 * i * i for i in range(NUMBER)], y=KINDS))
    data, _, _ = _read(tmp_path / "a.csv")
    assert np.isfinite(data["inputs"]).all()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", '{"_data_files": null}'),
        ("state.json", '{"_data_files": [3]}'),
        ("state.json", "[" * 100_000),
        ("dataset_info.json", '{"features": [1]}'),
    ],
)
def test_descriptions_of_another_form_are_refused_or_read_without_them(name, content, tmp_path):
    _save(tmp_path / "d", pa.table({"a": LENGTHS, "label": np.arange(NUMBER) % 2}), {})
    (tmp_path / "d" / name).write_text(content)
    if name == "dataset_info.json":
        assert _read(tmp_path / "d")[1].num_outputs == 2
        return
    with pytest.raises(InputError, match="the table cannot be read"):
        _read(tmp_path / "d")
