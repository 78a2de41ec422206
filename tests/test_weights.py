"""The weights of chosen runs: those of the end of the run, whatever lanes and kills there were, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import engine
from engine.arms.arm import Arm
from engine.errors import InputError
from engine.lanes.pool import LanePool
from engine.models import make_model
from engine.studies.study import Study, resolve_arm
from engine.tasks import build_task, load_data
from engine.training.trainer import Trainer
from engine.workers import serving

ARMS = {"plain": Arm(model="mlp", dense_widths=(8,)), "normed": Arm(model="mlp", dense_widths=(8,), batch_norm=True)}
KEYED = """
import jax

def init(key, inputs):
    return {"w": jax.random.normal(key, (inputs[0].size, 10))}, {"key": jax.random.key(7)}

def apply(params, state, inputs):
    return inputs.reshape(len(inputs), -1) @ params["w"], state

keyed = init, apply
"""
STUDY = Study(name="weights", arms=ARMS, seeds=4, horizon=44, eval_every=11)


@pytest.fixture(scope="module")
def options(data_dir, cache_dir):
    return {"workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "quiet": True, "has_report": False}


@pytest.fixture(scope="module")
def kept(tmp_path_factory, options):
    return engine.run(STUDY, tmp_path_factory.mktemp("kept") / "w", keep=3, **options)


def _flat(tree):
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def _assert_same(one, other):
    one, other = _flat(one), _flat(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("name", ARMS)
def test_they_give_the_loss_that_the_row_ends_with(kept, name, data_dir):
    arm = resolve_arm(ARMS[name])
    data = load_data(arm, 0, data_dir)
    task = build_task(arm, data)
    trainer = Trainer(arm, task, make_model(arm, task.example_shape, task.num_outputs), "direct")
    _, losses, seeds = kept.curves(name)
    for seed in range(3):
        variables = kept.weights(name, seed)
        state = {key: value for key, value in variables.items() if key != "params"}
        kinds = jax.tree.structure(trainer.param_shapes), jax.tree.structure(trainer.state_shapes)
        assert (jax.tree.structure(variables["params"]), jax.tree.structure(state)) == kinds
        params, state = jax.tree.map(jnp.asarray, (variables["params"], state))
        batch = task.evaluation(data)["loss"]
        pairs = zip(batch.inputs, batch.targets, strict=True)
        found = np.mean([jnp.mean(task.loss(trainer.batch_apply(params, state, one), two)) for one, two in pairs])
        # Another program than the one that trained: a few roundings of single precision.
        assert found == pytest.approx(losses[seeds.tolist().index(seed)][-1], rel=1e-5)


def test_lanes_that_are_filled_again_change_nothing(kept, tmp_path, options):
    again = engine.run(STUDY, tmp_path / "w", keep=3, width=1, **options)
    # Not of the arm with batch statistics: they cancel the biases, whose steps are roundings that Adam scales up.
    found = [_flat(again.weights("plain", seed)) for seed in range(3)]
    for seed, other in enumerate(found):
        for path, one in _flat(kept.weights("plain", seed)).items():
            np.testing.assert_allclose(one, other[path], rtol=1e-4, atol=1e-6)
    assert not any(np.array_equal(found[0][path], found[1][path]) for path in found[0])


def test_a_launch_that_was_interrupted_leaves_the_same(kept, tmp_path, options, monkeypatch):
    original, calls = LanePool.advance, []

    def interrupted(pool):
        calls.append(pool)
        if len(calls) == 2:
            raise KeyboardInterrupt
        original(pool)

    monkeypatch.setattr(LanePool, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.run(STUDY, tmp_path / "w", keep=3, **options)
    monkeypatch.setattr(LanePool, "advance", original)
    results = engine.run(STUDY, tmp_path / "w", keep=3, **options)
    for name in ARMS:
        for seed in range(3):
            _assert_same(kept.weights(name, seed), results.weights(name, seed))


def test_only_what_was_asked_for_is_kept(kept, tmp_path, options):
    files = sorted(path.name for path in (kept.path / "weights").iterdir())
    assert files == [f"arm{arm}_seed{seed}.safetensors" for arm in range(2) for seed in range(3)]
    with pytest.raises(InputError, match="were not kept: give --keep=4 before that run is over"):
        kept.weights("plain", 3)
    with pytest.raises(InputError, match="did you mean 'plain'"):
        kept.weights("plane", 0)
    without = engine.run(STUDY, tmp_path / "w", **options)
    assert not (without.path / "weights").exists()


def test_a_file_of_something_else_is_refused_in_a_line(tmp_path, options):
    results = engine.run(STUDY, tmp_path / "w", keep=2, **options)
    path = results.path / "weights" / "arm0_seed0.safetensors"
    (results.path / "weights" / "arm0_seed1.safetensors").rename(path)
    with pytest.raises(InputError, match="it is of 'plain', seed 1"):
        results.weights("plain", 0)
    save_file(load_file(path), path)
    with pytest.raises(InputError, match="cannot be read"):
        results.weights("plain", 0)
    path.write_bytes(b"none")
    with pytest.raises(InputError, match="cannot be read"):
        results.weights("plain", 0)


def test_messages_of_weights_are_bounded(kept, tmp_path, options, monkeypatch):
    """Each is sent by itself then, and nothing else changes."""
    monkeypatch.setattr(serving, "_MESSAGE_BYTES", 1)
    again = engine.run(STUDY, tmp_path / "w", keep=3, **options)
    for name in ARMS:
        for seed in range(3):
            _assert_same(kept.weights(name, seed), again.weights(name, seed))
    assert again.outcomes.equals(kept.outcomes)


def test_random_keys_in_a_network_s_state_are_kept_as_their_data(tmp_path, options):
    (tmp_path / "net.py").write_text(KEYED)
    arm = Arm(model=f"{tmp_path / 'net.py'}:keyed")
    study = Study(name="keyed", arms={"a": arm}, seeds=1, horizon=22, eval_every=11)
    variables = engine.run(study, tmp_path / "w", keep=1, **options).weights("a", 0)
    assert variables["key"].dtype == np.uint32
    assert set(variables["params"]) == {"w"}
