"""Augmentation that the user writes, and examples that are mixed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import engine
from engine import Arm, InputError, Study
from engine.models import make_model
from engine.studies.expand import expand
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data
from engine.training.optimization import hyperparams
from engine.training.trainer import Keys, Trainer
from tests.conftest import drain, read_all, runs_of

FILE = "tests/tasks/own_augmentations.py"
DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(60, 5)).astype(np.float32)
CLASSES = np.arange(60) % 3


def _arm(**fields):
    return Arm(**{"dataset": (INPUTS, CLASSES), "model": "mlp", "dense_widths": (4,), "batch_size": 12, **fields})


def _stepped(**fields):
    """Returns the trainer of an arm, its data, its first state and draw, and its first step."""
    arm = resolve_arm(_arm(optimizer="sgd", momentum=0.0, **fields))
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    trainer = Trainer(arm, task, make_model(arm, task.example_shape, task.num_outputs), "native")
    keys = Keys(*jax.random.split(jax.random.key(0, impl="threefry2x32"), 3))
    numbers = {name: jnp.float32(value) for name, value in hyperparams(arm).items()}
    state = trainer.init(keys, jnp.asarray(trainer.laws(str(arm.init), arm.options)), numbers)
    draw = jax.tree.map(lambda leaf: leaf[0], trainer.draw(state, data, 1))
    return trainer, data, state, draw, trainer.step(state, numbers, data, draw)


def test_a_step_is_taken_on_what_the_function_returns():
    trainer, data, state, draw, parts = _stepped(augment=f"{FILE}:noisy")
    key = jax.random.fold_in(jax.random.fold_in(state.noise_key, 2**32 - 1), 0)
    batch = trainer.task.sample(data, draw)
    changed = batch.inputs + jax.random.normal(key, batch.inputs.shape)
    outputs = trainer.batch_apply(state.params, {}, changed)
    expected = float(jnp.mean(trainer.task.loss(outputs, batch.targets)))
    assert float(parts.info.batch_loss) == pytest.approx(expected, rel=1e-5)


def test_mixed_examples_have_the_loss_of_both_in_their_shares():
    trainer, data, state, draw, parts = _stepped(mixup=0.4)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(state.noise_key, 2**32 - 1), 0), 1)
    of_share, of_order = jax.random.split(key)
    share, order = jax.random.beta(of_share, 0.4, 0.4), jax.random.permutation(of_order, 12)
    batch = trainer.task.sample(data, draw)

    def loss(params):
        outputs = trainer.batch_apply(params, {}, share * batch.inputs + (1 - share) * batch.inputs[order])
        log_shares = jax.nn.log_softmax(outputs)
        soft = share * jax.nn.one_hot(batch.targets, 3) + (1 - share) * jax.nn.one_hot(batch.targets[order], 3)
        return -jnp.mean(jnp.sum(soft * log_shares, axis=1))

    value, gradient = jax.value_and_grad(loss)(state.params)
    assert float(parts.info.batch_loss) == pytest.approx(float(value), rel=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), parts.grads, gradient)


def test_a_seed_mixes_alike_alone_and_among_others(make_pool):
    arm = _arm(mixup=0.3, augment=f"{FILE}:noisy")
    alone = drain(make_pool(arm, 1), runs_of(arm, [1]), 1)["arm", 1]
    among = drain(make_pool(arm, 2), runs_of(arm, [0, 1, 2]), 2)["arm", 1]
    np.testing.assert_allclose(alone.batch_loss, among.batch_loss, rtol=1e-4)


@pytest.mark.trains
def test_its_code_is_a_part_of_the_study_and_runs_only_where_it_may(tmp_path):
    study = Study("own", {"a": _arm(augment=f"{FILE}:noisy"), "b": _arm()}, seeds=1, horizon=8, eval_every=4)
    engine.run(study, tmp_path, workers=1, quiet=True, has_report=False)
    assert len(read_all(tmp_path)) == 2
    with pytest.raises(InputError, match=r"executes code of the user's \(tests/tasks/own_augmentations\.py:noisy\)"):
        engine.verify(tmp_path, quiet=True)
    assert engine.verify(tmp_path, own_code=True, quiet=True).verdict == "identical"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"augment": f"{FILE}:flattened"}, r"returns .*\[2, 4\] for inputs \[2, 2, 2\]: expected such inputs again"),
        ({"augment": f"{FILE}:whole"}, "returns int32"),
        (
            {"augment": f"{FILE}:raising"},
            r"fails with arrays of shape \[2, 2, 2\]: .*\(own_augmentations\.py, line \d+\)",
        ),
        ({"augment": f"{FILE}:number"}, "is no function"),
        ({"augment": f"{FILE}:noisi"}, "did you mean 'noisy'"),
        (
            {"augment": "crops"},
            "unknown augment 'crops': expected one of .*or path/to/file.py:NAME.*did you mean 'crop'",
        ),
        ({"augment": f"{FILE}:noisy", "crop_padding": 2}, "crop_padding=2 has no effect"),
        ({"mixup": 0.3, "reconstruct": True}, "mixup=0.3 has no meaning with reconstruct=true"),
        ({"mixup": -1.0}, "mixup=-1.0: expected at least 0"),
    ],
)
def test_what_is_not_usable_is_refused_in_one_line(fields, words):
    with pytest.raises(InputError, match=words) as refused:
        expand(Study("own", {"a": _arm(dataset=(INPUTS[:, :4].reshape(60, 2, 2), CLASSES), **fields)}, 1, 10), "cpu")
    assert "\n" not in str(refused.value)


def test_names_are_not_mixed():
    arm = Arm(dataset=(DRAW.integers(0, 9, (60, 4)), CLASSES), model="tests/own/tokens.py:Embedded", mixup=0.3)
    with pytest.raises(InputError, match=r"mixup=0\.3 has no meaning with inputs that are names"):
        expand(Study("own", {"a": arm.replace(batch_size=8)}, 1, 10), "cpu")
