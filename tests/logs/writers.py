"""Logs as the tools that people use write them."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Logged:
    """What was measured in one run: losses and accuracies at some steps, and its group."""

    def __init__(self, arm: str, seed: int, steps: Any, loss: Any, accuracy: Any) -> None:
        self.arm, self.seed = arm, seed
        self.steps = [int(step) for step in steps]
        self.loss = [np.float32(value) for value in loss]
        self.accuracy = [np.float32(value) for value in accuracy]

    @property
    def name(self) -> str:
        return f"{self.arm}-{self.seed}"

    def points(self) -> Iterable[tuple[int, np.float32, np.float32]]:
        return zip(self.steps, self.loss, self.accuracy, strict=True)

    def every(self, number: int) -> "Logged":
        """The points whose step is a positive multiple of a number."""
        chosen = [i for i, step in enumerate(self.steps) if step and step % number == 0]
        of = (self.steps, self.loss, self.accuracy)
        return Logged(self.arm, self.seed, *([values[i] for i in chosen] for values in of))


def _table(path: Path, rows: list[list[Any]], **options: Any) -> str:
    with open(path, "w", newline="") as file:
        csv.writer(file, **options).writerows(rows)
    return str(path)


def long_csv(path: Path, runs: list[Logged]) -> str:
    """One row per run and step."""
    rows: list[list[Any]] = [["arm", "seed", "step", "loss", "accuracy"]]
    rows += [[run.arm, run.seed, *point] for run in runs for point in run.points()]
    return _table(path / "all.csv", rows)


def shuffled_csv(path: Path, runs: list[Logged]) -> str:
    """The same with the rows of all runs in the order of steps, as of runs side by side."""
    rows = [[run.arm, run.seed, *point] for run in runs for point in run.points()]
    rows.sort(key=lambda row: (row[2], row[1]))
    return _table(path / "all.csv", [["arm", "seed", "step", "loss", "accuracy"], *rows])


def european_csv(path: Path, runs: list[Logged]) -> str:
    """Semicolons and decimal commas, in the encoding of a spreadsheet."""
    lines = ["arm;seed;step;loss;accuracy"]
    for run in runs:
        for step, loss, accuracy in run.points():
            numbers = f"{loss};{accuracy}".replace(".", ",")
            lines.append(f"{run.arm};{run.seed};{step};{numbers}")
    file = path / "all.csv"
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, ""]).encode())
    return str(file)


def json_lines(path: Path, runs: list[Logged]) -> str:
    """One object per run and step."""
    file = path / "all.jsonl"
    with open(file, "w") as out:
        for run in runs:
            for step, loss, accuracy in run.points():
                about = {"arm": run.arm, "seed": run.seed, "step": step}
                values = {"loss": float(str(loss)), "accuracy": float(str(accuracy))}
                out.write(json.dumps({**about, **values}) + "\n")
    return str(file)


def files_of_runs(path: Path, runs: list[Logged]) -> list[str]:
    """A file for each run, in a folder for each group."""
    for run in runs:
        (path / run.arm).mkdir(exist_ok=True)
        rows = [["step", "train_loss", "train_acc"], *map(list, run.points())]
        _table(path / run.arm / f"{run.seed}.csv", rows)
    return [f"{arm}={path / arm}" for arm in dict.fromkeys(run.arm for run in runs)]


def wide_csv(path: Path, runs: list[Logged]) -> list[str]:
    """A file for each group, in which every run is a column."""
    words = []
    for arm in dict.fromkeys(run.arm for run in runs):
        own = [run for run in runs if run.arm == arm]
        rows: list[list[Any]] = [["step", *(f"seed_{run.seed}" for run in own)]]
        longest = max((run.steps for run in own), key=len)
        for i, step in enumerate(longest):
            rows.append([step, *(run.loss[i] if i < len(run.loss) else "" for run in own)])
        words.append(f"{arm}={_table(path / f'{arm}.csv', rows)}")
    return words


def wandb_csv(path: Path, runs: list[Logged]) -> list[str]:
    """What the page of Weights & Biases exports of a panel with several runs."""
    words = []
    for arm in dict.fromkeys(run.arm for run in runs):
        own = [run for run in runs if run.arm == arm]
        names = [f"{run.name} - train/loss{end}" for run in own for end in ("", "__MIN", "__MAX")]
        at = [dict(zip(run.steps, run.loss, strict=True)) for run in own]
        rows: list[list[Any]] = [["Step", *names]]
        for step in sorted({step for run in own for step in run.steps}):
            values = (of.get(step, "") for of in at for _ in range(3))
            rows.append([step, *map(str, values)])
        words.append(f"{arm}={_table(path / f'{arm}.csv', rows, quoting=csv.QUOTE_ALL)}")
    return words


def wandb_history(path: Path, runs: list[Logged]) -> list[str]:
    """Rows of a run's history: `_step` and what was logged there, with held-out rows between."""
    for run in runs:
        folder = path / run.arm / f"run-{run.seed}"
        folder.mkdir(parents=True)
        with open(folder / "wandb-history.jsonl", "w") as file:
            for step, loss, accuracy in run.points():
                row: dict[str, Any] = {"_step": step, "_runtime": 0.1 * step, "_timestamp": 1.7e9}
                row |= {"train/loss": _number(loss), "train/acc": _number(accuracy)}
                file.write(json.dumps(row) + "\n")
                held_out = {"_step": step, "val/loss": 1.0, "epoch": step // 22}
                file.write(json.dumps(held_out) + "\n")
        (folder / "wandb-summary.json").write_text(json.dumps({"train/loss": 0.1, "_step": 9}))
        (folder / "config.json").write_text(json.dumps({"lr": {"value": 0.1}}))
    return [f"{arm}={path / arm}/**/*history.jsonl" for arm in {run.arm: 0 for run in runs}]


def _number(value: np.float32) -> Any:
    """A number as Weights & Biases writes it, which has no NaN in JSON."""
    return float(str(value)) if np.isfinite(value) else "NaN"


def _dict_rows(path: Path, names: list[str], rows: list[Mapping[str, Any]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=names, dialect=csv.excel)
        writer.writeheader()
        writer.writerows(rows)


def keras_csv(path: Path, runs: list[Logged]) -> list[str]:
    """What Keras' CSVLogger writes at the end of every epoch."""
    for run in runs:
        folder = path / run.arm
        folder.mkdir(exist_ok=True)
        names = ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
        rows = [
            {"epoch": i, "accuracy": a, "loss": loss, "val_accuracy": "NA", "val_loss": "NA"}
            for i, (_, loss, a) in enumerate(run.points())
        ]
        _dict_rows(folder / f"{run.seed}.csv", names, rows)
    return [f"{arm}={path / arm}" for arm in dict.fromkeys(run.arm for run in runs)]


def keras_history(path: Path, runs: list[Logged]) -> list[str]:
    """`History.history` as JSON."""
    for run in runs:
        folder = path / run.arm
        folder.mkdir(exist_ok=True)
        history = {"accuracy": run.accuracy, "loss": run.loss, "val_loss": run.loss}
        plain = {name: [float(str(v)) for v in values] for name, values in history.items()}
        (folder / f"history_{run.seed}.json").write_text(json.dumps(plain))
    return [f"{arm}={path / arm}" for arm in dict.fromkeys(run.arm for run in runs)]


def lightning_csv(path: Path, runs: list[Logged]) -> list[str]:
    """What Lightning's CSVLogger writes: training and validation in rows of their own."""
    for run in runs:
        folder = path / run.arm / "lightning_logs" / f"version_{run.seed}"
        folder.mkdir(parents=True)
        names = sorted(["epoch", "step", "train_loss_step", "train_loss_epoch", "train_acc"])
        names = sorted([*names, "val_loss"])
        rows: list[Mapping[str, Any]] = []
        for step, loss, accuracy in run.points():
            epoch = step // 22
            values = {"train_loss_step": loss, "train_acc": accuracy}
            rows.append({"epoch": epoch, "step": step, **values})
            if step % 22 == 0:
                rows.append({"epoch": epoch, "step": step, "val_loss": 2.0})
                rows.append({"epoch": epoch, "step": step, "train_loss_epoch": loss})
        _dict_rows(folder / "metrics.csv", names, rows)
        (folder / "hparams.yaml").write_text("lr: 0.1\n")
    return [f"{arm}={path / arm}" for arm in dict.fromkeys(run.arm for run in runs)]


def trainer_state(path: Path, runs: list[Logged]) -> list[str]:
    """What the HuggingFace Trainer saves with each checkpoint, evaluations and a last row between the losses."""
    for run in runs:
        rows: list[Mapping[str, Any]] = []
        for step, loss, accuracy in run.points():
            about = {"epoch": step / 22, "step": step}
            rows.append({**about, "loss": float(str(loss)), "accuracy": float(str(accuracy)), "learning_rate": 0.1})
            if step % 22 == 0:
                rows.append({**about, "eval_loss": 1.0, "eval_accuracy": 0.5, "eval_runtime": 2.0})
        rows.append({"epoch": 9.0, "step": run.steps[-1], "train_loss": 1.5, "train_runtime": 9.0})
        for number in (len(rows) // 2, len(rows)):
            folder = path / run.arm / str(run.seed) / f"checkpoint-{number}"
            folder.mkdir(parents=True)
            state = {"best_metric": None, "global_step": number, "log_history": rows[:number]}
            (folder / "trainer_state.json").write_text(json.dumps(state, indent=2))
            (folder / "vocab.json").write_text(json.dumps({str(i): i for i in range(20_000)}))
    return [f"{arm}={path / arm}" for arm in dict.fromkeys(run.arm for run in runs)]


def tensorboard(path: Path, runs: list[Logged]) -> list[str]:
    """Event files as tensorboardX writes them."""
    from tensorboardX import SummaryWriter

    for run in runs:
        with SummaryWriter(str(path / run.arm / f"seed_{run.seed}")) as writer:
            writer.add_text("notes", "not a number")
            for step, loss, accuracy in run.points():
                writer.add_scalar("Loss/train", loss, step)
                writer.add_scalar("Accuracy/train", accuracy, step)
                writer.add_scalar("Loss/test", 1.0, step)
                if step % 110 == 0:
                    writer.add_histogram("weights", np.arange(9.0), step)
    return [f"{arm}={path / arm}" for arm in dict.fromkeys(run.arm for run in runs)]


BY_STEP = {
    write.__name__: write
    for write in (
        long_csv, shuffled_csv, european_csv, json_lines, files_of_runs, wide_csv, wandb_csv,
        wandb_history, lightning_csv, trainer_state, tensorboard,
    )
}  # fmt: skip
BY_EPOCH = {write.__name__: write for write in (keras_csv, keras_history)}
