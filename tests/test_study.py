import dataclasses

import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.lanes.runs import run_key
from engine.studies.expand import expand
from engine.studies.shared_program import Layout
from engine.studies.study import Study, resolve_arm, with_fields, with_sweep
from tests.conftest import small_arm, small_study


def _plan(study: Study, data_dir: str, **options):
    layout = Layout(options.pop("width", None), form="patches")
    return expand(study, "cpu", dict.fromkeys(study.arms, layout), data_dir, **options)


def test_arms_that_set_different_options_to_the_same_value_share_nothing(tmp_path, data_dir):
    draw = np.random.default_rng(0)
    inputs = 10 + draw.normal(size=(200, 4)).astype(np.float32)
    np.savez(tmp_path / "values.npz", x=inputs, y=7 + inputs[:, :1])
    arm = Arm(model="mlp", dense_widths=(8,), dataset_dir=str(tmp_path / "values.npz"))
    arms = {name: arm.replace(**{name: "standard"}) for name in ("scaling", "target_scaling")}
    programs = _plan(Study("scales", arms, seeds=1, epochs=1), data_dir).programs
    assert [program.arm_names for program in programs] == [["scaling"], ["target_scaling"]]
    for program, name in zip(programs, ("inputs", "targets"), strict=True):
        means = {part: abs(float(program.spec.data[part].mean())) for part in ("inputs", "targets")}
        assert means.pop(name) < 1e-3
        assert min(means.values()) > 5


def test_runs_are_in_the_order_of_seeds(data_dir):
    plan = _plan(small_study(seeds={"slow": 3, "fast": 2}), data_dir)
    assert [(r.arm_name, r.seed) for r in plan.runs] == [
        ("slow", 0),
        ("fast", 0),
        ("slow", 1),
        ("fast", 1),
        ("slow", 2),
    ]
    assert len({run_key(r) for r in plan.runs}) == 5
    assert len(plan.programs) == 1


def test_structure_divides_the_groups(data_dir):
    arms = {"a": small_arm(), "b": small_arm(batch_norm=True), "c": small_arm(init="normal")}
    plan = _plan(small_study(arms=arms, baseline="a"), data_dir)
    assert [group.arm_names for group in plan.programs] == [["a", "c"], ["b"]]
    assert plan.programs[0].fingerprint == plan.programs[1].fingerprint


def test_fixed_roles(data_dir):
    plan = _plan(small_study(fix_init=7), data_dir)
    assert {r.init_seed for r in plan.runs} == {7}
    assert {r.order_seed for r in plan.runs} == {0, 1, 2}
    plan = _plan(small_study(fix_order=7), data_dir)
    assert {r.order_seed for r in plan.runs} == {7}
    assert {r.init_seed for r in plan.runs} == {0, 1, 2}
    with pytest.raises(InputError, match="nothing that varies"):
        _plan(small_study(fix_init=1, fix_order=1), data_dir)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"horizon": 44}, 44),
        ({"horizon": 45}, 55),
        ({"horizon": 1}, 11),
        ({"horizon": None, "epochs": 2}, 44),
        ({"horizon": None, "epochs": 0.1}, 11),
        ({"horizon": 45, "eval_every": 10}, 50),
    ],
)
def test_horizons_are_whole_evaluation_intervals(changes, steps, data_dir):
    assert set(_plan(small_study(**changes), data_dir).horizons.values()) == {steps}


def test_epochs_follow_the_batch_size(data_dir):
    study = with_sweep(small_study(horizon=None, epochs=10), {"batch_size": [64, 128]})
    plan = _plan(study, data_dir)
    # 1,438 examples make 22 and 11 whole batches.
    assert [plan.horizons[name] for name in study.arms] == [220, 110, 220, 110]


def test_sweeps_make_a_grid():
    study = with_sweep(small_study(), {"learning_rate": [1e-4, 1e-2], "activation": ["relu", "tanh"]})
    assert list(study.arms)[:2] == [
        "slow,learning_rate=0.0001,activation=relu",
        "slow,learning_rate=0.0001,activation=tanh",
    ]
    assert len(study.arms) == 8
    assert study.baseline == "slow,learning_rate=0.0001,activation=relu"
    single = with_sweep(small_study(arms={"only": small_arm()}, baseline=None), {"dropout": [0.0, 0.5]})
    assert list(single.arms) == ["dropout=0", "dropout=0.5"]


def test_fields_are_set_in_every_arm():
    study = with_fields(small_study(), {"batch_size": 32})
    assert {arm.batch_size for arm in study.arms.values()} == {32}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": -1}, "seeds=-1: expected at least 1"),
        ({"seeds": 0}, "seeds=0"),
        ({"seeds": 2.5}, "whole number"),
        ({"seeds": {"slow": 3}}, "seeds: a number is missing for arm 'fast'"),
        ({"horizon": 0}, "horizon=0"),
        ({"horizon": None}, "either a horizon"),
        ({"epochs": 3}, "either a horizon"),
        ({"horizon": None, "epochs": -1}, "positive"),
        ({"horizon": None, "epochs": float("nan")}, "finite"),
        ({"eval_every": 0}, "eval_every=0"),
        ({"root_seed": -1}, "root_seed"),
        ({"fix_init": 2**32}, "fix_init"),
        ({"arms": {}}, "at least one arm"),
        ({"baseline": "slwo"}, "did you mean 'slow'"),
    ],
)
def test_a_study_checks_itself(changes, words):
    with pytest.raises(InputError, match=words):
        small_study(**changes)


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (
            lambda: small_study(arms={"a": small_arm(), "b": small_arm()}, baseline=None),
            "same config",
        ),
        (lambda: small_study(arms={"a": Arm(precision="fp8")}, baseline=None), "float32"),
        (
            lambda: small_study(
                arms={"a": small_arm(dataset="teacher")}, baseline=None, horizon=None, epochs=3
            ),
            "no epochs",
        ),
        (lambda: small_study(horizon=2**32 - 1), "too long"),
    ],
)  # fmt: skip
def test_a_plan_refuses_what_cannot_be_run(study, words, data_dir):
    with pytest.raises(InputError, match=words):
        _plan(study(), data_dir)


def test_a_resolved_arm_has_every_used_field():
    arm = resolve_arm(Arm())
    assert (arm.conv_widths, arm.pool_after) == ((16, 16, 32, 32, 32), (2, 4))
    assert (arm.beta1, arm.beta2, arm.epsilon, arm.init_scale) == (0.9, 0.999, 1e-8, 0.05)
    assert arm.momentum is None
    assert resolve_arm(arm) == arm


def test_the_width_follows_the_rule_and_can_be_set(data_dir):
    study = small_study(arms={"a": small_arm(), "b": Arm()}, baseline=None)
    assert [g.spec.width for g in _plan(study, data_dir).programs] == [8, 1]
    assert [g.spec.width for g in _plan(study, data_dir, width=3).programs] == [3, 3]
    assert dataclasses.replace(study, seeds=2).seeds_by_arm == {"a": 2, "b": 2}
    # 64 × 64 + 64 and 64 × 10 + 10 parameters: 4,810, times 872 just above 2^22.
    sizes = {"small": 871, "large": 872}
    arms = {name: small_arm(dense_widths=(64,), batch_size=n) for name, n in sizes.items()}
    study = dataclasses.replace(study, arms=arms)
    assert [g.spec.width for g in _plan(study, data_dir).programs] == [8, 1]


def test_close_values_of_a_sweep_keep_their_names_apart():
    rates = [1.0000001e-3, 1.0000002e-3]
    assert len(with_sweep(small_study(), {"learning_rate": rates}).arms) == 4


@pytest.mark.parametrize("sizes", [[8, 256], [256, 8]])
def test_the_grid_suits_the_shortest_epoch_in_any_order(sizes, data_dir):
    study = with_sweep(small_study(horizon=None, epochs=2), {"batch_size": sizes})
    # 5 batches of 256 make an epoch: half of it is 2 steps.
    assert _plan(study, data_dir).eval_every == 2


def test_a_theory_has_to_exist():
    with pytest.raises(InputError, match="unknown theory 'nothing'"):
        small_study(theory="nothing")
