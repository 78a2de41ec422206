"""Networks of the user's own: what may be named, how it starts, and what is refused."""

import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine import Arm, InputError
from engine.arms.arguments import canonical_args, parse_args
from engine.commands.run import run
from engine.commands.running.looking import _own
from engine.lanes.spec import PoolSpec
from engine.models import check_fit, has_own_dropout, make_model
from engine.models.initial import kept_values, leaf_laws, leaf_names, written_starts
from engine.models.model import model_of
from engine.outcomes import DetectorSettings
from engine.preflight.checking import check_here, refuse_untrainable
from engine.preflight.findings import Finding
from engine.store import open_existing
from engine.studies.expand import expand
from engine.studies.study import Study, resolve_arm, with_sweep
from engine.tasks import load_data
from tests.conftest import drain, runs_of
from tests.own import networks

FILE = networks.__file__
ROOT = Path(FILE).parents[2]
KEY = jax.random.key(0, impl="threefry2x32")
INPUTS = jax.random.normal(jax.random.key(1), (6, 8, 8, 1))
# Name, arguments, and whether noise and batch statistics make a difference.
KINDS = {
    "ResNet4": ((), False, True),
    "VisionTransformer": (("dim=4",), True, False),
    "CNN": (("dropout=0.5",), True, True),
    "mlp": ((), False, False),
    "counting": ((), True, False),
    "make": ((), False, True),
    "instance": ((), False, True),
    "nnx_instance": ((), False, True),
    "OldStyle": ((), True, True),
}


def _canonical(*texts: str) -> tuple[str, ...]:
    return canonical_args(texts, "model_arg")


def _arm(name: str, args: tuple[str, ...] = (), **fields: object) -> Arm:
    return resolve_arm(Arm(model=f"{FILE}:{name}", model_args=args, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["VisionTransformer", "CNN", "OldStyle", "ResNet4"])
def test_dropout_of_an_own_network_can_be_switched_off(name):
    args, has_noise, has_statistics = KINDS[name]
    arm = _arm(name, args, init="he")
    assert has_own_dropout(arm, (8, 8, 1), 10) == has_noise
    off = make_model(resolve_arm(arm.replace(dropout=0.0)), (8, 8, 1), 10)
    params, state = off.init(KEY, INPUTS[:1])
    outputs, new_state = off.train_apply(params, state, INPUTS, KEY)
    np.testing.assert_array_equal(outputs, off.train_apply(params, state, INPUTS, jax.random.key(7))[0])
    np.testing.assert_array_equal(outputs, off.batch_apply(params, state, INPUTS))
    changes = [(new != old).any() for new, old in zip(*map(jax.tree.leaves, (new_state, state)), strict=True)]
    assert any(changes) == has_statistics, "running averages go on"


def test_another_dropout_of_an_own_network_is_refused():
    with pytest.raises(InputError, match=r"dropout=0.5: .* expected 0"):
        _arm("CNN", dropout=0.5)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_network_is_pure_functions(name):
    args, has_noise, has_statistics = KINDS[name]
    model = make_model(_arm(name, args, init="he"), (8, 8, 1), 10)
    params, state = model.init(KEY, INPUTS[:1])
    # Away from a symmetric start, so that every difference shows.
    params = jax.tree.map(lambda p: p + 0.1 * jnp.sin(jnp.arange(p.size)).reshape(p.shape), params)
    first, new_state = model.train_apply(params, state, INPUTS, KEY)
    again, _ = model.train_apply(params, state, INPUTS, KEY)
    other, _ = model.train_apply(params, state, INPUTS, jax.random.key(7))
    batch = model.batch_apply(params, state, INPUTS)
    average = model.average_apply(params, state, INPUTS)
    assert first.shape == batch.shape == average.shape == (6, 10)
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) != has_noise
    assert np.array_equal(batch, average) != has_statistics
    assert np.allclose(first, batch, atol=1e-6) != has_noise
    assert jax.tree.structure(new_state) == jax.tree.structure(state)
    if has_statistics:
        before, after = jax.tree.leaves(state), jax.tree.leaves(new_state)
        assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_number_of_classes_goes_where_it_belongs():
    for name in ("ResNet4", "VisionTransformer", "CNN", "make"):
        model = make_model(_arm(name), (8, 8, 1), 7)
        outputs, _ = model.train_apply(*model.init(KEY, INPUTS[:1]), INPUTS, KEY)
        assert outputs.shape == (6, 7)
    asked = make_model(_arm("ResNet4", ("num_classes=5",)), (8, 8, 1), 7)
    assert asked.batch_apply(*asked.init(KEY, INPUTS[:1]), INPUTS).shape == (6, 5)


def test_arguments_are_python_values_in_one_order():
    texts = ("width=3", "name = relu", "rate=1e-3", "deep=true", "shape=(1, 2)", "none=None")
    assert parse_args(texts, "model_arg") == {
        "width": 3, "name": "relu", "rate": 1e-3, "deep": True, "shape": (1, 2), "none": None,
    }  # fmt: skip
    assert _canonical("b=2", "a=x") == _canonical("a=x", "b=2") == ("a='x'", "b=2")
    assert _canonical("most=Inf", "least=-inf") == _canonical("least=-inf", "most=inf")
    assert parse_args(_canonical("most=inf"), "model_arg") == {"most": np.inf}
    assert _canonical(*_canonical(*texts)) == _canonical(*texts)


def test_a_network_that_does_not_return_is_named_with_its_line(tmp_path, data_dir, capsys, monkeypatch):
    lines = ["import time", "class Slow:", "    def __init__(self, num_classes):", "        time.sleep(0.5)"]
    text = "\n".join([*lines, "        raise ValueError"])
    (tmp_path / "slow.py").write_text(text)
    monkeypatch.setattr("engine.user_code._PATIENCE", 0.1)
    study = Study("own", {"arm": Arm(model=f"{tmp_path / 'slow.py'}:Slow")}, seeds=1, epochs=1)
    with pytest.raises(InputError):
        expand(study, "cpu", data_dir=data_dir)
    told = capsys.readouterr().err
    assert told.count("slow.py:Slow has not returned for 0.1 s (slow.py, line 4): Ctrl-C stops it") == 1


def test_a_sweep_may_run_over_an_argument():
    study = Study("own", {"arm": _arm("VisionTransformer", ("dim=8",))}, seeds=1, epochs=1)
    swept = with_sweep(study, {"model_arg.dim": ["4", "6"], "learning_rate": [0.1]})
    assert list(swept.arms) == ["model_arg.dim=4,learning_rate=0.1", "model_arg.dim=6,learning_rate=0.1"]
    assert [arm.model_args for arm in swept.arms.values()] == [("dim=4",), ("dim=6",)]


def test_what_starts_at_one_number_keeps_it_under_every_scheme():
    model = make_model(_arm("mlp"), (8, 8, 1), 10)
    params, _ = model.init(KEY, INPUTS[:1])
    kept = dict(zip(leaf_names(params), kept_values(params, params), strict=True))
    assert kept == {"b1": None, "b2": None, "temperature": 2.0, "w1": None, "w2": None}

    params, _ = make_model(_arm("ResNet4"), (8, 8, 1), 10).init(KEY, INPUTS[:1])
    kept = dict(zip(leaf_names(params), kept_values(params, params), strict=True))
    norms = {name: value for name, value in kept.items() if "BatchNorm" in name}
    assert norms["BatchNorm_0/scale"] == 1.0
    assert norms["Block_0/BatchNorm_1/scale"] == 0.0, "as its author wrote it"
    assert all(value == 0.0 for name, value in norms.items() if name.endswith("bias"))
    assert {value for name, value in kept.items() if "BatchNorm" not in name} == {None}


def test_a_single_number_that_is_drawn_is_not_kept():
    """Kept at what one seed drew, it would be the same in all of them."""

    def init(key, inputs):
        return {"gain": jax.random.normal(key, (1, 1)), "shift": jnp.full((1, 1), 3.0)}, {}

    starts = written_starts(model_of(init, lambda *_: None), INPUTS[:1])
    shapes = jax.eval_shape(lambda: init(KEY, INPUTS[:1])[0])
    assert kept_values(shapes, starts) == (None, 3.0)


def test_a_vector_beside_matrices_makes_no_normalisation_of_its_neighbours():
    params = {"w": np.ones((3, 2)) * [[1, 2]], "b": np.zeros(2), "gain": np.full(2, 3.0)}
    assert kept_values(params, params) == (None, 3.0, None)
    assert kept_values({"norm": {"b": np.zeros(2), "g": np.ones(2)}}, {"b": np.zeros(2), "g": np.ones(2)}) == (0.0, 1.0)


def test_the_inputs_of_a_projection_are_not_multiplied_by_its_heads():
    params, _ = make_model(_arm("VisionTransformer"), (8, 8, 1), 10).init(KEY, INPUTS[:1])
    deviations = leaf_laws(params, "lecun", {})[:, 1]
    scales = dict(zip(leaf_names(params), deviations, strict=True))
    attention = "MultiHeadDotProductAttention_0"
    for name in ("query", "key", "value", "out"):
        assert scales[f"{attention}/{name}/kernel"] == pytest.approx(8**-0.5)


@pytest.mark.long
def test_seeds_start_as_written_or_as_laid(make_pool):
    starts = {}
    for init in ("as_written", "normal"):
        pool = make_pool(_arm("mlp", init=init), width=2)
        starts[init] = jax.device_get(pool._start(pool._lanes, np.ones(2, bool), np.uint32(0), _two(pool))).train.params
    written = starts["as_written"]
    assert np.all(written["b1"] == 0)
    assert np.all(written["temperature"] == 2)
    assert np.std(written["w1"]) == pytest.approx(0.1, rel=0.1)
    assert not np.array_equal(written["w1"][0], written["w1"][1])
    assert np.std(starts["normal"]["w1"]) == pytest.approx(0.05, rel=0.1)
    assert np.std(starts["normal"]["b1"]) == pytest.approx(0.05, rel=0.5)
    assert np.all(starts["normal"]["temperature"] == 2)


def _two(pool):
    from engine.lanes.runs import Run

    return pool._starts([Run("a", pool.spec.arm, s, s, s, s, 11) for s in (0, 1)])


def test_as_written_and_laid_starts_do_not_share_lanes(data_dir):
    arms = {init: _arm("mlp", init=init) for init in ("as_written", "he", "normal")}
    plan = expand(Study("own", arms, seeds=1, epochs=1), "cpu", data_dir=data_dir)
    assert [group.arm_names for group in plan.programs] == [["as_written"], ["he", "normal"]]


def test_lanes_follow_from_what_the_network_does(data_dir):
    names = {"convolutions": "ResNet4", "patches": "VisionTransformer", "dense": "mlp"}
    arms = {kind: _arm(name) for kind, name in names.items()}
    plan = expand(Study("own", arms, seeds=1, epochs=1), "cpu", data_dir=data_dir)
    assert [group.spec.width for group in plan.programs] == [1, 8, 8]


def _spec(name: str, data_dir: str) -> PoolSpec:
    arm = _arm(name)
    data = load_data(arm, 0, data_dir)
    return PoolSpec(arm, data, 0, 2, 2, "direct", 11, DetectorSettings())


def _found(name: str, data_dir: str, cache_dir: str | None = None, **data: np.ndarray) -> list[Finding]:
    spec = _spec(name, data_dir)
    return check_here(spec._replace(data={**spec.data, **data}), spec.arm, 100, cache_dir)


def test_parameters_that_no_gradient_reaches_are_named(data_dir, tmp_path):
    found = _found("Unreached", data_dir, str(tmp_path))
    assert any("exactly 0 in frozen/bias, frozen/kernel, unread" in one.sentence for one in found)
    assert len(list((tmp_path / "looks").iterdir())) == 1
    assert _found("Unreached", data_dir, str(tmp_path)) == found


def test_a_factor_that_no_start_makes_up_for_is_named(data_dir):
    assert "constant_outputs" in [one.name for one in _found("Scaled", data_dir)]
    assert "constant_outputs" not in [one.name for one in _found("mlp", data_dir)]


def test_a_network_is_looked_at_anew_with_other_numbers(data_dir, tmp_path):
    """What lies at a place may change, and another folder has data of the same shape."""
    inputs = _spec("mlp", data_dir).data["inputs"]
    first = _found("mlp", data_dir, str(tmp_path))
    assert "input_scale" in [one.name for one in _found("mlp", data_dir, str(tmp_path), inputs=255 * inputs)]
    assert _found("mlp", data_dir, str(tmp_path)) == first
    broken = _found("mlp", data_dir, str(tmp_path), inputs=np.full_like(inputs, np.nan))
    assert "no_loss" in [one.name for one in broken]


def test_each_network_is_looked_at_once_with_its_data(tmp_path, data_dir):
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x=draw.normal(size=(200, 4)).astype(np.float32), y=np.arange(200) % 2)
    small = Arm(model="mlp", dense_widths=(8,), init="he", dataset_dir=str(tmp_path / "own.npz"))
    arms = {
        "small": small, "slow": small.replace(learning_rate=1e-5), "deep": small.replace(dense_widths=(8, 8)),
        "shuffled": small.replace(control="shuffled_labels"), "ours": _arm("mlp"), "laid": _arm("mlp", init="he"),
        "theirs": Arm(model="mlp", dense_widths=(8,)),
    }  # fmt: skip
    plan = expand(Study("own", arms, seeds=1, epochs=1), "cpu", data_dir=data_dir)
    assert list(_own(plan)) == [["small", "slow", "shuffled"], ["deep"], ["ours", "laid"]]


@pytest.mark.long
def test_what_speaks_against_a_network_is_kept_with_the_study(tmp_path, data_dir, capsys):
    arms = {"shares": _arm("Softmax"), "laid": _arm("Softmax", init="he"), "ours": _arm("Dead")}
    study = Study("own", arms, seeds=1, horizon=11)
    where = {"data_dir": data_dir, "num_workers": 0, "is_quiet": True}
    run(study, tmp_path / "study", **where)
    told = capsys.readouterr().err
    assert told.count("add up to 1, as after a softmax") == 1
    assert "shares: wrong: the outputs are shares" in told
    notes = open_existing(tmp_path / "study").document["study"]["network_notes"]
    assert [len(notes[name]) for name in arms] == [1, 1, 1]
    headline = json.loads((tmp_path / "study" / "summary.json").read_text())["verdict"]["headline"]
    assert headline.startswith("In the network: the outputs are shares that add up to 1")
    other = dataclasses.replace(study, arms={**arms, "laid": _arm("Softmax", init="normal")})
    with pytest.raises(InputError, match="another study: init of 'laid' was"):
        run(other, tmp_path / "study", **where)


@pytest.mark.parametrize(
    ("name", "words"), [("NotANumber", "is not a number at every start"), ("AllStopped", "reaches none")]
)
def test_a_network_that_cannot_learn_is_refused(name, words, data_dir):
    found = _found(name, data_dir)
    with pytest.raises(InputError, match=words):
        refuse_untrainable(found, _arm(name))


@pytest.mark.parametrize(
    ("reference", "args", "words"),
    [
        ("WrongShape", (), r"shape \(batch, 7\): expected \(batch, 10\)"),
        ("Nothing", (), "no parameters"),
        ("Enormous", (), "GiB with their gradient and a step"),
        ("Pair", (), "returns a tuple"),
        ("Needs", (), "needs depth: give --model_arg=depth="),
        ("Needs", ("depth=3",), r"contracting dimensions.*\(networks.py, line \d+\)"),
        ("Needs", ("dept=3",), "did you mean 'depth'"),
        ("Needs", ("depth",), "expected name=value"),
        ("Needs", ("depth=1", "depth=2"), "given twice"),
        ("ResNet", ("widths=3",), "TypeError"),
        ("OldStyle", ("train=yes",), "train=yes: expected true or false"),
        ("number", (), "is an int"),
        ("instance", ("widths=(1,)",), "is a network already"),
        ("of_key_alone", (), r"init\(key\): expected init\(key, inputs\)"),
        ("TensorFlow", (), "is a TensorFlow of TensorFlow: .*`plateau read` judges the log"),
        ("Resnet", (), "did you mean 'ResNet'"),
        ("make", ("kind=pear",), r"cannot be built: KeyError.*networks.py"),
    ],
)
def test_what_is_not_usable_is_refused_in_one_line(reference, args, words):
    with pytest.raises(InputError, match=words) as refused:
        check_fit(_arm(reference, args), (8, 8, 1), 10)
    assert "\n" not in str(refused.value)


def test_a_network_that_is_made_already_has_one_start():
    with pytest.raises(InputError, match="every seed would start alike"):
        make_model(_arm("nnx_instance", init="as_written"), (8, 8, 1), 10)


def test_fields_of_other_networks_are_refused():
    with pytest.raises(InputError, match="batch_norm=True has no effect"):
        _arm("ResNet", batch_norm=True)
    with pytest.raises(InputError, match="has no effect with model=mlp"):
        resolve_arm(Arm(model="mlp", model_args=("depth=3",)))
    with pytest.raises(InputError, match=r"net\.py:NAME"):
        resolve_arm(Arm(model="net.py"))


def test_a_network_of_ones_own_starts_as_it_is_written_unless_asked():
    assert _arm("mlp").init == "as_written"
    assert resolve_arm(Arm(model="mlp")).init == "normal"
    laid = _arm("mlp", init_scale=0.1)
    assert (laid.init, laid.init_scale) == ("normal", 0.1)
    assert _arm("mlp", init="he").init == "he"
    with pytest.raises(InputError, match=r"init_scale=0\.1 has no effect with init=as_written"):
        _arm("mlp", init="as_written", init_scale=0.1)


def _steps(name: str, args: tuple[str, ...] = ()) -> tuple:
    model = make_model(_arm(name, args), (8, 8, 1), 10)
    params, state = model.init(KEY, INPUTS)
    outputs, state = model.train_apply(params, state, INPUTS, KEY)
    return outputs, state, model.batch_apply(params, state, INPUTS), model.average_apply(params, state, INPUTS)


def test_statistics_over_devices_are_those_of_the_one_that_a_run_is_on():
    check_fit(_arm("OfDevices"), (8, 8, 1), 10)
    jax.tree.map(np.testing.assert_array_equal, _steps("OfDevices"), _steps("OfDevices", ("axis=None",)))


@pytest.mark.parametrize(
    ("name", "words"), [("TalksToDevices", "unbound axis name: devices.*a run is on one device: leave the axis out")]
)
def test_what_a_run_has_no_place_for_is_named(name, words):
    with pytest.raises(InputError, match=words):
        check_fit(_arm(name), (8, 8, 1), 10)


def test_sown_losses_are_a_part_of_what_is_trained_on_and_of_nothing_else(make_pool):
    plain, sown, seen = (_arm("Sows", (f"into={where}",)) for where in ("intermediates", "losses", "notes"))
    with pytest.raises(InputError, match=r"changes the form of its collection 'notes' in a step: what `sow` adds"):
        check_fit(seen, (8, 8, 1), 10)
    without, with_losses = (make_model(arm, (8, 8, 1), 10) for arm in (plain, sown))
    assert without.penalty is None
    params, state = with_losses.init(KEY, INPUTS)
    assert state == {}
    outputs, after = with_losses.train_apply(params, state, INPUTS, KEY)
    assert after == {}
    np.testing.assert_array_equal(outputs, without.train_apply(params, state, INPUTS, KEY)[0])
    hidden = INPUTS.reshape(len(INPUTS), -1) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
    expected = jnp.mean(hidden**2) + jnp.mean(outputs**2)
    assert float(with_losses.penalty(params, state, INPUTS, KEY)) == pytest.approx(float(expected), rel=1e-5)
    small, large = (drain(make_pool(arm, 1), runs_of(arm, [0]), 1)["arm", 0] for arm in (sown, plain))
    # No loss that is recorded has it, and what it pulls at is another.
    assert small.batch_loss[0] == large.batch_loss[0]
    assert small.batch_loss[1] != large.batch_loss[1]


def test_a_pair_of_stax_is_a_network():
    check_fit(_arm("stax_pair"), (8, 8, 1), 10)
    model = make_model(_arm("stax_pair"), (8, 8, 1), 10)
    params, _ = model.init(KEY, INPUTS)
    expected = networks.stax_pair[1](networks.stax_pair[0](KEY, INPUTS.shape)[1], INPUTS)
    np.testing.assert_array_equal(model.batch_apply(params, {}, INPUTS), expected)


@pytest.mark.parametrize(
    ("named", "name", "args"),
    [
        (networks.VisionTransformer, "VisionTransformer", ()),
        (networks.OfDevices(), "OfDevices", ()),
        (networks.OfDevices(axis="d"), "OfDevices", ("axis='d'",)),
        (functools.partial(networks.make, kind="nnx"), "make", ("kind='nnx'",)),
    ],
)
def test_a_network_can_be_given_itself(named, name, args):
    """As what its name would be; the tests are a package, so it is that of a module."""
    arm = Arm(model=named)
    assert (arm.model, arm.model_args) == (f"{networks.__name__}:{name}", args)
    assert Arm(model=named, model_args={"more": 1}).model_args == ("more=1", *args)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (lambda: 3, "move it to the top of a file, such as net.py, and give model='net.py:NAME'"),
        (networks.OfDevices(axis=KEY), "its argument axis is .*: expected a number, text, or None"),
        (3, "model=3: expected a name, or a class or function"),
    ],
)
def test_what_nobody_could_import_again_is_refused(named, words):
    with pytest.raises(InputError, match=words):
        Arm(model=named)


def test_what_was_defined_in_a_notebook_is_refused_in_one_line():
    program = (
        "import engine\nclass Net: pass\ntry: engine.Arm(model=Net)\nexcept engine.InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert "give model='net.py:Net'" in done.stdout, done.stderr


def test_private_names_of_a_file_are_no_choices(tmp_path):
    (tmp_path / "net.py").write_text("def _helper(): pass\ndef Net(): pass\n")
    with pytest.raises(InputError, match="expected one of Net; did you"):
        make_model(Arm(model=f"{tmp_path / 'net.py'}:Nett_", init="he"), (8, 8, 1), 10)
