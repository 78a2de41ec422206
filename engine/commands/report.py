"""`report`: rebuilds the outcome table, the summary, the figures and the page from the parts."""

import io
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from engine import store
from engine.errors import InputError, one_line
from engine.report.cautions import make_cautions
from engine.report.fate import make_fates
from engine.report.figures import make_figures, to_png, to_svg
from engine.report.page import make_page
from engine.report.summary import summarise, to_document
from engine.report.table import make_table, to_text
from engine.report.verdict import make_verdict
from engine.store import WorkDirectory


def report(workdir: str | os.PathLike[str]) -> dict[str, Any]:
    """Writes everything that can be derived from the finished runs, and prints the short table.

    Args:
        workdir: of a study.

    Returns:
        The content of `summary.json`.

    Raises:
        InputError: there is no study, or no finished run in it.
        StorageError: something cannot be written.
    """
    directory = store.open_existing(Path(workdir))
    summary = summarise(directory)
    if summary.failed and not summary.runs:
        raise InputError(
            f"all finished runs in {str(workdir)!r} failed, so there is nothing to report: they "
            f"ended their worker again and again, often for want of memory"
        )
    if not summary.runs:
        raise InputError(f"no finished run in {str(workdir)!r} yet: run the study first")
    fates = make_fates(summary)
    verdict = make_verdict(summary, fates)
    document = to_document(summary, verdict._asdict(), fates)
    document["cautions"] = make_cautions(summary, is_page=False)
    header, rows = make_table(summary)
    figures = make_figures(summary, fates)
    vectors = {name: to_svg(figure, name) for name, figure in figures.items()}
    page = make_page(summary, verdict, (header, rows), vectors, directory.document, fates)

    _write_outcomes(directory)
    store.write_atomically(directory.path / "summary.json", store.to_json(document))
    folder = directory.path / "figures"
    _clear(folder, figures)
    for name, figure in figures.items():
        store.write_atomically(folder / f"{name}.svg", vectors[name].encode())
        store.write_atomically(folder / f"{name}.png", to_png(figure))
    store.write_atomically(directory.path / "report.html", page.encode())

    print(f"\n{to_text(header, rows)}\n\n{one_line(verdict.headline)}\n")
    print(f"report: {directory.path / 'report.html'}")
    return document


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
