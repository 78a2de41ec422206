"""Any other data set by its name in tensorflow-datasets (--dataset=NAME or NAME/CONFIGURATION).

Only preparing it needs TensorFlow (the extra `tf`).
"""

import contextlib
import sys
from pathlib import Path

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, one_line
from . import prepared
from .archives import find_unreachable
from .examples import make_arrays
from .options import DATASET_DIR
from .passes import array_task
from .places import find_prepared
from .prepared import has_package, prepared_root, read_directory
from .reading import Reading

OPTIONS = (DATASET_DIR.with_default(None), *prepared.OPTIONS[1:])
build = array_task
_LONGEST_REASON = 200


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of `engine.tasks.examples`; raises InputError where it cannot be prepared or read."""
    if arm.dataset_dir is not None:
        return prepared.load(arm, root_seed, data_dir, reading)
    root = prepared_root(data_dir)
    directory = find_prepared(Path(root, *arm.dataset.split("/")))
    if directory is None:
        directory = _prepare(arm.dataset, root)
    try:
        return make_arrays(arm, read_directory(directory, arm, reading), reading)
    except InputError as error:
        raise InputError(f"dataset={arm.dataset} in {str(directory)!r}: {error}") from None


def _prepare(dataset: str, root: str) -> Path:
    elsewhere = "prepare it where that works, and give its directory with --dataset_dir"
    if not has_package("tensorflow"):
        raise InputError(
            f"dataset={dataset} is not prepared in {root!r}, and preparing it needs TensorFlow: "
            f"pip install 'plateau-engine[tf]', or {elsewhere}"
        )
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(dataset, data_dir=root, file_format="array_record")
        # Without an answer tensorflow-datasets would try again for minutes.
        unreachable = find_unreachable(list(builder.url_infos or ()))
        if unreachable is None:
            with contextlib.redirect_stdout(sys.stderr):
                builder.download_and_prepare()
            return Path(str(builder.data_dir))
        problem = f"its source does not answer: {unreachable}"
    except Exception as error:  # a builder may raise anything
        problem = one_line(str(error) or type(error).__name__)[:_LONGEST_REASON]
    raise InputError(f"dataset={dataset} cannot be prepared in {root!r} ({problem}): {elsewhere}")
