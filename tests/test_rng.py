import itertools

import jax
import numpy as np
import pytest

from engine.outcomes.row import MAX_SEED
from engine.tasks import random_streams


def _bits(root: int, role: str, seed: int) -> tuple:
    return tuple(np.asarray(jax.random.key_data(random_streams.stream(root, role, seed))).tolist())


def test_every_role_and_seed_has_its_own_stream():
    streams = [
        _bits(root, role, seed)
        for root, role, seed in itertools.product((0, 1), random_streams.ROLES, (0, 1, 2, MAX_SEED))
    ]
    assert len(set(streams)) == len(streams)


def test_a_traced_seed_gives_the_stream_of_the_number():
    def draw(seed):
        return jax.random.normal(random_streams.stream(7, "order", seed), (3,))

    seeds = np.array([5, 0, 9], np.uint32)
    among_others = jax.jit(jax.vmap(draw))(seeds)
    for row, seed in zip(among_others, seeds.tolist(), strict=True):
        np.testing.assert_array_equal(row, draw(seed))


def test_the_streams_are_pinned():
    # Two numbers of every role: if one changes, every stored study means something else.
    drawn = [int(jax.random.bits(random_streams.stream(0, role, 3), (), np.uint32)) for role in random_streams.ROLES]
    assert drawn == PINNED


PINNED = [2718879006, 4087223435, 2410315190, 2863456236]


def test_an_unknown_role_is_an_error():
    with pytest.raises(ValueError, match="noize"):
        random_streams.stream(0, "noize", 0)
