"""Several studies on one page: what is in its rows, whatever state their directories are in."""

import html
import http.client
import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from engine import store
from engine.commands import board as command
from engine.commands.board import board, serve_board
from engine.commands.launcher import main
from engine.commands.report import report
from engine.errors import InputError
from engine.report.board import find_studies, make_board, read_row
from tests.report.studies import early, late, store_and_summarise
from tests.stored import make_document


@pytest.fixture
def folder(tmp_path):
    store_and_summarise(tmp_path / "deep" / "er" / "two", {"late": late(num=8), "early": early(num=8)}, "late", 8)
    store_and_summarise(tmp_path / "alone", {"late": late(num=2)}, "late", 2)
    return tmp_path


def _row(folder, place):
    return read_row(folder, folder / place)


def test_studies_are_found_however_deep_and_none_inside_of_another(folder):
    shutil.copytree(folder / "alone", folder / "alone" / "followed" / "more")
    shutil.copytree(folder / "alone", folder / ".hidden" / "more")
    assert find_studies(folder) == [folder / "alone", folder / "deep" / "er" / "two"]


def test_a_row_says_what_the_report_says(folder):
    place = "deep/er/two"
    row = _row(folder, place)
    assert (row.name, row.question, row.page) == ("test", "Why <b>so</b> long?", None)
    assert row.headline.startswith("This is normal for “late”: 8 of 8 runs")
    assert (row.num_runs, row.left, row.remedy) == (16, ("100 % (63–100 %)", 1.0), "init=early in place of late")
    # Onsets at steps 220 to 227, of 22 in an epoch: half of the eight have left with the fourth.
    assert row.when == ("10.1 epochs", pytest.approx(223 / 22))
    assert row.curve[0] == pytest.approx([0, *(step / 22 for step in range(220, 228)), 40])
    assert row.curve[1] == pytest.approx([*(number / 8 for number in range(9)), 1])
    report(folder / place)
    assert _row(folder, place) == row._replace(page=f"{place}/report.html")


def test_a_summary_of_other_runs_or_by_somebody_else_is_not_believed(folder):
    place = folder / "alone"
    report(place)
    summary = json.loads((place / "summary.json").read_text())
    fresh = _row(folder, "alone")
    for changed in (
        {"arms": {"late": {**summary["arms"]["late"], "num_stored": 1}}},
        {"arms": {"late": {**summary["arms"]["late"], "fraction": "high"}}},
        {"arms": []},
        {"arms": {}},
        {"verdict": None},
    ):
        (place / "summary.json").write_text(json.dumps({**summary, **changed}))
        assert _row(folder, "alone") == fresh
    strange = json.dumps(summary).replace('"horizon_steps": 880', '"horizon_steps": Infinity')
    for text in ("[]", "[" * 200_000, strange, strange.replace("Infinity", "1e999"), "\x00"):
        (place / "summary.json").write_text(text)
        assert _row(folder, "alone") == fresh


def test_a_summary_from_before_another_arm_had_runs_is_made_again(tmp_path):
    document = make_document({"late": {"init": "a"}, "early": {"init": "b"}}, seeds=4)
    directory = store.create_or_resume(tmp_path / "w", document)
    directory.append(late("late", 4))
    report(tmp_path / "w")
    directory.append(early("early", 4))
    assert read_row(tmp_path, tmp_path / "w").num_runs == 8


def test_a_study_that_cannot_be_read_has_a_line_that_says_why(folder):
    for name in ("study.json", "study.json.bak"):
        (folder / "alone" / name).write_text("{")
    row = _row(folder, "alone")
    assert "is damaged" in row.problem
    assert "is damaged" in make_board(folder, [row])
    document = make_document({"a": {"init": "a"}}, seeds=2)
    store.create_or_resume(folder / "begun", document)
    assert "no finished run" in _row(folder, "begun").problem


def test_what_strangers_name_a_study_is_escaped(tmp_path):
    place = tmp_path / "<img src=x onerror=alert(1)> '\""
    document = make_document({"a": {"init": "a"}}, seeds=2, name="<script>x</script>", question="")
    store.create_or_resume(place, document).append(late("a", 2))
    page = make_board(tmp_path, [read_row(tmp_path, path) for path in find_studies(tmp_path)])
    assert "<img" not in page
    assert page.count("<script") == 1
    assert str(place.name) in html.unescape(page)


def test_the_verb_writes_the_page_or_says_in_a_line_why_not(folder, capsys, monkeypatch):
    assert main(["plateau", "board", str(folder)]) == 0
    assert capsys.readouterr().out == f"2 studies: {folder / 'board.html'}\n"
    assert (folder / "board.html").read_text().count("<tr data-study") == 2
    for words, line in {
        (str(folder / "none"),): "cannot read folder",
        (str(folder / "deep" / "er" / "two" / "parts"),): "there is no study in",
        (str(folder), "--port=1"): "--port has no effect without --serve",
        (str(folder), "--serve", "--port=70000"): "cannot serve on port 70000",
        (str(folder), "more"): "unexpected argument 'more'",
    }.items():
        assert main(["plateau", "board", *words]) == 2
        assert line in capsys.readouterr().err
    monkeypatch.chdir(folder)
    assert main(["plateau", "board"]) == 2
    assert "'runs'" in capsys.readouterr().err


def test_it_is_served_to_this_machine_only_and_nothing_but_pages(folder, capsys):
    report(folder / "alone")
    (folder.parent / "report.html").write_text("of somebody else")
    (folder / "no_study").mkdir()
    (folder / "no_study" / "report.html").write_text("of nobody")
    thread = threading.Thread(target=serve_board, args=(folder, 0), daemon=True)
    thread.start()
    said = ""
    for _ in range(200):
        said += capsys.readouterr().out
        if "http://127.0.0.1:" in said:
            break
        time.sleep(0.05)
    port = int(said.split("127.0.0.1:")[1].split("/")[0])

    def get(address, host=f"127.0.0.1:{port}"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", address, headers={"Host": host})
        answer = connection.getresponse()
        assert answer.status != 200 or "sandbox" in answer.headers["Content-Security-Policy"]
        return answer.status, answer.read().decode()

    status, page = get("/")
    assert (status, page.count("<tr data-study")) == (200, 2)
    assert get("/alone/report.html") == (200, (folder / "alone" / "report.html").read_text())
    for address in (
        "/alone/study.json",
        "/../report.html",
        "/%2e%2e/report.html",
        "/no_study/report.html",
        "/none/report.html",
        "//x",
        "/a%00b",
    ):
        assert get(address)[0] in (400, 404)
    assert get("/", host=f"evil.example:{port}")[0] == 403


def test_a_board_of_a_folder_that_may_not_be_written_is_an_error_of_one_line(folder, monkeypatch):
    def refuse(path: Path, content: bytes) -> None:
        raise InputError(f"cannot write {str(path)!r}")

    monkeypatch.setattr(command.store, "write_atomically", refuse)
    with pytest.raises(InputError, match="cannot write"):
        board(folder)
