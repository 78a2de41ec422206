"""References to code of the user's own: how it is found, and known by its content."""

import os
import sys
from pathlib import Path

import pytest

from engine import InputError
from engine.user_code import canonical, fingerprint, load, parse_reference


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def _write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_a_file_or_a_module(folder):
    _write(folder, net="class A:\n    b = 3\n", pack__inner="from pack.other import c\n")
    _write(folder, pack__other="c = 4\n")
    assert load("net.py:A.b", "model") == load(f"{folder}/net.py:A.b", "model") == 3
    assert load("pack.inner:c", "model") == 4


def test_a_file_that_has_changed_is_loaded_again(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    _write(folder, net="a = 1\n")
    assert load("net.py:a", "model") == 1
    changed = (folder / "net.py").stat().st_mtime_ns
    _write(folder, net="a = 2\n")
    # To the same length, and within the same moment, as far as its times tell.
    os.utime(folder / "net.py", ns=(changed, changed))
    assert load("net.py:a", "model") == 2


def test_its_neighbours_can_be_imported_but_hide_nothing(folder):
    (folder / "sub").mkdir()
    _write(folder, sub__net="import json\nimport beside\na = beside.a, json.dumps(1)\n")
    _write(folder, sub__beside="a = 5\n", sub__json="raise ValueError\n")
    assert load("sub/net.py:a", "model") == (5, "1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("net.py:", "expected path/to/file.py:name"),
        (":name", "expected path/to/file.py:name"),
        ("net.py:1a", "expected path/to/file.py:name"),
        ("net.txt:a", "there is no file|cannot be imported"),
        ("net-a:a", "neither a file ending in .py nor a module's name"),
        ("none.py:a", "there is no file"),
        ("nett.py:B", "there is no file .*nett.py'; did you mean 'net.py'"),
        ("no_such_module:a", "ModuleNotFoundError"),
        ("net.py:Bb", "did you mean 'B'"),
        ("broken.py:a", r"SyntaxError.*line 2"),
        ("raises.py:a", r"ValueError: two lines \(raises.py, line 3\)"),
        ("exits.py:a", "ends the program"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(folder, text, words):
    _write(folder, net="class B:\n    pass\n", broken="a = 1\ndef f(:\n")
    _write(folder, raises="import os\n\nraise ValueError('two\\nlines')\n", exits="exit(3)\n")
    with pytest.raises(InputError, match=words) as refused:
        load(text, "model")
    assert "\n" not in str(refused.value)


def test_a_home_at_the_root_of_everything_is_none(folder, monkeypatch):
    """As of users without a home: then it would stand for every place there is."""
    monkeypatch.setenv("HOME", "/")
    assert canonical("/elsewhere/net.py:A", "model") == "/elsewhere/net.py:A"


def test_what_is_written_down_has_no_home_in_it(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "home"))
    assert canonical(f"{folder}/a/net.py:A", "model") == "a/net.py:A"
    assert canonical("a/../net.py:A", "model") == "net.py:A"
    assert canonical("~/net.py:A", "model") == "home/net.py:A"
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder.parent.parent)
    assert canonical("~/x/net.py:A", "model").endswith("x/net.py:A")
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    assert canonical("../net.py:A", "model") == f"~/{folder.name}/net.py:A"
    assert canonical("a.b:C", "model") == "a.b:C"


def test_the_name_is_what_follows_the_last_colon():
    assert parse_reference("a:b.py:c.d", "model") == ("a:b.py", "c.d")


def test_a_fingerprint_follows_what_is_imported_of_its_own(folder):
    _write(folder, net="import json\nfrom pack import inner\na = 1\n", pack__inner="b = 1\n")
    _write(folder, other="c = 1\n")
    first = fingerprint("net.py:a", "model")
    _write(folder, other="c = 2\n")
    assert fingerprint("net.py:a", "model") == first, "nothing imports it"
    _write(folder, pack__inner="b = 2\n")
    changed = fingerprint("net.py:a", "model")
    assert changed != first
    _write(folder, net="import json\nfrom pack import inner\na = 2\n")
    assert fingerprint("net.py:a", "model") not in (first, changed)


def test_imports_that_lead_nowhere_are_passed_over(folder):
    """They are tried, or never reached: the file itself was imported."""
    tried = "try:\n    from ..beside import a\nexcept ImportError:\n    from beside import a\n"
    never = "def f():\n    import broken\n"
    _write(folder, sub__net=tried + never, sub__beside="a = 1\n", sub__broken="a = (\n")
    first = fingerprint("sub/net.py:a", "model")
    _write(folder, sub__broken="a = [\n")
    second = fingerprint("sub/net.py:a", "model")
    _write(folder, sub__beside="a = 2\n")
    assert len({first, second, fingerprint("sub/net.py:a", "model")}) == 3


def test_a_fingerprint_does_not_depend_on_the_place(folder):
    _write(folder, net="import beside\na = 1\n", beside="b = 1\n")
    _write(folder, copy__net="import beside\na = 1\n", copy__beside="b = 1\n")
    assert fingerprint("net.py:a", "model") == fingerprint("copy/net.py:a", "model")
    assert fingerprint("net.py:a", "model") != fingerprint("net.py:beside", "model")


def test_a_relative_import_inside_of_a_function_counts(folder):
    _write(folder, pack__net="def a():\n    from .inner import b\n    return b\n")
    _write(folder, pack__inner="b = 1\n", pack____init__="")
    first = fingerprint("pack.net:a", "model")
    _write(folder, pack__inner="b = 2\n")
    assert fingerprint("pack.net:a", "model") != first


def test_an_installed_package_is_known_by_its_own_sources():
    assert len(fingerprint("optax.losses:squared_error", "model")) == 64
