"""The studies of the simulation; what is expanded of them once serves every schedule."""

import functools

from benchmarks.simulation.world import Setting
from engine import Arm, Study
from engine.studies.expand import expand
from engine.studies.shared_program import Layout
from engine.studies.until import Until

_MOST_SEEDS = 24


@functools.cache
def make_settings() -> dict[str, Setting]:
    """Returns settings by name: a plain study, and one that is asked a question."""
    arms = {
        name: Arm(dataset="line", model="mlp", dense_widths=(2,), learning_rate=rate)
        for name, rate in (("slow", 0.01), ("fast", 0.1))
    }
    layout = dict.fromkeys(arms, Layout(2, 2, None))
    plain = expand(Study(name="plain", arms=arms, seeds=2, horizon=44, eval_every=11), "cpu", layout)
    asked = expand(Study(name="asked", arms=arms, seeds=_MOST_SEEDS, horizon=44, eval_every=11), "cpu", layout)
    return {"plain": Setting(plain), "until": Setting(asked, Until("fraction", 0.35, max_seeds=_MOST_SEEDS, block=2))}
