"""Experiments in files of somebody's own."""

import json
import sys
from pathlib import Path

import pytest

import launch
from engine.errors import InputError
from engine.studies.experiment_files import find_files, load_study
from engine.studies.shipped import EXPERIMENTS

MINE = '''"""Does mine wait?

Reference: none.
"""

from engine import Arm, Study
from scales_of_mine import SCALE

print("executed")


def study():
    from widths_of_mine import WIDTHS

    fields = {"model": "mlp", "dense_widths": WIDTHS, "init": "normal", "init_scale": SCALE}
    return Study(name="mine", arms={"a": Arm(**fields)}, seeds=2, horizon=22)


def other():
    return Study(name="other", arms={"a": Arm()}, seeds=2, epochs=1, question="Its own?")
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with an experiment and what it imports."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "scales_of_mine.py").write_text("SCALE = 0.02\n")
    (tmp_path / "widths_of_mine.py").write_text("WIDTHS = (16,)\n")
    monkeypatch.chdir(tmp_path)
    modules, path = set(sys.modules), list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in set(sys.modules) - modules:
        if name.endswith("_of_mine") or name.startswith("plateau_experiment_"):
            del sys.modules[name]


@pytest.mark.parametrize("make", [str, lambda path: path.resolve(), lambda path: f"./{path}"])
def test_a_file_is_an_experiment(make, folder):
    study = load_study(str(make(Path("mine.py"))), EXPERIMENTS)
    assert (study.name, study.question) == ("mine", "Does mine wait?")
    assert study.arms["a"].init_scale == 0.02
    assert study.arms["a"].dense_widths == (16,)


@pytest.mark.usefixtures("folder")
def test_a_function_can_be_named_and_keeps_its_question():
    assert load_study("mine.py:study", EXPERIMENTS).question == "Does mine wait?"
    assert load_study("mine.py:other", EXPERIMENTS).question == "Its own?"


def test_a_home_is_spelled_out(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert load_study("~/mine.py", EXPERIMENTS).name == "mine"


def test_two_files_of_one_name_are_two_experiments(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "mine.py").write_text(MINE.replace('"mine"', '"another"'))
    names = [load_study(word, EXPERIMENTS).name for word in ("mine.py", "sub/mine.py", "mine.py")]
    assert names == ["mine", "another", "mine"]


def test_our_own_experiments_keep_their_names(folder):
    (folder / "single.py").write_text(MINE)
    assert load_study("single", EXPERIMENTS).name == "single"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import nothing_of_mine\n", "line 2: ModuleNotFoundError: No module named 'nothing_of"),
        ("x = 1\n\ny = x / 0\n", "line 4: ZeroDivisionError: division by zero"),
        ("def study():\n    return {}['a\\nb']\n", "line 3: KeyError: "),
        ("def study():\n    return [1]\n", "study() returned list, expected an engine.Study"),
        ("def study():\n    pass\n", "study() returned NoneType, expected an engine.Study"),
        ("def study(n):\n    pass\n", "TypeError: study() missing 1 required positional"),
        ("def studdy():\n    pass\n", "has no function 'study': expected one that returns an"),
        ("def studdy():\n    pass\n", "did you mean 'studdy'?"),
        ("study = 3\n", "has no function 'study'"),
        ("def study(:\n", "line 2 is not Python: invalid syntax"),
        ("x = '\0'\n", "is not Python: source code string cannot contain null bytes"),
        ("import sys\nsys.exit('bye')\n", "line 3: SystemExit: bye"),
        (
            "from engine import Arm\n\ndef study():\n    return Arm(init_scale=-1.0)\n",
            "line 5: init_scale=-1.0: expected at least 0",
        ),
        (
            "from engine import Arm\n\ndef study():\n    return Arm(lerning_rate=1)\n",
            "line 5: unknown field 'lerning_rate': expected one of activation",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_what_is_wrong_with_a_file_is_one_line(text, expected, verb, folder, capsys):
    (folder / "bad.py").write_text(f'"""Why?"""\n{text}')
    more = ["--workdir=w"] if verb == "run" else ["--question=fraction", "--half_width=0.1"]
    assert launch.main(["launch.py", verb, "--experiment=bad.py", *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: 'bad.py'")
    assert captured.err.count("\n") == 1
    assert expected in captured.err
    assert not (folder / "w").exists()


def test_a_neighbour_is_blamed_for_what_is_wrong_with_it(folder):
    (folder / "scales_of_mine.py").write_text("SCALE = 1 / 0\n")
    with pytest.raises(InputError, match=r"'scales_of_mine\.py' line 1: ZeroDivisionError"):
        load_study("mine.py", EXPERIMENTS)
    (folder / "scales_of_mine.py").write_text("SCALE = (\n")
    with pytest.raises(InputError, match=r"'scales_of_mine\.py' line 1 is not Python"):
        load_study("mine.py", EXPERIMENTS)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("nowhere.py", "experiment 'nowhere.py': there is no such file"),
        ("folder.py", "cannot read experiment 'folder.py': Is a directory"),
        ("sub/mine", "experiment 'sub/mine': expected a file that ends in .py"),
        ("mine", "unknown experiment 'mine': to use the file, give 'mine.py'"),
        ("kick_im", "unknown experiment 'kick_im'.*did you mean 'kick_in'"),
        ("mine.py:othr", "has no function 'othr'.*did you mean 'other'"),
        ("mine.py:", "has no function ''"),
        ("silent.py", "'silent.py' has no docstring: expected one whose first line is the quest"),
    ],
)
def test_words_that_name_no_experiment(word, expected, folder):
    (folder / "folder.py").mkdir()
    (folder / "silent.py").write_text("raise AssertionError('executed')\n")
    with pytest.raises(InputError, match=expected):
        load_study(word, EXPERIMENTS)


def test_a_file_runs_and_leaves_its_name_and_no_place(folder, data_dir, cache_dir, capsys, monkeypatch):
    words = [f"--experiment={folder / 'mine.py'}", "--workdir=w", "--seeds=1", "--workers=0"]
    places = [f"--data_dir={data_dir}", f"--compilation_cache={cache_dir}"]
    monkeypatch.setattr(sys, "argv", ["launch.py", *words, *places])
    assert launch.main(sys.argv) == 0
    captured = capsys.readouterr()
    assert captured.out.count("executed") == 1
    assert "report: w/report.html" in captured.out
    text = (folder / "w" / "study.json").read_text()
    document = json.loads(text)
    assert document["study"]["name"] == "mine"
    assert document["study"]["question"] == "Does mine wait?"
    assert "--experiment=mine.py" in document["launches"][0]["command"]
    for written in (text, (folder / "w" / "report.html").read_text()):
        assert str(folder) not in written


def test_files_are_listed_and_not_executed(folder, capsys):
    (folder / "silent.py").write_text("def study():\n    pass\n\n\nraise AssertionError\n")
    (folder / "broken.py").write_text('"""No."""\ndef study(:\n')
    (folder / "experiments").mkdir()
    turned = '"""Is \x1b[31mthis\u202e red?"""\n\n\ndef study():\n    raise AssertionError\n'
    (folder / "experiments" / "red.py").write_text(turned)
    assert launch.main(["launch.py", "list"]) == 0
    shown = capsys.readouterr().out
    assert "executed" not in shown
    assert "  mine.py  Does mine wait?\n" in shown
    assert "  silent.py  (no docstring: expected one that begins with the question)\n" in shown
    assert f"  {Path('experiments/red.py')}  Is �[31mthis� red?\n" in shown
    assert "broken.py" not in shown
    assert "scales_of_mine.py" not in shown
    assert launch.main(["launch.py", "list", "--experiments=experiments"]) == 0
    shown = capsys.readouterr().out
    assert "red.py" in shown
    assert "mine.py" not in shown


def test_what_cannot_be_listed(folder, capsys):
    (folder / "empty").mkdir()
    assert launch.main(["launch.py", "list", "--experiments=empty"]) == 0
    assert "none here: a file.py with a function study() is one" in capsys.readouterr().out
    assert launch.main(["launch.py", "list", "--experiments=nowhere"]) == 2
    assert "--experiments=nowhere: expected a folder that exists" in capsys.readouterr().err


def test_our_own_folder_is_not_listed_twice(monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parent.parent)
    assert launch.main(["launch.py", "list"]) == 0
    assert "kick_in.py" not in capsys.readouterr().out
    assert find_files([Path("experiments")])[0][1]
