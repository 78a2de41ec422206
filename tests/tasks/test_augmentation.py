"""Random changes of training images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.models import make_model
from engine.models.initial import leaf_laws
from engine.studies.expand import expand
from engine.studies.study import resolve_arm
from engine.tasks import build_task, load_data, random_streams, source_fingerprint
from engine.tasks.augmentation import make_augmentation
from engine.training.optimization import hyperparams
from engine.training.trainer import Keys, Trainer
from tests.conftest import drain, runs_of, small_arm, small_study

KEY = random_streams.stream(0, "noise", 0)
# Every pixel of every image is another number.
IMAGES = jnp.arange(200 * 8 * 6 * 2, dtype=jnp.float32).reshape(200, 8, 6, 2)


def _augment(augment, key=KEY, images=IMAGES, **fields):
    make = make_augmentation(Arm(augment=augment, **fields), images.shape[1:])
    assert make is not None
    return np.asarray(jax.jit(make)(key, images))


def test_none_is_no_function():
    assert make_augmentation(Arm(), (8, 8, 1)) is None


def test_a_flip_exchanges_left_and_right_in_half_of_the_cases():
    flipped, plain = _augment("flip"), np.asarray(IMAGES)
    is_plain = (flipped == plain).all(axis=(1, 2, 3))
    is_flipped = (flipped == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (is_plain ^ is_flipped).all()
    # Four standard errors of a half of 200.
    assert abs(is_flipped.mean() - 0.5) < 4 * np.sqrt(0.25 / 200)


def test_a_crop_moves_by_at_most_the_padding_each_way_alike():
    padding = 2
    cropped, plain = _augment("crop", crop_padding=padding), np.asarray(IMAGES)
    widths = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = np.pad(plain, widths, mode="reflect")
    counts = np.zeros((2 * padding + 1, 2 * padding + 1), int)
    for i, image in enumerate(cropped):
        found = [
            (y, x)
            for y in range(2 * padding + 1)
            for x in range(2 * padding + 1)
            if (padded[i, y : y + 8, x : x + 6] == image).all()
        ]
        (place,) = found
        counts[place] += 1
    # Five standard errors of a fifth of 200, along each axis.
    for axis in (0, 1):
        assert (abs(counts.sum(axis=axis) - 40) < 5 * np.sqrt(200 * 0.2 * 0.8)).all()


def test_the_padding_is_an_eighth_of_the_shorter_side():
    """Of six pixels one; so the pixels in the middle all come from the image's inside."""
    cropped, plain = _augment("crop"), np.asarray(IMAGES)
    moved = {
        (dy, dx)
        for image, own in zip(cropped, plain, strict=True)
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
        if (image[1:-1, 1:-1] == own[1 + dy : 7 + dy, 1 + dx : 5 + dx]).all()
    }
    assert len(moved) == 9
    assert _augment("crop", images=jnp.ones((2, 32, 32, 3))).shape == (2, 32, 32, 3)


def test_both_and_every_example_on_its_own():
    same = jnp.broadcast_to(IMAGES[0], IMAGES.shape)
    changed = _augment("crop_flip", images=same, crop_padding=1)
    distinct = np.unique(changed.reshape(200, -1), axis=0)
    assert len(distinct) == 18  # nine shifts, flipped or not


def test_another_key_is_another_change():
    again = _augment("crop_flip")
    np.testing.assert_array_equal(_augment("crop_flip"), again)
    assert not np.array_equal(_augment("crop_flip", random_streams.stream(0, "noise", 1)), again)


@pytest.mark.parametrize(
    ("fields", "shape", "words"),
    [
        ({"augment": "flip"}, (64,), "needs images"),
        ({"augment": "crop", "crop_padding": 8}, (8, 9, 1), "less than the 8 pixels"),
    ],
)
def test_what_cannot_be_changed(fields, shape, words):
    with pytest.raises(InputError, match=words):
        make_augmentation(Arm(**fields), shape)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"augment": "croop"}, "did you mean 'crop'"),
        ({"crop_padding": 2}, "no effect with augment=none"),
        ({"augment": "flip", "crop_padding": 2}, "no effect with augment=flip"),
        ({"augment": "crop", "dataset": "teacher"}, "no effect with dataset=teacher"),
    ],
)
def test_options_that_have_no_effect(fields, words):
    with pytest.raises(InputError, match=words):
        resolve_arm(Arm(model="mlp", **fields))


def test_only_training_is_changed(data_dir):
    arm = resolve_arm(small_arm(augment="crop_flip"))
    data = load_data(arm, 0, data_dir)
    changed, plain = build_task(arm, data), build_task(resolve_arm(small_arm()), data)
    assert changed.augment is not None
    for name, batch in changed.evaluation(data).items():
        np.testing.assert_array_equal(batch.inputs, plain.evaluation(data)[name].inputs)


@pytest.fixture(scope="module")
def done(make_pool):
    """Runs with augmentation and dropout, and with other noise, among others in one pool."""
    arm = small_arm(augment="crop_flip", dropout=0.5)
    runs = runs_of(arm, [0, 1, 2])
    others = [
        runs[0]._replace(seed=3, noise_seed=9),
        runs[0]._replace(seed=4),
        runs[0]._replace(seed=5, fork_step=22, fork_order_seed=2**31),
    ]
    return drain(make_pool(arm), [*runs, *others], 4)


def test_a_seed_alone_is_a_seed_among_others(done, make_pool):
    arm = small_arm(augment="crop_flip", dropout=0.5)
    alone = drain(make_pool(arm), runs_of(arm, [1]), 4)["arm", 1]
    np.testing.assert_array_equal(alone.batch_loss, done["arm", 1].batch_loss)
    np.testing.assert_array_equal(done["arm", 4].batch_loss, done["arm", 0].batch_loss)


def test_augmentation_is_of_the_noise_stream(done):
    """One start and one order: the first batch differs by the noise alone, the evaluation not."""
    first, second = done["arm", 0], done["arm", 3]
    assert first.curves["loss"][0] == second.curves["loss"][0]
    assert first.batch_loss[0] != second.batch_loss[0]


def test_a_fork_is_its_parent_until_it_parts(done):
    parent, fork = done["arm", 0].batch_loss, done["arm", 5].batch_loss
    np.testing.assert_array_equal(fork[:22], parent[:22])
    assert (fork[22:] != parent[22:]).all()


def test_dropout_keeps_its_bits_beside_augmentation():
    """A crop that reflects a constant image changes nothing, whatever it draws."""
    constant = {"inputs": np.ones((64, 8, 8, 1), np.float32)}
    constant["labels"] = (np.arange(64) % 10).astype(np.int32)
    for name in ("loss", "held_out"):
        constant[f"{name}_inputs"] = constant["inputs"][None, :32]
        constant[f"{name}_labels"] = constant["labels"][None, :32]
    losses = []
    for augment in ("none", "crop_flip"):
        arm = resolve_arm(small_arm(augment=augment, dropout=0.5, batch_size=32))
        task = build_task(arm, constant)
        trainer = Trainer(arm, task, make_model(arm, (8, 8, 1), 10), "native")
        keys = Keys(*(random_streams.stream(0, role, 0) for role in Keys._fields))
        laws = leaf_laws(trainer.param_shapes, "he", {})
        state = trainer.init(keys, laws, hyperparams(arm))
        draws = trainer.draw(state, constant, 2)
        step = jax.jit(trainer.step)
        for draw in draws:
            state, info, *_ = step(state, hyperparams(arm), constant, draw)
            losses.append(float(info.batch_loss))
    assert losses[:2] == losses[2:]


def test_its_source_is_of_the_identity_where_it_is_used():
    plain, changed = (resolve_arm(small_arm(augment=augment)) for augment in ("none", "flip"))
    assert source_fingerprint(plain) != source_fingerprint(changed)


def test_with_augmentation_noise_varies(data_dir):
    arms = {"one": small_arm(augment="flip")}
    study = small_study(arms=arms, baseline=None, fix_init=0, fix_order=0)
    assert len(expand(study, "cpu", data_dir=data_dir).runs) == 3
    with pytest.raises(InputError, match="nothing that varies"):
        expand(small_study(arms={"one": small_arm()}, baseline=None, fix_init=0, fix_order=0), "cpu", data_dir=data_dir)
