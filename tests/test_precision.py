"""Number formats: what they change, what stays float32, and where they do not exist."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.errors import InputError
from engine.studies.expand import expand
from engine.training.precision import PRECISIONS, compute_in, is_available
from tests.conftest import drain, runs_of, small_arm, small_study


def test_arithmetic_is_in_the_format_and_everything_outside_is_float32():
    seen = {}

    def apply(params, state, inputs):
        seen.update(params=params.dtype, inputs=inputs.dtype, state=state.dtype)
        return inputs @ params, state

    arguments = (jnp.ones((3, 2)), jnp.ones(4), jnp.ones((5, 3)))
    outputs, state = compute_in(apply, "bfloat16")(*arguments)
    assert seen == {"params": jnp.bfloat16, "inputs": jnp.bfloat16, "state": jnp.float32}
    assert outputs.dtype == state.dtype == jnp.float32


@pytest.mark.parametrize(("precision", "asked"), [("float32", "HIGHEST"), ("tf32", "HIGH")])
def test_products_ask_for_their_format(precision, asked):
    fn = compute_in(lambda params, state, inputs: inputs @ params, precision)
    (eqn,) = jax.make_jaxpr(fn)(jnp.ones((3, 2)), None, jnp.ones((5, 3))).eqns
    assert {p.name for p in eqn.params["precision"]} == {asked}


def test_bfloat16_trains_with_float32_parameters(make_pool):
    """8 bits of mantissa: about 1 % apart at first, and the same fall."""
    runs = {}
    for precision in ("float32", "bfloat16"):
        arm = small_arm(precision=precision, learning_rate=3e-3)
        pool = make_pool(arm)
        runs[precision] = drain(pool, runs_of(arm, [0], horizon=220), 4)["arm", 0]
        assert {leaf.dtype for leaf in jax.tree.leaves(pool._lanes.train.params)} == {np.dtype("float32")}
    full, half = (runs[p].curves["loss"] for p in ("float32", "bfloat16"))
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(half[0], full[0], rtol=0.02)
    np.testing.assert_allclose(half[-1], full[-1], atol=0.05)
    assert full[-1] < 0.5


def test_a_format_that_the_device_lacks_is_refused_with_those_it_has(data_dir):
    assert [p for p in PRECISIONS if is_available(p, "cpu")] == ["float32", "bfloat16"]
    assert is_available("tf32", "gpu")
    study = small_study(arms={"arm": small_arm(precision="tf32")}, baseline=None)
    with pytest.raises(InputError, match="expected one of float32, bfloat16"):
        expand(study, "cpu", data_dir=data_dir)
    with pytest.raises(InputError, match="did you mean 'bfloat16'"):
        expand(small_study(arms={"arm": small_arm(precision="bfloat")}, baseline=None), "cpu", data_dir=data_dir)
