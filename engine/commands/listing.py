"""`list`: what there is to choose from."""

from engine import config
from engine.registry import Registry


def print_choices(experiments: Registry) -> None:
    """Prints the experiments with their question and time, and every name an arm can hold."""
    from engine.models import MODELS
    from engine.study import choices
    from engine.tasks import TASKS

    print("experiments")
    for name in experiments:
        doc = (experiments.load(name).__doc__ or "").strip()
        time = next((line for line in doc.splitlines() if line.startswith("Time: ")), "")
        print(f"  {name:12} {doc.splitlines()[0]} {time.removeprefix('Time: ')}")
    for registry in (MODELS, TASKS):
        print(f"\n{registry.kind}")
        for name in registry:
            doc = (registry.load(name).__doc__ or "").strip()
            print(f"  {doc.splitlines()[0]}")
        if registry is MODELS:
            print("  your own: --model=path/to/file.py:NAME or --model=package.module:NAME")
        if registry is TASKS:
            print("  any other name of tensorflow-datasets: pip install 'plateau-engine[tf]'")
    for field in ("optimizer", "schedule", "init", "activation", "augment"):
        print(f"\n{field}\n  {', '.join(choices(field))}")
    print(f"\nfields of an arm\n  {', '.join(config.FIELDS)}")
