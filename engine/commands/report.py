"""`report`: rebuilds the outcome table, the summary, the figures and the page from the parts."""

import io
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine import store
from engine.errors import one_line
from engine.report.arm_table import to_text
from engine.report.assembly import lay_out
from engine.report.canvas import to_png
from engine.report.findings import Findings, find
from engine.store import WorkDirectory
from engine.user_code import as_path


def report(workdir: str | os.PathLike[str], has_tensorboard: bool = False) -> dict[str, Any]:
    """Writes everything that can be derived from the finished runs, and prints the short table.

    Args:
        workdir: of a study.
        has_tensorboard: whether to write event files for TensorBoard too.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError: there is no study, or no finished run in it.
        StorageError: something cannot be written.
    """
    directory = store.open_existing(as_path(workdir))
    findings = find(directory)
    path = write_report(directory, findings)
    if has_tensorboard:
        from engine.observers.tensorboard import TensorBoard

        board = TensorBoard(directory)
        board.catch_up(is_all=True)
        board.on_end()
        board.forget_earlier()
    print(f"\n{to_text(findings.header, findings.rows)}\n")
    print(f"{one_line(findings.verdict.headline)}\n\nreport: {path}")
    if has_tensorboard:
        print(f"for TensorBoard: tensorboard --logdir={directory.path / 'tensorboard'}")
    return findings.document


def write_report(directory: WorkDirectory, findings: Findings) -> Path:
    """Writes everything that can be derived from the finished runs.

    Args:
        directory: of a study.
        findings: of its runs.

    Returns:
        The path of the page.

    Raises:
        StorageError: something cannot be written.
    """
    found = lay_out(directory, findings)
    _write_outcomes(directory)
    store.write_atomically(directory.path / "summary.json", store.to_json(findings.document))
    folder = directory.path / "figures"
    _clear(folder, findings.figures)
    for name, figure in findings.figures.items():
        store.write_atomically(folder / f"{name}.svg", found.vectors[name].encode())
        store.write_atomically(folder / f"{name}.png", to_png(figure))
    path = directory.path / "report.html"
    store.write_atomically(path, found.page.encode())
    return path


def _clear(folder: Path, names: Collection[str]) -> None:
    """Makes the folder of the figures, or removes from it what would not be written anew."""
    try:
        folder.mkdir(exist_ok=True)
        for stale in set(folder.glob("*.svg")) | set(folder.glob("*.png")):
            if stale.stem not in names and not stale.is_dir():
                stale.unlink(missing_ok=True)
    except OSError as error:
        raise store.storage_error(folder, error) from error


def _write_outcomes(directory: WorkDirectory) -> None:
    table = directory.read(columns=store.OUTCOME_SCHEMA.names)
    buffer = io.BytesIO()
    pq.write_table(table.select(store.OUTCOME_SCHEMA.names), buffer, compression="zstd")
    store.write_atomically(directory.path / "outcomes.parquet", buffer.getvalue())
