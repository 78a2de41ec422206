"""What is installed: one package, beside which every project may have folders named as ours."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import engine

ROOT = Path(__file__).parent.parent


def test_the_packages_that_are_listed_are_those_that_exist():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "engine").rglob("__init__.py")}
    expected = {".".join(("plateau_engine", *folder.parts[1:])) for folder in folders}
    assert set(config["options"]["packages"].split()) == {*expected, "plateau_engine.experiments"}


def test_a_clone_has_one_engine_by_two_names():
    import plateau_engine

    assert plateau_engine is engine
    assert set(engine.__all__) <= set(dir(engine))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the package was installed, of a copy without anything that is not shipped."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "launch.py"):
        shutil.copy(ROOT / name, source)
    for name in ("engine", "experiments"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(source)]
    subprocess.run(words, check=True, capture_output=True)
    return site


@pytest.fixture
def project(tmp_path):
    """A project that has an `engine` and `experiments` of its own."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("OURS = False\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()
    (tmp_path / "experiments" / "models.py").write_text(
        "import flax.linen as nn\n"
        "class Tiny(nn.Module):\n"
        "    @nn.compact\n"
        "    def __call__(self, x):\n"
        "        return nn.Dense(10)(x.reshape(x.shape[0], -1))\n"
    )
    (tmp_path / "mine.py").write_text(
        '"""Does it?"""\n'
        "from plateau_engine import Arm, Study\n"
        "def study():\n"
        "    return Study(name='mine', arms={'a': Arm(model='experiments.models:Tiny')}, seeds=2, horizon=20)\n"
    )
    return tmp_path


@pytest.mark.guide
def test_installed_it_is_one_package_that_leaves_others_alone(site, project):
    about = f"plateau_engine-{engine.__version__}.dist-info"
    assert {path.name for path in site.iterdir()} == {"plateau_engine", about, "bin"}
    environment = {**os.environ, "PYTHONPATH": str(site), "XDG_CACHE_HOME": str(project / "cache")}

    def run(*words):
        done = subprocess.run([sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("-c", "import plateau_engine; print(plateau_engine.__file__)")
    assert Path(where.strip()).is_relative_to(site)
    assert "report: runs/mine/report.html" in run("-m", "plateau_engine", "--experiment=mine.py", "--workers=1")
    assert "all are identical to the last bit" in run(
        *("-m", "plateau_engine", "verify", "--workdir=runs/mine", "--own_code", "--workers=1")
    )
    assert "kick_in" in run("-m", "plateau_engine", "list")
    names = "import engine, experiments.models, plateau_engine; plateau_engine.Arm(); print(engine.OURS)"
    assert run("-c", names) == "False\n"
