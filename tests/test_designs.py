"""Which seeds are combined, and what a fork shares with its parent."""

import numpy as np
import pytest

from engine.commands.report import report
from engine.commands.run import run
from engine.errors import InputError
from engine.lanes.runs import Run, run_key
from engine.report.arm_runs import read_runs
from engine.store import open_existing
from engine.store.run_table import RunTable
from engine.studies.designs import (
    DESIGNS,
    FIRST_FORK_SEED,
    FIRST_GRID_SEED,
    Cell,
    fork_step_of,
    forked,
    is_of_grid,
    is_repetition,
    unforked,
)
from engine.studies.expand import ParentOutcomes, expand, with_forks
from engine.studies.shared_program import Layout
from engine.studies.study import resolve_arm
from tests.conftest import drain, read_all, small_arm, small_study

NUMBERS = {
    "seeds": {},
    "crossed": {"order_seeds": 2},
    "fork": {"forks": 2},
    "crossed_fork": {"order_seeds": 2, "forks": 2},
}


@pytest.mark.parametrize("design", list(DESIGNS))
def test_every_run_of_a_design_has_its_own_identity(design):
    numbers = NUMBERS[design]
    own = list(unforked(4, numbers.get("order_seeds")))
    forks = list(forked(4, numbers.get("forks")))
    repetitions = [cell for cell in own if not is_of_grid(cell.order_seed)]
    assert repetitions == [Cell(seed, seed, seed, seed) for seed in range(4)]
    assert len(own) == 4 * (1 + numbers.get("order_seeds", 0))
    keys = [cell[1:] for cell in [*own, *forks]]
    assert len(set(keys)) == len(keys)
    fork_orders = [cell.fork_order_seed for cell in forks]
    assert len(set(fork_orders)) == len(fork_orders) == (8 if "fork" in design else 0)
    assert all(order >= FIRST_FORK_SEED for order in fork_orders)


@pytest.mark.parametrize("design", list(DESIGNS))
def test_more_seeds_leave_the_first_ones_as_they_are(design):
    orders, forks = (NUMBERS[design].get(name) for name in ("order_seeds", "forks"))
    few = {*unforked(3, orders), *forked(3, forks)}
    many = {*unforked(5, orders), *forked(5, forks)}
    assert few < many


def test_a_grid_has_every_start_in_every_order():
    cells = [cell for cell in unforked(3, 2) if is_of_grid(cell.order_seed)]
    assert {(c.init_seed, c.order_seed - FIRST_GRID_SEED) for c in cells} == {
        (i, j) for i in range(3) for j in range(2)
    }
    assert len({c.noise_seed for c in cells}) == 6


def test_forks_have_a_start_and_an_order_of_their_own():
    parents = {(c.init_seed, c.order_seed) for c in forked(3, 2)}
    assert parents == {(0, 0), (1, 1), (2, 2)}


@pytest.mark.parametrize(
    ("time", "event", "expected"),
    [
        ([100, 120, 140], [1, 1, 1], 55),
        ([100, 120, 140, 160], [1, 1, 1, 1], 55),
        ([100, 880, 880], [1, 0, 0], None),
        ([100, 120, 880, 880], [1, 1, 0, 0], 55),
        ([12, 13, 14], [1, 1, 1], None),
        ([100, 90, 880], [1, 2, 0], None),
        ([], [], None),
    ],
)
def test_forks_part_at_half_the_median_on_the_grid(time, event, expected):
    assert fork_step_of(np.array(time, float), np.array(event, int), 11) == expected


def _waited(times: list[float]) -> dict[str, ParentOutcomes]:
    number = len(times)
    one = ParentOutcomes(np.arange(number), np.array(times), np.ones(number, int))
    return {"slow": one, "fast": one._replace(event=np.zeros(number, int))}


def test_only_parents_that_still_wait_are_forked(data_dir):
    study = small_study(design="fork", forks=3)
    plan = expand(study, "cpu", dict.fromkeys(study.arms, Layout(form="direct")), data_dir)
    assert len(plan.runs) == 6
    forks = with_forks(plan, _waited([20.0, 40.0, 60.0]))
    # Half of the median of 40 is on the grid at 11; nobody of "fast" left the plateau.
    assert forks.fork_steps == {"slow": 11, "fast": None}
    assert {r.fork_step for r in forks.runs} == {11}
    assert [r.seed for r in forks.runs] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    later = with_forks(plan._replace(fork_steps={"slow": 22, "fast": None}), _waited([20.0, 40.0, 60.0]))
    assert {r.seed for r in later.runs} == {1, 2}
    assert len({run_key(r) for r in [*plan.runs, *forks.runs]}) == 15


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"design": "crosed"}, "did you mean 'crossed'"),
        ({"design": "crossed"}, "needs order_seeds"),
        ({"design": "crossed", "order_seeds": 1}, "at least 2"),
        ({"design": "crossed", "order_seeds": 2, "seeds": 1}, "at least 2 init seeds"),
        ({"design": "crossed", "order_seeds": 2, "fix_init": 0}, "no effect with design=crossed"),
        ({"order_seeds": 2}, "no effect with design=seeds"),
        ({"design": "fork"}, "needs forks"),
        ({"design": "fork", "forks": 5000}, "at most 4096"),
        ({"forks": 2}, "no effect with design=seeds"),
        ({"fork_step": 11}, "no effect with design=seeds"),
        ({"design": "fork", "forks": 2, "fork_step": 0}, "fork_step=0"),
        ({"horizon": {"slow": 44}}, "horizon: a number is missing for arm 'fast'"),
        ({"horizon": {"slow": 44, "fast": 44, "fats": 44}}, "did you mean 'fast'"),
    ],
)
def test_a_design_checks_its_numbers(changes, words):
    with pytest.raises(InputError, match=words):
        small_study(**changes)


@pytest.mark.parametrize(("step", "nearest"), [(12, 11), (1, 11), (44, 33), (500, 33)])
def test_a_fork_step_off_the_grid_is_refused_with_the_nearest(step, nearest, data_dir):
    study = small_study(design="fork", forks=2, fork_step=step)
    with pytest.raises(InputError, match=f"the nearest is {nearest}$"):
        expand(study, "cpu", dict.fromkeys(study.arms, Layout(form="direct")), data_dir)


def test_a_horizon_by_arm_is_that_of_the_arm(data_dir):
    plan = expand(small_study(horizon={"slow": 44, "fast": 60}), "cpu", data_dir=data_dir)
    assert plan.horizons == {"slow": 44, "fast": 66}


def test_a_fork_is_its_parent_up_to_the_fork_and_another_run_after_it(make_pool):
    arm = resolve_arm(small_arm())
    parent = Run("arm", arm, 0, 3, 4, 5, 66)
    fork = parent._replace(seed=1, fork_step=33, fork_order_seed=FIRST_FORK_SEED)
    same = parent._replace(seed=2, fork_step=33, fork_order_seed=4)
    done = drain(make_pool(arm), [parent, fork, same], 4)
    parent_run, fork_run, same_run = (done["arm", seed] for seed in range(3))
    np.testing.assert_array_equal(parent_run.batch_loss[:33], fork_run.batch_loss[:33])
    assert not np.any(parent_run.batch_loss[33:] == fork_run.batch_loss[33:])
    np.testing.assert_array_equal(parent_run.curves["loss"][:4], fork_run.curves["loss"][:4])
    assert not np.any(parent_run.curves["loss"][4:] == fork_run.curves["loss"][4:])
    # The parent's own order again is the parent again.
    np.testing.assert_array_equal(parent_run.batch_loss, same_run.batch_loss)


def _run(workdir, data_dir: str, **changes):
    study = small_study(
        arms={"slow": small_arm(learning_rate=3e-4)}, baseline=None, horizon=440,
        design="crossed_fork", order_seeds=2, forks=2, **changes,
    )  # fmt: skip
    return run(study, workdir, data_dir=data_dir, num_workers=0, is_quiet=True).summary


@pytest.mark.long
def test_a_study_with_every_design_runs_resumes_and_grows(tmp_path, data_dir):
    """Forks wait for their parents; two launches make the rows of one."""
    summary = _run(tmp_path / "a", data_dir, seeds=3)
    document = open_existing(tmp_path / "a").document
    rows = read_all(tmp_path / "a")
    forks = [row for row in rows if row["fork_step"] is not None]
    grid = [row for row in rows if is_of_grid(row["order_seed"])]
    assert (len(rows), len(forks), len(grid)) == (3 + 6 + 6, 6, 6)
    step = document["identity"]["fork_step"]["slow"]
    onsets = sorted(r["onset_step"] for r in rows if r not in forks and r not in grid)
    assert step == int(onsets[1] / 2) // 11 * 11 > 0
    assert {row["fork_step"] for row in forks} == {step}
    assert summary["arms"]["slow"]["num_runs"] == 3
    fate = summary["chance_or_fate"]["slow"]
    assert fate["components"]["num_runs"] == 6
    assert fate["forks"]["num_runs"] == 6
    page = (tmp_path / "a" / "report.html").read_text()
    assert "Chance or fate?" in page

    _run(tmp_path / "a", data_dir, seeds=3)
    assert open_existing(tmp_path / "a").document["launches"][-1]["num_runs"] == 0
    _run(tmp_path / "a", data_dir, seeds=4)
    fixed = {"slow": step}
    _run(tmp_path / "b", data_dir, seeds=4, fork_step=fixed)
    assert read_all(tmp_path / "a") == read_all(tmp_path / "b")


def test_a_study_without_a_median_has_no_forks(tmp_path, data_dir):
    study = small_study(arms={"still": small_arm(learning_rate=0.0)}, baseline=None, design="fork", forks=2)
    summary = run(study, tmp_path / "a", data_dir=data_dir, num_workers=0, is_quiet=True).summary
    assert len(read_all(tmp_path / "a")) == 3
    assert summary["arms"]["still"]["statuses"]["stuck"] == 3
    assert open_existing(tmp_path / "a").document["identity"]["fork_step"] == {"still": None}


def test_grids_and_forks_end_at_the_first_that_is_incomplete(tmp_path, data_dir):
    """Quick ones end first: what is complete behind a gap would favour them."""
    _run(tmp_path / "a", data_dir, seeds=4)
    directory = open_existing(tmp_path / "a")
    rows = directory.read().to_pylist()
    (whole,) = read_runs(RunTable(directory)).values()
    assert (len(whole.grid.time), len(whole.forks.time_left)) == (8, 8)

    def is_kept(row) -> bool:
        is_of_second = row["seed"] == 1 and is_of_grid(row["order_seed"])
        is_of_third = row["seed"] == 2 and row["fork_step"] is not None
        return not (is_of_second or is_of_third)

    for part in directory.parts.glob("*.parquet"):
        part.unlink()
    directory.append([row for row in rows if is_kept(row)])
    (cut,) = read_runs(RunTable(open_existing(tmp_path / "a"))).values()
    assert set(cut.grid.init_seed) == {0}
    assert cut.grid.num_missing == 3
    assert set(cut.forks.parent) == {0, 1}
    assert cut.forks.num_missing == 2
    report(tmp_path / "a")
    page = (tmp_path / "a" / "report.html").read_text()
    assert "3 more starts of the grid are not complete yet" in page


def test_forks_have_noise_of_their_own(make_pool):
    """With dropout, forks that shared their parent's masks would be alike for that reason."""
    arm = resolve_arm(small_arm(dropout=0.5))
    pool = make_pool(arm)
    parent = Run("arm", arm, 0, 3, 4, 5, 66)
    fork = parent._replace(seed=1, fork_step=33, fork_order_seed=FIRST_FORK_SEED)
    done = drain(pool, [parent, fork], 4)
    parent_run, fork_run = done["arm", 0], done["arm", 1]
    np.testing.assert_array_equal(parent_run.batch_loss[:33], fork_run.batch_loss[:33])
    other = parent._replace(seed=3, fork_step=33, fork_order_seed=4)
    (again,) = drain(pool, [other], 4).values()
    # The parent's order once more, but other masks: the loss parts at the fork.
    np.testing.assert_array_equal(parent_run.batch_loss[:33], again.batch_loss[:33])
    assert parent_run.batch_loss[33] != again.batch_loss[33]


def test_data_orders_of_grids_and_forks_cannot_be_asked_for():
    with pytest.raises(InputError, match="fix_order"):
        small_study(fix_order=FIRST_GRID_SEED)


def test_every_arm_is_checked_for_its_number_of_seeds():
    with pytest.raises(InputError, match="at most 524288 with forks"):
        small_study(design="fork", forks=2, seeds={"slow": 2, "fast": 10**6})


def test_a_repetition_is_neither_of_a_grid_nor_a_fork():
    assert is_repetition(3, None)
    assert not is_repetition(FIRST_GRID_SEED, None)
    assert not is_repetition(3, 10)
