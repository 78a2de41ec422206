"""Curves of our own, written as other tools write them, come back with the same outcomes."""

import math

import numpy as np
import pytest

from engine.commands.run import run
from engine.logs import ReadOptions, read_curves
from engine.logs.to_rows import arms_of, detect
from engine.outcomes import DetectorSettings, find_break
from engine.store import open_existing
from tests.conftest import small_study
from tests.logs.writers import BY_EPOCH, BY_STEP, Logged

H = math.log(10)
SHOWN = ("status", "onset_step", "onset_lower", "onset_upper", "half_step", "width_steps")


@pytest.fixture(scope="module")
def study(tmp_path_factory, data_dir):
    """A study that was run here."""
    path = tmp_path_factory.mktemp("own") / "study"
    run(small_study(seeds=2, horizon=440), path, data_dir=data_dir, num_workers=0, is_quiet=True, has_report=False)
    return path


@pytest.fixture(scope="module")
def own(study) -> list[Logged]:
    """Its curves."""
    rows = open_existing(study).read().to_pylist()
    return [Logged(*(row[n] for n in ("arm", "seed", "steps", "loss", "accuracy"))) for row in rows]


def _made_up() -> list[Logged]:
    """A run that breaks, one that stays, and one that blows up, of different lengths."""
    generator, steps, runs = np.random.default_rng(0), np.arange(0, 4400, 11), []
    for seed, (centre, end) in enumerate(((2000, 400), (1e9, 380), (1500, 330))):
        rise = 0.9 / (1 + np.exp(-np.clip((steps - centre) / 60, -50, 50)))
        loss = H * (1 - rise + 0.01 * generator.normal(size=len(steps)))
        if seed == 2:
            loss[320:] = math.nan
        runs.append(Logged("made up", seed, steps[:end], loss[:end], rise[:end]))
    return runs


def _expected(runs: list[Logged]) -> dict[tuple[str, int], dict]:
    found = {}
    for one in runs:
        steps, loss = np.array(one.steps), np.array(one.loss)
        outcome = find_break(steps, loss, H)._asdict()
        found[one.arm, one.seed] = {name: outcome[name] for name in SHOWN}
    return found


def _read_back(words, options: ReadOptions) -> dict[tuple[str, int], dict]:
    reading = read_curves([words] if isinstance(words, str) else words, options)
    arms = arms_of(reading.curves, "none")
    rows = detect(arms, H, DetectorSettings()).rows
    found = {}
    for row in rows:
        number = int(row["run_name"].replace("-", "_").rsplit("_", 1)[-1])
        found[row["arm"], number] = {name: row[name] for name in SHOWN}
    return found


@pytest.mark.parametrize("made_up", [False, True])
@pytest.mark.parametrize("name", BY_STEP)
def test_every_format_comes_back_the_same(name, made_up, own, tmp_path):
    """To the last bit: losses are 32-bit numbers here and in the logs."""
    runs = _made_up() if made_up else own
    words = BY_STEP[name](tmp_path, runs)
    expected = _expected(runs)
    assert len({outcome["status"] for outcome in expected.values()}) == (2 if made_up else 1)
    assert _read_back(words, ReadOptions()) == expected


@pytest.mark.parametrize("name", BY_EPOCH)
def test_formats_without_steps_come_back_in_epochs(name, own, tmp_path):
    """A row is of the end of its epoch; a length of the epoch makes steps of them."""
    at_epochs = [one.every(22) for one in own]
    words = BY_EPOCH[name](tmp_path, at_epochs)
    assert _read_back(words, ReadOptions(steps_per_epoch=22)) == _expected(at_epochs)
    for one in at_epochs:
        one.steps = [step // 22 for step in one.steps]
    assert _read_back(words, ReadOptions()) == _expected(at_epochs)
    assert read_curves(words).steps_per_epoch == 1


def test_the_rows_of_a_study_come_back_whole(own, study, tmp_path):
    """What was stored when it ran, from its log alone."""
    stored = open_existing(study).read().to_pylist()
    reading = read_curves([BY_STEP["long_csv"](tmp_path, own)])
    arms = arms_of(reading.curves, "none")
    rows = detect(arms, stored[0]["chance_loss"], DetectorSettings()).rows
    assert [(row["arm"], row["run_name"]) for row in rows] == [(row["arm"], str(row["seed"])) for row in stored]
    for row, was in zip(rows, stored, strict=True):
        for name in (*SHOWN, "end_loss", "end_accuracy", "onset_accuracy", "num_breaks"):
            assert row[name] == pytest.approx(was[name]), name


def test_what_was_guessed_is_said(own, tmp_path):
    said = {}
    for name, write in {**BY_STEP, **BY_EPOCH}.items():
        folder = tmp_path / name
        folder.mkdir()
        words = write(folder, [one.every(22) for one in own])
        said[name] = read_curves([words] if isinstance(words, str) else words).guesses[0]
    assert said["long_csv"] == (
        "CSV: step from 'step', loss from 'loss', accuracy from 'accuracy', run from 'seed', arm from 'arm'"
    )
    assert "CSV with semicolons, decimal commas" in said["european_csv"]
    assert "one column per run" in said["wandb_csv"]
    assert "Weights & Biases: step from '_step'" in said["wandb_history"]
    assert "loss from 'train_loss_step'" in said["lightning_csv"]
    assert "held-out loss from 'val_loss'" in said["lightning_csv"]
    assert "HuggingFace Trainer: step from 'step', loss from 'loss', accuracy" in said["trainer_state"]
    assert "held-out loss from 'eval_loss', held-out accuracy from 'eval_accuracy'" in said["trainer_state"]
    assert "TensorBoard: step from 'step', loss from 'Loss/train'" in said["tensorboard"]
    assert "'epoch' + 1, as a row is of the end of its epoch" in said["keras_csv"]
    assert said["keras_history"].startswith("Keras history: step from the number of the epoch")


def test_a_folder_of_many_files_leaves_out_what_is_no_log(own, tmp_path):
    BY_STEP["wandb_history"](tmp_path, own)
    reading = read_curves([str(tmp_path)], ReadOptions(loss_column="train/loss"))
    kinds = [kind for kind, _ in reading.notes]
    assert kinds.count("skipped") == 4
    assert kinds.count("short") == 4
    assert {(curve.arm, curve.run) for curve in reading.curves} == {
        ("", f"{arm}/run-{seed}") for arm in ("slow", "fast") for seed in (0, 1)
    }


def test_of_the_checkpoints_of_a_training_the_last_one_counts(own, tmp_path):
    words = BY_STEP["trainer_state"](tmp_path, own)
    reading = read_curves(words)
    assert len(reading.curves) == reading.num_files == len(own)
    assert [kind for kind, note in reading.notes if "1 state of earlier checkpoints" in note] == ["skipped"] * len(own)
    first = min(tmp_path.rglob("trainer_state.json"), key=lambda path: int(path.parent.name.split("-")[1]))
    assert len(read_curves([str(first)]).curves) == 1
