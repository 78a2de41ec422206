"""Sequences that are drawn, the exclusive or, and images that are to be given back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine import Arm, InputError
from engine.models import make_model
from engine.preflight.checking import check_here
from engine.studies.expand import expand
from engine.studies.study import Study, resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.tasks.task import first_batch

KEY = jax.random.key(0, impl="threefry2x32")


def loaded(**fields: object):
    arm = resolve_arm(Arm(**{"model": "mlp", "batch_size": 32, **fields}))  # type: ignore[arg-type]
    data = load_data(arm, 0, None)
    return arm, data, build_task(arm, data)


def test_what_follows_a_token_is_what_followed_it_before():
    """Over every position that counts, and by a reader who knows nothing but the sequence so far."""
    _, data, task = loaded(dataset="induction", model="decoder", num_tokens=6, sequence_length=20)
    batch = first_batch(task, data, random_streams.stream(0, "order", 1))
    number = 0
    for inputs, targets in zip(*batch, strict=True):
        sequence = np.asarray(inputs, int)
        for place in np.flatnonzero(np.asarray(targets) >= 0):
            assert place >= 10
            earlier = np.flatnonzero(sequence[:place] == sequence[place])
            # At some earlier place the same token came next; jumps may have led elsewhere from others.
            assert int(targets[place]) in sequence[earlier + 1]
            assert int(targets[place]) != sequence[place]
            number += 1
    # Half the places, three quarters of them steps, most of which were seen.
    assert 0.5 < number / (32 * 10) < 0.75
    assert task.chance_loss == pytest.approx(np.log(5))
    uniform = jnp.where(jax.nn.one_hot(jnp.asarray(batch.inputs, int), 6) == 1, -1e9, 0.0)
    assert float(task.loss(uniform, batch.targets).mean()) == pytest.approx(np.log(5), rel=1e-5)


def test_evaluation_sets_of_sequences_do_not_depend_on_the_run_and_differ():
    for dataset in ("induction", "memory"):
        (_, one, _), (_, same, _), (_, other, _) = (
            loaded(dataset=dataset, model="decoder" if dataset == "induction" else "lstm", task_seed=seed)
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(one["loss_inputs"], same["loss_inputs"])
        assert not np.array_equal(one["loss_inputs"], other["loss_inputs"])
        assert not np.array_equal(one["loss_inputs"], one["held_out_inputs"])


def test_the_class_of_a_memory_is_the_first_token():
    _, data, task = loaded(dataset="memory", model="lstm", num_tokens=5, sequence_length=7)
    batch = first_batch(task, data, random_streams.stream(0, "order", 1))
    for inputs, targets in (batch, task.evaluation(data)["loss"], task.evaluation(data)["held_out"]):
        inputs = np.asarray(inputs)
        np.testing.assert_array_equal(inputs.sum(-1), 1)
        np.testing.assert_array_equal(inputs[..., 0, :].argmax(-1), targets)
    assert np.ptp(np.bincount(np.ravel(data["loss_labels"]))) <= 1
    assert task.chance_loss == pytest.approx(np.log(5))
    assert (task.example_shape, task.num_outputs) == ((7, 5), 5)


def test_the_exclusive_or_is_all_of_its_four_cases():
    _, data, task = loaded(dataset="xor", batch_size=4)
    batch = first_batch(task, data, KEY)
    cases = {tuple(map(float, (*x, *y))) for x, y in zip(*batch, strict=True)}
    assert cases == {(-1, -1, -1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)}
    assert task.chance_loss == 0.5
    # No linear function is better than the mean.
    inputs, targets = map(np.asarray, batch)
    assert np.linalg.lstsq(np.c_[inputs, np.ones(4)], targets, rcond=None)[1] == pytest.approx(4.0)
    with pytest.raises(InputError, match="batch_size=6: expected a multiple of 4 with dataset=xor"):
        loaded(dataset="xor", batch_size=6)


def test_images_are_given_back_flattened():
    _, data, task = loaded(dataset="digits", reconstruct=True)
    assert set(data) == {f"{part}{kind}" for part in ("", "loss_", "held_out_") for kind in ("inputs", "targets")}
    np.testing.assert_array_equal(data["inputs"].reshape(-1, 64), data["targets"])
    np.testing.assert_array_equal(data["loss_inputs"].reshape(-1, 64), data["loss_targets"].reshape(-1, 64))
    mean = data["targets"].mean(0, dtype=np.float64)
    expected = np.mean((data["loss_targets"].astype(np.float64) - mean) ** 2)
    assert task.chance_loss == pytest.approx(expected, rel=1e-9)
    assert task.num_outputs == 64
    with pytest.raises(InputError, match="augment=crop changes the images"):
        loaded(dataset="digits", reconstruct=True, augment="crop")


def test_a_decoder_sees_nothing_that_comes_later():
    arm, data, task = loaded(dataset="induction", model="decoder", embedding_width=8, attention_heads=2, block_width=12)
    model = make_model(arm, task.example_shape, task.num_outputs)
    inputs = jnp.asarray(data["loss_inputs"][0][:2])
    params, state = model.init(KEY, inputs)
    outputs = model.batch_apply(params, state, inputs)
    assert outputs.shape == (2, 32, 8)
    changed = model.batch_apply(params, state, inputs.at[:, 20].set((inputs[:, 20] + 1) % 8))
    np.testing.assert_array_equal(outputs[:, :20], changed[:, :20])
    assert np.all(np.any(outputs[:, 20:] != changed[:, 20:], axis=-1))


def test_an_lstm_reads_every_step():
    arm, data, task = loaded(dataset="memory", model="lstm", sequence_length=6)
    model = make_model(arm, task.example_shape, task.num_outputs)
    inputs = jnp.asarray(data["loss_inputs"][0][:2])
    params, state = model.init(KEY, inputs)
    slopes = jax.grad(lambda x: jnp.sum(model.batch_apply(params, state, x)))(inputs)
    assert np.all(np.any(slopes != 0, axis=(0, 2)))


@pytest.mark.parametrize(
    "fields", [{"dataset": "induction", "model": "decoder"}, {"dataset": "memory", "model": "lstm"}]
)
def test_a_healthy_set_up_has_no_fault(fields):
    arm = Arm(init="as_written", batch_size=32, **fields)
    plan = expand(Study("s", {"a": arm}, seeds=1, horizon=100), "cpu")
    found = check_here(plan.programs[0].spec, plan.arms["a"], 100)
    assert [one.name for one in found if one.strength == "fault"] == []
