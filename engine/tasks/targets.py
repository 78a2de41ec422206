"""Makes classes from 0, or values, from targets in whatever form they are written."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.errors import InputError, one_line
from engine.tasks.reading import Reading, counted

_TEXT = "US"
_WHOLE = "biu"


class Targets(NamedTuple):
    """Classes from 0, int32 `[num_examples]`, with names; or values, float32 `[num_examples, num_outputs]`, without."""

    values: np.ndarray
    class_names: Sequence[str]


def make_targets(array: np.ndarray, name: str, kind: str | None, reading: Reading) -> Targets:
    """Returns classes or values, from text or numbers `[num_examples]` or `[num_examples, num_columns]`.

    Text, whole numbers, truth values and one-hot rows are classes, in sorted order; other rows and floating-point
    numbers are values. `kind` overrides that; whole numbers that are mostly distinct need it.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if not len(array):
        raise InputError(f"targets {name!r} are empty: expected one per example")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise InputError(
            f"targets {name!r} have the shape {list(array.shape)}: expected one per example, or a row of them"
        )
    if array.dtype.kind == "f":
        _check_finite(array, name)
    if array.ndim == 2:
        return _of_rows(array, name, kind, reading)
    is_text = array.dtype.kind in _TEXT
    if kind is None:
        kind = "classes" if is_text or array.dtype.kind in _WHOLE else "values"
        if kind == "values":
            reading.tell(f"targets {name!r} are floating-point numbers: taken as values")
        elif not is_text and (num_distinct := len(np.unique(array))) > max(2, len(array) // 2):
            raise InputError(
                f"targets {name!r} have {num_distinct} distinct values in {len(array)} examples: say "
                f"whether they are classes or values, with --target_kind"
            )
    return _classes(array, name) if kind == "classes" else _values(array[:, None], name)


def _of_rows(array: np.ndarray, name: str, kind: str | None, reading: Reading) -> Targets:
    if array.dtype.kind in _TEXT:
        raise InputError(f"targets {name!r} are rows of text: expected one word per example")
    is_one_hot = bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())
    if kind is None:
        kind = "classes" if is_one_hot else "values"
        how = "rows with a single one" if is_one_hot else f"rows of {array.shape[1]} numbers"
        reading.tell(f"targets {name!r} are {how}: taken as {kind}")
    if kind == "values":
        return _values(array, name)
    if not is_one_hot:
        raise InputError(
            f"targets {name!r} cannot be classes: expected one per example, or rows with a single one among zeros"
        )
    return _classes(array.argmax(axis=1), name)


def _check_finite(array: np.ndarray, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if len(bad):
        raise InputError(
            f"{name!r} is not finite in {counted(len(bad), 'row')}, the first of them {bad[0]}: "
            f"expected numbers everywhere"
        )


def _classes(array: np.ndarray, name: str) -> Targets:
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise InputError(f"targets {name!r} are not whole, so they cannot be classes: give --target_kind=values")
    distinct, labels = np.unique(array, return_inverse=True)
    names = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in distinct]
    return Targets(labels.astype(np.int32), [*map(one_line, names)])


def _values(array: np.ndarray, name: str) -> Targets:
    if array.dtype.kind in _TEXT:
        raise InputError(f"targets {name!r} are text, so they cannot be values")
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    _check_finite(values, name)
    return Targets(values, ())
