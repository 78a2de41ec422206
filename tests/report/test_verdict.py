"""The verdict says what the numbers say, for every kind of study."""

import html
import math

import pytest

from engine import store
from engine.errors import InputError
from engine.report.arm_table import make_table, to_text
from engine.report.canvas import INK, to_png, to_svg
from engine.report.figures import Figures, make_drawings
from engine.report.findings import find, make_cautions
from engine.report.page import lay_out, make_page
from engine.report.phrases import interval, number, percent
from engine.report.summary import summarise
from engine.report.summary_json import to_document
from engine.statistics import Estimate
from engine.store.run_table import RunTable
from tests.report.studies import H, early, late, lost, make_row, shifted, store_and_summarise, stuck, verdict_of


def test_a_plateau_that_always_breaks_is_normal_and_has_a_cure(tmp_path):
    summary = store_and_summarise(tmp_path, {"late": late(), "early": early()}, "late")
    verdict = verdict_of(summary)
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
    verdict = verdict_of(store_and_summarise(tmp_path, {"early": early(), "late": late()}, "early"))
    assert "normal" not in verdict.headline
    assert "would not be normal" in verdict.answers["Is that normal for this set-up?"]
    fix = verdict.answers["Is something wrong, and what would fix it?"]
    assert fix.startswith("None of the other configurations kicks in earlier")
    assert "epochs later" in fix


def test_stuck_is_censored_and_never_a_time(tmp_path):
    summary = store_and_summarise(tmp_path, {"held": stuck(), "late": late()}, "held")
    verdict = verdict_of(summary)
    assert "held at chance level: 20 of 20 runs" in verdict.headline
    assert "later than epoch 40.0, the horizon" in verdict.answers["When?"]
    document = to_document(summary, verdict._asdict())
    assert document["arms"]["held"]["median_onset"]["value"] is None
    assert "> 40.0" in to_text(*make_table(summary))


def test_the_methods_say_whose_loss_is_chance_level(tmp_path):
    store_and_summarise(tmp_path, {"late": late(), "early": early()}, "late")
    directory = store.open_existing(tmp_path)
    for whose, words in [
        ({}, "With H the loss of the best constant prediction and ρ"),
        (
            {"late": "trainer", "early": "trainer"},
            "With H the loss that the trainer gives for having learned nothing and",
        ),
        (
            {"late": "untrained"},
            "With H the loss of the best constant prediction or the median loss of untrained runs and",
        ),
    ]:
        directory.document["study"]["chance_of"] = whose
        assert words in find(RunTable(directory)).methods.paragraph


def test_divergence_is_named(tmp_path):
    verdict = verdict_of(store_and_summarise(tmp_path, {"lost": lost()}, "lost"))
    assert "diverges: 20 of 20 runs" in verdict.headline
    assert "--sweep" in verdict.answers["Is something wrong, and what would fix it?"]


def test_one_run_gives_no_verdict_of_normality(tmp_path):
    """One success of one is between 3 and 100 %: nothing follows."""
    verdict = verdict_of(store_and_summarise(tmp_path, {"late": late(num=1)}, "late", seeds=1))
    assert "normal" not in verdict.headline


def test_only_the_complete_prefix_counts(tmp_path):
    rows = [row for row in late() if row["seed"] not in (5, 12)]
    summary = store_and_summarise(tmp_path, {"late": rows}, "late")
    assert summary.arms["late"].num_runs == 5
    assert any("18 of 20 runs are over, and the first 5" in x for x in verdict_of(summary).limits)


def test_a_coarse_grid_is_said(tmp_path):
    rows = [{**row, "is_coarse": True} for row in late()]
    limits = verdict_of(store_and_summarise(tmp_path, {"late": rows}, "late")).limits
    assert any("--eval_every" in line for line in limits)


def test_the_page_is_one_file_and_escapes_names(tmp_path):
    arms = {"<script>alert(1)</script>": late("<script>alert(1)</script>"), "$x_1$": early("$x_1$")}
    store_and_summarise(tmp_path, arms, "<script>alert(1)</script>")
    page, figures, _ = lay_out(find(RunTable(store.open_existing(tmp_path))))
    assert "<script" not in page
    assert "<b>so" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert INK not in page
    assert page.count("<svg") == len(figures) == 6
    identifiers = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize("kind", [late, early, stuck, lost])
def test_figures_of_every_kind_of_arm(tmp_path, kind):
    summary = store_and_summarise(tmp_path, {"a": kind("a")}, "a")
    for figure in Figures(make_drawings(summary)).values():
        assert to_png(figure).startswith(b"\x89PNG")


def test_the_same_study_makes_the_same_figures(tmp_path):
    summary = store_and_summarise(tmp_path, {"late": late()}, "late")
    first, second = (
        {name: to_svg(figure, name) for name, figure in Figures(make_drawings(summary)).items()} for _ in range(2)
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
    summary = store_and_summarise(tmp_path, {"late": late()}, "late")
    free = verdict_of(summary)
    assert "random starts and data orders" in " ".join([*free.answers.values(), *free.limits])
    summary.document["identity"]["fix_init"] = 3
    fixed = verdict_of(summary)
    words = " ".join([*fixed.answers.values(), *fixed.limits])
    assert "random starts" not in words
    assert "all from the start of init seed 3" in words


def test_a_small_shift_is_no_cure(tmp_path):
    """5 steps of 230 are earlier beyond chance, but the plateau is still there."""
    summary = store_and_summarise(tmp_path, {"late": late(), "near": shifted("near", 215)}, "late")
    assert summary.comparisons["near"].is_earlier
    verdict = verdict_of(summary)
    assert "can be removed" not in verdict.headline
    fix = verdict.answers["Is something wrong, and what would fix it?"]
    assert "on average 0.2 epochs earlier" in fix
    assert "A mistake that all arms share" not in fix


def test_an_arm_that_diverges_less_is_earlier(tmp_path):
    """Diverged runs stay at risk: they never leave chance level."""
    summary = store_and_summarise(tmp_path, {"lost": lost(), "late": late()}, "lost")
    assert summary.comparisons["late"].p_adjusted < 1e-4
    assert summary.comparisons["late"].is_earlier


def test_epochs_of_different_length_do_not_make_a_cure(tmp_path):
    """More steps, but longer epochs: earlier in epochs only, hence neither earlier nor later."""
    arms = {"late": late(), "long": [make_row("long", i, 300.0 + i, "broke", 1) for i in range(20)]}
    store_and_summarise(tmp_path, arms, "late")
    workdir = store.open_existing(tmp_path)
    workdir.document["study"]["steps_per_epoch"]["long"] = 44
    summary = summarise(RunTable(workdir))
    comparison = summary.comparisons["long"]
    assert comparison.difference.upper < 0
    assert not comparison.is_earlier
    assert not comparison.is_later
    assert any("different length" in line for line in verdict_of(summary).limits)


@pytest.mark.parametrize("num", [1, 3, 5])
def test_few_runs_are_not_called_typical(tmp_path, num):
    verdict = verdict_of(store_and_summarise(tmp_path, {"late": late(num=num)}, "late", seeds=num))
    assert "too few" in verdict.headline
    assert "too few" in verdict.answers["Is that normal for this set-up?"]


def test_mixed_runs_have_no_typical_course(tmp_path):
    rows = late(num=10) + [make_row("late", 10 + i, None, "stuck", 0) for i in range(10)]
    verdict = verdict_of(store_and_summarise(tmp_path, {"late": rows}, "late"))
    assert "There is no typical course" in verdict.answers["Is that normal for this set-up?"]
    assert "normal" not in verdict.headline


def test_shoulders_are_named_as_such(tmp_path):
    rows = [make_row("s", i, 500.0 + i, "shoulder", 1) for i in range(20)]
    answer = verdict_of(store_and_summarise(tmp_path, {"s": rows}, "s")).answers
    assert "no longer than the rise itself" in answer["Is that normal for this set-up?"]


def test_what_fell_back_diverged_later_or_has_stairs_is_said(tmp_path):
    rows = late()
    rows[0] |= {"is_diverged_later": True, "num_breaks": 3}
    rows[1] |= {"status": "stuck", "event": 0, "onset_step": None, "best_minus_end": 0.75}
    rows[1] |= {"end_loss": 0.9 * H}
    verdict = verdict_of(store_and_summarise(tmp_path, {"late": rows}, "late"))
    assert "1 run had left chance level before and fell back" in verdict.headline
    words = " ".join([*verdict.answers.values(), *verdict.limits])
    assert "In 1 of 20 runs the loss blew up after" in words
    assert "In 1 of 20 runs further plateaus follow" in words


def test_an_arm_without_a_first_seed_is_left_out_and_named(tmp_path):
    summary = store_and_summarise(tmp_path, {"late": late(), "none": []}, "late")
    assert list(summary.arms) == ["late"]
    assert any("left out: none" in line for line in verdict_of(summary).limits)


def test_a_loss_that_falls_at_the_horizon_is_not_called_held_only(tmp_path):
    rows = [{**make_row("a", i, None, "stuck", 0), "end_loss": 0.9 * H} for i in range(20)]
    verdict = verdict_of(store_and_summarise(tmp_path, {"a": rows}, "a"))
    assert "in 20 of them the loss had begun to fall: train longer" in verdict.headline
    assert any("a longer horizon would tell" in line for line in verdict.limits)
    flat = [{**row, "end_loss": 0.97 * H} for row in rows]
    assert "train longer" not in verdict_of(store_and_summarise(tmp_path / "flat", {"a": flat}, "a")).headline


def test_small_numbers_of_runs_carry_their_caution(tmp_path):
    """Means of ten waits cover 92.6 % in the worst simulated law; the page shows them of hits."""
    few = store_and_summarise(tmp_path / "few", {"late": late(num=10)}, "late", seeds=10)
    (line,) = make_cautions(few, is_page=False)
    assert line.startswith("“late”: the interval of the mean wait: at n = 10 this interval covers")
    assert make_cautions(few, is_page=True) == []
    directory = store.open_existing(tmp_path / "few")
    directory.document["study"]["event"]["late"] = "hit"
    hits = RunTable(directory)
    assert make_cautions(summarise(hits), is_page=True) == [line]
    assert line in html.unescape(make_page(find(hits), {}))
    many = store_and_summarise(tmp_path / "many", {"late": late(num=30)}, "late", seeds=30)
    assert make_cautions(many, is_page=False) == []


def test_the_report_says_how_many_parts_it_lacks(tmp_path):
    store_and_summarise(tmp_path, {"late": late()}, "late")
    workdir = store.open_existing(tmp_path)
    for seed in (20, 21):
        workdir.append([make_row("late", seed, 220.0, "broke", 1)])
    assert not any("damaged" in line for line in verdict_of(summarise(RunTable(workdir))).limits)
    whole, *others = sorted(workdir.parts.glob("*.parquet"), key=lambda p: -p.stat().st_size)
    assert len(others) == 2
    for i, part in enumerate(others):
        part.write_bytes(b"")
        (line,) = (
            line for line in verdict_of(summarise(RunTable(store.open_existing(tmp_path)))).limits if "damaged" in line
        )
        assert line.startswith(("1 part is damaged", "2 parts are damaged")[i])
        assert "`run` makes them again" in line
    whole.unlink()
    assert summarise(RunTable(store.open_existing(tmp_path))).runs == {}


def test_what_has_no_summary_is_an_error_of_the_study(tmp_path):
    """Runs that all were censored long before the horizon, as none of ours would be."""
    short = [make_row("late", seed, None, "stuck", 0, end=110) for seed in range(4)]
    with pytest.raises(InputError, match="cannot be summarised: the restricted mean"):
        store_and_summarise(tmp_path, {"late": short}, "late")


@pytest.mark.parametrize(("number", "is_said"), [(2, True), (3, True), (20, False)])
def test_it_is_said_why_an_interval_and_a_test_differ(number, is_said, tmp_path):
    """With three pairs of seeds no test in pairs has a p below a quarter, however far apart they are."""
    soon = [make_row("b", i, 40.0 + 3 * i, "broke", 1) for i in range(number)]
    arms = {"a": late("a", number), "b": soon}
    summary = store_and_summarise(tmp_path, arms, "a", number)
    comparison = summary.comparisons["b"]
    assert comparison.difference.upper < 0
    assert comparison.is_earlier != is_said
    answers = " ".join(verdict_of(summary).answers.values())
    assert ("leaves 0 out for “b”, and p is not below 0.05" in answers) == is_said
