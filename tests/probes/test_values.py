"""Single diagnostics against numbers worked out by hand."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from engine.training.probes.dead import num_dead
from engine.training.probes.registry import DIAGNOSTICS
from engine.training.probes.spread import deviation, relative_spread
from engine.training.probes.vectors import inner, norm, unit


class _Step(NamedTuple):
    grads: object = None
    updates: object = None
    state: object = None


class _Subject(NamedTuple):
    leaf_names: tuple[str, ...]
    num_params: int


class _State(NamedTuple):
    params: object


class _Snapshot(NamedTuple):
    first: _Step
    second: _Step = _Step()
    state: object = None


def _measure(name, subject, snapshot):
    return DIAGNOSTICS.load(name).DIAGNOSTIC.measure(subject, snapshot, None)[0]


def test_lengths_of_each_array_and_of_all():
    params = {"a": jnp.asarray([3.0, 4.0]), "b": jnp.asarray([[12.0]])}
    step = _Step(grads={"a": jnp.zeros(2), "b": jnp.ones((1, 1))}, updates=params)
    found = _measure("norms", _Subject(("a", "b"), 3), _Snapshot(step, state=_State(params)))
    assert {k: float(v) for k, v in found["param_norm"].items()} == {"a": 5, "b": 12, "": 13}
    assert {k: float(v) for k, v in found["gradient_norm"].items()} == {"a": 0, "b": 1, "": 1}
    assert found["update_norm"].keys() == {"a", "b", ""}


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_lengths_do_not_vanish_or_overflow_with_their_squares(scale):
    tree = {"a": jnp.full(4, scale, jnp.float32), "b": jnp.zeros(3)}
    # Three roundings, each below 2^-23.
    assert float(norm(tree)) == pytest.approx(2 * scale, rel=3 * 2**-23)
    assert float(inner(unit(tree), unit(tree))) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("second", "cosine"), [([2.0, 0.0], 1.0), ([0.0, 3.0], 0.0), ([-1.0, 1.0], -(0.5**0.5))])
def test_the_cosine_of_updates(second, cosine):
    snapshot = _Snapshot(_Step(updates=[jnp.asarray([1.0, 0.0])]), _Step(updates=[jnp.asarray(second)]))
    found = _measure("cosine", None, snapshot)["update_cosine"][""]
    assert float(found) == pytest.approx(cosine, abs=1e-6)


def test_the_cosine_of_no_update_is_no_number():
    snapshot = _Snapshot(_Step(updates=[jnp.zeros(2)]), _Step(updates=[jnp.ones(2)]))
    assert np.isnan(_measure("cosine", None, snapshot)["update_cosine"][""])


def test_planted_dead_units_are_counted():
    values = np.random.default_rng(0).normal(size=(16, 9, 7)).astype(np.float32)
    values[:, :, 2] = 0.0
    values[:, :, 4] = 0.3
    values[:, :, 5] = np.arange(9)  # differs from position to position, not between examples
    assert int(num_dead(jnp.asarray(values))) == 3
    values[3, 8, 2] = 1e-30
    assert int(num_dead(jnp.asarray(values))) == 2


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_the_spread_of_half_signal_and_half_constant(scale):
    # ±1 about 1: deviation 1, mean square 2.
    values = scale * jnp.asarray([[0.0], [2.0], [0.0], [2.0]], jnp.float32)
    assert float(relative_spread(values)) == pytest.approx(0.5**0.5, rel=1e-6)
    assert float(deviation(values)) == pytest.approx(scale, rel=1e-6)


def test_the_spread_at_its_ends():
    alternating = jnp.asarray([[-1.0, 3.0], [1.0, -3.0]])
    assert float(relative_spread(alternating)) == pytest.approx(1.0, rel=1e-6)
    # 0.1 has no exact mean of three.
    assert float(relative_spread(jnp.full((3, 5), 0.1))) == 0.0
    assert float(relative_spread(jnp.zeros((3, 5)))) == 0.0
