"""All diagnostics of runs in lanes: what they cost nothing of, and what they say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.arms.options import fill_owned
from engine.errors import InputError
from engine.models import make_model
from engine.models.initial import leaf_laws
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.training.optimization import hyperparams
from engine.training.probes import DIAGNOSTICS, check_names
from engine.training.probes.measuring import make_diagnostic_set, obstacles
from engine.training.trainer import Keys, Trainer
from tests.conftest import drain, runs_of, small_arm

ALL = check_names(("all",))
_CNN = Arm(conv_widths=(3, 3), pool_after=(1, 2), dense_widths=(6,), batch_norm=True, dropout=0.2)
_ARMS = {
    "adam": small_arm(),
    "sgd": small_arm(optimizer="sgd"),
    "lion": small_arm(optimizer="lion"),
    "rmsprop": small_arm(optimizer="rmsprop"),
    "cnn": _CNN,
    "nnx": Arm(model="tests.own.networks:CNN"),
    "teacher": small_arm(dataset="teacher"),
}
# Compiled, or traced, for half a minute together.
_SLOW = ("adam", "rmsprop", "nnx", "teacher")
_ABSENT = {"sgd": {"epsilon"}, "lion": {"epsilon"}}


def _made(arm: Arm, data_dir: str):
    arm = resolve_arm(arm)
    data = load_data(arm, 0, data_dir)
    task = build_task(arm, data)
    return arm, data, Trainer(arm, task, make_model(arm, task.example_shape, task.num_outputs), "direct")


def _started(arm, data, trainer):
    keys = Keys(*(random_streams.stream(0, role, 0) for role in Keys._fields))
    laws = jnp.asarray(leaf_laws(trainer.param_shapes, arm.init, arm.options, trainer.kept))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(arm).items()}
    state = jax.jit(trainer.init)(keys, laws, numbers)
    return state, numbers, trainer.draw(state, data, 4)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in _SLOW)) for n in _ARMS])
def test_every_diagnostic_says_something_of_every_arm_or_why_it_does_not(name, data_dir):
    arm, data, trainer = _made(_ARMS[name], data_dir)
    diagnostic_set = make_diagnostic_set(trainer, ALL, data, 4, 8, fill_owned(DIAGNOSTICS, ALL, {}))
    reasons = obstacles(trainer, ALL, data, 8)
    assert reasons.keys() == _ABSENT.get(name, set())
    said = {series.name for series in diagnostic_set.series} | set(diagnostic_set.absent)
    expected = {series for n in ALL for series in DIAGNOSTICS.load(n).DIAGNOSTIC.series}
    assert said == expected
    assert ("null_displacement" in diagnostic_set.absent) == (name == "lion")
    state, numbers, draws = _started(arm, data, trainer)
    shapes = jax.eval_shape(diagnostic_set.measure, diagnostic_set.start(state), state, numbers, data, draws)
    assert shapes[1].shape == (len(diagnostic_set.series),)
    assert len(set(diagnostic_set.series)) == len(diagnostic_set.series)


def test_what_is_measured_at_the_start_is_what_is_worked_out_by_hand(data_dir):
    names = ("norms", "epsilon", "dead", "outputs", "cosine", "displacement")
    arm, data, trainer = _made(_ARMS["adam"], data_dir)
    diagnostic_set = make_diagnostic_set(trainer, names, data, 4, 8, fill_owned(DIAGNOSTICS, names, {}))
    state, numbers, draws = _started(arm, data, trainer)
    _, values = jax.jit(diagnostic_set.measure)(diagnostic_set.start(state), state, numbers, data, draws)
    found = dict(zip(diagnostic_set.series, np.asarray(values, np.float64), strict=True))
    found = {(series.name, series.layer): value for series, value in found.items()}
    first = trainer.step(state, numbers, data, draws[0])
    second = trainer.step(first.state, numbers, data, draws[1])
    # At step 0 the corrected v̂ is the square of the gradient.
    gradients = np.concatenate([np.ravel(g) for g in jax.tree.leaves(first.grads)])
    assert found["below_epsilon", ""] == pytest.approx(np.mean(np.abs(gradients) < 1e-8), abs=1e-3)
    assert found["gradient_norm", ""] == pytest.approx(np.linalg.norm(gradients), rel=1e-5)
    updates = [np.concatenate([np.ravel(u) for u in jax.tree.leaves(look.updates)]) for look in (first, second)]
    lengths = [np.linalg.norm(u) for u in updates]
    cosine = updates[0] @ updates[1] / (lengths[0] * lengths[1])
    assert found["update_cosine", ""] == pytest.approx(cosine, abs=1e-5)
    assert found["displacement", ""] == found["null_displacement", ""] == 0.0
    batch = trainer.task.evaluation(data)["loss"].inputs[0]
    outputs = np.asarray(trainer.native_apply(state.params, state.model_state, batch))
    spread = np.sqrt(np.mean(np.var(outputs.astype(np.float64), axis=0)))
    assert found["output_spread", ""] == pytest.approx(spread, rel=1e-4)
    hidden = np.maximum(0, batch.reshape(len(batch), -1) @ state.params["Dense_0"]["kernel"])
    assert found["dead_share", "Dense_1"] == np.mean(np.all(hidden == 0, axis=0))


def test_the_second_moment_is_the_one_that_the_next_update_uses(data_dir):
    """A third step by hand: v₃ over its correction against ε, one number at a time."""
    arm, data, trainer = _made(small_arm(epsilon=3e-3), data_dir)
    diagnostic_set = make_diagnostic_set(trainer, ("epsilon",), data, 4, 8, {})
    state, numbers, draws = _started(arm, data, trainer)
    moment = np.zeros(1)
    for index in range(3):
        parts = trainer.step(state, numbers, data, draws[index])
        gradients = np.concatenate([np.ravel(g) for g in jax.tree.leaves(parts.grads)])
        moment = 0.999 * moment + 0.001 * gradients.astype(np.float64) ** 2
        before, state = state, parts.state
    memory = diagnostic_set.start(before)
    _, values = diagnostic_set.measure(memory, before, numbers, data, draws[2:])
    share = np.mean(np.sqrt(moment / (1 - 0.999**3)) < 3e-3)
    assert 0.1 < share < 0.9
    whole = [s.layer for s in diagnostic_set.series].index("")
    # Rounding may carry a number or two across ε.
    assert float(values[whole]) == pytest.approx(share, abs=3e-3)


@pytest.mark.long
def test_training_is_the_same_to_the_last_bit_and_one_seed_is_as_among_others(make_pool):
    arm = small_arm(learning_rate=1e-2)
    options = {"diagnostics": ALL, "diagnostics_every": 22}
    runs = runs_of(arm, [0, 1, 2, 3, 4], horizon=88 + 33)
    off = drain(make_pool(arm, width=2), runs, 2)
    pool = make_pool(arm, width=2, **options)
    on, again = drain(pool, runs, 2), drain(pool, runs[3:], 2)
    for key, run in off.items():
        np.testing.assert_array_equal(run.batch_loss, on[key].batch_loss)
        np.testing.assert_array_equal(run.curves["loss"], on[key].curves["loss"])
        assert run.diagnostics is None
        np.testing.assert_array_equal(on[key].diagnostics_steps, [0, 22, 44, 66, 88, 110])
        assert all(np.all(np.isfinite(values)) for values in on[key].diagnostics.values())
    for key, run in again.items():
        for series, values in run.diagnostics.items():
            np.testing.assert_array_equal(values, on[key].diagnostics[series], err_msg=str(series))
    two = [on["arm", seed].diagnostics for seed in (0, 1)]
    assert any(np.any(values != two[1][series]) for series, values in two[0].items())


def test_nothing_is_left_of_diagnostics_that_are_off(make_pool):
    pool = make_pool(small_arm(), width=2)
    pool.fill(runs_of(small_arm(), [0, 1], horizon=88))
    pool.advance()
    chunk = pool.harvest()
    assert chunk.result.diagnostics is None
    assert pool._lanes.memory is None
    assert pool._shapes.diagnostics is None


@pytest.mark.slow
def test_a_run_goes_on_from_its_checkpoint_with_what_its_diagnostics_keep(make_pool):
    arm = small_arm(learning_rate=1e-2)
    options = {"diagnostics": ("displacement", "curvature"), "diagnostics_every": 44}
    runs = runs_of(arm, [0, 1], horizon=88 + 66)
    whole = drain(make_pool(arm, width=2, **options), runs, 2)
    first = make_pool(arm, width=2, **options)
    first.fill(runs)
    first.advance()
    first.collect(first.harvest())
    kept = {checkpoint.run: checkpoint for checkpoint in first.checkpoints()}
    second = make_pool(arm, width=2, **options)
    assert second.fill(runs, kept) == []
    second.advance()
    _, finished = second.collect(second.harvest())
    for run in finished:
        expected = whole["arm", run.run.seed]
        np.testing.assert_array_equal(run.diagnostics_steps, [0, 44, 88, 132])
        for series, values in run.diagnostics.items():
            np.testing.assert_array_equal(values, expected.diagnostics[series], err_msg=str(series))
    # A checkpoint of other diagnostics is none of this pool's.
    other = make_pool(arm, width=2, diagnostics=("norms",), diagnostics_every=44)
    assert other.fill(runs, kept) == runs


@pytest.mark.slow
def test_a_fork_looks_ahead_in_its_own_stream(make_pool):
    """Its update differs from its parent's where it leaves it, and nowhere before."""
    arm = small_arm(learning_rate=1e-2)
    (parent,) = runs_of(arm, [0], horizon=88)
    fork = parent._replace(arm_name="fork", fork_step=44, fork_order_seed=9)
    pool = make_pool(arm, width=2, diagnostics=("norms",), diagnostics_every=22)
    found = drain(pool, [parent, fork], 2)
    lengths = [
        next(v for s, v in found[name, 0].diagnostics.items() if tuple(s) == ("gradient_norm", ""))
        for name in ("arm", "fork")
    ]
    np.testing.assert_array_equal(lengths[0][:2], lengths[1][:2])
    assert np.all(lengths[0][2:] != lengths[1][2:])


@pytest.mark.slow
def test_streamed_data_are_measured_alike(make_pool):
    arm = small_arm()
    streamed = dataclasses.replace(arm, stream=True)
    options = {"diagnostics": ("norms", "cosine"), "diagnostics_every": 44}
    runs = [run._replace(order_seed=0) for run in runs_of(arm, [0, 1], horizon=99)]
    on_device = drain(make_pool(arm, width=2, **options), runs, 2)
    on_host = drain(
        make_pool(streamed, width=2, **options), [run._replace(arm=resolve_arm(streamed)) for run in runs], 2
    )
    for key, run in on_device.items():
        for series, values in run.diagnostics.items():
            np.testing.assert_array_equal(values, on_host[key].diagnostics[series])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("nroms",), "did you mean 'norms'"),
        (("all", "dead"), "stands alone"),
        ("norms", "expected names"),
        ((3,), "expected names"),
    ],
)
def test_unknown_names_are_refused(names, words):
    with pytest.raises(InputError, match=words):
        check_names(names)


def test_names_are_put_in_one_order():
    assert check_names(("dead", "norms", "dead")) == ("norms", "dead")
    assert check_names(()) == ()
    assert check_names(("all",)) == tuple(DIAGNOSTICS)
