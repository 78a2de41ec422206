"""One contract over every registered experiment."""

import ast
import inspect

import pytest

from engine.commands.flags import make_flags
from engine.studies.shipped import EXPERIMENTS
from engine.studies.study import Study, resolve_arm


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_an_experiment_is_declarative_and_documented(name):
    module = EXPERIMENTS.load(name)
    doc = module.__doc__ or ""
    for part in ("Question:", "Command:", "Expected:", "Time:"):
        assert part in doc, part
    assert f"--experiment={name}" in doc
    study = module.study()
    assert isinstance(study, Study)
    assert study.name == name
    assert study.question
    arms = [resolve_arm(arm) for arm in study.arms.values()]
    assert len(set(arms)) == len(arms)
    tree = ast.parse(inspect.getsource(module))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["study"]
    assert not any(isinstance(node, (ast.For, ast.While, ast.With)) for node in ast.walk(tree))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["plateau_engine"]


def test_chance_or_fate_can_be_given_another_design():
    from engine.commands.verbs import read_study

    words = ["launch.py", "--experiment=chance_or_fate", "--design=crossed", "--order_seeds=3"]
    values = make_flags("run")
    values(words)
    study = read_study(values)
    assert (study.design, study.order_seeds, study.forks) == ("crossed", 3, None)


def test_kick_in_is_the_question():
    study = EXPERIMENTS.load("kick_in").study()
    assert list(study.arms) == ["as_asked", "he", "batch_norm"]
    asked = resolve_arm(study.arms["as_asked"])
    assert (asked.init, asked.init_scale) == ("normal", 0.05)
    assert (asked.optimizer, asked.learning_rate, asked.batch_size) == ("adam", 1e-4, 64)
    assert study.seeds_by_arm["as_asked"] >= 24
    assert min(study.seeds_by_arm.values()) >= 12


def test_init_scale_crosses_scale_and_epsilon():
    study = EXPERIMENTS.load("init_scale").study()
    pairs = {(arm.init_scale, arm.epsilon) for arm in study.arms.values()}
    scales, epsilons = ({pair[i] for pair in pairs} for i in (0, 1))
    assert len(pairs) == len(scales) * len(epsilons) == len(study.arms)
    assert {1e-7, 1e-8, 1e-12} <= epsilons
