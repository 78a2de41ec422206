"""`report`: rebuilds the outcome table, the summary, the figures and the page from the finished runs."""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from .. import store
from ..observers.event_file import check_tensorboardx
from ..observers.tensorboard import TensorBoard
from ..report.canvas import to_png
from ..report.findings import Findings, find
from ..report.page import lay_out
from ..store.run_table import RunTable
from ..user_code import Place, as_path


def report(workdir: Place, has_tensorboard: bool = False, **options: Any) -> dict[str, Any]:
    """Writes everything that can be derived from the finished runs, prints the short table, and returns the summary.

    Raises `InputError`: there is no study, or no finished run in it; `StorageError`: something cannot be written.
    """
    if has_tensorboard:
        check_tensorboardx()
    directory = store.open_existing(as_path(workdir))
    with store.reporting(directory.path):
        table = RunTable(directory)
        findings = find(table, options=options)
        path = _write(table, findings)
    if has_tensorboard:
        board = TensorBoard(directory)
        board.catch_up(is_all=True)
        board.on_end()
        board.forget_earlier()
    print(f"\n{findings.text}\n\nreport: {path}")
    if has_tensorboard:
        print(f"for TensorBoard: tensorboard --logdir={directory.path / 'tensorboard'}")
    return findings.document


def write_report(table: RunTable, findings: Findings) -> Path:
    """Writes what `report` does, of runs that were read before, and returns the path of the page.

    Where the runs that are stored are others by now, it is of those: somebody may have reported them already.
    """
    directory = table.directory
    with store.reporting(directory.path):
        if store.part_names(directory.path) != table.part_names:
            table = RunTable(directory)
            findings = find(table)
        return _write(table, findings)


def _write(table: RunTable, findings: Findings) -> Path:
    page, root = lay_out(findings, table), table.directory.path
    buffer = io.BytesIO()
    pq.write_table(table.outcomes, buffer, compression="zstd")
    store.write_atomically(root / "outcomes.parquet", buffer.getvalue())
    store.write_atomically(root / "summary.json", store.to_json(findings.document))
    _clear(root / "figures", page.vectors)
    for name, vector in page.vectors.items():
        store.write_atomically(root / "figures" / f"{name}.svg", vector.encode())
        store.write_atomically(root / "figures" / f"{name}.png", to_png(page.figures[name]))
    store.write_atomically(root / store.PAGE, page.html.encode())
    return root / store.PAGE


def _clear(folder: Path, names: Collection[str]) -> None:
    """Makes the folder of the figures, and removes those of other names from it."""
    with store.writing(folder):
        folder.mkdir(exist_ok=True)
        for stale in {*folder.glob("*.svg"), *folder.glob("*.png")}:
            if stale.stem not in names and not stale.is_dir():
                stale.unlink(missing_ok=True)
