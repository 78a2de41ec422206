"""Measures pages in a headless Chromium: their size, when they are first painted, and how long pointing at a run takes.

python -m benchmarks.pages                          # 2,000 runs of 41 points with held-out losses, in four arms
python -m benchmarks.pages runs/kick_in/report.html # or a page that is there
"""

import argparse
import contextlib
import io
import math
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from engine import store
from engine.commands.report import report
from tests.stored import make_document, make_row

_ARMS, _SEEDS, _POINTS, _EVERY = 4, 500, 41, 22
_H = math.log(10)
_MOVES, _REPEATS = 100, 5
# Tells, for each movement, the time from the event to the end of the frame that shows what it changed.
_LISTEN = """() => {
    window.took = [];
    for (const panel of document.querySelectorAll("[role=application]")) {
        panel.addEventListener("pointermove", (event) => requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => window.took.push(performance.now() - event.timeStamp);
            channel.port2.postMessage(0);
        }), true);
    }
}"""


def make_page(place: Path) -> Path:
    """Stores curves that leave a noisy plateau at some time, and reports on them."""
    names = [f"arm {i}" for i in range(_ARMS)]
    steps = np.arange(0, _POINTS * _EVERY, _EVERY)
    document = make_document({name: {"init": name} for name in names}, int(steps[-1]), _SEEDS, name="pages")
    directory, draw = store.create_or_resume(place, document), np.random.default_rng(0)
    for name in names:
        rows = []
        for seed in range(_SEEDS):
            onset = float(draw.uniform(0.2, 0.6) * steps[-1])
            loss = _H * (1 - 0.9 / (1 + np.exp((onset + 60 - steps) / 20)) + 0.02 * draw.normal(size=_POINTS))
            more: dict[str, Any] = {"steps": steps, "loss": loss, "inspected_steps": steps, "held_out_loss": loss + 0.1}
            more |= dict.fromkeys(("accuracy", "held_out_accuracy", "batch_loss"))
            more |= {"onset_step": onset, "onset_lower": onset - 5, "onset_upper": onset + 6}
            rows.append(make_row(name, seed, **more, steps_run=int(steps[-1])))
        directory.append(rows)
    with contextlib.redirect_stdout(io.StringIO()):
        report(place)
    return place / "report.html"


def measure(browser: Browser, path: Path) -> tuple[float, float, float]:
    """Returns milliseconds to the first paint, and of a movement over the curves, in the median and at most."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.resolve().as_uri())
    panel = page.locator("#explorer [role=application]").first
    panel.scroll_into_view_if_needed()
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    box = panel.bounding_box()
    assert box is not None
    # The first movements draw what later ones find.
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.evaluate(_LISTEN)
    for i in range(_MOVES):
        place = box["x"] + 50 + (box["width"] - 60) * i / _MOVES, box["y"] + 40 + (box["height"] - 80) * (i % 10) / 10
        page.mouse.move(*place)
    page.wait_for_timeout(300)
    took = page.evaluate("window.took")
    page.close()
    return float(painted), statistics.median(took), max(took)


def main() -> int:
    """Prints the medians of some visits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("page", nargs="?", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = given.page or make_page(Path(folder) / "study")
        print(f"{path.stat().st_size / 1e6:.2f} MB")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        visits = [measure(browser, path) for _ in range(_REPEATS)]
        painted, middle, most = (statistics.median(column) for column in zip(*visits, strict=True))
        print(f"first paint {painted:.0f} ms, pointing {middle:.0f} ms in the median and {most:.0f} ms at most")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
