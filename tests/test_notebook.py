"""The example notebook runs from its first cell to its last, and shows what it promises."""

import html
import os
from pathlib import Path

import jupytext
import matplotlib as mpl
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

import engine

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def outputs(folder):
    """What each cell shows, by its last line, after all were run in an empty folder and home."""
    notebook = jupytext.read(ROOT / "docs" / "notebook.py")
    kernel = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "kernel"))
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, km=kernel, timeout=120, resources=place)
    # Matplotlib looks for fonts anew in a home of which it knows nothing, and takes long.
    fonts = {"MPLCONFIGDIR": mpl.get_cachedir()}
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    client.execute(env={**os.environ, **fonts, **home, "PYTHONPATH": str(ROOT)})
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return {cell.source.splitlines()[-1]: cell.outputs for cell in cells}


def _data(outputs: list) -> dict:
    return outputs[-1]["data"]


def test_a_notebook_shows_the_verdict(outputs, folder):
    shown = _data(outputs["results"])
    results = engine.open(folder / "runs" / "flat")
    assert html.escape(results.verdict) in shown["text/html"]
    assert "12 of 12 runs" in results.verdict
    assert shown["text/plain"] == "<study 'flat' in 'runs/flat': 2 arms>"


def test_a_notebook_shows_figures_tables_and_the_page(outputs, folder):
    assert _data(outputs["plt.show()"])["image/png"]
    assert _data(outputs['results.figures["incidence"]'])["image/png"]
    counts = 'outcomes.groupby(["arm", "status"], as_index=False).size()'
    assert "small" in _data(outputs[counts])["text/html"]
    page = _data(outputs["results.report()"])["text/html"]
    assert page.startswith("<iframe sandbox srcdoc=")
    assert (folder / "runs" / "flat" / "report.html").exists()


def test_a_notebook_prints_the_comparison(outputs):
    (comparison,) = (found for line, found in outputs.items() if line.startswith("print("))
    printed = "".join(output["text"] for output in comparison)
    assert printed.startswith("12 pairs, p = 0.0")
    assert " epochs (-" in printed
