"""One contract over every registered task, and the particulars of each."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from engine.arms.arm import Arm
from engine.errors import InputError
from engine.studies.study import resolve_arm
from engine.tasks import TASKS, build_task, fingerprint, load_data, random_streams, teacher
from engine.tasks.builders import prepare
from engine.tasks.passes import classification_task
from engine.tasks.reading import Reading
from engine.tasks.splitting import split_arrays, stratified_choice
from tests.tasks.sources import ARCHIVES, archives_of, use_archives, write_digits

KEY = random_streams.stream(0, "order", 3)


_PLACES = {"folder": "folder", "arrays": "values.npz", "table": "table.csv", "text": "text.txt"}


@pytest.fixture(scope="module")
def places(tmp_path_factory, data_dir):
    """Where the data lie of the sources that need to be told."""
    root = tmp_path_factory.mktemp("places")
    write_digits(root / "folder", num_images=300)
    chance = np.random.default_rng(0)
    np.savez(root / "values.npz", x=chance.normal(size=(300, 6)), y=chance.normal(size=(300, 2)))
    rows = [f"{a:.3f},{b:.3f},{'xyz'[i % 3]}" for i, (a, b) in enumerate(chance.normal(size=(300, 2)))]
    (root / "table.csv").write_text("\n".join(["a,b,kind", *rows]))
    (root / "text.txt").write_bytes(b"the wait is over. " * 600)
    found = {name: root / place for name, place in _PLACES.items()}
    found["prepared"] = _prepared(root)
    for dataset in ARCHIVES:
        found[dataset] = root / dataset
        found[dataset].mkdir()
        for name, content in archives_of(dataset).items():
            (found[dataset] / name).write_bytes(content)
    return found


def _prepared(root: Path) -> Path:
    images, labels = np.random.default_rng(1).integers(0, 256, (300, 28, 28, 1), np.uint8), np.arange(300) % 10
    return prepare("mnist", lambda: {"train": (images, labels)}, str(root / "of_tfds"), Reading())


# Of two data sets in one format, one is enough for the fast suite.
_SLOW = ("fashion_mnist", "cifar10")


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.slow) if n in _SLOW else n for n in TASKS])
def loaded(request, data_dir, places, monkeypatch):
    name, place = request.param, places.get(request.param)
    if name in ARCHIVES:
        use_archives(monkeypatch, name, "http://127.0.0.1:9")
    arm = Arm(dataset=name, dataset_dir=place and str(place), model="mlp", init="he", batch_size=32)
    arm = resolve_arm(arm)
    data = load_data(arm, 0, data_dir)
    return arm, data, build_task(arm, data)


def test_batches_have_the_shapes_that_the_task_says(loaded):
    _, data, task = loaded
    draws = task.draw(data, KEY, jnp.int32(0), 5)
    batch = task.sample(data, jax.tree.map(lambda d: d[0], draws))
    assert batch.inputs.shape == (32, *task.example_shape)
    outputs = jnp.zeros((32, *_positions(task), task.num_outputs))
    assert task.loss(outputs, batch.targets).shape == (32,)
    if task.correct is not None:
        assert task.correct(outputs, batch.targets).shape == (32,)


def test_a_draw_depends_on_the_key_and_the_step_alone(loaded):
    """However many steps are drawn at once, a step's examples are the same."""
    _, data, task = loaded

    def steps(first: int, num: int) -> np.ndarray:
        draws = jax.jit(task.draw, static_argnums=3)(data, KEY, jnp.int32(first), num)
        return np.stack([task.sample(data, draws[i]).inputs for i in range(num)])

    together = steps(0, 90)
    np.testing.assert_array_equal(np.concatenate([steps(i, 9) for i in range(0, 90, 9)]), together)
    np.testing.assert_array_equal(np.concatenate([steps(i, 45) for i in (0, 45)]), together)


def test_evaluation_sets_are_whole_fixed_batches(loaded):
    _, data, task = loaded
    sets = task.evaluation(data)
    assert set(sets) == {"loss", "held_out"}
    for batch in sets.values():
        assert batch.inputs.ndim == len(task.example_shape) + 2
        assert batch.inputs.shape[:2] == batch.targets.shape[:2]


def test_chance_is_the_loss_of_the_best_constant(loaded):
    """No constant does better on the evaluation set, and the best one does it to 1 %."""
    arm, data, task = loaded
    if task.is_hit is not None:
        pytest.skip("it waits for a hit: its curve is a distance, which a constant can make small")
    if arm.dataset == "induction":
        pytest.skip("its level is that of who knows that no token follows itself, as no constant does")
    targets = task.evaluation(data)["loss"].targets.reshape(-1, *data["loss_" + _target(data)].shape[2:])

    def loss(constant):
        outputs = jnp.broadcast_to(constant, (len(targets), *_positions(task), task.num_outputs))
        return jnp.mean(task.loss(outputs, targets))

    def descend(_, constant):
        return constant - task.num_outputs / 10 * jax.grad(loss)(constant)

    if task.num_positions is None:
        constant = jax.jit(lambda: jax.lax.fori_loop(0, 300, descend, jnp.zeros(task.num_outputs)))()
    else:
        # Most tokens never occur, and descent would take long to say so.
        counts = np.bincount(targets[targets >= 0], minlength=task.num_outputs)
        constant = jnp.log(jnp.maximum(counts / counts.sum(), 1e-9))
    assert float(loss(constant)) == pytest.approx(task.chance_loss, rel=0.01)


def _target(data) -> str:
    return "labels" if "loss_labels" in data else "targets"


def _positions(task) -> tuple[int, ...]:
    return () if task.num_positions is None else (task.num_positions,)


def test_data_are_arguments_and_never_captured(loaded):
    _, data, task = loaded

    def program(data, key):
        draws = task.draw(data, key, jnp.int32(0), 3)
        return task.sample(data, draws[0]), task.evaluation(data)

    closed = jax.make_jaxpr(program)(data, KEY)
    assert sum(np.size(const) for const in closed.consts) < 100


def test_loading_twice_gives_the_same_arrays(loaded, data_dir):
    arm, data, _ = loaded
    again = load_data(arm, 0, data_dir)
    assert fingerprint(again) == fingerprint(data)
    name = next(iter(again))
    again[name] = again[name].copy()
    again[name].flat[0] += 1
    assert fingerprint(again) != fingerprint(data)


def test_an_epoch_visits_every_example_once(data_dir):
    arm = resolve_arm(Arm(batch_size=64))
    data = load_data(arm, 0, data_dir)
    task = build_task(arm, data)
    draws = np.asarray(task.draw(data, KEY, jnp.int32(0), 3 * task.steps_per_epoch))
    epochs = draws.reshape(3, -1)
    for epoch in epochs:
        assert len(np.unique(epoch)) == len(epoch) == 22 * 64
    assert not np.array_equal(epochs[0], epochs[1])
    assert len(np.unique(epochs)) == len(data["labels"])


def test_the_digits_are_those_of_scikit_learn(data_dir):
    data = load_data(resolve_arm(Arm()), 0, data_dir)
    labels = data["labels"]
    assert len(labels) == 1438
    assert data["inputs"].min() == 0.0
    assert data["inputs"].max() == 1.0
    # Shares of ten classes in 1,438 and in 512 differ by rounding only.
    evaluated = np.bincount(data["loss_labels"].ravel()) / 512
    np.testing.assert_allclose(evaluated, np.bincount(labels) / 1438, atol=1 / 512)


def test_the_split_is_disjoint():
    inputs = np.arange(500, dtype=np.float32)[:, None]
    arrays = split_arrays(inputs, np.arange(500, dtype=np.int32) % 7)
    training, held_out = set(arrays["inputs"].ravel()), set(arrays["held_out_inputs"].ravel())
    assert not training & held_out
    assert len(training) == 400
    assert set(arrays["loss_inputs"].ravel()) <= training


def test_held_out_batches_keep_the_shares_too(data_dir):
    data = load_data(resolve_arm(Arm()), 0, data_dir)
    held_out = data["held_out_labels"].ravel()
    shares = np.bincount(np.concatenate([data["labels"], held_out])) / (1438 + len(held_out))
    # Two choices by largest remainders, each off by less than one example per class.
    np.testing.assert_allclose(np.bincount(held_out) / len(held_out), shares, atol=2 / len(held_out))


def test_a_stratified_choice_keeps_the_shares():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    chosen = stratified_choice(labels, 32, "x")
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [20, 10, 2])
    assert not np.array_equal(chosen, stratified_choice(labels, 32, "y"))
    np.testing.assert_array_equal(chosen, stratified_choice(labels, 32, "x"))


def test_chance_of_unbalanced_labels_is_their_entropy():
    labels = np.repeat([0, 1], [300, 100]).astype(np.int32)
    data = split_arrays(np.zeros((400, 2), np.float32), labels)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert classification_task(data, 8).chance_loss == pytest.approx(expected, abs=1e-12)


def test_a_batch_larger_than_the_data_is_refused(data_dir):
    arm = resolve_arm(Arm(batch_size=2000))
    with pytest.raises(InputError, match="at most the 1438 training examples"):
        build_task(arm, load_data(arm, 0, data_dir))


def test_the_teacher_depends_on_its_own_seed_only():
    arms = [resolve_arm(Arm(dataset="teacher", model="mlp", task_seed=s)) for s in (0, 0, 1)]
    prints = [fingerprint(load_data(arm, 0, None)) for arm in arms]
    assert prints[0] == prints[1] != prints[2]


def test_the_teacher_labels_its_evaluation_set_as_it_labels_its_batches():
    arm = resolve_arm(Arm(dataset="teacher", model="mlp"))
    data = load_data(arm, 0, None)
    weights, inputs = data["weights"], data["loss_inputs"]
    expected = teacher._targets(jnp.asarray(weights), jnp.asarray(inputs))
    # Single precision: sums of sixteen terms of size one.
    np.testing.assert_allclose(data["loss_targets"], expected, atol=2e-6)


def test_digits_are_enlarged_for_a_network_that_needs_it(data_dir):
    own = load_data(resolve_arm(Arm(model="mlp")), 0, data_dir)
    wide = load_data(resolve_arm(Arm(model="mlp", image_size=(32, 24))), 0, data_dir)
    assert wide["inputs"].shape == (*own["inputs"].shape[:1], 32, 24, 1)
    np.testing.assert_array_equal(
        wide["targets" if "targets" in wide else "labels"], own["targets" if "targets" in own else "labels"]
    )
    # Linear interpolation keeps means, but for the border, and stays between the values that it had.
    assert 0 <= wide["inputs"].min() <= wide["inputs"].max() <= 1
    correlation = np.corrcoef(wide["inputs"].mean((1, 2, 3)), own["inputs"].mean((1, 2, 3)))[0, 1]
    assert correlation > 0.99
    same = load_data(resolve_arm(Arm(model="mlp", image_size=8)), 0, data_dir)
    np.testing.assert_array_equal(same["inputs"], own["inputs"])
