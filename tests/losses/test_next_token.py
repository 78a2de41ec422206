"""The loss of tokens: padding, levels against closed forms, and targets that fit it or do not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from engine import Arm, InputError
from engine.losses import Targets
from engine.losses.making import chance_level, make_loss
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data
from tests.conftest import drain, runs_of

DRAW = np.random.default_rng(0)
TOKENS = np.where(DRAW.random((60, 9)) < 0.3, -1, DRAW.choice(5, (60, 9), p=[0.1, 0.1, 0.2, 0.2, 0.4])).astype(np.int32)
COUNTS = np.bincount(TOKENS[TOKENS >= 0])
SHARES = COUNTS / COUNTS.sum()
ENTROPY = float(-np.sum(SHARES * np.log(SHARES)))


def _arm(**fields: object) -> Arm:
    return resolve_arm(Arm(**{"model": "mlp", **fields}))  # type: ignore[arg-type]


def test_its_mean_is_that_over_the_tokens_that_are_no_padding():
    loss = make_loss(_arm(loss="next_token"), Targets(TOKENS, 5))
    outputs = jnp.asarray(DRAW.normal(size=(60, 9, 5)), jnp.float32)
    own = loss.of_examples(outputs, TOKENS)
    assert own.shape == (60,)
    rows, places = np.nonzero(TOKENS >= 0)
    log_shares = np.asarray(jax.nn.log_softmax(outputs))
    expected = -log_shares[rows, places, TOKENS[rows, places]].mean()
    assert float(own.mean()) == pytest.approx(expected, rel=1e-5)
    right = np.asarray(outputs).argmax(-1) == TOKENS
    assert float(loss.correct(outputs, TOKENS).mean()) == pytest.approx(right[TOKENS >= 0].mean(), rel=1e-6)
    # What is predicted where nothing counts changes nothing, and has no gradient.
    slopes = jax.grad(lambda outputs: loss.of_examples(outputs, TOKENS).mean())(outputs)
    assert not np.any(np.asarray(slopes)[TOKENS < 0])
    assert np.all(np.any(np.asarray(slopes)[TOKENS >= 0], axis=-1))


def test_its_level_is_the_entropy_of_the_tokens_and_what_a_search_finds():
    targets = Targets(TOKENS, 5)
    arm = _arm(loss="next_token")
    assert chance_level(arm, make_loss(arm, targets), targets, targets) == pytest.approx(ENTROPY, abs=1e-12)
    own = _arm(loss="tests/losses/own.py:of_tokens")
    assert chance_level(own, make_loss(own, targets), targets, targets) == pytest.approx(ENTROPY, abs=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_other_losses_refuse_tokens(loss):
    with pytest.raises(InputError, match="no use for a token"):
        make_loss(_arm(loss=loss), Targets(TOKENS, 5))
    with pytest.raises(InputError, match="needs a whole number at each position, and these targets are classes"):
        make_loss(_arm(loss="next_token"), Targets(np.arange(5, dtype=np.int32), 5))


def test_rows_of_whole_numbers_are_tokens_where_one_says_so():
    inputs = np.maximum(TOKENS, 0)
    arm = _arm(dataset=(inputs, TOKENS), target_kind="tokens", model="decoder", batch_size=8)
    data = load_data(arm, 0, None)
    task = build_task(arm, data)
    assert (task.num_positions, task.num_outputs) == (9, 5)
    assert data["targets"].dtype == np.int32
    assert task.chance_loss == pytest.approx(ENTROPY, rel=0.05)
    assert build_task(arm.replace(vocabulary=7), data).num_outputs == 7
    with pytest.raises(InputError, match="vocabulary=3: expected at least 5, because a token 4 occurs"):
        build_task(arm.replace(vocabulary=3), data)
    with pytest.raises(InputError, match="rows of 9 whole numbers: are they tokens"):
        load_data(arm.replace(target_kind=None), 0, None)
    with pytest.raises(InputError, match="cannot be tokens: expected whole numbers"):
        load_data(arm.replace(dataset=(inputs, TOKENS + 0.5)), 0, None)
    with pytest.raises(InputError, match="all below 0, which stands for padding"):
        load_data(arm.replace(dataset=(inputs, np.full_like(TOKENS, -1))), 0, None)
    with pytest.raises(InputError, match="these targets are tokens"):
        load_data(arm.replace(target_scaling="standard"), 0, None)


def test_the_vocabulary_has_room_for_what_is_held_out(tmp_path):
    inputs = DRAW.integers(0, 6, (40, 5))
    inputs[30, 2] = 11
    arrays = {"x_train": inputs[:30], "y_train": inputs[:30] % 6, "x_test": inputs[30:], "y_test": inputs[30:] % 6}
    arm = _arm(dataset=arrays, target_kind="tokens", model="decoder", batch_size=8)
    assert build_task(arm, load_data(arm, 0, None)).num_outputs == 12
    same = np.where(np.arange(5) < 2, -1, 3) * np.ones((40, 1), int)
    with pytest.raises(InputError, match="all tokens to train on are the same"):
        load_data(_arm(dataset=(inputs, same), target_kind="tokens", model="decoder"), 0, None)


def test_an_arm_of_tokens_learns_to_copy(make_pool):
    inputs = DRAW.integers(0, 5, (64, 6))
    targets = np.where(np.arange(6) < 2, -1, inputs).astype(np.int32)
    fields = {"embedding_width": 8, "attention_heads": 2, "init": "as_written", "batch_size": 16}
    arm = Arm(dataset=(inputs, targets), target_kind="tokens", model="decoder", learning_rate=1e-2, **fields)
    made = make_pool(arm, width=2)
    finished = drain(made, runs_of(arm, [0, 1]), 2)
    task = made.task
    assert finished["arm", 0].batch_loss[-1] < finished["arm", 0].batch_loss[0]
    outputs = jnp.zeros((16, 6, 5))
    batch = targets[:16]
    direct = optax.softmax_cross_entropy_with_integer_labels(outputs[:, 2:], batch[:, 2:]).mean()
    assert float(task.loss(outputs, batch).mean()) == pytest.approx(float(direct), rel=1e-6)
