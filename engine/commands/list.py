"""`list`: prints what there is to choose from."""

import re
from collections.abc import Iterable
from pathlib import Path

from ..arms.arm import field_names, find_option
from ..arms.choices import table_of
from ..errors import InputError, one_line
from ..registry import Registry
from ..user_code import as_path


def folders_to_list(given: str | None, ours: Path) -> list[Path]:
    """Returns the folders in which to look for experiment files; by default the current one and `experiments` in it.

    `ours` is left out: the shipped experiments are listed by name. Raises `InputError`: the given one does not exist.
    """
    if given is None:
        return [path for path in (Path(), Path("experiments")) if path.resolve() != ours.resolve()]
    folder = as_path(given)
    if not folder.is_dir():
        raise InputError(f"--experiments={given}: expected a folder that exists")
    return [folder]


def print_choices(experiments: Registry, folders: Iterable[Path]) -> None:
    """Prints the shipped experiments, the experiment files in some folders, and every name an arm can hold."""
    from ..models import MODELS
    from ..studies.experiment_files import find_files
    from ..tasks import TASKS
    from ..training.probes import DIAGNOSTICS

    print("experiments")
    width = max(map(len, experiments))
    for name in experiments:
        doc = (experiments.load(name).__doc__ or "").strip()
        time = re.split("[.;]", " ".join(doc.partition("\nTime: ")[2].split()))[0]
        print(f"  {name:{width}}  {doc.splitlines()[0]}{time and f' ({time})'}")
    print("\nexperiment files")
    files = find_files(folders)
    for path, question in files:
        words = one_line(question) or "(no docstring: expected one that begins with the question)"
        print(f"  {one_line(str(path))}  {words}")
    if not files:
        print("  none here: a file.py with a function study() is one")
    for registry in (MODELS, TASKS, DIAGNOSTICS):
        print(f"\n{registry.kind}")
        for name in registry:
            doc = (registry.load(name).__doc__ or "").strip().splitlines()[0]
            print(f"  {name}: {doc}" if registry is DIAGNOSTICS else f"  {doc}")
        if registry is MODELS:
            print("  your own: --model=path/to/file.py:NAME or --model=package.module:NAME")
        if registry is TASKS:
            print("  any other name of tensorflow-datasets: pip install 'plateau-engine[data]', or [tf] to prepare it")
    for kind in ("loss", "metric", "optimizer", "schedule", "init"):
        print(f"\n{kind}\n  {', '.join(table_of(kind))}")
    for name in ("activation", "augment"):
        print(f"\n{name}\n  {', '.join(find_option(name).names)}")
    print(f"\nfields of an arm\n  {', '.join(field_names())}")
