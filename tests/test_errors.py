"""How messages name and count things."""

from engine.errors import agreeing, counted


def test_words_agree_with_numbers():
    assert [counted(n, "file") for n in (0, 1, 1203)] == ["0 files", "1 file", "1,203 files"]
    assert [counted(n, "batch is", "batches are") for n in (1, 2)] == ["1 batch is", "2 batches are"]
    assert [agreeing(n, "it is", "they are") for n in (0, 1, 2)] == ["they are", "it is", "they are"]
