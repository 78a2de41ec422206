"""Draws the picture of the README from a finished study of `kick_in`.

Command: `python docs/plateau.py runs/kick_in docs/plateau.svg`
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plateau_engine as engine
from plateau_engine.statistics import aalen_johansen

ARMS = {"batch_norm": "batch norm", "he": "He start", "as_asked": "as asked"}
EPOCHS = 20
WIDTH, HEIGHT = 320, 170
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #444 } .grid { stroke: #8884 } .note { font-size: 11px }
polyline { fill: none; stroke-width: 1.3 }
.as_asked { stroke: #0072B2 } .he { stroke: #D55E00 } .batch_norm { stroke: #009E73 }
.faint { stroke-opacity: 0.45; stroke-width: 0.9 } rect { fill: none; stroke: #8888 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }
"""


class Panel:
    """One plot: epochs to the right, from `low` at the bottom to `high` at the top."""

    def __init__(self, left: int, title: str, low: float, high: float) -> None:
        self.left, self.low, self.high = left, low, high
        self.parts = [f'<text x="{left}" y="16">{title}</text>', self._frame()]

    def _frame(self) -> str:
        ticks = "".join(
            f'<text class="note" x="{self.x(e):.0f}" y="{HEIGHT + 40}" text-anchor="middle">{e}</text>'
            for e in range(0, EPOCHS + 1, 5)
        )
        return f'<rect x="{self.left}" y="24" width="{WIDTH}" height="{HEIGHT}"/>{ticks}'

    def x(self, epoch: float) -> float:
        return self.left + WIDTH * epoch / EPOCHS

    def y(self, value: float) -> float:
        return 24 + HEIGHT * (self.high - value) / (self.high - self.low)

    def level(self, value: float, label: str) -> None:
        y, end = self.y(value), self.left + WIDTH
        self.parts.append(f'<line class="grid" x1="{self.left}" x2="{end}" y1="{y:.0f}" y2="{y:.0f}"/>')
        self.parts.append(f'<text class="note" x="{self.left - 5}" y="{y + 4:.0f}" text-anchor="end">{label}</text>')

    def line(self, epochs: Sequence[float], values: Sequence[float], name: str) -> None:
        points = " ".join(
            f"{self.x(e):.0f},{self.y(v):.1f}" for e, v in zip(epochs, values, strict=True) if e <= EPOCHS
        )
        self.parts.append(f'<polyline class="{name}" points="{points}"/>')


def main(workdir: str, path: str) -> None:
    results = engine.open(workdir)
    per_epoch = results.summary["arms"]["as_asked"]["steps_per_epoch"]
    losses = Panel(40, "Loss of 24 seeds, and the level of guessing", 0, 2.6)
    for value in (0, 1, 2):
        losses.level(value, str(value))
    losses.level(float(np.log(10)), "ln 10")
    steps, curves, _ = results.curves("as_asked", "loss")
    for curve in curves:
        losses.line(steps / per_epoch, curve, "as_asked faint")
    shares = Panel(430, "Share of runs that left chance level", 0, 1)
    for value in (0, 0.5, 1):
        shares.level(value, f"{value:.0%}")
    outcomes = results.outcomes.to_pandas()
    for row, (name, label) in enumerate(ARMS.items()):
        runs = outcomes[outcomes.arm == name]
        times = runs.onset_step.fillna(runs.steps_run).to_numpy() / per_epoch
        curve = aalen_johansen(times, runs.event.to_numpy(), 1)
        epochs = np.repeat([0, *curve.time, EPOCHS], 2)[1:]
        shares.line(epochs, np.repeat([0, *curve.value, curve.value[-1]], 2)[:-1], name)
        shares.line([13, 14], [0.35 - 0.1 * row] * 2, name)
        height = shares.y(0.35 - 0.1 * row) + 4
        shares.parts.append(f'<text class="note" x="{shares.x(14.4):.0f}" y="{height:.0f}">{label}</text>')
    body = "\n".join([*losses.parts, *shares.parts])
    epochs_label = f'<text x="400" y="{HEIGHT + 56}" text-anchor="middle">epochs</text>'
    size = f'viewBox="0 0 765 {HEIGHT + 64}" width="765" height="{HEIGHT + 64}"'
    Path(path).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>\n{body}\n{epochs_label}\n</svg>\n'
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
