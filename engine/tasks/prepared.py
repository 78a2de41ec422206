"""`prepared`: a prepared tensorflow-datasets directory (--dataset_dir=FOLDER/1.0.0), read without TensorFlow.

The splits `train` and `test` (or `validation`) are trained on and held out; of a single split a fifth is held out. The
names of features, or --input_arrays and --target_arrays, tell which is which. For images see `engine.tasks.images`.
"""

import contextlib
import importlib.util
import io
import json
import logging
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arms.arm import Arm
from ..errors import InputError, counted, one_line
from .examples import Examples, make_arrays, refuse_fraction, with_channels
from .images import read_images
from .options import ARRAY_OPTIONS, DATASET_DIR, EXAMPLE_OPTIONS, IMAGE_OPTIONS
from .passes import array_task
from .places import find_place, find_prepared, naming_place
from .reading import Reading, check_memory
from .targets import make_targets

OPTIONS = (DATASET_DIR, *EXAMPLE_OPTIONS, *IMAGE_OPTIONS, *ARRAY_OPTIONS)
build = array_task

_LONGEST_REASON = 120
_FORMATS = ("array_record", "tfrecord")
_TRUSTED = "tensorflow_datasets.core.features."
# Keys under which descriptions name a class, in the spellings of all versions.
_CODE = ("pythonClassName", "python_class_name", "type")
_MAX_JSON = 16 * 2**20
_INPUTS = ("image", "images", "inputs", "input", "x", "features", "data")
_TARGETS = ("label", "labels", "target", "targets", "y", "class")
_HELD_OUT = ("test", "validation", "val")
_ID = "id"
_RECORDS_AT_ONCE = 1024
# Before a record its length and a checksum of that, after it its own checksum.
_BEFORE, _AFTER = struct.Struct("<QI"), 4


def load(arm: Arm, root_seed: int, data_dir: str | None, reading: Reading) -> dict[str, np.ndarray]:
    """Returns the arrays of `engine.tasks.examples`; raises InputError where nothing usable is prepared there."""
    directory = find_prepared(find_place(arm.dataset_dir))
    if directory is None:
        raise InputError(
            f"dataset_dir={arm.dataset_dir!r} is no prepared data set: expected a directory with a dataset_info.json"
        )
    with naming_place(arm.dataset_dir):
        return make_arrays(arm, read_directory(directory, arm, reading), reading)


def has_package(name: str) -> bool:
    """Tells whether a package is installed."""
    return importlib.util.find_spec(name) is not None


def prepared_root(data_dir: str | None) -> str:
    """Returns the directory of all prepared data sets, by default that of tensorflow-datasets."""
    import tensorflow_datasets as tfds

    return os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)


@contextlib.contextmanager
def reporting(describe: Callable[[str], str]) -> Iterator[None]:
    """Keeps tensorflow-datasets quiet, and turns what it raises into an InputError with the reason described."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except InputError:
        raise
    except Exception as error:  # array_record and protobuf have types of their own
        raise InputError(describe(one_line(str(error) or type(error).__name__)[:_LONGEST_REASON])) from error
    finally:
        logger.setLevel(level)


class _Prepared(NamedTuple):
    """The part of a prepared data set that is read: inputs, targets, `id` if it is a whole number; one split or two."""

    builder: Any
    file_format: str
    inputs: str
    targets: str
    features: Any
    splits: list[str]


def read_directory(directory: Path, arm: Arm, reading: Reading) -> Examples:
    """Returns the examples of a prepared data set, those for training first, sorted by `id` where they have one."""
    for package in ("tensorflow_datasets", "array_record"):
        if not has_package(package):
            raise InputError(f"a prepared data set needs the package {package}: pip install 'plateau-engine[data]'")
    import tensorflow_datasets as tfds

    with reporting(lambda reason: f"the prepared data set cannot be read ({reason})"):
        prepared = _open(directory, arm, reading)
        parts = [_read_split(prepared, split, reading) for split in prepared.splits]
    if len(parts) == 2:
        refuse_fraction(arm, f"its split {prepared.splits[1]!r}")
    records = [record for part in parts for record in part]
    is_held_out = np.arange(len(records)) >= len(parts[0])
    inputs, kept = _inputs(prepared, records, arm, reading)
    name = prepared.targets
    is_named = isinstance(prepared.features[name], tfds.features.ClassLabel)
    kind = arm.target_kind or ("classes" if is_named else None)
    targets = make_targets(_stacked([records[i][name] for i in kept], name), name, kind, reading)
    return Examples(inputs, *targets, is_held_out[kept] if len(parts) == 2 else None)


def _open(directory: Path, arm: Arm, reading: Reading) -> _Prepared:
    import tensorflow_datasets as tfds

    _refuse_foreign_code(directory / "features.json")
    builder = tfds.builder_from_directory(directory)
    file_format = str(getattr(builder.info.file_format, "value", builder.info.file_format))
    if file_format not in _FORMATS:
        raise InputError(f"its records are in the format {file_format}: expected {' or '.join(_FORMATS)}")
    features, keys = dict(builder.info.features.items()), builder.info.supervised_keys or (None, None)
    kinds = tfds.features.Image, tfds.features.ClassLabel
    images, labels = ([n for n in sorted(features) if isinstance(features[n], k)] for k in kinds)
    inputs = _feature(features, "input_arrays", arm.input_arrays, (keys[0], *_INPUTS), images)
    targets = _feature(features, "target_arrays", arm.target_arrays, (keys[1], *_TARGETS), labels)
    if not (arm.input_arrays and arm.target_arrays) and None in keys:
        reading.tell(f"features by their names: {inputs!r} → {targets!r}")
    wanted = {name: features[name] for name in (inputs, targets)}
    number = features.get(_ID)
    if number is not None and number.shape == () and np.issubdtype(np.dtype(number.np_dtype), np.integer):
        wanted[_ID] = number
    splits = _splits(list(builder.info.splits), reading)
    return _Prepared(builder, file_format, inputs, targets, tfds.features.FeaturesDict(wanted), splits)


def _refuse_foreign_code(path: Path) -> None:
    """Refuses a description that names modules outside tensorflow-datasets, because they would be imported."""
    if path.stat().st_size > _MAX_JSON:
        raise InputError("features.json is larger than any description of features")

    def refuse(found: dict[str, Any]) -> dict[str, Any]:
        for code in [found[key] for key in _CODE if isinstance(found.get(key), str)]:
            if not code.startswith(_TRUSTED):
                raise InputError(f"features.json names foreign code ({one_line(code)[:80]!r})")
        return found

    json.loads(path.read_text(), object_hook=refuse)


def _feature(
    features: Any, role: str, asked: Sequence[str] | None, guesses: Sequence[str | None], of_its_kind: Sequence[str]
) -> str:
    """Returns the requested feature, or the one with an expected name, or the only one of its kind."""
    listed = ", ".join(sorted(features))
    if asked:
        if len(asked) != 1 or asked[0] not in features:
            raise InputError(f"{role}={','.join(asked)}: expected one of the features {listed}")
        return asked[0]
    found = [name for name in guesses if name is not None and name in features]
    if found or len(of_its_kind) == 1:
        return (found or of_its_kind)[0]
    raise InputError(
        f"it is not clear which feature the {role.removesuffix('_arrays')}s are: there are {listed}; give --{role}"
    )


def _splits(names: Sequence[str], reading: Reading) -> list[str]:
    training = "train" if "train" in names else names[0] if len(names) == 1 else None
    if training is None:
        raise InputError(
            f"it is not clear which split is for training: there are {', '.join(names) or 'none'}, "
            f"and none is called train"
        )
    held_out = next((name for name in _HELD_OUT if name in names and name != training), None)
    chosen = [training] + ([held_out] if held_out else [])
    left = [name for name in names if name not in chosen]
    if left:
        reading.caution(f"split {', '.join(map(repr, left))} left out")
    return chosen


def _read_split(prepared: _Prepared, split: str, reading: Reading) -> list[dict[str, Any]]:
    import tensorflow_datasets as tfds

    info = prepared.builder.info.splits[split]
    number, feature = info.num_examples, prepared.features[prepared.inputs]
    decoders = None
    if isinstance(feature, tfds.features.Image):
        decoders = {prepared.inputs: tfds.decode.SkipDecoding()}
    elif None not in feature.shape:
        size = int(np.prod(feature.shape)) * np.dtype(feature.np_dtype).itemsize
        check_memory(number * size, counted(number, "example"))
    records = []
    with reading.bar(number, f"reading {split}") as bar:
        for raw in _raw_records(prepared, split):
            records.append(prepared.features.deserialize_example_np(raw, decoders=decoders))
            bar.update()
    if len(records) != number:
        raise InputError(f"split {split!r} has {counted(len(records), 'record')}, and should have {number}")
    return sorted(records, key=lambda record: record[_ID]) if _ID in prepared.features else records


def _raw_records(prepared: _Prepared, split: str) -> Iterator[bytes]:
    import tensorflow_datasets as tfds

    if prepared.file_format == "tfrecord":
        for path in prepared.builder.info.splits[split].filepaths:
            yield from _tf_records(Path(os.fspath(path)))
        return
    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    source = prepared.builder.as_data_source(split, deserialize_method=raw)
    for first in range(0, len(source), _RECORDS_AT_ONCE):
        yield from source.__getitems__(list(range(first, min(first + _RECORDS_AT_ONCE, len(source)))))


def _tf_records(path: Path) -> Iterator[bytes]:
    left = path.stat().st_size
    with path.open("rb") as file:
        while left:
            head = file.read(_BEFORE.size)
            length = _BEFORE.unpack(head)[0] if len(head) == _BEFORE.size else left
            left -= _BEFORE.size + length + _AFTER
            if left < 0:
                raise InputError(f"{path.name!r} is cut off, or damaged")
            yield file.read(length)
            file.read(_AFTER)


def _inputs(
    prepared: _Prepared, records: Sequence[dict[str, Any]], arm: Arm, reading: Reading
) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow_datasets as tfds

    name = prepared.inputs
    column = [record[name] for record in records]
    if isinstance(prepared.features[name], tfds.features.Image):
        names = [f"example {i}" for i in range(len(column))]
        images = read_images(column, names, arm, reading)
        return images.pixels, images.kept
    for field in ("image_size", "resize"):
        if getattr(arm, field) is not None:
            raise InputError(f"{field} has no effect: feature {name!r} holds arrays, not images")
    inputs = _stacked(column, name)
    if inputs.dtype.kind not in "biuf":
        raise InputError(f"feature {name!r} holds {inputs.dtype}: expected numbers")
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        raise InputError(f"feature {name!r} holds numbers that are not finite")
    return with_channels(inputs, arm.channels, reading), np.arange(len(records))


def _stacked(values: Sequence[Any], name: str) -> np.ndarray:
    if len({np.shape(value) for value in values}) > 1:
        raise InputError(f"feature {name!r} has another shape in every example")
    return np.asarray(values)
