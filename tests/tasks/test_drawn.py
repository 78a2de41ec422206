"""Examples that are made by a rule: committees, parities and sums."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams
from engine.tasks.task import first_batch
from engine.theory.order_parameters import plateau_height


def loaded(**fields: object):
    arm = resolve_arm(Arm(init="he", **{"model": "mlp", "batch_size": 64, **fields}))  # type: ignore[arg-type]
    data = load_data(arm, 0, None)
    return data, build_task(arm, data)


@pytest.mark.parametrize("num_units", [2, 3])
def test_the_evaluation_set_of_a_committee_has_the_plateau_where_it_is(num_units):
    """Chance and the best loss of equal units, to the error of evenly spread examples."""
    data, task = loaded(dataset="soft_committee", teacher_units=num_units)
    weights = data["weights"].astype(np.float64)
    np.testing.assert_allclose(weights @ weights.T, np.eye(num_units), atol=1e-6)
    assert task.chance_loss == pytest.approx(num_units / 6, rel=1e-3)
    inputs, targets = (data[f"loss_{name}"].astype(np.float64) for name in ("inputs", "targets"))
    overlap = 1 / np.sqrt(num_units * (2 * num_units - 1))
    outputs = num_units * erf((inputs @ weights.T).sum(-1) * overlap / np.sqrt(2))
    loss = 0.5 * np.mean((targets[..., 0] - outputs) ** 2)
    # A digital shift in 50 tries: 0.09 % and 0.05 % in the root mean square.
    assert loss == pytest.approx(plateau_height(num_units), rel=3e-3)
    moments = np.cov(inputs.reshape(-1, inputs.shape[-1]).T)
    np.testing.assert_allclose(moments, np.eye(len(moments)), atol=5 / np.sqrt(32768) * 1.5)


def test_a_batch_of_a_committee_has_the_teacher_s_answers():
    data, task = loaded(dataset="soft_committee", num_inputs=7)
    batch = first_batch(task, data, random_streams.stream(0, "order", 1))
    fields = np.asarray(batch.inputs, np.float64) @ data["weights"].T.astype(np.float64)
    expected = erf(fields / np.sqrt(2)).sum(-1, keepdims=True)
    np.testing.assert_allclose(batch.targets, expected, atol=1e-5)
    assert task.loss(jnp.zeros((1, 1)), jnp.full((1, 1), 3.0)) == 4.5


def test_a_parity_is_the_product_of_the_signs_that_count():
    data, task = loaded(dataset="sparse_parity", num_inputs=12, parity_size=4)
    assert len(set(data["subset"].tolist())) == 4
    batch = first_batch(task, data, random_streams.stream(0, "order", 1))
    sets = [*task.evaluation(data).values(), batch]
    for inputs, targets in sets:
        assert set(np.unique(inputs)) == {-1.0, 1.0}
        np.testing.assert_array_equal(np.prod(inputs[..., data["subset"]], -1), targets[..., 0])
    for evaluation in sets[:2]:
        assert float(np.mean(evaluation.targets)) == 0.0
    # Inputs that count are signs like any other: 1,024 of them, so 5/√1024 off at most.
    assert np.abs(np.mean(data["loss_inputs"], axis=(0, 1))).max() < 5 / 32
    outputs, targets = jnp.array([[0.5], [-2.0], [0.0]]), jnp.array([[1.0], [1.0], [-1.0]])
    np.testing.assert_array_equal(task.loss(outputs, targets), [0.5, 3.0, 1.0])
    np.testing.assert_array_equal(task.correct(outputs, targets), [True, False, False])


def test_another_task_seed_counts_other_signs():
    subsets = [tuple(loaded(dataset="sparse_parity", task_seed=seed)[0]["subset"]) for seed in range(4)]
    assert len(set(subsets)) > 1


def test_modular_addition_is_the_whole_table_once():
    data, task = loaded(dataset="modular_addition", modulus=7, held_out_fraction=0.4, batch_size=8)
    assert (task.num_outputs, task.chance_loss) == (7, pytest.approx(np.log(7), rel=0.02))
    seen = set()
    for part in ("", "held_out_"):
        inputs = data[f"{part}inputs"].reshape(-1, 14)
        first, second = inputs[:, :7].argmax(1), inputs[:, 7:].argmax(1)
        np.testing.assert_array_equal(inputs.sum(1), 2)
        np.testing.assert_array_equal((first + second) % 7, data[f"{part}labels"].ravel())
        pairs = set(zip(first.tolist(), second.tolist(), strict=True))
        assert not pairs & seen
        seen |= pairs
    assert len(seen) == 49
    assert len(data["labels"]) == 49 - round(0.4 * 49)


def test_another_task_seed_holds_out_other_sums():
    first, second = (
        loaded(dataset="modular_addition", modulus=11, task_seed=seed, batch_size=8)[0]["inputs"] for seed in (0, 1)
    )
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dataset": "soft_committee", "num_inputs": 2, "teacher_units": 3}, "at most num_inputs=2"),
        ({"dataset": "sparse_parity", "num_inputs": 2}, "parity_size=3: expected at most"),
        ({"dataset": "modular_addition", "held_out_fraction": 1e-4}, "some to hold out"),
        ({"dataset": "modular_addition", "held_out_fraction": 0.99}, "one of each sum"),
        ({"dataset": "sparse_parity", "modulus": 5}, "modulus=5 has no effect with dataset"),
        ({"dataset": "soft_committee", "student_units": 3}, "no effect with model=mlp"),
        ({"dataset": "digits", "parity_size": 3}, "no effect with dataset=digits"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        loaded(**fields)
