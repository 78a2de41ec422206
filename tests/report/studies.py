"""Studies with planted outcomes, for tests of the report."""

import html
import math
from pathlib import Path

import numpy as np

from engine import store
from engine.report.findings import find
from engine.report.page import make_page
from engine.report.summary import Summary, summarise
from engine.report.variance_split import split_variances
from engine.report.verdict import Verdict, make_verdict
from engine.store.run_table import RunTable
from tests.stored import make_document

H = math.log(10)
STEPS = np.arange(0, 881, 11)


def make_row(arm: str, seed: int, onset: float | None, status: str, event: int, end: float = 880) -> dict:
    centre = 1e9 if onset is None else onset + 60
    progress = 0.9 / (1 + np.exp(-np.clip((STEPS - centre) / 20, -50, 50)))
    grid = {} if onset is None else {"onset_lower": onset - 5, "onset_upper": onset + 6}
    width = None if onset is None else 64.0
    return {
        "arm": arm, "seed": seed, "init_seed": seed, "order_seed": seed, "noise_seed": seed,
        "status": status, "event": event, "onset_step": onset, **grid, "width_steps": width,
        "end_accuracy": float(progress[-1]), "steps_run": int(end), "steps": STEPS,
        "loss": H * (1 - progress), "end_held_out_accuracy": float(progress[-1]),
        "onset_accuracy": None if onset is None else float(np.interp(onset, STEPS, progress)),
    }  # fmt: skip


def store_and_summarise(path: Path, arms: dict[str, list[dict]], baseline: str, seeds: int = 20) -> Summary:
    fields = {name: {"init": name, "learning_rate": 0.1} for name in arms}
    question = "Why <b>so</b> long?"
    document = make_document(fields, 880, seeds, name="test", question=question, baseline=baseline)
    workdir = store.create_or_resume(path, document)
    workdir.append([row for rows in arms.values() for row in rows])
    return summarise(RunTable(workdir))


def verdict_of(summary: Summary) -> Verdict:
    return make_verdict(summary, split_variances(summary))


def late(name: str = "late", num: int = 20) -> list[dict]:
    return [make_row(name, i, 220.0 + i, "broke", 1) for i in range(num)]


def early(name: str = "early", num: int = 20) -> list[dict]:
    return [make_row(name, i, 11.0 + i / 10, "no_plateau", 1) for i in range(num)]


def stuck(name: str = "held", num: int = 20) -> list[dict]:
    return [make_row(name, i, None, "stuck", 0) for i in range(num)]


def lost(name: str = "lost", num: int = 20) -> list[dict]:
    return [make_row(name, i, None, "diverged", 2, 33) for i in range(num)]


def shifted(name: str, start: float, num: int = 20) -> list[dict]:
    # Alternating by half a step: twenty differences that are all the same would say nothing of
    # how much they may differ.
    return [make_row(name, i, start + i + 0.5 * (i % 2), "broke", 1) for i in range(num)]


def page_of(path: Path) -> str:
    return html.unescape(make_page(find(RunTable(store.open_existing(path))), {}))


def failed_row(arm: str, seed: int, **more: object) -> dict:
    names = ("seed", "init_seed", "order_seed", "noise_seed")
    outcome = {"status": "failed", "event": 0, "stop_reason": "failed", "steps_run": 0}
    return {"arm": arm, **dict.fromkeys(names, seed), **outcome, **more}


def with_failed(rows: list[dict], *seeds: int) -> list[dict]:
    return [failed_row(row["arm"], row["seed"]) if row["seed"] in seeds else row for row in rows]
