"""The order of the packages is the flow of the data, and importing the engine costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A package imports from those before it, and from the loose files.
FLOW = (
    "statistics",
    "outcomes",
    "arms",
    "losses",
    "metrics",
    "tasks",
    "models",
    "training",
    "lanes",
    "studies",
    "store",
    "workers",
    "preflight",
    "report",
    "diagnosis",
    "verification",
    "logs",
    "observers",
    "theory",
    "commands",
)
LOOSE_FILES = ("errors", "registry", "user_code")
_RANK = {name: rank for rank, name in enumerate((*LOOSE_FILES, *FLOW))}


def _imported(path: Path) -> set[str]:
    """Names of the engine's packages and loose files that a file imports, at any place in it."""
    here = path.relative_to(ROOT / "engine").parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            found |= {next(part for part in (*above, alias.name) if part) for alias in node.names}
    return found & set(_RANK)


def test_the_engine_imports_itself_by_relative_names():
    """What it is called differs between a clone and an installed package."""
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "engine").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _absolute_names(node)
        if name.partition(".")[0] in ("engine", "experiments", "plateau_engine")
    ]
    assert wrong == []


def _absolute_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def _unit(path: Path) -> str:
    return path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")


def test_the_folders_are_the_flow():
    there = {path.name.removesuffix(".py") for path in (ROOT / "engine").iterdir()}
    assert there - {"__init__", "__main__", "__pycache__", "py.typed"} == set(_RANK)


def test_every_import_follows_the_flow():
    wrong = [
        f"{path.relative_to(ROOT)} imports engine.{name}"
        for path in sorted((ROOT / "engine").rglob("*.py"))
        for name in sorted(_imported(path))
        if _unit(path) not in ("__init__", "__main__") and _RANK[name] > _RANK[_unit(path)]
    ]
    assert wrong == []


MOST_LINES, LONGEST_FUNCTION, MOST_PARAMETERS = 300, 40, 6


def _body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_modules_and_functions_fit_in_the_head():
    long = []
    for path in sorted((ROOT / "engine").rglob("*.py")):
        text, name = path.read_text(), path.relative_to(ROOT)
        long += [f"{name} is long"] * (text.count("\n") > MOST_LINES)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                num_given = sum(argument.arg not in ("self", "cls") for argument in given)
                if _body_length(node) > LONGEST_FUNCTION or num_given > MOST_PARAMETERS:
                    long.append(f"{name}: {node.name}")
    assert long == []


def test_importing_the_engine_loads_nothing_heavy():
    program = (
        "import sys, engine; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'tensorflow_datasets', 'matplotlib', 'jax', 'flax', 'sklearn', 'pyarrow', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr


def test_training_needs_neither_pictures_nor_data_sets():
    """A machine without them must still train and run the benchmarks."""
    program = (
        "import sys\n"
        "for name in ('tensorflow_datasets', 'matplotlib', 'jinja2', 'array_record'):\n"
        "    sys.modules[name] = None\n"
        "import engine.commands.run, engine.lanes.pool\n"
        "from engine.studies.study import resolve_arm\n"
        "from engine.tasks import load_data\n"
        "data = load_data(resolve_arm(engine.Arm(dataset='teacher', model='mlp')), 0, None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_public_names_are_there():
    import engine

    for name in engine.__all__:
        assert callable(getattr(engine, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        engine.nothing  # noqa: B018
