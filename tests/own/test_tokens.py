"""Networks of the user's own that take tokens: they get whole numbers, and nothing else is handed to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import engine
from engine import Arm, InputError, Study
from engine.models import make_model, takes_tokens
from engine.studies.study import resolve_arm
from tests.own import tokens

FILE = tokens.__file__
KEY = jax.random.key(0, impl="threefry2x32")
DRAW = np.random.default_rng(0)
Y = np.arange(240) % 3
# The class is in which third of the vocabulary most tokens are.
X = (DRAW.integers(0, 6, (240, 10)) + 6 * Y[:, None]).astype(np.int64)
KINDS = ["Embedded", "NnxEmbedded", "indexed"]


def _arm(name, x=X, **fields):
    return resolve_arm(Arm(model=f"{FILE}:{name}", dataset=(x, Y), learning_rate=0.03, batch_size=32, **fields))


@pytest.mark.parametrize("name", KINDS)
def test_they_are_handed_whole_numbers_and_learn(name, tmp_path, cache_dir):
    arm = _arm(name)
    assert takes_tokens(arm, (10,), 3)
    model = make_model(arm, (10,), 3)
    params, state = model.init(KEY, jnp.asarray(X[:4], jnp.float32))
    as_floats = model.batch_apply(params, state, jnp.asarray(X[:4], jnp.float32))
    np.testing.assert_array_equal(as_floats, model.batch_apply(params, state, jnp.asarray(X[:4], jnp.int32)))
    study = Study(name="tokens", arms={"a": arm}, seeds=2, horizon=60, eval_every=10)
    options = {"workers": 0, "compilation_cache": cache_dir, "quiet": True}
    results = engine.run(study, tmp_path / "w", has_report=False, **options)
    assert min(results.outcomes["end_accuracy"].to_pylist()) > 0.9
    assert engine.verify(tmp_path / "w", own_code=True, **options).verdict == "identical"


def test_a_network_that_takes_numbers_gets_them_as_they_are():
    arm = _arm("Both", X / 7)
    assert not takes_tokens(arm, (10,), 3)
    traced = jax.make_jaxpr(make_model(arm, (10,), 3).init)(KEY, jnp.zeros((2, 10)))
    assert "i32" not in str(traced.jaxpr.invars)


@pytest.mark.parametrize("name", KINDS)
def test_fractions_are_refused_in_a_line(name, tmp_path):
    study = Study(name="tokens", arms={"a": _arm(name, X / 7)}, seeds=2, horizon=60)
    with pytest.raises(InputError, match="takes whole numbers, such as tokens, and the inputs of dataset=arrays have"):
        engine.run(study, tmp_path / "w", workers=0)
    # Numbers of 8 bits are taken for pixels.
    study = Study(name="tokens", arms={"a": _arm(name, X.astype(np.uint8))}, seeds=2, horizon=60)
    with pytest.raises(InputError, match="have fractions: --scaling=none leaves"):
        engine.run(study, tmp_path / "w", workers=0)


def test_check_does_not_ask_to_scale_tokens(capsys):
    found = engine.check(Study(name="tokens", arms={"a": _arm("Embedded")}, seeds=2, horizon=60))
    assert [one.name for one in found if "input" in one.name] == []
