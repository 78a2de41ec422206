"""Starts from weights of a file: what fits by name and shape, what starts anew, and what is refused."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

import engine
from engine import Arm, InputError, Study
from engine.commands.verify import verify
from engine.diagnosis.factors import factors_of
from engine.diagnosis.subject import subject_of
from engine.models.initial import leaf_names
from engine.models.loading import _matched
from engine.studies.expand import expand
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.training.optimization import hyperparams
from engine.training.own import trainer_of
from engine.training.trainer import Keys, Trainer

TORCH = Path(__file__).parent / "libraries" / "torch_networks.py"
GENERATOR = np.random.default_rng(0)


def _arm(path: Path | str, **fields: object) -> Arm:
    return resolve_arm(Arm(**{"model": "mlp", "dense_widths": (8,), "start_from": str(path), **fields}))  # type: ignore[arg-type]


def _start(arm: Arm, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], Trainer]:
    """Returns parameters and state of a start by name."""
    data = load_data(arm, 0, None)
    trainer = trainer_of(arm, build_task(arm, data), "native")
    assert isinstance(trainer, Trainer)
    key, laws = random_streams.root_key(seed), trainer.laws(str(arm.init), arm.options)
    drawn = jax.tree.map(lambda leaf: leaf[0], trainer.drawn_at((seed,)))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(arm).items()}
    state = trainer.init(Keys(key, key, key), jnp.asarray(laws), numbers, drawn)
    trees = (state.params, state.model_state)
    params, others = (dict(zip(leaf_names(t), map(np.asarray, jax.tree.leaves(t)), strict=True)) for t in trees)
    return params, others, trainer


def test_what_fits_is_taken_and_the_rest_starts_anew(tmp_path):
    arrays = {
        "params/Dense_0/kernel": GENERATOR.normal(size=(64, 8)).astype(np.float32),
        # Half precision, which NumPy does not have.
        "params/Dense_0/bias": np.arange(8).astype(ml_dtypes.bfloat16),
        # A head for other classes, and an array of another network.
        "params/Dense_1/kernel": np.ones((8, 3), np.float32),
        "params/Dense_7/kernel": np.ones((2, 2), np.float32),
        # As many numbers, but in another shape.
        "params/Dense_1/bias": np.ones((2, 5), np.float32),
    }
    save_file(arrays, tmp_path / "kept.safetensors")
    found, other = (_start(_arm(tmp_path / "kept.safetensors"), seed) for seed in (0, 1))
    for params, _, _ in (found, other):
        np.testing.assert_array_equal(params["Dense_0/kernel"], arrays["params/Dense_0/kernel"])
        np.testing.assert_array_equal(params["Dense_0/bias"], np.arange(8))
    assert not np.array_equal(found[0]["Dense_1/kernel"], other[0]["Dense_1/kernel"])
    assert found[2].loaded is not None
    assert found[2].loaded.words == (
        "2 of the network's 4 arrays start from the file; anew start Dense_1/bias, Dense_1/kernel; not used are "
        "params/Dense_1/bias, params/Dense_1/kernel, params/Dense_7/kernel"
    )


def test_what_starts_anew_starts_as_without_the_file(tmp_path):
    np.savez(tmp_path / "some.npz", **{"Dense_0.bias": np.full(8, 3.0)})
    with_file, _, trainer = _start(_arm(tmp_path / "some.npz", init="he"), 5)
    plain = resolve_arm(Arm(model="mlp", dense_widths=(8,), init="he"))
    without = trainer_of(plain, trainer.task, "native")
    key, laws = random_streams.root_key(5), jnp.asarray(without.laws("he", plain.options))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(plain).items()}
    state = without.init(Keys(key, key, key), laws, numbers)
    for name, leaf in zip(leaf_names(state.params), jax.tree.leaves(state.params), strict=True):
        expected = np.full(8, 3.0, np.float32) if name == "Dense_0/bias" else leaf
        np.testing.assert_array_equal(with_file[name], expected)


@pytest.mark.skipif(importlib.util.find_spec("torchax") is None, reason="needs torchax")
def test_the_state_of_a_pytorch_module_is_taken_by_its_own_names(tmp_path):
    import torch

    from tests.libraries.torch_networks import CNN

    torch.manual_seed(1)
    kept = {name: tensor.numpy() for name, tensor in CNN(num_classes=3).state_dict().items()}
    kept["norm1.running_mean"] = np.arange(8, dtype=np.float32)
    save_file({f"module.{name}": array for name, array in kept.items()}, tmp_path / "kept.safetensors")
    arm = _arm(tmp_path / "kept.safetensors", model=f"{TORCH}:CNN", dense_widths=None)
    params, state, trainer = _start(arm, 3)
    np.testing.assert_array_equal(params["conv1/weight"], kept["conv1.weight"])
    np.testing.assert_array_equal(state["norm1/running_mean"], np.arange(8))
    torch.manual_seed(3)
    fresh = CNN(num_classes=10).state_dict()
    np.testing.assert_array_equal(params["head/weight"], fresh["head.weight"].numpy())
    assert trainer.loaded is not None
    assert trainer.loaded.fresh == ("head/weight", "head/bias")


@pytest.mark.trains
def test_a_run_goes_on_where_another_ended(tmp_path):
    """Seed 0 again, from its own end: the first loss is that with which the first study ended."""
    arm = Arm(model="mlp", dense_widths=(8,), init="he", learning_rate=3e-3)
    first = engine.run(Study("first", {"a": arm}, seeds=1, epochs=3), tmp_path / "first", workers=1, keep=1)
    [file] = (tmp_path / "first" / "weights").iterdir()
    again = {"a": arm.replace(start_from=str(file))}
    second = engine.run(Study("second", again, seeds=2, epochs=3), tmp_path / "second", workers=1)
    ended = first.curves("a").values[0, -1]
    np.testing.assert_allclose(second.curves("a").values[:, 0], ended, rtol=1e-6)
    assert "4 of the network's 4 arrays start from the file" in str(second.summary["arms"]["a"]["data_notes"])
    # Another file is another study, wherever it lies.
    moved = tmp_path / "moved.safetensors"
    file.rename(moved)
    with pytest.raises(InputError, match="there is no such file"):
        verify(tmp_path / "second", workers=0, quiet=True)
    found = verify(tmp_path / "second", workers=0, quiet=True, start_from=str(moved))
    assert all(run.is_identical for run in found.runs)
    moved.rename(file)
    assert engine.run(Study("second", again, seeds=2, epochs=3), tmp_path / "second", workers=1)
    save_file({"Dense_0/bias": np.zeros(8, np.float32)}, file)
    with pytest.raises(InputError, match="file of weights to start from of 'a' is another"):
        engine.run(Study("second", again, seeds=2, epochs=3), tmp_path / "second", workers=1)


def test_starts_are_compared_where_only_their_files_differ(tmp_path):
    for i in range(2):
        np.savez(tmp_path / f"{i}.npz", **{"Dense_0.bias": np.full(8, float(i))})
    fresh = Arm(model="mlp", dense_widths=(8,))
    arms = {"fresh": fresh, **{f"{i}": fresh.replace(start_from=str(tmp_path / f"{i}.npz")) for i in range(2)}}
    assert len(expand(Study("own", arms, seeds=1, epochs=1), "cpu").programs) == 3
    (tmp_path / "again.npz").write_bytes((tmp_path / "1.npz").read_bytes())
    same = {**arms, "again": fresh.replace(start_from=str(tmp_path / "again.npz"))}
    with pytest.raises(InputError, match="their data and weights to start from are equal"):
        expand(Study("own", same, seeds=1, epochs=1), "cpu")


def test_names_that_only_say_where_arrays_are_kept_are_left_out_where_that_tells_one():
    names, paths = ["module.a.weight", "b/weight", "model.b.weight"], ["a/weight", "b/weight", "model/b/weight"]
    assert _matched(names, paths) == dict(zip(paths, names, strict=True))
    # Two of the file, or two of the network, would be the same.
    assert _matched(["model.a", "module.a"], ["a"]) == {}
    assert _matched(["params.a"], ["model/a", "state/a"]) == {}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full(8, np.nan), "Dense_0.bias has a number that is missing or too large"),
        (np.full(8, 1e300), "Dense_0.bias has a number that is missing or too large"),
        (np.full(8, "pear"), "Dense_0.bias is of type <U4: expected numbers"),
        (np.full(8, 1j), "Dense_0.bias is of type complex128: expected numbers"),
    ],
)
def test_weights_that_are_no_finite_numbers_are_refused(array, words, tmp_path):
    np.savez(tmp_path / "some.npz", **{"Dense_0.bias": array})
    with pytest.raises(InputError, match=words):
        _start(_arm(tmp_path / "some.npz"), 0)


def test_a_diagnosis_starts_anew_where_it_changes_the_start(tmp_path):
    np.savez(tmp_path / "some.npz", **{"Dense_0.bias": np.full(8, 3.0)})
    arm = _arm(tmp_path / "some.npz", init="he", metric="macro_f1", learning_rate=1e-3)
    arms = factors_of(subject_of(arm, load_data(arm, 0, None))).arms
    assert [arms[name].start_from for name in ("init=he", "linear_probe")] == [None, None]
    assert "wider" not in arms
    assert {one.metric for one in arms.values()} == {"macro_f1"}
    assert arms["epsilon=1e-12"].start_from == arm.start_from


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"x", "w.safetensors", r"w.safetensors' cannot be read \("),
        (b"x", "w.npz", r"w.npz' cannot be read \("),
        # What `numpy.save` writes, under another name.
        (b"\x93NUMPY\x01\x00v\x00", "w.npz", r"w.npz' cannot be read \("),
        (b"x", "w.pt", r"expected a .safetensors or an .npz file; safetensors.torch.save_file"),
        (None, "w.npz", "w.npz': there is no such file"),
    ],
)
def test_what_is_no_file_of_weights_is_refused_in_one_line(content, name, words, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        expand(Study("own", {"a": Arm(model="mlp", start_from=str(tmp_path / name))}, seeds=1, epochs=1), "cpu")
    assert "\n" not in str(refused.value)


def test_weights_of_another_network_are_refused_with_both_names(tmp_path):
    np.savez(tmp_path / "other.npz", conv=np.zeros(3))
    with pytest.raises(InputError, match=r"holds nothing of model=mlp: its arrays are conv, and those .* Dense_0/bias"):
        expand(Study("own", {"a": Arm(model="mlp", start_from=str(tmp_path / "other.npz"))}, seeds=1, epochs=1), "cpu")
