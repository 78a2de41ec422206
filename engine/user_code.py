"""The user's code: found by a reference, loaded, and identified by its content.

A reference is `path/to/file.py:name` or `package.module:name`.
"""

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import InputError, did_you_mean, one_line, told, unknown_name

Place = str | os.PathLike[str]
# Seconds after which code that has not returned is named: the largest networks are traced in less.
_PATIENCE = 20.0
_IN_TEXT = re.compile(r'File "([^"]+)", line (\d+)')
_NEVER_OWN = {"site-packages", "dist-packages"}


def cache_root() -> Path:
    """Returns the folder for what can be made again, by the XDG convention."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plateau-engine"


def is_reference(text: str) -> bool:
    """Tells whether a name refers to the user's code."""
    return ":" in text


def parse_reference(text: str, field: str) -> tuple[str, str]:
    """Splits a reference, typed for `field`, into place and name; raises InputError where it is not of that form."""
    place, _, name = text.rpartition(":")
    if not place or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"{field}={text!r}: expected path/to/file.py:name or package.module:name")
    if not place.endswith(".py") and not all(part.isidentifier() for part in place.split(".")):
        raise InputError(f"{field}={text!r}: {place!r} is neither a file ending in .py nor a module's name")
    return place, name


def canonical(text: str, field: str) -> str:
    """Returns a reference in the one form that is stored, which names neither a home nor a way up to it."""
    place, name = parse_reference(text, field)
    if not place.endswith(".py"):
        return f"{place}:{name}"
    path = _absolute(place)
    if path.is_relative_to(Path.cwd()):
        return f"{path.relative_to(Path.cwd()).as_posix()}:{name}"
    return f"{without_home(place)}:{name}"


def as_path(place: Place) -> Path:
    """Returns the path of a place that a person typed, with `~` spelled out; raises InputError where it is none."""
    if "\0" in str(place):
        raise InputError(f"{str(place)!r} is no place in a file system")
    try:
        return Path(place).expanduser()
    except RuntimeError:
        raise InputError(f"{str(place)!r}: there is no such home directory") from None


def without_home(place: Place) -> str:
    """Returns the absolute path of a place, with this user's home as `~`."""
    path, home = _absolute(place), _absolute("~")
    if home != Path(home.anchor) and path.is_relative_to(home):
        path = Path("~") / path.relative_to(home)
    return path.as_posix()


def _absolute(place: str | os.PathLike[str]) -> Path:
    return Path(os.path.abspath(os.path.expanduser(place)))


def load(text: str, field: str) -> Any:
    """Returns what a reference names; raises InputError where it cannot, with the reason and the line."""
    place, name = parse_reference(text, field)
    module = _load_module(place, f"{field}={text}")
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            named = [(key, value) for key, value in vars(module).items() if callable(value)]
            there = [(key, value) for key, value in named if not key.startswith("_")]
            own = [key for key, value in there if getattr(value, "__module__", None) == module.__name__]
            raise unknown_name(f"name in {place} for {field}", name, own)
        found = getattr(found, part)
    return found


def _load_module(place: str, who: str) -> ModuleType:
    """Imports a module of the user's code, from its file or by its name; `who` begins the messages.

    A file is loaded again when its content has changed. The folder of a file, or the working directory, can be imported
    from, after everything else.
    """
    # Keras takes its backend when it is imported.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        if place.endswith(".py"):
            path = _absolute(place)
            if not path.is_file():
                raise InputError(f"{who}: there is no file {str(path)!r}{_nearest_file(path)}")
            _make_importable(path.parent)
            return import_file(path)
        _make_importable(Path.cwd())
        return importlib.import_module(place)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{who} cannot be imported: {_described(error, place)}") from error
    except SystemExit as error:
        raise InputError(f"{who} cannot be imported: it ends the program") from error


def _nearest_file(path: Path) -> str:
    """Asks whether another file of the folder was meant, or says nothing."""
    try:
        beside = [file.stem for file in path.parent.glob("*.py")]
    except OSError:
        return ""
    return did_you_mean(path.stem, beside, ending=".py", cutoff=0.6)


def import_file(path: Path) -> ModuleType:
    """Imports a file, by its absolute path, under a name that no other module has; raises whatever its code raises."""
    content = path.read_bytes()
    digest = hashlib.sha256(os.fsencode(path) + b"\0" + content).hexdigest()
    name = f"own_{path.stem}_{digest[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Python's own cache takes a file that was changed within a second, to the same length, for the old one.
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _make_importable(folder: Path) -> None:
    # Last, so that nothing installed is hidden by a file that happens to have its name.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _described(error: Exception, place: str) -> str:
    """Says what went wrong in the user's code, and in which line of it."""
    words = one_line(f"{type(error).__name__}: {error}")
    if isinstance(error, SyntaxError) and error.filename:
        return words if str(error.lineno) in words else f"{words} (line {error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_foreign(f.filename)]
    if not frames:
        return words
    return f"{words} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def _is_foreign(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<") or "importlib" in Path(filename).parts


def where(error: BaseException, folder_of: str) -> str:
    """Says which line of the user's code, what lies beside `folder_of` or below, an exception went through last."""
    found = _last_own(traceback.extract_tb(error.__traceback__), folder_of)
    # What a callback of a compiled program raises is told by its text.
    for file, line in reversed([] if found else _IN_TEXT.findall(str(error))):
        if _is_own(Path(file), Path(folder_of).parent):
            return f" ({Path(file).name}, line {line})"
    return found


def line_of(error: BaseException, function: Any) -> str:
    """Says which line of the user's code, by the place of a function, an exception went through last."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return where(error, code.co_filename) if code is not None else ""


def traced(who: str, function: Callable[..., Any], *shapes: Any) -> Any:
    """Returns the shapes that a function of the user's gives; raises InputError, of `who` and its line, if it fails."""
    # Nothing else here needs JAX, and help should come at once.
    import jax

    try:
        return jax.eval_shape(function, *shapes)
    except Exception as error:
        given = " and ".join(str([*one.shape]) for one in shapes if one.shape)
        raise InputError(
            f"{who} fails with arrays of shape {given}: {told(error)}{line_of(error, function)}"
        ) from error


@contextlib.contextmanager
def watched(text: str) -> Iterator[None]:
    """Says once that the code of a reference to a model has not returned yet, and in which line of it that is."""
    if not is_reference(text):
        yield
        return
    thread, (place, _) = threading.get_ident(), parse_reference(text, "model")

    def tell() -> None:
        file = str(_absolute(place)) if place.endswith(".py") else getattr(sys.modules.get(place), "__file__", "")
        line = _last_own(traceback.extract_stack(sys._current_frames()[thread]), file or "")
        print(f"note: model={text} has not returned for {_PATIENCE:g} s{line}: Ctrl-C stops it", file=sys.stderr)

    timer = threading.Timer(_PATIENCE, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _last_own(frames: traceback.StackSummary, folder_of: str) -> str:
    folder = Path(folder_of).parent
    for frame in reversed(frames):
        if _is_own(Path(frame.filename), folder):
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def _is_own(file: Path, folder: Path) -> bool:
    """Tells whether a file is the user's: in or below a folder, and neither installed nor one of this package."""
    return file.is_relative_to(folder) and not _is_installed(file) and not file.is_relative_to(Path(__file__).parent)


def fingerprint(text: str, field: str) -> str:
    """Returns the SHA-256 over the sources behind a reference: its module, and what that imports of the user's code.

    That is what lies in the folder of the file, or in the same top-level package; imports inside functions count too.
    Paths do not enter, so that a folder may be moved.
    """
    place, name = parse_reference(text, field)
    module = _load_module(place, f"{field}={text}")
    assert module.__file__ is not None
    first = Path(module.__file__)
    root = first.parent
    if not place.endswith(".py"):
        root = first.parents[place.count(".") + (first.name == "__init__.py")]
    # Of what is installed, only the same top-level package.
    below = root / first.relative_to(root).parts[0] if _is_installed(first) else root
    found: dict[str, bytes] = {}
    waiting = [first]
    while waiting:
        path = waiting.pop()
        key = path.relative_to(root).as_posix()
        if key not in found:
            found[key] = path.read_bytes()
            waiting.extend(p for p in _imported(path, root) if p.is_relative_to(below))
    digest = hashlib.sha256(name.encode())
    for key, source in sorted(found.items()):
        digest.update(f"\0{key}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()


def _is_installed(path: Path) -> bool:
    is_standard = path.is_relative_to(Path(os.__file__).parent)
    return is_standard or bool(_NEVER_OWN & set(path.parts))


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Finds the files below a folder that a file imports, by reading it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # It cannot be imported either, and need not be: an import may be tried, or never reached.
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(root, alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            above = list(path.parents)[: node.level]
            base = above[-1] if above else root
            if not base.is_relative_to(root):
                continue
            parts = node.module.split(".") if node.module else []
            for alias in node.names:
                yield from _files_of(base, [*parts, alias.name])


def _files_of(base: Path, parts: list[str]) -> Iterator[Path]:
    """Finds the modules on the way to a dotted name, of those that exist."""
    for length in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file
