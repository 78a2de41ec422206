"""The example notebook runs from its first cell to its last, and shows what it promises."""

import html
import json
import os
import time
from pathlib import Path

import jupytext
import matplotlib as mpl
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

import engine

pytestmark = pytest.mark.guide

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


LONG = """
import engine
arms = {"a": engine.Arm(model="mlp", dense_widths=(16,), init="he")}
study = engine.Study(name="long", arms=arms, seeds=2, horizon=60_000, eval_every=100)
results = engine.run(study, "long", num_workers=2, data_dir=%r, cache_dir=%r)
len(results.outcomes)
"""


def _children(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    pids = [child for task in tasks for child in task.read_text().split()]
    return [Path(f"/proc/{child}/cmdline").read_text() for child in pids]


@pytest.mark.slow
def test_the_interrupt_of_a_notebook_stores_what_is_under_way(tmp_path, data_dir, cache_dir):
    kernel = KernelManager(kernel_name="python3", transport="ipc", ip=str(tmp_path / "k"))
    kernel.start_kernel(cwd=str(tmp_path), env={**os.environ, "PYTHONPATH": str(ROOT)})
    client = kernel.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    shown = []

    def hook(message):
        text = message["content"].get("text", "")
        shown.append(text)
        if "steps/s" in text and not any("steps/s" in before for before in shown[:-1]):
            kernel.interrupt_kernel()

    try:
        code = LONG % (data_dir, cache_dir)
        reply = client.execute_interactive(code, output_hook=hook, timeout=300)["content"]
        assert reply["ename"] == "Interrupted"
        assert reply["evalue"].startswith("SIGINT: 0 finished runs are stored, and 2 as they stand")
        assert "Traceback" not in "".join(shown)
        time.sleep(0.5)
        assert not any("spawn_main" in words for words in _children(kernel.provisioner.pid))
        again = client.execute_interactive(code, output_hook=lambda message: None, timeout=300)
        assert again["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    launches = json.loads((tmp_path / "long" / "study.json").read_text())["launches"]
    assert [launch.get("ended_by") for launch in launches] == ["SIGINT", None]
    assert launches[1]["seed_steps"] < 2 * 60_000
