"""Experiments in users' files: `path/to/file.py`, or `path/to/file.py:function`."""

import ast
import contextlib
import dataclasses
import itertools
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..arms.options import Option, options_in
from ..errors import InputError, did_you_mean, one_line
from ..registry import Registry
from ..user_code import as_path, import_file
from .study import Study

_FUNCTION = "study"
_PLACE = re.compile(r"(?P<path>.*\.py)(:(?P<function>.*))?", re.DOTALL)
# When a folder is listed: files that are read, and bytes that each may have.
_MOST_FILES = 1000
_MOST_BYTES = 2**20


class Experiment(NamedTuple):
    """An experiment: the options that it owns by name, and the function that makes its study of them."""

    options: dict[str, Option]
    make: Callable[..., Study]


def find_experiment(word: str, registry: Registry) -> Experiment:
    """Finds an experiment, a registered name or a file with a function that returns the study.

    The first line of the file's docstring is the question of a study without one. Errors have file and line.
    """
    place = _PLACE.fullmatch(word)
    if place is None and not re.search(r"[/\\]", word):
        if word not in registry and Path(f"{word}.py").is_file():
            raise InputError(f"unknown experiment {word!r}: to use the file, give {word + '.py'!r}")
        module = registry.load(word)
        return Experiment(options_in(module), module.study)
    if place is None:
        raise InputError(f"experiment {word!r}: expected a file that ends in .py")
    path, name = as_path(place["path"]), _FUNCTION if place["function"] is None else place["function"]
    question = _first_line(_parsed(path))
    if not question:
        raise InputError(f"{str(path)!r} has no docstring: expected one whose first line is the question")
    with _importable(path.resolve().parent), _blaming(path):
        module = import_file(path.resolve())
        options = options_in(module)
    function = getattr(module, name, None)
    if not callable(function):
        near = did_you_mean(name, [key for key, value in vars(module).items() if callable(value)])
        raise InputError(f"{str(path)!r} has no function {name!r}: expected one that returns an engine.Study{near}")

    def make(**values: Any) -> Study:
        with _importable(path.resolve().parent), _blaming(path):
            study = function(**values)
        if not isinstance(study, Study):
            raise InputError(f"{str(path)!r}: {name}() returned {type(study).__name__}, expected an engine.Study")
        return study if study.question else dataclasses.replace(study, question=question)

    return Experiment(options, make)


def load_study(word: str, registry: Registry, given: Mapping[str, Any] | None = None) -> Study:
    """Makes the study of an experiment, see `find_experiment`; options that are not given are as it declares them."""
    options, make = find_experiment(word, registry)
    return make(**{name: one.check((given or {}).get(name, one.default)) for name, one in options.items()})


def find_files(folders: Iterable[Path]) -> list[tuple[Path, str]]:
    """Finds the experiment files in folders that exist, by name, with their questions. They are never executed."""
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):
            paths = sorted(itertools.islice(folder.glob("*.py"), _MOST_FILES))
            found += [one for path in paths if (one := _described(path)) is not None]
    return found


def _described(path: Path) -> tuple[Path, str] | None:
    """Returns a file and the first line of its docstring, or nothing; `None` where it is no experiment."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        tree = _parsed(path)
    except (OSError, InputError):
        return None
    if not any(isinstance(node, ast.FunctionDef) and node.name == _FUNCTION for node in tree.body):
        return None
    return path, _first_line(tree)


def _parsed(path: Path) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"experiment {str(path)!r}: there is no such file") from None
    except OSError as error:
        raise InputError(f"cannot read experiment {str(path)!r}: {error.strerror}") from None
    except SyntaxError as error:
        line = f" line {error.lineno}" if error.lineno else ""
        raise InputError(f"{str(path)!r}{line} is not Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{str(path)!r} is not Python: {one_line(str(error))}") from None


def _first_line(tree: ast.Module) -> str:
    return next(iter((ast.get_docstring(tree) or "").strip().splitlines()), "")


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Lets a file import its neighbours, as a script does."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


@contextlib.contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turns whatever the user's code raises into one line with its file and line."""
    try:
        yield
    except SyntaxError as error:
        where = Path(error.filename).name if error.filename else path.name
        raise InputError(f"{where!r} line {error.lineno} is not Python: {error.msg}") from error
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        raise InputError(f"{_last_place(path, error)}: {kind}{one_line(str(error))}") from error


def _last_place(path: Path, error: BaseException) -> str:
    """Names the file and line, in the folder of the user's file, that the error came from."""
    folder = path.resolve().parent
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == folder]
    if not own:
        return repr(str(path))
    last = Path(own[-1].filename)
    name = str(path) if last == path.resolve() else last.name
    return f"{name!r} line {own[-1].lineno}"
