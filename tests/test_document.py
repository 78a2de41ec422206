"""A study that is written to `study.json` and rebuilt from it, by friends and by strangers."""

import copy
import json

import numpy as np
import pytest

from engine import tasks
from engine.errors import InputError
from engine.lanes.runs import run_key
from engine.outcomes import DetectorSettings
from engine.store.files import DamagedError
from engine.store.opening import differences
from engine.store.study_json import document, identity_of, plan_of, study_of
from engine.store.validation import check_document
from engine.studies import designs
from engine.studies.expand import ParentOutcomes, expand, run_of, with_forks
from engine.studies.shared_program import Layout
from engine.studies.study import with_sweep
from engine.workers.devices import Devices, current_launch
from tests.conftest import small_arm, small_study

LOADED: dict[str, dict] = {}
STUDIES = {
    "plain": small_study(),
    "theory": small_study(theory="dead_relu"),
    "by arm": small_study(seeds={"slow": 2, "fast": 3}, horizon={"slow": 44, "fast": 66}),
    "epochs": small_study(horizon=None, epochs=3.0, eval_every=7, baseline="fast"),
    "fixed": small_study(fix_init=3, root_seed=5, stop="settled"),
    "detector": small_study(detector=DetectorSettings(window=7, high=0.3)),
    "crossed": small_study(design="crossed", order_seeds=3),
    "forks": small_study(design="crossed_fork", order_seeds=2, forks=2, fork_step={"slow": 22, "fast": 11}),
    "open forks": small_study(design="fork", forks=2),
    "groups": small_study(
        arms={"z": small_arm(dense_widths=(8, 8)), "a": small_arm(), "b": small_arm(batch_norm=True)}, baseline=None
    ),
    "sweep": with_sweep(small_study(), {"optimizer": ["adam", "rmsprop"], "beta1": [None]}),
}


@pytest.fixture(autouse=True)
def _load_once(monkeypatch):
    """Reading the digits takes most of the time of a plan."""
    load = tasks.load_data

    def load_once(arm, root_seed, data_dir, reading=None):
        if arm.dataset not in LOADED:
            LOADED[arm.dataset] = load(arm, root_seed, data_dir)
        return LOADED[arm.dataset]

    monkeypatch.setattr(tasks, "load_data", load_once)


def _stored(study, data_dir: str, **settings) -> dict:
    """`study.json` as it comes back from disk."""
    plan = expand(study, "cpu", dict.fromkeys(study.arms, Layout(**settings)), data_dir)
    return json.loads(json.dumps(document(plan, "cpu", current_launch(Devices("cpu", 1))), sort_keys=True))


@pytest.mark.parametrize("name", list(STUDIES))
def test_a_study_is_rebuilt_from_its_document_alone(name, data_dir):
    stored = _stored(STUDIES[name], data_dir, width=6, form="patches")
    rebuilt = document(plan_of(stored, "cpu", data_dir), "cpu", current_launch(Devices("cpu", 1)))
    assert rebuilt["identity"] == stored["identity"]
    assert rebuilt["study"] == stored["study"]
    assert rebuilt["arm_order"] == stored["arm_order"]


@pytest.mark.parametrize("name", ["plain", "fixed", "crossed", "forks"])
def test_every_run_of_a_plan_is_found_by_what_its_row_says(name, data_dir):
    plan = expand(STUDIES[name], "cpu", data_dir=data_dir)
    runs = list(plan.runs)
    if designs.has_forks(plan.study.design):
        waited = ParentOutcomes(np.arange(3), np.full(3, 40.0), np.ones(3, int))
        runs += with_forks(plan, dict.fromkeys(plan.arms, waited)).runs
    rebuilt = plan_of(_stored(STUDIES[name], data_dir), "cpu", data_dir)
    assert rebuilt.runs == []
    for run in runs:
        assert run_of(rebuilt, run.arm_name, run.noise_seed, run.fork_order_seed) == run
    assert len({run_key(run) for run in runs}) == len(runs)


@pytest.mark.parametrize(
    ("name", "arm", "noise_seed", "fork_order_seed"),
    [
        ("plain", "nobody", 0, None),
        ("plain", "slow", -1, None),
        ("plain", "slow", 2**30, None),
        ("plain", "slow", 0, 2**31),
        ("crossed", "slow", 2**31, None),
        ("crossed", "slow", 0, 2**31),
        ("forks", "slow", 0, 2**31 + 2**12),
        ("forks", "slow", 2**30, 2**31),
        ("forks", "slow", 0, 0),
    ],
)
def test_rows_that_name_no_run_of_the_study(name, arm, noise_seed, fork_order_seed, data_dir):
    plan = plan_of(_stored(STUDIES[name], data_dir), "cpu", data_dir)
    assert run_of(plan, arm, noise_seed, fork_order_seed) is None


def test_what_has_changed_is_said_in_words(data_dir):
    now = _stored(STUDIES["forks"], data_dir)["identity"]
    then = copy.deepcopy(now)
    then["platform"] = "gpu"
    then["data"]["slow"] = then["model_source"]["fast"] = "0" * 64
    then["arms"]["slow"]["batch_norm"] = True
    then["horizons"]["slow"] = 45
    assert differences(then, now) == [
        "batch_norm of 'slow' was true, is now false",
        "the data of 'slow' is another",
        "horizons of 'slow' was 45, is now 44",
        "the source text of the model of 'fast' is another",
        'the kind of device was "gpu", is now "cpu"',
    ]
    assert differences(now, now) == []


def _leaves(value, path=()):
    """Paths to every entry, those of objects among them."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(item, (*path, i))


JUNK = [
    None, True, -1, 0, 10**400, 0.5, float("nan"), float("inf"), "", "\n\x1b[2J", "9" * 10_000, [],
    [[]], {}, {"a": {"b": []}}, [1, "x"],
]  # fmt: skip


def _replace(value, path, junk):
    changed = copy.deepcopy(value)
    at = changed
    for key in path[:-1]:
        at = at[key]
    if junk is KeyError:
        del at[path[-1]]
    else:
        at[path[-1]] = junk
    return changed


def _expanded(stored, data_dir):
    """The study as a command reads it: the kinds of its entries are checked first."""
    check_document(stored)
    return plan_of(stored, "cpu", data_dir)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_what_a_stranger_writes_is_a_study_or_one_clear_error(every, data_dir):
    """Each entry in turn is replaced by everything that it should not be, or left out."""
    stored = _stored(STUDIES["forks"], data_dir)
    del stored["launches"][0]["settings"], stored["launches"][0]["versions"]
    cases = [(path, junk) for path in _leaves(stored) if path for junk in [KeyError, *JUNK]]
    errors = []
    for path, junk in cases[::every]:
        try:
            identity_of(_expanded(_replace(stored, path, junk), data_dir), "cpu")
        except (InputError, DamagedError) as error:
            errors.append(str(error))
    assert len(cases) > 1000
    assert len(errors) > len(cases[::every]) // 2
    assert not [error for error in errors if not error.isprintable() or len(error) > 12_000]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("identity", "arms", "slow", "lerning_rate"), 1, "did you mean 'learning_rate'"),
        (("identity", "arms", "slow", "dataset"), "os", "expected one of arrays, "),
        (("identity", "arms", "slow", "dense_widths"), "wide", "dense_widths=.*wide"),
        (("identity", "arms", "slow", "precision"), "tf32", "tf32 does not exist on a cpu"),
        (("identity", "horizons", "slow"), None, "identity.horizons: expected for every arm a whole number"),
        (("identity", "horizons", "slwo"), 44, "identity.horizons: expected a value for every arm"),
        (("identity", "width", "slow"), 10**7, "identity.width: expected for every arm a whole number from 1 to 65536"),
        (("identity", "block", "slow"), 3, "divisor"),
        (("identity", "form", "slow"), "ptaches", "did you mean 'patches'"),
        (("identity", "stop"), "setled", "did you mean 'settled'"),
        (("identity", "design"), "fork", "no effect with design=fork"),
        (("identity", "detector", "window"), 2, "odd"),
        (("identity", "detector", "low"), 0.5, "less than detector.high"),
        (("identity", "root_seed"), None, "identity.root_seed: expected a whole number"),
        (("identity", "fork_step", "slow"), 12, "identity.fork_step: expected a multiple of eval_every"),
        (("arm_order",), ["slow"], "identity.horizons|arm_order"),
        (("study", "seeds", "fast"), 0, "seeds=0"),
        (("study", "theory"), "dead_reul", "did you mean 'dead_relu'"),
        (("study", "theory"), 3, "study.theory: expected text, or null"),
    ],
)
def test_one_wrong_entry_is_named(path, value, words, data_dir):
    stored = _replace(_stored(STUDIES["forks"], data_dir), path, value)
    with pytest.raises((InputError, DamagedError), match=words):
        _expanded(stored, data_dir)
    study_of(_stored(STUDIES["forks"], data_dir))
