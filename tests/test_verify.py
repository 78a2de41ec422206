"""`verify` on studies that were really run, and on studies that were tampered with."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import launch
from engine import verify
from engine.arms.arm import Arm
from engine.commands.run import run
from engine.errors import InputError
from engine.lanes.runs import run_key
from engine.store import ROW_SCHEMA, RUN_KEY, create_or_resume, fingerprint, open_existing
from engine.store.files import digest
from engine.store.parts import encode
from engine.verification.comparison import compare_rows
from engine.verification.sampling import draw_sample
from engine.workers import supervisor
from engine.workers.messages import Delivery
from tests.conftest import read_all, runs_of, small_arm, small_study

_WELL = Arm(
    dataset="double_well", model="position", init="normal", init_scale=0.0, optimizer="sgd",
    learning_rate=0.1, batch_size=1, gradient_noise=(2 * 0.5 / 0.1) ** 0.5,
)  # fmt: skip
STUDIES = {
    "plain": small_study(seeds=4, horizon=220),
    "settled": small_study(seeds=2, horizon=880, stop="settled"),
    "diverged": small_study(
        arms={"wild": small_arm(learning_rate=1e6), "tame": small_arm()},
        baseline="tame",
    ),
    "hit": small_study(arms={"well": _WELL}, baseline=None, seeds=4, horizon=440),
    "forks": small_study(
        arms={"slow": small_arm(learning_rate=3e-4)}, baseline=None, horizon=440,
        design="crossed_fork", order_seeds=2, forks=2,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def options(data_dir, cache_dir):
    return {"num_workers": 0, "data_dir": data_dir, "cache_dir": cache_dir, "is_quiet": True}


@pytest.fixture(scope="module")
def studies(tmp_path_factory, options):
    root = tmp_path_factory.mktemp("verified")
    for name, study in STUDIES.items():
        run(study, root / name, has_report=False, **options)
    return root


@pytest.fixture(scope="module")
def recorded(studies, options):
    """The runs of the plain study, as they come out of the lanes once more."""
    found = {}
    run_all = supervisor.run_all

    def record(specs, runs, hooks, crew):
        def keep(delivery):
            found.update({run_key(completed.run): completed for completed in delivery.completed})
            return hooks.on_delivery(delivery)

        run_all(specs, runs, hooks._replace(on_delivery=keep), crew)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "run_all", record)
        verify(studies / "plain", is_all=True, **options)
    return found


@pytest.fixture
def replayed(recorded, monkeypatch):
    """For tests of what follows from the runs: they come from memory."""

    def replay(specs, runs, hooks, crew):
        hooks.on_delivery(Delivery(0, [recorded[run_key(run)] for group in runs for run in group]))

    monkeypatch.setattr(supervisor, "run_all", replay)


@pytest.fixture
def plain(studies, tmp_path):
    """A copy of a study that a test may change."""
    shutil.copytree(studies / "plain", tmp_path / "plain")
    return tmp_path / "plain"


def _state(directory: Path) -> dict:
    return {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in (directory, *directory.rglob("*"))
    }


def _rewrite(directory: Path, change) -> None:
    """Replaces all parts by one whose table was changed, under the right name."""
    table = change(open_existing(directory).read())
    for part in (directory / "parts").iterdir():
        part.unlink()
    (directory / "manifest").unlink(missing_ok=True)
    _add(directory, table)


def _add(directory: Path, table: pa.Table) -> None:
    study = fingerprint(open_existing(directory).document["identity"])
    content = encode(table.to_pylist(), study, 0)
    (directory / "parts" / f"{digest(content)}.parquet").write_bytes(content)


def _altered(directory: Path, on_document=None, on_row=None) -> Path:
    """A study beside another one, with another document or other rows, stored as it should be."""
    original = open_existing(directory)
    document, rows = copy.deepcopy(original.document), original.read().to_pylist()
    if on_document is not None:
        on_document(document)
    altered = create_or_resume(directory.with_name(f"{directory.name}_altered"), document)
    changed = rows if on_row is None else [row for row in map(on_row, rows) if row is not None]
    altered.append(changed)
    return altered.path


def _flip(table: pa.Table, row: int, column: str, index: int) -> pa.Table:
    """The lowest bit of one number of a curve is another."""
    rows = table.to_pylist()
    bits = np.array(rows[row][column][index], np.float32).view(np.uint32)
    rows[row][column][index] = float((bits ^ np.uint32(1)).view(np.float32))
    return pa.Table.from_pylist(rows, schema=ROW_SCHEMA)


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_run_of_a_study_is_identical_and_nothing_is_written(name, studies, options):
    before = _state(studies / name)
    found = verify(studies / name, is_all=True, **options)
    assert (found.verdict, found.exit_code) == ("identical", 0)
    assert found.changed == found.damage == found.unexplained == found.outcomes == []
    rows = read_all(studies / name)
    assert [run_key(a.run) for a in found.runs] == [tuple(r[n] for n in RUN_KEY) for r in rows]
    assert _state(studies / name) == before


def test_the_studies_hold_what_they_are_there_for(studies):
    found = {name: {row["stop_reason"] for row in read_all(studies / name)} for name in STUDIES}
    assert "settled" in found["settled"]
    assert found["diverged"] == {"diverged", "horizon"}
    assert "hit" in found["hit"]
    assert any(row["fork_step"] is not None for row in read_all(studies / "forks"))


def test_a_sample_is_said_with_what_it_leaves_open(studies, options, capsys):
    """R: `sum(phyper(0, 1:11, 15 - 1:11, 4) >= .05)` is 7."""
    found = verify(studies / "forks", num_runs=4, seed=3, **options)
    assert len(found.runs) == 4
    shown = capsys.readouterr().out.splitlines()
    assert all(": identical (41 points, 440 mini-batches)" in line for line in shown[:4])
    assert shown[-1] == (
        "4 of 15 finished runs were run again (drawn at random, seed 3): all are identical to "
        "the last bit, curves included. Of the other 11, at most 7 can differ (95 % confidence)."
    )
    names = [line.split(":")[0] for line in shown[:4]]
    assert any("fork" in name for name in names) or any("order" in name for name in names)


@pytest.mark.parametrize("column", ["loss", "batch_loss"])
def test_one_bit_of_a_curve_is_found(column, plain, data_dir, cache_dir, capsys):
    _rewrite(plain, lambda table: _flip(table, 5, column, 3))
    row = read_all(plain)[5]
    words = ["--workers=0", f"--data_dir={data_dir}", f"--compilation_cache={cache_dir}"]
    assert launch.main(["launch.py", "verify", f"--workdir={plain}", "--all", *words]) == 3
    shown = capsys.readouterr().out
    (line,) = (line for line in shown.splitlines() if "differs: " in line)
    assert line.startswith(f"{row['arm']} seed {row['seed']}: differs: ")
    assert "statuses agree" in line
    if column == "loss":
        assert "loss from step 33 on, at most 1e-07 apart" in line
        assert "within 0.1 % of chance level to the end" in line
    if column == "batch_loss":
        assert "mini-batches from step 3 on, loss curves are the same" in line
    assert "1 of 8 differ" in shown
    assert "nothing that bits depend on is known to have changed" in shown


@pytest.mark.parametrize("name", ROW_SCHEMA.names)
def test_every_column_is_compared(name, studies):
    """A row equals itself; with anything else in one column it does not."""
    stored = open_existing(studies / "plain").read().slice(0, 1)
    row = stored.to_pylist()[0]
    (run_of_row,) = runs_of(small_arm(), [0])
    assert compare_rows(run_of_row, stored, row).differing == ()
    kind = ROW_SCHEMA.field(name).type
    other = {
        pa.string(): "x", pa.int64(): -7, pa.float64(): -7.5, pa.bool_(): not row[name],
    }.get(kind)  # fmt: skip
    if pa.types.is_list(kind):
        other = [{}] if pa.types.is_struct(kind.value_type) else [-7]
    for value in (other, None if row[name] is not None else other):
        found = compare_rows(run_of_row, stored, {**row, name: value, "chance_loss": 2.3})
        assert name in found.differing
        assert set(found.differing) <= {name, "chance_loss"}


def test_numbers_are_compared_by_their_bits(studies):
    stored = open_existing(studies / "plain").read().slice(0, 1)
    row = stored.to_pylist()[0]
    (run_of_row,) = runs_of(small_arm(), [0])

    def differing(value: float, other: float) -> tuple[str, ...]:
        changed = {**row, "suddenness": value, "loss": [value, *row["loss"][1:]]}
        table = pa.Table.from_pylist([changed], schema=ROW_SCHEMA)
        again = {**row, "suddenness": other, "loss": [other, *row["loss"][1:]]}
        return compare_rows(run_of_row, table, again).differing

    nan, inf = float("nan"), float("inf")
    for value in (nan, inf, -inf, 0.0, 1e-40):
        assert differing(value, value) == ()
        assert set(differing(value, 1.0)) == {"suddenness", "loss"}
    assert set(differing(0.0, -0.0)) == {"suddenness", "loss"}
    assert set(differing(nan, inf)) == {"suddenness", "loss"}


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([2.3, 2.2, 2.1, 2.0], (None, 33, 0.0)),
        ([2.3, 2.2, 2.101, 2.0], (22, 33, 0.001)),
        ([2.3, 2.25, 2.1, 2.0], (11, 0, 0.05)),
        ([2.4, 2.2, 2.1, 2.0], (0, None, 0.1)),
        ([2.3, 2.2], (22, 11, 0.0)),
        ([2.3, 2.2, 2.1, 2.0, 1.9], (44, 33, 0.0)),
        ([2.3, 2.2, float("nan"), 2.0], (22, 11, float("inf"))),
        ([], (0, None, 0.0)),
    ],
)
def test_curves_agree_up_to_a_step(loss, expected, studies):
    """Close is within 1e-3 of a chance loss of 2.3."""
    (run_of_row,) = runs_of(small_arm(), [0])
    base = read_all(studies / "plain")[0]
    steps = [0, 11, 22, 33, 44]
    stored = {**base, "loss": [2.3, 2.2, 2.1, 2.0], "steps": steps[:4]}
    table = pa.Table.from_pylist([stored], schema=ROW_SCHEMA)
    again = {**stored, "loss": loss, "steps": steps[: len(loss)], "chance_loss": 2.3}
    found = compare_rows(run_of_row, table, again)
    assert (found.loss_from, found.close_until) == expected[:2]
    assert found.most_apart == pytest.approx(expected[2], rel=1e-3)


@pytest.mark.usefixtures("replayed")
def test_a_run_that_is_stored_twice_is_wrong_if_one_of_its_rows_is(plain, options):
    table = open_existing(plain).read().slice(0, 1)
    _add(plain, _flip(table, 0, "loss", 1))
    found = verify(plain, is_all=True, **options)
    assert found.exit_code == 3
    assert [a.is_identical for a in found.runs] == [False] + 7 * [True]


@pytest.mark.usefixtures("replayed")
def test_a_row_of_no_run_of_the_study_is_damage(plain, options, capsys):
    def foreign(row):
        return {**row, "noise_seed": 2**30 + row["noise_seed"]}

    rows = [foreign(row) for row in open_existing(plain).read().slice(0, 1).to_pylist()]
    _add(plain, pa.Table.from_pylist(rows, schema=ROW_SCHEMA))
    found = verify(plain, is_all=True, **options)
    assert found.exit_code == 3
    assert "a row is no run of this study (arm='slow'" in capsys.readouterr().out


@pytest.mark.usefixtures("replayed")
def test_a_part_that_is_left_out_is_damage(plain, options, capsys):
    """What is left is identical, and the study is not whole all the same."""
    directory = open_existing(plain)
    directory.append(directory.read().slice(0, 1).to_pylist())
    part = min((plain / "parts").glob("*.parquet"), key=lambda path: path.stat().st_size)
    part.write_bytes(part.read_bytes()[:-9])
    before = _state(plain)
    found = verify(plain, **options)
    assert (found.exit_code, len(found.runs)) == (3, 8)
    assert all(agreement.is_identical for agreement in found.runs)
    assert "1 file of finished runs is damaged, missing or foreign" in capsys.readouterr().out
    assert _state(plain) == before


@pytest.mark.usefixtures("replayed")
def test_failed_runs_are_left_out(plain, options, capsys):
    seeds = dict.fromkeys(("seed", "init_seed", "order_seed", "noise_seed"), 4)
    outcome = {"status": "failed", "event": 0, "stop_reason": "failed", "steps_run": 0}
    open_existing(plain).append([{"arm": "slow", **seeds, **outcome, "chance_loss": 2.3}])
    found = verify(plain, is_all=True, **options)
    assert (found.exit_code, len(found.runs), found.finished.num_failed) == (0, 8, 1)
    assert "1 run that failed is left out" in capsys.readouterr().out


def test_another_study_under_the_same_name_is_not_reproduced(plain, options, capsys):
    """Every run differs, although nothing that bits depend on has changed."""
    other = _altered(plain, lambda document: document["identity"].update(root_seed=1))
    found = verify(other, **options)
    assert (found.verdict, found.exit_code) == ("not reproduced", 3)
    assert all(a.loss_from == 0 for a in found.runs)
    assert [o.arm for o in found.outcomes] == ["slow", "fast", None]
    assert "8 of 8 differ, first at step 0" in capsys.readouterr().out


def _other_jax(document) -> None:
    document["launches"][0]["versions"]["jax"] = "0.0.1"


@pytest.mark.parametrize(
    ("event", "margin", "verdict", "code", "words"),
    [
        (1, 0.1, "undecided", 5, "would show it, and 8 are there"),
        (1, 0.9, "equivalent", 4, "the distributions of outcomes are equivalent"),
        (0, 0.1, "not reproduced", 3, "Outcomes differ beyond chance, in"),
    ],
)
@pytest.mark.usefixtures("replayed")
def test_other_bits_with_another_version(event, margin, verdict, code, words, plain, options, capsys):
    """Losses 1e-6 off throughout, and outcomes that are the same, or of which none is."""

    def change(row):
        loss = [value + 1e-6 for value in row["loss"]]
        return {**row, "loss": loss, "event": event, "status": "broke" if event else "stuck"}

    found = verify(_altered(plain, _other_jax, change), margin=margin, **options)
    assert (found.verdict, found.exit_code) == (verdict, code)
    shown = capsys.readouterr().out
    assert words in shown
    assert "jax 0.0.1 → " in shown
    assert "within 0.1 % of chance level to the end" in shown


@pytest.mark.usefixtures("replayed")
def test_one_run_that_differs_beside_others_that_do_not_is_not_explained(plain, options, capsys):
    """Another version would have changed the bits of the whole arm."""

    def change(row):
        is_it = (row["arm"], row["seed"]) == ("fast", 1)
        return {**row, "loss": [value + 1e-6 for value in row["loss"]]} if is_it else row

    found = verify(_altered(plain, _other_jax, change), is_all=True, **options)
    assert (found.verdict, found.exit_code) == ("not reproduced", 3)
    shown = capsys.readouterr().out
    assert "That does not explain fast seed 1: others of the same arm are identical." in shown


@pytest.mark.usefixtures("replayed")
def test_runs_of_two_launches_are_judged_apart(plain, options, capsys):
    """All that another version made differ, and all that this one made are identical."""
    original = open_existing(plain)
    rows, document = original.read().to_pylist(), copy.deepcopy(original.document)
    launch_of_now = copy.deepcopy(document["launches"][0])
    _other_jax(document)
    directory = create_or_resume(plain.with_name("both"), document)
    early = [row for row in rows if row["seed"] < 2]
    off = [{**row, "loss": [value + 1e-6 for value in row["loss"]]} for row in early]
    directory.append(off)
    directory.document["launches"].append(launch_of_now)
    directory.append([row for row in rows if row["seed"] >= 2])
    directory.save_document()
    found = verify(directory.path, is_all=True, **options)
    assert [a.is_identical for a in found.runs] == [a.run.seed >= 2 for a in found.runs]
    assert (found.verdict, found.unexplained) == ("undecided", [])
    assert "4 of 8 differ" in capsys.readouterr().out


@pytest.mark.usefixtures("replayed")
def test_one_run_that_differs_alone_may_be_explained(plain, options):
    def change(row):
        is_it = (row["arm"], row["seed"]) == ("fast", 1)
        return {**row, "loss": [value + 1e-6 for value in row["loss"]]} if is_it else None

    assert verify(_altered(plain, _other_jax, change), **options).exit_code == 5


@pytest.mark.usefixtures("replayed")
def test_other_versions_do_not_matter_where_bits_agree(plain, options, capsys):
    def change(document):
        _other_jax(document)
        document["identity"]["data"]["slow"] = "0" * 64

    found = verify(_altered(plain, change), num_runs=2, **options)
    assert found.exit_code == 0
    shown = capsys.readouterr().out
    assert "the data of 'slow' is another" in shown
    assert "jax 0.0.1 → " in shown


def test_a_study_from_an_accelerator_is_run_here_at_its_width_and_block(plain, options):
    """Eight lanes at once, where this machine would take eight too: here the bits are the same."""

    def move(document):
        document["identity"]["platform"] = "gpu"
        for name in ("width", "block"):
            document["identity"][name] = {"slow": 8, "fast": 8}

    found = verify(_altered(plain, move), num_runs=2, **options)
    assert found.changed[0] == 'the kind of device was "gpu", is now "cpu"'


@pytest.mark.usefixtures("replayed")
def test_the_result_is_written_where_it_is_asked_for(studies, tmp_path, options):
    before = _state(studies / "plain")
    verify(studies / "plain", num_runs=2, output=tmp_path / "result.json", **options)
    written = json.loads((tmp_path / "result.json").read_text())
    assert (written["verdict"], written["exit_code"], len(written["runs"])) == ("identical", 0, 2)
    for place in (studies / "plain" / "x.json", studies / "plain" / "parts" / ".." / "x.json"):
        with pytest.raises(InputError, match="expected a place outside"):
            verify(studies / "plain", output=place, **options)
    assert _state(studies / "plain") == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--workdir={0}/none"], "no study in"),
        (["--workdir={0}/empty"], "no finished run in"),
        (["--workdir={0}/plain", "--runs=0"], "runs=0: expected at least 1"),
        (["--workdir={0}/plain", "--runs=2", "--all"], "give one of them"),
        (["--workdir={0}/plain", "--seed=-1"], "seed=-1"),
        (["--workdir={0}/plain", "--margin=0"], "margin=0.0: expected a positive number"),
        (["--workdir={0}/plain", "--margin=nan"], "margin=nan"),
        (["--workdir={0}/plain", "--output={0}"], "expected a file"),
        (["--workdir={0}/plain", "--compilation_cache={0}/plain/cache"], "is in the study"),
        (["--workdir={0}/plain", "--rnus=2"], "runs"),
        (["--workdir={0}/plain", "--workers=-1"], "workers=-1"),
        (["--workdir={0}/plain", "--horizon=2"], "horizon"),
        ([], "--workdir is missing"),
    ],
)
def test_wrong_input_is_one_line(words, expected, studies, capsys, data_dir):
    if not (studies / "empty").exists():
        (studies / "empty" / "parts").mkdir(parents=True)
        shutil.copy(studies / "plain" / "study.json", studies / "empty" / "study.json")
    given = [*(word.format(studies) for word in words), f"--data_dir={data_dir}"]
    assert launch.main(["launch.py", "verify", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert expected in error


def test_a_precision_that_does_not_exist_here_is_refused(plain, options):
    other = _altered(plain, lambda d: d["identity"]["arms"]["slow"].update(precision="tf32"))
    with pytest.raises(InputError, match="tf32 does not exist on a cpu"):
        verify(other, **options)


def _many(sizes: dict[str, int]) -> list:
    arm = small_arm()
    found = []
    for name, size in sizes.items():
        found += [r._replace(arm_name=name) for r in runs_of(arm, list(range(size)))]
    return found


@pytest.mark.parametrize(
    ("sizes", "number", "drawn"),
    [
        ({"a": 24, "b": 12, "c": 12}, 8, [4, 2, 2]),
        ({"a": 24, "b": 12, "c": 12}, 3, [1, 1, 1]),
        ({"a": 1000, "b": 1}, 2, [1, 1]),
        ({"a": 1000, "b": 1}, 1, [1]),
        ({"a": 3, "b": 2}, 99, [3, 2]),
        ({str(i): 12 for i in range(12)}, 8, [8]),
    ],
)
def test_every_arm_has_its_share_of_a_sample(sizes, number, drawn):
    runs = _many(sizes)
    sample = draw_sample(runs, number, seed=0)
    assert sample.num_drawn == drawn
    assert sum(sample.num_all) == len(runs)
    assert len(set(map(run_key, sample.runs))) == sum(drawn)
    assert sample.runs == [run for run in runs if run in sample.runs]


def test_a_sample_depends_on_its_seed_alone():
    runs = _many({"a": 30, "b": 20})
    first = draw_sample(runs, 10, seed=0)
    assert draw_sample(runs[::-1], 10, seed=0).runs == first.runs[::-1]
    assert draw_sample(runs, 10, seed=1).runs != first.runs
    assert set(map(run_key, draw_sample(runs, 20, seed=0).runs)) > set(map(run_key, first.runs))


def test_every_run_is_as_likely_to_be_drawn():
    """10 of 50 in 1,000 samples: 200 times each, within five standard errors of 12.6."""
    runs = _many({"a": 30, "b": 20})
    counts = dict.fromkeys(map(run_key, runs), 0)
    for seed in range(1000):
        for one in draw_sample(runs, 10, seed).runs:
            counts[run_key(one)] += 1
    assert max(abs(count - 200) for count in counts.values()) < 5 * 12.65


@pytest.mark.slow
def test_worker_processes_agree_with_this_one(studies, options):
    found = verify(studies / "plain", is_all=True, **{**options, "num_workers": 2})
    assert found.verdict == "identical"
