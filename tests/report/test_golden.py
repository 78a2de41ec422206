"""Every sentence of the verdict, once per situation; `RENEW_GOLDEN=1` writes the files anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine import store
from engine.report.summary import summarise
from engine.store.run_table import RunTable
from tests.golden import check_golden
from tests.report.studies import (
    H,
    early,
    failed_row,
    late,
    lost,
    make_row,
    shifted,
    store_and_summarise,
    stuck,
    verdict_of,
    with_failed,
)  # fmt: skip

GOLDEN = Path(__file__).parent / "golden"


class Situation(NamedTuple):
    """Rows by arm, the first of which is the baseline; and what is different in `study.json`."""

    arms: dict[str, list[dict]]
    seeds: int = 20
    change: Callable[[dict[str, Any]], None] = lambda document: None


def _fell_back() -> list[dict]:
    rows = late()
    rows[0] |= {"is_diverged_later": True, "num_breaks": 3, "is_coarse": True, "stop_reason": "settled"}
    rows[1] |= {"status": "stuck", "event": 0, "onset_step": None, "best_minus_end": 0.75, "end_loss": 0.9 * H}
    return rows


def _far() -> list[dict]:
    """Runs far above chance at the end; one had learned before, and one is at chance."""
    rows = [{**make_row("far", i, None, "stuck", 0), "end_loss": (20.0 + i) * H} for i in range(20)]
    rows[0] |= {"best_minus_end": 20.0}
    rows[1] |= {"end_loss": 1.09 * H}
    return rows


def _hit(document: dict[str, Any]) -> None:
    document["study"]["event"] = dict.fromkeys(document["arm_order"], "hit")


def _chance_of(whose: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["study"].update(chance_of=dict.fromkeys(document["arm_order"], whose))


def _looks(undecided: list[str]) -> Callable[[dict[str, Any]], None]:
    looks = [{"seeds": 20, "goal": "comparison", "undecided": undecided}]
    return lambda document: document.update(looks=looks)


def _notes(document: dict[str, Any]) -> None:
    document["study"] |= {"network_notes": {key: ["the outputs are shares"] for key in document["arm_order"]}}


def _note_elsewhere(document: dict[str, Any]) -> None:
    document["study"] |= {"network_notes": {"late": [], "early": ["the outputs are shares"]}}


SITUATIONS = {
    "normal_with_a_cure": Situation({"late": late(), "early": early()}),
    "no_plateau": Situation({"early": early(), "late": late()}),
    "stuck": Situation({"held": stuck(), "late": late()}),
    "falling": Situation({"a": [{**make_row("a", i, None, "stuck", 0), "end_loss": 0.9 * H} for i in range(20)]}),
    "above_chance": Situation({"far": _far()}),
    "above_untrained": Situation({"far": _far()}, change=_chance_of("untrained")),
    "above_level_of_trainer": Situation({"far": _far()}, change=_chance_of("trainer")),
    "diverged": Situation({"lost": lost(), "late": late()}),
    "lost_at_start": Situation({"lost": [{**row, "steps_run": 0} for row in lost()]}),
    "shoulder": Situation({"s": [make_row("s", i, 500.0 + i, "shoulder", 1) for i in range(20)]}),
    "mixed": Situation({"late": late(num=10) + [make_row("late", 10 + i, None, "stuck", 0) for i in range(10)]}),
    "one_run": Situation({"late": late(num=1)}, 1),
    "few_runs": Situation({"late": late(num=3)}, 3),
    "small_shift": Situation({"late": late(), "near": shifted("near", 215)}),
    "fell_back": Situation({"late": _fell_back()}),
    "incomplete": Situation({"late": [row for row in late() if row["seed"] not in (5, 12)], "none": []}),
    "failed": Situation({"late": with_failed(late(), 3, 7), "early": with_failed(early(), 2)}),
    "failed_arm": Situation({"late": late(), "dead": [failed_row("dead", i) for i in range(3)]}),
    "looks": Situation({"late": late(), "early": early()}, change=_looks([])),
    "undecided_looks": Situation({"late": late(), "same": late("same")}, change=_looks(["late", "same"])),
    "hit": Situation({"late": late(), "held": stuck()}, change=_hit),
    "notes": Situation({"late": late()}, change=_notes),
    "note_elsewhere": Situation({"late": late(), "early": early()}, change=_note_elsewhere),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_verdict_is_worded_as_in_its_file(name, tmp_path):
    arms, seeds, change = SITUATIONS[name]
    store_and_summarise(tmp_path, arms, next(iter(arms)), seeds)
    directory = store.open_existing(tmp_path)
    change(directory.document)
    verdict = verdict_of(summarise(RunTable(directory)))
    answers = [f"{question}\n{answer}" for question, answer in verdict.answers.items()]
    check_golden(GOLDEN / f"{name}.txt", "\n\n".join([verdict.headline, *answers, "\n".join(verdict.limits)]))
