"""The floors: imports point downward only, and importing the engine costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The longest matching prefix decides. Modules of one floor may import each other only inside one
# package, and where ALLOWED says so.
FLOORS = {
    "engine.errors": -1,
    "engine.registry": -1,
    "engine.checksums": -2,
    "engine.interruption": -1,
    "engine.events": -1,
    "engine.discretion": -1,
    "engine.fields": -0.5,
    "engine.config": 0,
    "engine.designs": 0,
    "engine.sources": 0,
    "engine.rng": 0,
    "engine.plateau": 0,
    "engine.statistics": 0,
    "engine.models": 1,
    "engine.optimizers": 1,
    "engine.tasks": 1,
    "engine.lowering": 1,
    "engine.precision": 1,
    "engine.store": 1,
    "engine.provenance": 1,
    "engine.determinism": 0.5,
    "engine.devices": 0.7,
    "engine.compilation": 1,
    "engine.checkpoints": 1.5,
    "engine.readers": 1.5,
    "engine.diagnosis": 1.5,
    "engine.theory": 1.7,
    "engine.training": 2,
    "engine.diagnostics": 2.2,
    "engine.monitor": 2.3,
    "engine.lane_program": 2.5,
    "engine.pool_program": 2.7,
    "engine.runs": 2.7,
    "engine.lanes": 3,
    "engine.selfcheck": 3,
    "engine.streams": 2,
    "engine.firstbatch": 3.5,
    "engine.tuning": 3.5,
    "engine.looks": 4,
    "engine.logged": 4,
    "engine.outcomes": 4,
    "engine.study": 4,
    "engine.plan_checks": 4.2,
    "engine.plan_times": 4.2,
    "engine.plan": 4.5,
    "engine.document": 4.7,
    "engine.verification": 4.8,
    "engine.workers": 4,
    "engine.report": 4,
    "engine.observers": 4.9,
    "engine.commands": 5,
    "engine": 5,
    "experiments": 5.5,
    "launch": 6,
}
ALLOWED = {("engine.registry", "engine.errors")}


def _unit(module: str) -> str:
    return max((name for name in FLOORS if f"{module}.".startswith(f"{name}.")), key=len)


def _imports() -> list[tuple[str, str]]:
    found = []
    files = [
        ROOT / "launch.py",
        *(ROOT / "engine").rglob("*.py"),
        *(ROOT / "experiments").rglob("*.py"),
    ]
    for path in files:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            ours = ("engine", "experiments", "launch")
            found += [(module, name) for name in names if name.split(".")[0] in ours]
    return found


def test_every_module_has_a_floor():
    for path in (ROOT / "engine").iterdir():
        name = path.stem
        if path.suffix == ".py" or (path.is_dir() and name != "__pycache__"):
            assert name == "__init__" or f"engine.{name}" in FLOORS, name


def _is_allowed(importer: str, imported: str) -> bool:
    above, below = _unit(importer), _unit(imported)
    return above == below or FLOORS[below] < FLOORS[above] or (above, below) in ALLOWED


def test_imports_point_downward():
    imports = sorted(set(_imports()))
    assert len(imports) > 1000
    assert [pair for pair in imports if not _is_allowed(*pair)] == []


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
        "import engine.commands.run, engine.lanes\n"
        "from engine.study import resolve_arm\n"
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
