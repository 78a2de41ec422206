"""What a crossed grid, forks and early runs are said to mean, on data with a planted answer."""

import numpy as np
import pytest

from engine.outcomes.chance import ChanceOf
from engine.report.arm_runs import ArmRuns, ForkRuns, GridRuns
from engine.report.summary import Summary
from engine.report.variance_split import describe_split, split_variance, split_variances
from engine.report.variance_split_section import draw_forks, draw_grid
from tests.stored import make_document

NUM_STARTS, NUM_ORDERS = 20, 5


def _arm(time: np.ndarray, **more: object) -> ArmRuns:
    """Repetitions with these waiting times; what lasts longer than 880 steps is censored."""
    number = len(time)
    event = np.where(time < 880, 1, 0)
    time = np.minimum(time, 880.0)
    runs = ArmRuns(
        name="a", seed=np.arange(number), init_seed=np.arange(number),
        status=["broke" if e else "stuck" for e in event], event=event, time=time, rows={},
        curves=[], grid=None, forks=None, has_forks_asked=False, num_stored=number,
        num_planned=number, horizon=880,
        steps_per_epoch=22, chance_loss=2.3, chance_of=ChanceOf.CONSTANT, waits_for="break", failed={"seed": []},
    )  # fmt: skip
    return runs._replace(**more)


def _crossed(time: np.ndarray) -> ArmRuns:
    """A grid `[num_starts, num_orders]` beside few repetitions, which say nothing by themselves."""
    init, order = (index.ravel() for index in np.indices(time.shape))
    event = np.where(time.ravel() < 880, 1, 0)
    return _arm(np.array([200.0, 201.0]), grid=GridRuns(init, order, np.minimum(time.ravel(), 880.0), event, 0))


def _grid(init_share: float, order_share: float, seed: int = 0) -> ArmRuns:
    """Log-normal times around step 200 whose log variance of 0.16 is divided as asked."""
    generator = np.random.default_rng(seed)
    shares = (init_share, order_share, 1 - init_share - order_share)
    shapes = ((NUM_STARTS, 1), (1, NUM_ORDERS), (NUM_STARTS, NUM_ORDERS))
    effects = (
        np.sqrt(0.16 * share) * generator.normal(size=shape) for share, shape in zip(shares, shapes, strict=True)
    )
    return _crossed(200 * np.exp(sum(effects)))


def _words(runs: ArmRuns) -> list[str]:
    summary = Summary(make_document({"a": {}}), {"a": runs}, [], {})
    return describe_split(summary, "a", split_variance(runs))


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.95, 0.0), "Mostly fate"),
        ((0.0, 0.98), "Mostly chance"),
        ((0.0, 0.0), "Neither alone"),
        ((0.45, 0.1), "None of them is the greater part"),
    ],
)
def test_the_greater_part_of_a_grid_is_named(shares, expected):
    (line,) = _words(_grid(*shares))
    assert expected in line
    assert "20 starts × 5 data orders" in line


def test_times_that_the_order_alone_decides_are_all_chance():
    """Of one data order all starts wait exactly as long: the share is 1, and nothing breaks."""
    runs = _crossed(np.tile(100.0 + 37.0 * np.arange(NUM_ORDERS), (NUM_STARTS, 1)))
    split = split_variance(runs)
    assert split.components is not None
    assert split.components.order_share.value == pytest.approx(1.0, abs=1e-3)
    assert split.components.order_share.lower > 0.9
    assert "Mostly chance" in _words(runs)[0]


def _forks(parent_share: float) -> ArmRuns:
    generator = np.random.default_rng(1)
    parents = np.repeat(np.arange(12), 5)
    between = np.sqrt(parent_share) * generator.normal(size=12)[parents]
    left = 100 * np.exp(0.4 * (between + np.sqrt(1 - parent_share) * generator.normal(size=60)))
    forks = ForkRuns(
        step=110, parent=parents, time_left=left, event=np.ones(60, int),
        num_missing=0,
    )  # fmt: skip
    return _arm(200.0 + np.arange(4), forks=forks)


def test_forks_that_follow_their_parent_show_hidden_progress():
    (line,) = _words(_forks(0.9))
    assert "60 forks of 12 parents, parted at epoch 5.0" in line
    assert "hides progress" in line


def test_forks_that_do_not_show_no_sign_of_it():
    (line,) = _words(_forks(0.0))
    assert "No sign that the state" in line


def test_early_luck_is_counted():
    late = _arm(300.0 + np.arange(30))
    assert "0 of 30 runs needed less than half the median time" in _words(late)[0]
    assert "not memoryless" in _words(late)[0]
    waits = np.random.default_rng(0).exponential(100, 30)
    assert "does not exclude a memoryless wait" in _words(_arm(waits))[0]


def test_a_grid_that_is_stuck_says_why_it_says_nothing():
    (line,) = _words(_crossed(np.full((4, 3), 1000.0)))
    assert "cannot be estimated" in line


def test_a_plain_study_of_few_runs_has_no_such_page():
    summary = Summary(make_document({"a": {}}), {"a": _arm(300.0 + np.arange(5))}, [], {})
    assert split_variances(summary) == {}


def test_its_figures_are_drawn():
    grid, forked = _grid(0.5, 0.2), _forks(0.5)
    split = split_variance(grid)
    assert forked.forks is not None
    assert grid.grid is not None
    assert split.components is not None
    left, right, _ = draw_grid("a", grid.grid, split.components, "epochs", 22.0).axes
    assert len(left.images) == 1
    assert left.images[0].get_array().shape == (NUM_STARTS, NUM_ORDERS)
    assert len(right.lines) == 6
    (axes,) = draw_forks("a", forked.forks, "epochs", 22.0).axes
    points = np.concatenate([line.get_xdata() for line in axes.lines if line.get_marker() == "o"])
    assert sorted(points) == pytest.approx(sorted(forked.forks.time_left / 22))
