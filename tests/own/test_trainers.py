"""Training that the user writes: what the engine makes of it, and what is refused in one line."""

import jax
import numpy as np
import pytest

import engine
from engine import Arm, InputError, Study, run
from engine.store import find_existing
from engine.studies.expand import expand
from engine.studies.study import resolve_arm, with_sweep
from engine.tasks import random_streams
from tests.conftest import read_all
from tests.own import trainers

FILE = "tests/own/trainers.py"


def _arm(name: str, **fields: object) -> Arm:
    return Arm(trainer=f"{FILE}:{name}", **fields)


def _study(arms: dict[str, Arm], **fields: object) -> Study:
    return Study("own", arms, **{"seeds": 3, "horizon": 60, "eval_every": 5, **fields})


@pytest.mark.trains
def test_a_run_is_what_a_loop_of_its_functions_gives(tmp_path):
    rates = {"slow": 0.1, "fast": 0.2}
    study = _study({name: _arm("walk", learning_rate=rate, trainer_args=("pull=2",)) for name, rate in rates.items()})
    run(study, tmp_path, workers=1)
    rows = read_all(tmp_path)
    assert len(rows) == 6
    for row in rows:
        own = trainers.walk(rates[row["arm"]], pull=2)
        state, losses, evaluated = own.init(jax.random.key(row["seed"])), [], []
        for i in range(60):
            state, loss = own.step(state, jax.random.key(0))
            losses.append(loss)
            if i % 5 == 4:
                evaluated.append(own.evaluate(state))
        np.testing.assert_allclose(row["batch_loss"], losses, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(row["loss"][1:], evaluated, rtol=1e-5, atol=1e-6)
        assert row["chance_loss"] == 0.5
    document = find_existing(tmp_path).document
    assert document["identity"]["arms"]["slow"]["trainer"] == f"{FILE}:walk"
    assert document["identity"]["arms"]["slow"]["model"] == "trainer"
    assert document["study"]["steps_per_epoch"] == {"slow": 10, "fast": 10}
    assert document["study"]["chance_of"] == {"slow": "trainer", "fast": "trainer"}
    # Numbers that are arguments of one compiled program.
    assert len(expand(study, "cpu").programs) == 1


@pytest.mark.trains
def test_keys_follow_from_the_seed_and_the_step(tmp_path):
    run(_study({"noisy": _arm("noisy")}, fix_order=4, seeds=2), tmp_path, workers=1)
    rows = read_all(tmp_path)
    key = random_streams.stream(0, "order", 4)
    drawn = [float(jax.random.uniform(jax.random.fold_in(key, step))) for step in range(60)]
    for row in rows:
        np.testing.assert_array_equal(np.asarray(row["batch_loss"], np.float32), np.float32([1.0, *drawn[:-1]]))


def test_the_level_is_that_of_untrained_states_where_none_is_named():
    plan = expand(_study({"nameless": _arm("nameless", batch_size=16)}), "cpu")
    assert plan.programs[0].chance_loss == 3.0
    assert plan.programs[0].chance_of == "untrained"
    assert "the median of 16 untrained runs" in plan.programs[0].notes[0].words
    assert plan.programs[0].spec.form == "native"


def test_arms_with_other_batches_have_levels_of_their_own():
    study = _study({str(size): _arm("of_batch", batch_size=size) for size in (4, 8)})
    assert {p.chance_loss for p in expand(study, "cpu").programs} == {4.0, 8.0}


@pytest.mark.trains
def test_each_run_is_evaluated_at_its_own_rate_and_diverges_by_its_evaluation_alone(tmp_path):
    arms = {str(rate): _arm("looking_ahead", learning_rate=rate) for rate in (0.25, 0.5)}
    run(_study({**arms, "rising": _arm("rising")}, seeds=1), tmp_path, workers=1)
    rows = {row["arm"]: row for row in read_all(tmp_path)}
    assert {name: row["loss"][0] for name, row in rows.items()} == {"0.25": 1.25, "0.5": 1.5, "rising": 1.0}
    assert rows["rising"]["batch_loss"][-1] > 1e4
    assert rows["rising"]["status"] in ("broke", "shoulder", "no_plateau")


def test_arguments_are_swept():
    study = with_sweep(_study({"walk": _arm("walk")}), {"trainer_arg.pull": ["1", "2.5"]})
    assert [arm.trainer_args for arm in study.arms.values()] == [("pull=1",), ("pull=2.5",)]
    assert {p.chance_loss for p in expand(study, "cpu").programs} == {0.25, 0.625}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("deciding", r"fails in evaluate: a number decides what comes next.*\(trainers.py, line \d+\)"),
        ("growing", r"step turns the state from float32\[2\] into float32\[3\]"),
        ("other_type", r"step turns \['n'\] from int32\[\] into float32\[\]"),
        ("only_state", r"step returns \w+: expected \(state, loss\)"),
        ("losses", r"step returns float32\[2\] for a loss: expected one floating-point number"),
        ("below", "untrained runs have losses down to -1; expected numbers above 0"),
        ("incomplete", r"returns dict: expected engine.Training\(init, step, evaluate\)"),
        ("raising", r"fails in init: KeyError: 'pear' \(trainers.py, line \d+\)"),
        ("empty", "init returns no array"),
        ("half_an_epoch", r"steps_per_epoch is 390\.625; expected a whole number"),
        ("two_levels", "chance_loss is .*; expected one number"),
        ("number", "is no function"),
        ("wlak", "did you mean 'walk'"),
    ],
)
def test_what_is_not_usable_is_refused_in_one_line(name, words):
    with pytest.raises(InputError, match=words) as refused:
        expand(_study({"one": _arm(name)}), "cpu")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "mlp"}, "model=mlp has no effect with trainer="),
        ({"loss": "squared"}, "loss=squared has no effect"),
        ({"momentum": 0.5}, "momentum=0.5 has no effect"),
        ({"dataset_dir": "x"}, "dataset_dir='x' has no effect"),
        ({"batch_size": 8}, "batch_size=8 has no effect"),
        ({"precision": "bfloat16"}, "precision=bfloat16 has no effect"),
        ({"trainer_args": ("pul=3",)}, "unknown argument .* did you mean 'pull'"),
        ({"trainer_args": ("learning_rate=3",)}, "give --learning_rate"),
    ],
)
def test_what_has_no_effect_beside_a_trainer_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        expand(_study({"one": _arm("walk", **fields)}), "cpu")


def test_what_looks_into_a_network_does_not_take_a_trainer(tmp_path):
    study = _study({"one": _arm("walk")})
    with pytest.raises(InputError, match="check and diagnose look at"):
        engine.check(study)
    with pytest.raises(InputError, match="check and diagnose look at"):
        engine.diagnose(study, tmp_path / "d")
    with pytest.raises(InputError, match="diagnostics look into a network"):
        expand(_study({"one": _arm("walk")}, diagnostics=("norms",)), "cpu")
    with pytest.raises(InputError, match=r"trainer_args=.* has no effect without trainer"):
        resolve_arm(Arm(trainer_args=("pull=3",)))
    with pytest.raises(InputError, match="dataset=trainer is what --trainer brings along"):
        resolve_arm(Arm(dataset="trainer"))
    assert not (tmp_path / "d").exists()


@pytest.mark.trains
def test_a_trainer_is_tuned_kept_and_verified(tmp_path):
    study = _study({"one": _arm("walk", learning_rate=0.2)}, seeds=2)
    run(study, tmp_path, workers=1, is_tuned=True)
    with pytest.raises(InputError, match="give --own_code"):
        engine.verify(tmp_path)
    assert engine.verify(tmp_path, has_own_code=True).verdict == "identical"
    fewer = len(read_all(tmp_path))
    run(study.__class__(**{**vars(study), "seeds": 4}), tmp_path, workers=1, is_tuned=True)
    assert (fewer, len(read_all(tmp_path))) == (2, 4)
