"""The longest prefix of seeds whose runs are all over."""

from engine.outcomes.prefix import FinishedPrefix


def test_seeds_count_from_zero_on_without_a_gap():
    prefix = FinishedPrefix([2, 1])
    assert prefix.length == 0
    prefix.add(0)
    assert prefix.length == 3
    prefix.add(1)
    prefix.add(4)
    assert prefix.length == 3
