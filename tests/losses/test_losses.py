"""Losses: known values, chance levels against closed forms, what does not fit, and how they are trained on."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from engine import Arm, InputError
from engine.lanes.host_batches import opened
from engine.losses import Targets
from engine.losses.making import chance_level, make_loss
from engine.studies.expand import expand
from engine.studies.shared_program import SharedProgram
from engine.studies.study import Study, resolve_arm
from engine.tasks import build_task
from engine.training.untrained import untrained_level
from tests.conftest import drain, runs_of

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.choice(4, 400, p=[0.1, 0.2, 0.3, 0.4]).astype(np.int32)
VALUES = np.stack([GENERATOR.gamma(2.0, 1.0, 301), GENERATOR.normal(3.0, 2.0, 301)], 1).astype(np.float32)
OWN = "tests/losses/own.py"
SHARES = np.bincount(LABELS) / len(LABELS)
TOP = SHARES.max()


def _arm(**fields: object) -> Arm:
    return resolve_arm(Arm(model="mlp", **fields))  # type: ignore[arg-type]


def _of(array: np.ndarray) -> Targets:
    return Targets(array, int(array.max()) + 1 if array.ndim == 1 else array.shape[1])


def _chance(array: np.ndarray, **fields: object) -> float:
    arm, targets = _arm(**fields), _of(array)
    return chance_level(arm, make_loss(arm, targets), targets, targets)


def _entropy(shares: np.ndarray) -> float:
    return float(np.sum(special.entr(shares)))


def _smoothed(shares: np.ndarray, share: float) -> float:
    """Cross-entropy of smoothed labels against their own mean."""
    return _entropy((1 - share) * shares + share / len(shares))


def _weighted(weights: np.ndarray) -> float:
    """Cross-entropy with weights: the best constant gives each class its weighted share."""
    weighed = SHARES * weights / np.dot(SHARES, weights)
    return _entropy(weighed)


def _pinball(share: float) -> float:
    best = np.quantile(VALUES.astype(float), share, axis=0, method="inverted_cdf")
    gap = VALUES - best
    return float(np.mean(np.maximum(share * gap, (share - 1) * gap)))


def _huber(delta: float) -> float:
    """By bisection of the derivative, which grows with the constant."""
    total = 0.0
    for column in VALUES.T.astype(float):
        low, high = column.min(), column.max()
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if np.clip(middle - column, -delta, delta).sum() < 0 else (low, middle)
        gap = np.abs(column - low)
        total += np.mean(np.where(gap <= delta, gap**2 / 2, delta * (gap - delta / 2)))
    return total / 2


MEDIAN = np.median(VALUES, axis=0)
CLOSED = {
    "cross_entropy": (LABELS, {}, _entropy(SHARES)),
    "smoothed": (LABELS, {"loss": "cross_entropy", "label_smoothing": 0.2}, _smoothed(SHARES, 0.2)),
    "weighted": (LABELS, {"loss": "cross_entropy", "class_weights": (4, 3, 2, 1)}, _weighted(np.asarray([4, 3, 2, 1]))),
    "binary": ((LABELS > 1).astype(np.int32), {}, _entropy(np.asarray([SHARES[2:].sum(), SHARES[:2].sum()]))),
    "one against all others": (LABELS, {"loss": "binary"}, np.mean([_entropy(np.asarray([s, 1 - s])) for s in SHARES])),
    "squared": (VALUES, {}, float(np.mean(np.var(VALUES.astype(float), axis=0)))),
    "squared of classes": (LABELS, {"loss": "squared"}, float(np.mean(SHARES * (1 - SHARES)))),
    "absolute": (VALUES, {}, float(np.mean(np.abs(VALUES - MEDIAN)))),
    "quantile": (VALUES, {"quantile": 0.9}, _pinball(0.9)),
    "huber": (VALUES, {"huber_delta": 0.7}, _huber(0.7)),
    "hinge": (LABELS, {}, min(1, 2 * (1 - TOP))),
    "hinge of a frequent class": (np.repeat([0, 1, 2], [8, 1, 1]).astype(np.int32), {"loss": "hinge"}, 0.4),
    "contrastive": (LABELS, {"margin": 2.0}, 4 * float(1 - np.sum(SHARES**2))),
}


@pytest.mark.parametrize("case", CLOSED)
def test_chance_is_that_of_the_closed_form(case):
    array, fields, closed = CLOSED[case]
    assert _chance(array, **{"loss": case, **fields}) == pytest.approx(closed, rel=1e-6)


def test_chance_of_a_focal_loss_is_that_of_a_fine_search():
    labels = (LABELS > 1).astype(np.int32)
    share, gamma = float(np.mean(labels)), 2.0
    given = np.linspace(1e-4, 1 - 1e-4, 200_001)
    of_right = share * (1 - given) ** gamma * -np.log(given) + (1 - share) * given**gamma * -np.log(1 - given)
    assert _chance(labels, loss="focal") == pytest.approx(of_right.min(), rel=1e-6)


def test_chance_of_ones_own_loss_is_that_of_a_grid():
    grid = np.linspace(-1, 12, 4001)
    best = [np.mean(np.abs(column[:, None] - grid) ** 3, axis=0).min() for column in VALUES.astype(float).T]
    assert _chance(VALUES, loss=f"{OWN}:cubic") == pytest.approx(np.mean(best), rel=1e-3)


@pytest.mark.parametrize(
    ("loss", "outputs", "target", "expected"),
    [
        ("cross_entropy", [0.0, np.log(3.0)], 1, np.log(4 / 3)),
        ("focal", [0.0, np.log(3.0)], 1, np.log(4 / 3) / 16),
        ("hinge", [0.5, 1.0], 1, 0.5),
        ("hinge", [0.5, 1.0], 0, 1.5),
        ("binary", [np.log(3.0)], 1, np.log(4 / 3)),
        ("squared", [0.0, 0.5], 1, 0.125),
        ("absolute", [0.0, 0.5], 1, 0.25),
        ("huber", [0.0, 3.0], 1, 0.75),
        ("quantile", [0.0, 3.0], 1, 0.5),
    ],
)
def test_values_by_hand(loss, outputs, target, expected):
    made = make_loss(_arm(loss=loss), Targets(np.asarray([0, 1], np.int32), 2))
    found = made.of_examples(jnp.asarray([outputs, outputs]), jnp.asarray([target, target]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_pairs_are_near_or_apart():
    made = make_loss(_arm(loss="contrastive", margin=2.0, embedding_size=2), _of(LABELS))
    outputs = jnp.asarray([[0.0, 0.0], [3.0, 4.0], [3.0, 3.0]])
    # Each against the one before it: unlike and beyond the margin, alike at 5, unlike at 1.
    found = made.of_examples(outputs, jnp.asarray([0, 0, 1]))
    np.testing.assert_allclose(found, [0.0, 25.0, 1.0], atol=1e-5)
    assert jnp.all(jnp.isfinite(jax.grad(lambda o: made.of_examples(o, jnp.zeros(3, int)).sum())(jnp.zeros((3, 2)))))


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "binary", "hinge", "squared", "contrastive"])
def test_gradients_are_finite_far_out(name):
    made = make_loss(_arm(loss=name), _of(LABELS))
    outputs = jnp.full((4, made.num_outputs), 60.0).at[:, 0].set(-60.0)
    gradient = jax.grad(lambda o: jnp.sum(made.of_examples(o, jnp.arange(4))))(outputs)
    assert jnp.all(jnp.isfinite(gradient))


@pytest.mark.parametrize(
    ("array", "fields", "words"),
    [
        (VALUES, {"loss": "cross_entropy"}, "loss=cross_entropy needs classes, and these targets are values"),
        (VALUES, {"loss": "binary"}, "needs values from 0 to 1, and these go from"),
        (LABELS, {"loss": "cross_entropy", "class_weights": (1, 2)}, "class_weights=1,2: expected 4, one for each"),
        (LABELS, {"loss": "crossentropy"}, "did you mean 'cross_entropy'"),
        (LABELS, {"loss": "hinge", "label_smoothing": 0.1}, "label_smoothing=0.1 has no effect with loss=hinge"),
        (LABELS, {"label_smoothing": 0.1}, "label_smoothing=0.1 has no effect with loss=that of the data"),
        (VALUES, {"loss": f"{OWN}:per_batch"}, r"returns float32 of shape \[\].*a number for each example"),
        (
            VALUES,
            {"loss": f"{OWN}:raising"},
            r"fails with arrays of shape \[3, 2\] and \[3, 2\]: .* \(own.py, line \d+\)",
        ),
        (np.ones_like(VALUES), {"loss": "squared"}, "best constant output has a mean loss of 0; expected one above 0"),
        (VALUES, {"loss": f"{OWN}:number"}, "is no function"),
        (VALUES, {"loss": f"{OWN}:cubik"}, "did you mean 'cubic'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(array, fields, words):
    with pytest.raises(InputError, match=words) as refused:
        _chance(array, **fields)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["unbounded", "at_zero", "uncorrelated", "far_apart"])
def test_a_constant_tells_no_level_of_some_losses(name):
    assert np.isnan(_chance(VALUES, loss=f"{OWN}:{name}"))


def _program(name: str, tmp_path: Path, **fields: object) -> SharedProgram:
    inputs = np.random.default_rng(1).normal(size=(301, 6)).astype(np.float32)
    np.savez(tmp_path / "data.npz", inputs=inputs, targets=inputs[:, :2])
    about = {"dataset": "arrays", "dataset_dir": str(tmp_path / "data.npz"), "init": "he", "dense_widths": (32,)}
    arm = Arm(model="mlp", loss=f"{OWN}:{name}", **{**about, **fields})  # type: ignore[arg-type]
    return expand(Study(name="own", arms={"one": arm}, seeds=1, horizon=200), "cpu").programs[0]


def test_the_level_is_that_of_untrained_networks_where_no_constant_tells_it(tmp_path):
    """What has not seen the targets correlates with them by chance, of either sign."""
    program = _program("uncorrelated", tmp_path)
    assert program.chance_loss == pytest.approx(1.0, abs=0.1)
    assert program.chance_of == "untrained"
    [note] = [one.words for one in program.notes if "level" in one.words]
    assert f"{program.chance_loss:g}, the median of 16 untrained runs (" in note
    assert note.endswith("as no constant output tells it")
    # The bits of a level are those of its arm, whatever else the study has.
    assert program.spec.data["chance_loss"] == program.chance_loss
    assert _program("uncorrelated", tmp_path).fingerprint == program.fingerprint


def test_the_level_is_the_median_and_each_start_has_its_own(tmp_path):
    """Distances between outputs grow with the square of each layer's deviation: few large ones lift a mean."""
    arrays = {"dataset": "arrays", "dataset_dir": str(tmp_path / "data.npz"), "dense_widths": (32,)}
    _program("uncorrelated", tmp_path)
    arms = {init: Arm(model="mlp", loss=f"{OWN}:far_apart", init=init, **arrays) for init in ("he", "normal")}  # type: ignore[arg-type]
    programs = expand(Study(name="own", arms=arms, seeds=1, horizon=200), "cpu").programs
    assert [program.arm_names for program in programs] == [["he"], ["normal"]]
    assert programs[0].chance_loss > 100 * programs[1].chance_loss
    for program in programs:
        data = opened(program.spec.data)
        levels = untrained_level(program.spec.arm, build_task(program.spec.arm, data), data)
        assert levels.loss == program.chance_loss
        assert levels.least < levels.loss < levels.largest


def test_weights_that_have_learned_are_no_level(tmp_path):
    fresh = _program("uncorrelated", tmp_path)
    np.savez(tmp_path / "some.npz", **{"Dense_0.bias": np.full(32, 50.0)})
    assert _program("uncorrelated", tmp_path, start_from=str(tmp_path / "some.npz")).chance_loss == fresh.chance_loss


@pytest.mark.parametrize("name", ["unbounded", "at_zero"])
def test_a_level_that_is_not_above_zero_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"untrained runs have losses down to -.*add a constant"):
        _program(name, tmp_path, init="normal", init_scale=1e-3)


def test_a_task_with_a_loss_of_its_own_keeps_it():
    arm = _arm(dataset="sparse_parity", loss="squared")
    with pytest.raises(InputError, match="loss=squared has no effect with dataset=sparse_parity"):
        build_task(arm, {"loss_targets": np.zeros((1, 2, 1))})


@pytest.mark.parametrize("loss", ["cross_entropy", "squared", "hinge", "binary", "contrastive"])
def test_it_is_trained_on(loss, make_pool):
    """Digits are learned under each: the loss falls well below that of the best constant."""
    arm = Arm(model="mlp", dense_widths=(32,), init="he", learning_rate=3e-3, loss=loss)
    pool = make_pool(arm, width=1)
    found = drain(pool, runs_of(arm, [0], 132), 1)["arm", 0]
    assert found.batch_loss[-1] < 0.7 * pool.task.chance_loss
