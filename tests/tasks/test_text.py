"""Texts as bytes: what is cut from them, what the level is, and what is refused."""

import numpy as np
import pytest

from engine import Arm, InputError
from engine.studies.study import resolve_arm
from engine.tasks import Reading, build_task, load_data

WORDS = b"the wait is over. " * 40


def _arm(place, **fields):
    return resolve_arm(Arm(dataset_dir=str(place), model="decoder", batch_size=4, **fields))


def test_a_text_is_cut_into_stretches_whose_targets_are_the_next_bytes(tmp_path):
    (tmp_path / "a.txt").write_bytes(WORDS)
    arm = _arm(tmp_path / "a.txt", context=16)
    assert arm.dataset == "text"
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    assert (task.num_outputs, task.num_positions, task.example_shape) == (256, 16, (16,))
    pieces = np.frombuffer(WORDS, np.uint8)
    number = (len(WORDS) - 1) // 16
    found = {tuple(row) for part in ("", "held_out_") for row in data[f"{part}inputs"].reshape(-1, 16).astype(int)}
    assert found == {tuple(pieces[i * 16 : i * 16 + 16]) for i in range(number)}
    np.testing.assert_array_equal(data["inputs"][:, 1:], data["targets"][:, :-1])
    counts = np.bincount(data["targets"].ravel())
    shares = counts[counts > 0] / counts.sum()
    assert task.chance_loss == pytest.approx(-np.sum(shares * np.log(shares)), rel=1e-9)


def test_a_folder_of_texts_is_one_text_in_the_order_of_the_names(tmp_path):
    for name, part in (("b.txt", WORDS[300:]), ("a.TXT", WORDS[:300]), ("c.csv", b"no")):
        (tmp_path / name).write_bytes(part)
    reading = Reading()
    together = load_data(_arm(tmp_path, dataset="text", context=16), 0, None, reading)
    assert "2 texts, one after another" in reading.notes[0].words
    (tmp_path / "whole.text").write_bytes(WORDS)
    alone = load_data(_arm(tmp_path / "whole.text", context=16), 0, None)
    np.testing.assert_array_equal(together["inputs"], alone["inputs"])


@pytest.mark.parametrize(
    ("content", "fields", "words"),
    [
        (b"short", {}, "5 bytes of text: expected at least 129, for two stretches of context=64"),
        (WORDS, {"vocabulary": 100}, "vocabulary=100: expected at least 120, because a token 119 occurs"),
        (WORDS, {"loss": "squared"}, "no use for a token at each position"),
    ],
)
def test_what_makes_no_sense_is_refused(content, fields, words, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    arm = _arm(tmp_path / "a.txt", **fields)
    with pytest.raises(InputError, match=words):
        build_task(arm, load_data(arm, 0, None))


def test_a_folder_without_texts_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no file that ends in \.txt or \.text"):
        load_data(_arm(tmp_path, dataset="text"), 0, None)
