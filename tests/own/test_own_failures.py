"""What the user's network raises is told once, in one line with its place, and is never tried again."""

import pytest

import engine
from engine import Arm, InputError, Study
from engine.models import refusing_own_failures
from engine.studies.study import resolve_arm
from engine.workers import serving

FILE = """
import jax
from flax import linen as nn

class Late(nn.Module):
    @nn.compact
    def __call__(self, x):
        if x.shape[0] == 64:
            raise RuntimeError("64 is unlucky")
        return nn.Dense(10)(x.reshape(x.shape[0], -1))

class Running(nn.Module):
    @nn.compact
    def __call__(self, x):
        jax.debug.callback(fail, x[0, 0])
        return nn.Dense(10)(x.reshape(x.shape[0], -1))

def fail(x):
    raise ArithmeticError("at run time")

class Fine(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(x.reshape(x.shape[0], -1))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(FILE)
    return path


def _study(file, name):
    return Study(name="own", arms={"a": Arm(model=f"{file}:{name}")}, seeds=2, horizon=22)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Late", r"fails: RuntimeError: 64 is unlucky \(net.py, line 9\)"),
        ("Running", r"fails: ArithmeticError: at run time \(net.py, line 19\)"),
    ],
)
def test_a_failure_ends_the_launch_in_one_line(file, name, words, tmp_path):
    with pytest.raises(InputError, match=words):
        engine.run(_study(file, name), tmp_path / "w", workers=0)


def test_a_worker_refuses_it_too_and_is_not_replaced(file, tmp_path, monkeypatch, cache_dir):
    """Where what is found at first does not fail: here the first look is left out."""
    begun = []
    original = serving.make_pool
    monkeypatch.setattr(serving, "make_pool", lambda *given: begun.append(1) or original(*given))
    monkeypatch.setattr("engine.commands.run.look_at_own", lambda study, *_: {name: [] for name in study.arms})
    with pytest.raises(InputError, match="64 is unlucky"):
        engine.run(_study(file, "Late"), tmp_path / "w", workers=0, compilation_cache=cache_dir)
    assert begun == [1]


def test_what_others_raise_stays_what_it_is(file):
    own = resolve_arm(Arm(model=f"{file}:Fine"))
    for arm in (own, resolve_arm(Arm())):
        with pytest.raises(MemoryError, match="full"), refusing_own_failures(arm):
            raise MemoryError("full")
    with pytest.raises(InputError, match="as it is"), refusing_own_failures(own):
        raise InputError("as it is")
