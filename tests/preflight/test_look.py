"""A look at real data and networks, and what `check` prints of it."""

from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import engine
from engine.errors import InputError
from engine.lanes.host_batches import opened
from engine.preflight.checking import check_here
from engine.preflight.learning import loss_of_constant
from engine.studies.expand import expand
from engine.tasks import build_task
from launch import main
from tests.conftest import small_arm, small_study

pytestmark = pytest.mark.long

_FILE = Path(__file__).parent / "mistakes.py"
# Eight sigmoids leave hardly anything of the inputs either.
_SATURATED = {"saturating_layers", "gradient_by_depth", "constant_outputs"}
# What inputs that are all 0 bring with them.
_WITHOUT_INPUTS = {"unreached_parameters", "below_epsilon", "step_size", "one_batch", "gradient_by_depth"}
_NETWORK = f"{_FILE}:Net"


def _check(arm, data_dir):
    """Names of what is found, in this process."""
    plan = expand(small_study(arms={"one": arm}, baseline=None), "cpu", data_dir=data_dir)
    return {finding.name for finding in check_here(plan.programs[0].spec, plan.arms["one"], plan.horizons["one"])}


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("plain", set()),
        ("relu", {"bounded_outputs"}),
        ("softmax", {"softmax_inside"}),
        ("log_softmax", {"log_softmax_inside"}),
        ("sigmoid", {"bounded_outputs"}),
        ("scaled", {"altered_gradient"}),
        ("root", {"broken_gradient"}),
        ("rescaled", {"rescaled_inputs"}),
        ("normalised", set()),
        ("mixed", {"mixed_examples"}),
        ("summed", {"mixed_examples", "initial_loss"}),
        ("cosine", {"bounded_outputs"}),
    ],
)
def test_mistakes_of_a_network(end, expected, data_dir):
    arm = engine.Arm(model=_NETWORK, model_args=(f"end={end}",))
    assert _check(arm, data_dir) == expected


def test_inputs_that_are_cast_to_whole_numbers_are_lost(data_dir):
    arm = engine.Arm(model=_NETWORK, model_args=("end=cast",))
    assert {"lost_inputs"} <= _check(arm, data_dir) <= {"lost_inputs", *_WITHOUT_INPUTS}


@pytest.mark.parametrize(
    ("end", "expected"), [("bag", {"blind_to_order"}), ("first", {"unseen_positions"}), ("series", set())]
)
def test_what_a_network_does_not_see_of_a_series(end, expected, tmp_path, data_dir):
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(400, 12, 3)).astype(np.float32)
    np.savez(tmp_path / "series.npz", x=inputs, y=(inputs[:, 0, 0] > inputs[:, -1, 0]).astype(np.int32))
    arm = engine.Arm(model=_NETWORK, model_args=(f"end={end}",), dataset_dir=str(tmp_path / "series.npz"))
    assert _check(arm, data_dir) & {"blind_to_order", "unseen_positions"} == expected


def test_factors_that_are_both_zero_never_move(data_dir):
    arm = engine.Arm(model=_NETWORK, model_args=("end=factors",), init="as_written")
    assert "unreached_parameters" in _check(arm, data_dir)


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        (small_arm(), set()),
        (small_arm(batch_norm=True, activation="tanh"), set()),
        (small_arm(optimizer="sgd", momentum=0.9, learning_rate=0.01), set()),
        (small_arm(dataset="teacher"), set()),
        (small_arm(dense_widths=(64,) * 4, dropout=0.8), {"strong_dropout"}),
        (small_arm(optimizer="adamw", weight_decay=50.0), {"strong_decay"}),
        (small_arm(schedule="warmup", warmup_steps=10_000), {"warm_up"}),
        (small_arm(learning_rate=1.0), {"step_size"}),
        (small_arm(optimizer="sgd", clip_norm=1e-9), {"step_size"}),
        (small_arm(epsilon=1e-8, clip_norm=1e-9), {"below_epsilon", "step_size"}),
        (small_arm(dense_widths=(32,) * 8, activation="sigmoid", init="glorot"), _SATURATED),
        (small_arm(dense_widths=(32,) * 3, activation="tanh"), set()),
    ],
)
def test_settings(arm, expected, data_dir):
    # What is wrong may keep a batch from being learned, which is found beside it.
    assert expected <= _check(arm, data_dir) <= expected | ({"one_batch"} if expected else set())


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (engine.Arm(model=_NETWORK, model_args=("end=dead",)), "cannot learn"),
        (small_arm(optimizer="sgd", learning_rate=1e-6), "too slow"),
    ],
)
def test_one_batch(arm, words, data_dir):
    plan = expand(small_study(arms={"one": arm}, baseline=None), "cpu", data_dir=data_dir)
    found = check_here(plan.programs[0].spec, plan.arms["one"], plan.horizons["one"])
    assert words in next(finding.sentence for finding in found if finding.name == "one_batch")


def test_data_in_a_file(tmp_path, data_dir):
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(600, 8)).astype(np.float32)
    weights = draw.normal(size=8)
    prices = (2e5 + 3e4 * (inputs @ weights))[:, None].astype(np.float32)
    np.savez(tmp_path / "price.npz", x=inputs, y=prices)
    np.savez(tmp_path / "large.npz", x=200 * inputs, y=(inputs @ weights > 0).astype(np.int32))
    found = {}
    for name in ("price", "large"):
        arm = engine.Arm(model="mlp", dense_widths=(16,), init="he", dataset_dir=str(tmp_path / f"{name}.npz"))
        found[name] = _check(arm, data_dir)
    assert found["price"] == {"target_scale"}
    assert {"input_scale"} <= found["large"] <= {"input_scale", "initial_loss"}


def test_the_verb_prints_what_is_found(data_dir, cache_dir, capsys):
    places = [f"--data_dir={data_dir}", f"--compilation_cache={cache_dir}"]
    words = ["--model=mlp", "--dense_widths=16", "--init=he", *places]
    assert main(["launch.py", "check", *words]) == 0
    assert "Nothing unusual" in capsys.readouterr().out
    assert main(["launch.py", "check", *words, "--optimizer=adamw", "--weight_decay=50"]) == 0
    out = capsys.readouterr().out
    assert "wrong: a weight decay of 50 lets no weight stay above 0.02" in out
    assert "try: lower the weight decay" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["--arm=other"], "unknown arm 'other'"), (["--workdir=here"], "workdir"), (["--modle=mlp"], "model")],
)
def test_wrong_input_is_one_line(words, expected, capsys):
    assert main(["launch.py", "check", *words]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_a_network_that_raises_is_named(tmp_path, data_dir):
    path = tmp_path / "broken.py"
    path.write_text(_FILE.read_text().replace("nn.Dense(width)", "nn.Dens(width)"))
    with pytest.raises(InputError, match="Dens"):
        _check(engine.Arm(model=f"{path}:Net"), data_dir)


class _Constant:
    """What is needed of passes to know the loss of the best constant."""

    def __init__(self, task, arm, targets):
        self.trainer, self.batch = SimpleNamespace(task=task, arm=arm), SimpleNamespace(targets=jnp.asarray(targets))


@pytest.mark.parametrize(
    ("arm", "targets", "expected"),
    [
        (small_arm(), [0, 0, 1, 1], np.log(2)),
        (small_arm(), [3, 3, 3, 3], 0.0),
        (small_arm(loss="cross_entropy"), [0, 0, 1, 1], np.log(2)),
        (small_arm(loss="squared"), [3, 3, 3, 3], 0.0),
        (small_arm(dataset="teacher"), [[1.0], [3.0]], None),
    ],
)
def test_the_loss_of_the_best_constant(arm, targets, expected, data_dir):
    plan = expand(small_study(arms={"one": arm}, baseline=None), "cpu", data_dir=data_dir)
    task = build_task(plan.arms["one"], opened(plan.programs[0].spec.data))
    if expected is None:
        expected = float(jnp.mean(task.loss(jnp.full((2, 1), 2.0), jnp.asarray(targets))))
    assert loss_of_constant(_Constant(task, plan.arms["one"], targets)) == pytest.approx(expected, abs=1e-6)
