"""The page of a study in a browser: it fits, everyone can use it, and single runs can be looked at."""

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from engine.commands.report import report
from tests.report.studies import STEPS, early, late, store_and_summarise, stuck

pytestmark = pytest.mark.long

WIDTHS = (320, 390, 768, 1280)
LONG = "learning_rate=0.0001,init_scale=0.05,dense_widths=128-64"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of a study with held-out losses, and of one with many arms of long names."""
    root = tmp_path_factory.mktemp("pages")
    arms = {"late": late(num=6), "early": early(num=4), "held": stuck(num=4)}
    for row in (row for rows in arms.values() for row in rows):
        row |= {"inspected_steps": STEPS[::4], "held_out_loss": np.asarray(row["loss"])[::4] + 0.1}
    store_and_summarise(root / "few", arms, "late", 6)
    names = [f"{LONG},{i}" for i in range(9)]
    many = {name: (late if i % 2 else early)(name, 6) for i, name in enumerate(names)}
    store_and_summarise(root / "many", many, names[1], 6)
    for name in ("few", "many"):
        report(root / name)
    return {name: root / name / "report.html" for name in ("few", "many")}


def _panel(page, number=0):
    panel = page.locator("#explorer [role=application]").nth(number)
    panel.scroll_into_view_if_needed()
    return panel


def _said(page):
    return page.locator("#explorer .readout").inner_text()


@pytest.mark.parametrize("name", ["few", "many"])
@pytest.mark.parametrize("settings", [{}, {"color_scheme": "dark"}, {"java_script_enabled": False}])
def test_nothing_is_wider_than_the_window(pages, visit, name, settings):
    for width in WIDTHS:
        page = visit(pages[name], width, **settings)
        # Without scripts, a page cannot be asked; the window of the tool can.
        size = page.locator("html").bounding_box()
        assert size["width"] <= width
        if settings.get("java_script_enabled", True):
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_screen_holds_the_verdict_and_the_curves(pages, visit, width):
    page = visit(pages["few"], width)
    verdict, figure = page.locator(".headline").bounding_box(), page.locator(".first [role=application]").bounding_box()
    assert verdict["y"] + verdict["height"] < 800
    assert figure["y"] + figure["height"] < 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["few", "many"])
def test_it_keeps_the_rules_of_accessibility(pages, visit, name, scheme):
    page = visit(pages[name], color_scheme=scheme)
    _panel(page).click()
    found = Axe().run(page).response["violations"]
    assert {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found} == {}


def test_text_in_figures_can_be_read(pages, visit):
    for width in WIDTHS[1:]:
        page = visit(pages["few"], width)
        page.evaluate("document.documentElement.classList.remove('is-explored')")
        sizes = page.evaluate(
            """[...document.querySelectorAll("figure svg text")].filter(text => text.textContent.trim()).map(
            text => [text.getScreenCTM(), parseFloat(getComputedStyle(text).fontSize)]).map(
            ([{ a, b }, size]) => size * Math.hypot(a, b))"""
        )
        assert len(sizes) > 20
        assert min(sizes) >= 11


def test_pointing_at_a_curve_names_its_run_and_values(pages, visit):
    page = visit(pages["few"])
    panel = _panel(page)
    box = panel.bounding_box()
    # Between the margins of 46 and 10 pixels lie 40 epochs; the early runs rise by far first.
    x = 46 + (box["width"] - 56) * 3 / 40
    page.mouse.move(box["x"] + x, box["y"] + 120)
    said = _said(page)
    assert re.match(r"early · seed \d · epoch [23]\.\d+ · loss 1\.\d+ · held-out loss 1\.\d+ · no plateau, onset", said)
    loss, held_out = (float(value) for value in re.findall(r"loss (\d\.\d+)", said))
    assert held_out == pytest.approx(loss + 0.1, abs=0.05)
    page.mouse.move(2, 2)
    assert _said(page) == ""


def test_a_click_pins_a_run_and_shows_its_row(pages, visit):
    page = visit(pages["few"])
    panel = _panel(page)
    box = panel.bounding_box()
    panel.click(position={"x": 46 + (box["width"] - 56) * 3 / 40, "y": 120})
    row = page.locator("#explorer tbody tr")
    assert row.count() == 1
    assert re.match(r"early\s+seed \d\s+no plateau", row.inner_text())
    # 11 steps of 22 an epoch, with the interval of the grid.
    assert re.search(r"0\.50\d* \(0\.27\d*–0\.77\d*\)|0\.5 \(0\.27\d*–0\.77\d*\)", row.inner_text())
    row.locator("button").click()
    assert page.locator("#explorer tbody tr").count() == 0


def test_the_keyboard_reaches_everything(pages, visit):
    page = visit(pages["few"])
    _panel(page).focus()
    page.keyboard.press("ArrowRight")
    assert _said(page).startswith("epoch 21")
    page.keyboard.press("ArrowUp")
    middle = _said(page)
    page.keyboard.press("ArrowDown")
    assert _said(page) != middle
    for _ in range(20):
        page.keyboard.press("ArrowUp")
    assert _said(page).startswith("held · seed"), "the highest loss at that time"
    page.keyboard.press("Enter")
    assert page.locator("#explorer tbody tr").inner_text().startswith("held")
    page.keyboard.press("+")
    assert page.evaluate("window.scrollX") == 0
    page.keyboard.press("Escape")


def test_arms_are_switched_off_and_on(pages, visit):
    page = visit(pages["few"])
    panel = _panel(page)
    box = panel.bounding_box()
    x, y = box["x"] + 46 + (box["width"] - 56) * 3 / 40, box["y"] + 120
    page.get_by_label("early", exact=True).uncheck()
    _panel(page)
    page.mouse.move(x, y)
    assert not _said(page).startswith("early")
    page.get_by_label("early", exact=True).check()
    _panel(page)
    page.mouse.move(x + 1, y)
    assert _said(page).startswith("early")


def test_dragging_zooms_all_panels_and_the_log_scale_changes_them(pages, visit):
    page = visit(pages["few"])
    panel = _panel(page)
    box = panel.bounding_box()

    def drawn():
        return page.evaluate("[...document.querySelectorAll('#explorer canvas')].map(one => one.toDataURL())")

    before = drawn()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 100, steps=4)
    page.mouse.up()
    page.mouse.move(2, 2)
    page.wait_for_timeout(100)
    zoomed = drawn()
    assert all(one != other for one, other in zip(before[::2], zoomed[::2], strict=True))
    page.get_by_role("button", name="all epochs").click()
    page.wait_for_timeout(100)
    assert drawn() == before
    page.get_by_label("log scale").check()
    page.wait_for_timeout(100)
    logged = drawn()
    assert [one == other for one, other in zip(before[::2], logged[::2], strict=True)] == [False, False, True]


def test_paper_and_pages_without_scripts_show_the_drawn_figures(pages, visit):
    page = visit(pages["few"], java_script_enabled=False)
    assert page.locator(".unexplored svg").first.is_visible()
    assert page.locator("#explorer").is_hidden()
    page = visit(pages["few"])
    assert page.locator(".unexplored svg").first.is_hidden()
    page.emulate_media(media="print")
    assert page.locator(".unexplored svg").first.is_visible()
    assert page.locator(".first svg").first.is_visible()
    assert page.locator("#explorer").is_hidden()


def test_names_of_strangers_are_shown_and_do_nothing(tmp_path, visit):
    name = "<img src=x onerror=alert(1)></script>"
    store_and_summarise(tmp_path, {name: late(name, 2)}, name, 2)
    report(tmp_path)
    page = visit(tmp_path / "report.html")
    assert page.locator("#explorer label").last.inner_text() == name
    assert page.locator("img").count() == 0


def test_a_scale_of_logarithms_has_ticks_where_losses_hardly_vary(tmp_path, visit):
    store_and_summarise(tmp_path, {"held": stuck(num=3)}, "held", 3)
    report(tmp_path)
    page = visit(tmp_path / "report.html")
    for low, high in ((2.07, 2.56), (0.031, 0.039), (1e-30, 1.0)):
        ticks = page.evaluate(f"logTicksOf({low}, {high})")
        assert 2 <= len(ticks) <= 9
        assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)
