"""The names of the tasks, and those that tensorflow-datasets knows besides."""

import importlib.util
import re
from types import ModuleType

from ..arms.arm import BY_TRAINER
from ..errors import InputError, unknown_name
from ..registry import Registry

# A place is made of the name, which must not lead elsewhere; and no arguments for somebody's code.
_ELSEWHERE = re.compile(r"\w+(/\w[\w.+-]*)?")


class Tasks(Registry):
    """Our own sources of examples by name; any other name may be one of tensorflow-datasets."""

    def load(self, name: str) -> ModuleType:
        """Returns the module of a source of examples, ours or the one for all of tensorflow-datasets."""
        if name in self:
            return super().load(name)
        if name == BY_TRAINER:
            from . import own_training

            return own_training
        known = _known_elsewhere()
        if name.partition("/")[0] in known:
            if not _ELSEWHERE.fullmatch(name):
                raise InputError(f"dataset={name!r}: expected NAME or NAME/CONFIGURATION")
            from . import named

            return named
        others = "a name of tensorflow-datasets" + ("" if known else " (pip install 'plateau-engine[data]')")
        raise unknown_name(self.kind, name, self, others, known)


def _known_elsewhere() -> list[str]:
    if importlib.util.find_spec("tensorflow_datasets") is None:
        return []
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


# Of examples that are held in arrays, and others; each is the name of its module too.
_HELD = (
    *("arrays", "cifar10", "cifar100", "digits", "fashion_mnist", "folder", "mnist", "modular_addition", "prepared"),
    *("table", "text"),
)
_OTHERS = ("double_well", "induction", "line", "memory", "ramp", "soft_committee", "sparse_parity", "teacher", "xor")
# Tasks whose labels follow from a rule, so that they belong to their inputs.
BY_RULE = (*_OTHERS, "modular_addition")
TASKS = Tasks("dataset", {name: f".tasks.{name}" for name in sorted((*_HELD, *_OTHERS))})
