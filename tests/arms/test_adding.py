"""Adding a choice is one file and one line: each kind, with an option, is run, reported and verified."""

import sys

import pytest

import engine
from engine.arms.choices import all_options, table_of
from engine.errors import InputError
from engine.studies.study import with_sweep
from launch import main
from tests.conftest import small_arm, small_study

MODULES = {
    "model": '''
"""`added`: one dense layer, times a number."""
from flax import linen as nn
from engine.arms.options import Option

OPTIONS = (Option("output_factor", int, 2, "factor of the outputs", minimum=1, maximum=9),)

class Net(nn.Module):
    num_outputs: int
    factor: int

    @nn.compact
    def __call__(self, inputs, use_running_average, is_deterministic):
        return self.factor * nn.Dense(self.num_outputs)(inputs.reshape(inputs.shape[0], -1))

def build(arm, num_outputs):
    return Net(num_outputs, arm.output_factor)
''',
    "dataset": '''
"""`added`: the sign of the first of some numbers."""
import numpy as np
from engine.arms.options import Option
from engine.tasks.passes import classification_task
from engine.tasks.splitting import split_arrays

OPTIONS = (Option("num_columns", int, 4, "numbers in an input", minimum=1, maximum=99),)

def load(arm, root_seed, data_dir, reading):
    inputs = np.random.default_rng(0).normal(size=(300, arm.num_columns)).astype(np.float32)
    return split_arrays(inputs, (inputs[:, 0] > 0).astype(np.int32))

def build(arm, data):
    return classification_task(data, arm.batch_size)
''',
    "optimizer": '''
"""`added`: the sign of the gradient, with decay."""
import optax
from engine.arms.options import Option

OPTIONS = (Option("shrinkage", float, 0.01, "decay of the weights", part="hyperparam", minimum=0, maximum=1),)

def build(rate, h, options):
    decay = optax.add_decayed_weights(h["shrinkage"])
    return optax.chain(optax.scale_by_sign(), decay, optax.scale_by_learning_rate(rate))
''',
    "schedule": '''
"""`added`: a power of the step number."""
from engine.arms.options import Option

OPTIONS = (Option("power", float, -0.5, "power of the step number", part="hyperparam", minimum=-2, maximum=0),)

def factor(step, h):
    return (step + 1.0) ** h["power"]
''',
    "init": '''
"""`added`: He's deviation times a gain."""
from engine.arms.options import Option
from engine.models.schemes import Law

OPTIONS = (Option("gain", float, 1.5, "factor of He's deviation", part="initial", minimum=0, maximum=10),)

def law(fan_in, fan_out, options):
    return Law(options["gain"] * (2.0 / fan_in) ** 0.5)
''',
}
# Of each kind its option, and two values of it.
OPTIONS = {
    "model": ("output_factor", 3, 4),
    "dataset": ("num_columns", 7, 8),
    "optimizer": ("shrinkage", 0.1, 0.2),
    "schedule": ("power", -1.0, -1.5),
    "init": ("gain", 0.5, 2.0),
}


@pytest.fixture
def added(tmp_path, monkeypatch):
    """A package with a choice of each kind, and its line in each table."""
    folder = tmp_path / "added_choices"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    for kind, source in MODULES.items():
        (folder / f"{kind}_choice.py").write_text(source.lstrip())
        table_of(kind)["added"] = f"added_choices.{kind}_choice"
    all_options.cache_clear()
    yield
    for kind in MODULES:
        del table_of(kind)["added"]
        sys.modules.pop(f"added_choices.{kind}_choice", None)
    all_options.cache_clear()


def _options(data_dir, cache_dir):
    return {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}


@pytest.mark.parametrize("kind", MODULES)
def test_a_choice_with_an_option_is_run_reported_and_verified(kind, added, tmp_path, data_dir, cache_dir):
    name, value, other = OPTIONS[kind]
    fields = {"dense_widths": None} if kind == "model" else {}
    arm = small_arm(**{kind: "added", name: value, **fields})
    study = small_study(arms={"slow": arm, "default": arm.replace(**{name: None})}, seeds=2, horizon=22)
    results = engine.run(study, tmp_path / "work", **_options(data_dir, cache_dir))
    assert results.path.joinpath("report.html").is_file()
    again = engine.open(tmp_path / "work").study
    assert getattr(again.arms["slow"], name) == value
    assert getattr(again.arms["default"], kind) == "added"
    assert getattr(again.arms["default"], name) not in (None, value)
    found = engine.verify(tmp_path / "work", is_all=True, num_workers=0, data_dir=data_dir, cache_dir=cache_dir)
    assert found.exit_code == 0
    with pytest.raises(InputError, match=rf"{name}=.* has no effect with {kind}="):
        engine.run(small_study(arms={"slow": small_arm(**{name: value})}), tmp_path / "other", is_quiet=True)
    swept = with_sweep(small_study(arms={"slow": arm}), {name: [value, other]})
    assert [getattr(one, name) for one in swept.arms.values()] == [value, other]


@pytest.mark.parametrize("kind", MODULES)
def test_its_option_is_a_flag_with_bounds_and_help(kind, added, capsys):
    name = OPTIONS[kind][0]
    assert main(["launch.py", "run", f"--{kind}=added", "--help"]) == 0
    assert f"--{name}: " in capsys.readouterr().out
    assert main(["launch.py", "run", f"--{name}=1000000", "--experiment=single", "--workdir=x"]) == 2
    assert "expected at most" in capsys.readouterr().err
