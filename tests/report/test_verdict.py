"""The verdict says what the numbers say, for every kind of study."""

import html
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.stored import make_document
from engine import store
from engine.errors import InputError
from engine.report.arm_table import make_table, to_text
from engine.report.canvas import INK, to_png, to_svg
from engine.report.cautions import make_cautions
from engine.report.figures import make_figures
from engine.report.page import make_page
from engine.report.phrases import interval, number, percent
from engine.report.summary import Summary, summarise, to_document
from engine.report.variance_split import split_variances
from engine.report.verdict import Verdict, make_verdict
from engine.statistics import Estimate

H = math.log(10)
STEPS = np.arange(0, 881, 11)


def _row(arm: str, seed: int, onset: float | None, status: str, event: int, end: float = 880) -> dict:
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


def _summary(path: Path, arms: dict[str, list[dict]], baseline: str, seeds: int = 20) -> Summary:
    fields = {name: {"init": name, "learning_rate": 0.1} for name in arms}
    question = "Why <b>so</b> long?"
    document = make_document(fields, 880, seeds, name="test", question=question, baseline=baseline)
    workdir = store.create_or_resume(path, document)
    workdir.append([row for rows in arms.values() for row in rows])
    return summarise(workdir)


def _verdict(summary: Summary) -> Verdict:
    return make_verdict(summary, split_variances(summary))


def _late(name: str = "late", num: int = 20) -> list[dict]:
    return [_row(name, i, 220.0 + i, "broke", 1) for i in range(num)]


def _early(name: str = "early", num: int = 20) -> list[dict]:
    return [_row(name, i, 11.0 + i / 10, "no_plateau", 1) for i in range(num)]


def _stuck(name: str = "held", num: int = 20) -> list[dict]:
    return [_row(name, i, None, "stuck", 0) for i in range(num)]


def _lost(name: str = "lost", num: int = 20) -> list[dict]:
    return [_row(name, i, None, "diverged", 2, 33) for i in range(num)]


def test_a_plateau_that_always_breaks_is_normal_and_has_a_cure(tmp_path):
    summary = _summary(tmp_path, {"late": _late(), "early": _early()}, "late")
    verdict = _verdict(summary)
    assert "normal for “late”" in verdict.headline
    assert "20 of 20 runs (100 %, 95 % CI 83–100 %)" in verdict.headline
    assert verdict.answers["Is that normal for this set-up?"].startswith("Yes.")
    cure = verdict.answers["Is something wrong, and what would fix it?"]
    assert "init=early in place of late" in cure
    assert "earlier" in cure
    # Onsets are 220 … 239 and 11 … 12.9 steps: 229.5 − 11.95 steps are 9.9 epochs.
    assert summary.comparisons["early"].difference.value == pytest.approx(-(229.5 - 11.95) / 22)
    assert "on average 9.9 epochs earlier" in cure


def test_without_a_baseline_plateau_nothing_is_called_a_cure(tmp_path):
    verdict = _verdict(_summary(tmp_path, {"early": _early(), "late": _late()}, "early"))
    assert "normal" not in verdict.headline
    assert "would not be normal" in verdict.answers["Is that normal for this set-up?"]
    fix = verdict.answers["Is something wrong, and what would fix it?"]
    assert fix.startswith("None of the other configurations kicks in earlier")
    assert "epochs later" in fix


def test_stuck_is_censored_and_never_a_time(tmp_path):
    summary = _summary(tmp_path, {"held": _stuck(), "late": _late()}, "held")
    verdict = _verdict(summary)
    assert "held at chance level: 20 of 20 runs" in verdict.headline
    assert "later than epoch 40.0, the horizon" in verdict.answers["When?"]
    document = to_document(summary, verdict._asdict(), split_variances(summary))
    assert document["arms"]["held"]["median_onset"]["value"] is None
    assert "> 40.0" in to_text(*make_table(summary))


def test_divergence_is_named(tmp_path):
    verdict = _verdict(_summary(tmp_path, {"lost": _lost()}, "lost"))
    assert "diverges: 20 of 20 runs" in verdict.headline
    assert "--sweep" in verdict.answers["Is something wrong, and what would fix it?"]


def test_one_run_gives_no_verdict_of_normality(tmp_path):
    """One success of one is between 3 and 100 %: nothing follows."""
    verdict = _verdict(_summary(tmp_path, {"late": _late(num=1)}, "late", seeds=1))
    assert "normal" not in verdict.headline


def test_only_the_complete_prefix_counts(tmp_path):
    rows = [row for row in _late() if row["seed"] not in (5, 12)]
    summary = _summary(tmp_path, {"late": rows}, "late")
    assert summary.arms["late"].num_runs == 5
    assert any("18 of 20 runs are over, and the first 5" in x for x in _verdict(summary).limits)


def test_a_coarse_grid_is_said(tmp_path):
    rows = [{**row, "is_coarse": True} for row in _late()]
    limits = _verdict(_summary(tmp_path, {"late": rows}, "late")).limits
    assert any("--eval_every" in line for line in limits)


def test_the_page_is_one_file_and_escapes_names(tmp_path):
    arms = {"<script>alert(1)</script>": _late("<script>alert(1)</script>"), "$x_1$": _early("$x_1$")}
    summary = _summary(tmp_path, arms, "<script>alert(1)</script>")
    verdict = _verdict(summary)
    figures = {name: to_svg(figure, name) for name, figure in make_figures(summary, split_variances(summary)).items()}
    document = store.open_existing(tmp_path).document
    page = make_page(summary, verdict, make_table(summary), figures, document, split_variances(summary))
    assert "<script" not in page
    assert "<b>so" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert INK not in page
    assert page.count("<svg") == len(figures) == 5
    identifiers = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("kind", [_late, _early, _stuck, _lost])
def test_figures_of_every_kind_of_arm(tmp_path, kind):
    summary = _summary(tmp_path, {"a": kind("a")}, "a")
    for figure in make_figures(summary, split_variances(summary)).values():
        assert to_png(figure).startswith(b"\x89PNG")


def test_the_same_study_makes_the_same_figures(tmp_path):
    summary = _summary(tmp_path, {"late": _late()}, "late")
    first, second = (
        {name: to_svg(figure, name) for name, figure in make_figures(summary, split_variances(summary)).items()}
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(11.234, "epochs", "11.2"), (-9.81, "epochs", "−9.8"), (246.7, "steps", "247"), (math.inf, "", "∞")],
)
def test_numbers_as_people_write_them(value, unit, text):
    assert number(value, unit) == text


def test_shares_and_intervals():
    assert [percent(v) for v in (0, 0.004, 0.5, 0.996, 1)] == ["0 %", "0.4 %", "50 %", "99.6 %", "100 %"]
    assert interval(Estimate(1, 0.5, math.inf), "epochs") == "0.5–∞"
    assert interval(Estimate(-1, -2.0, 0.5), "epochs") == "−2.0 to 0.5"


def test_what_is_held_fixed_is_said(tmp_path):
    summary = _summary(tmp_path, {"late": _late()}, "late")
    free = _verdict(summary)
    assert "random starts and data orders" in " ".join([*free.answers.values(), *free.limits])
    fixed = _verdict(summary._replace(varied="data orders, all from the start of init seed 3,"))
    words = " ".join([*fixed.answers.values(), *fixed.limits])
    assert "random starts" not in words
    assert "all from the start of init seed 3" in words


def _shifted(name: str, start: float, num: int = 20) -> list[dict]:
    # Alternating by half a step: twenty differences that are all the same would say nothing of
    # how much they may differ.
    return [_row(name, i, start + i + 0.5 * (i % 2), "broke", 1) for i in range(num)]


def test_a_small_shift_is_no_cure(tmp_path):
    """5 steps of 230 are earlier beyond chance, but the plateau is still there."""
    summary = _summary(tmp_path, {"late": _late(), "near": _shifted("near", 215)}, "late")
    assert summary.comparisons["near"].is_earlier
    verdict = _verdict(summary)
    assert "can be removed" not in verdict.headline
    fix = verdict.answers["Is something wrong, and what would fix it?"]
    assert "on average 0.2 epochs earlier" in fix
    assert "A mistake that all arms share" not in fix


def test_an_arm_that_diverges_less_is_earlier(tmp_path):
    """Diverged runs stay at risk: they never leave chance level."""
    summary = _summary(tmp_path, {"lost": _lost(), "late": _late()}, "lost")
    assert summary.comparisons["late"].p_adjusted < 1e-4
    assert summary.comparisons["late"].is_earlier


def test_epochs_of_different_length_do_not_make_a_cure(tmp_path):
    """More steps, but longer epochs: earlier in epochs only, hence neither earlier nor later."""
    arms = {"late": _late(), "long": [_row("long", i, 300.0 + i, "broke", 1) for i in range(20)]}
    _summary(tmp_path, arms, "late")
    workdir = store.open_existing(tmp_path)
    workdir.document["study"]["steps_per_epoch"]["long"] = 44
    summary = summarise(workdir)
    comparison = summary.comparisons["long"]
    assert comparison.difference.upper < 0
    assert not comparison.is_earlier
    assert not comparison.is_later
    assert any("different length" in line for line in _verdict(summary).limits)


@pytest.mark.parametrize("num", [1, 3, 5])
def test_few_runs_are_not_called_typical(tmp_path, num):
    verdict = _verdict(_summary(tmp_path, {"late": _late(num=num)}, "late", seeds=num))
    assert "too few" in verdict.headline
    assert "too few" in verdict.answers["Is that normal for this set-up?"]


def test_mixed_runs_have_no_typical_course(tmp_path):
    rows = _late(num=10) + [_row("late", 10 + i, None, "stuck", 0) for i in range(10)]
    verdict = _verdict(_summary(tmp_path, {"late": rows}, "late"))
    assert "There is no typical course" in verdict.answers["Is that normal for this set-up?"]
    assert "normal" not in verdict.headline


def test_shoulders_are_named_as_such(tmp_path):
    rows = [_row("s", i, 500.0 + i, "shoulder", 1) for i in range(20)]
    answer = _verdict(_summary(tmp_path, {"s": rows}, "s")).answers
    assert "no longer than the rise itself" in answer["Is that normal for this set-up?"]


def test_what_fell_back_diverged_later_or_has_stairs_is_said(tmp_path):
    rows = _late()
    rows[0] |= {"is_diverged_later": True, "num_breaks": 3}
    rows[1] |= {"status": "stuck", "event": 0, "onset_step": None, "best_minus_end": 0.75}
    rows[1] |= {"end_loss": 0.9 * H}
    verdict = _verdict(_summary(tmp_path, {"late": rows}, "late"))
    words = " ".join([*verdict.answers.values(), *verdict.limits])
    assert "1 of those at chance had left it before and fell back" in words
    assert "In 1 of 20 runs the loss blew up after" in words
    assert "In 1 of 20 runs further plateaus follow" in words


def test_an_arm_without_a_first_seed_is_left_out_and_named(tmp_path):
    summary = _summary(tmp_path, {"late": _late(), "none": []}, "late")
    assert list(summary.arms) == ["late"]
    assert any("left out: none" in line for line in _verdict(summary).limits)


def test_a_loss_that_falls_at_the_horizon_is_not_called_held_only(tmp_path):
    rows = [{**_row("a", i, None, "stuck", 0), "end_loss": 0.9 * H} for i in range(20)]
    verdict = _verdict(_summary(tmp_path, {"a": rows}, "a"))
    assert "in 20 of them the loss had begun to fall: train longer" in verdict.headline
    assert any("a longer horizon would tell" in line for line in verdict.limits)
    flat = [{**row, "end_loss": 0.97 * H} for row in rows]
    assert "train longer" not in _verdict(_summary(tmp_path / "flat", {"a": flat}, "a")).headline


def test_small_numbers_of_runs_carry_their_caution(tmp_path):
    """Means of ten waits cover 92.6 % in the worst simulated law; the page shows them of hits."""
    few = _summary(tmp_path / "few", {"late": _late(num=10)}, "late", seeds=10)
    (line,) = make_cautions(few, is_page=False)
    assert line.startswith("“late”: the interval of the mean wait: at n = 10 this interval covers")
    assert make_cautions(few, is_page=True) == []
    hits = few._replace(runs={"late": few.runs["late"]._replace(waits_for="hit")})
    assert make_cautions(hits, is_page=True) == [line]
    assert line in _page(hits, tmp_path / "few")
    many = _summary(tmp_path / "many", {"late": _late(num=30)}, "late", seeds=30)
    assert make_cautions(many, is_page=False) == []


def _page(summary: Summary, path: Path) -> str:
    document = store.open_existing(path).document
    splits = split_variances(summary)
    verdict, table = make_verdict(summary, splits), make_table(summary)
    return html.unescape(make_page(summary, verdict, table, {}, document, splits))


def test_the_report_says_how_many_parts_it_lacks(tmp_path):
    _summary(tmp_path, {"late": _late()}, "late")
    workdir = store.open_existing(tmp_path)
    for seed in (20, 21):
        workdir.append([_row("late", seed, 220.0, "broke", 1)])
    assert not any("damaged" in line for line in _verdict(summarise(workdir)).limits)
    whole, *others = sorted(workdir.parts.glob("*.parquet"), key=lambda p: -p.stat().st_size)
    assert len(others) == 2
    for i, part in enumerate(others):
        part.write_bytes(b"")
        (line,) = (line for line in _verdict(summarise(store.open_existing(tmp_path))).limits if "damaged" in line)
        assert line.startswith(("1 part is damaged", "2 parts are damaged")[i])
        assert "`run` makes them again" in line
    whole.unlink()
    assert summarise(store.open_existing(tmp_path)).runs == {}


def test_what_has_no_summary_is_an_error_of_the_study(tmp_path):
    """Runs that all were censored long before the horizon, as none of ours would be."""
    short = [_row("late", seed, None, "stuck", 0, end=110) for seed in range(4)]
    with pytest.raises(InputError, match="cannot be summarised: the restricted mean"):
        _summary(tmp_path, {"late": short}, "late")
