"""Makes classes, tokens or values of targets, as they were read."""

from collections.abc import Sequence

import numpy as np

from ..arms.arm import LARGEST_SIZE
from ..errors import InputError, counted, one_line
from .reading import Reading

_TEXT = "US"

# Classes from 0, int32 `[num_examples]`, with names; or, without, tokens `[num_examples, positions]`, int32 and −1 for
# padding, or values `[num_examples, num_outputs]`, in single or double precision.
Targets = tuple[np.ndarray, Sequence[str]]


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
        kind = "classes" if is_text or array.dtype.kind in "biu" else "values"
        if kind == "values":
            reading.tell(f"targets {name!r} are floating-point numbers: taken as values")
        elif not is_text and (num_distinct := len(np.unique(array))) > max(2, len(array) // 2):
            raise InputError(
                f"targets {name!r} have {counted(num_distinct, 'distinct value')} in {counted(len(array), 'example')}: "
                f"say whether they are classes or values, with --target_kind"
            )
    if kind == "tokens":
        raise InputError(f"targets {name!r} are one per example, so they are no tokens, one at each position")
    return _classes(array, name, reading) if kind == "classes" else _values(array[:, None], name)


def stand_in(number: int) -> Targets:
    """Returns values for a number of examples, to be replaced by what is to be given back, as `--reconstruct` does."""
    return np.arange(number, dtype=np.float32)[:, None], ()


def _of_rows(array: np.ndarray, name: str, kind: str | None, reading: Reading) -> Targets:
    if array.dtype.kind in _TEXT:
        raise InputError(f"targets {name!r} are rows of text: expected one word per example")
    is_one_hot = bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())
    if kind is None and not is_one_hot and array.dtype.kind in "biu":
        raise InputError(
            f"targets {name!r} are rows of {counted(array.shape[1], 'whole number')}: are they tokens, one at each "
            f"position, or amounts? give --target_kind=tokens or values"
        )
    if kind is None:
        kind = "classes" if is_one_hot else "values"
        how = "rows with a single one" if is_one_hot else f"rows of {counted(array.shape[1], 'number')}"
        reading.tell(f"targets {name!r} are {how}: taken as {kind}")
    if kind == "values":
        return _values(array, name)
    if kind == "tokens":
        return _tokens(array, name)
    if not is_one_hot:
        raise InputError(
            f"targets {name!r} cannot be classes: expected one per example, or rows with a single one among zeros"
        )
    return _classes(array.argmax(axis=1), name, reading)


def _tokens(array: np.ndarray, name: str) -> Targets:
    tokens = array.astype(np.int64) if array.dtype.kind in "biuf" and np.array_equal(array, np.rint(array)) else None
    if tokens is None or tokens.max() >= LARGEST_SIZE:
        raise InputError(f"targets {name!r} cannot be tokens: expected whole numbers below {LARGEST_SIZE:,}")
    if not (tokens >= 0).any():
        raise InputError(f"targets {name!r} are all below 0, which stands for padding: expected some tokens")
    return np.maximum(tokens, -1).astype(np.int32), ()


def _check_finite(array: np.ndarray, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if len(bad):
        raise InputError(
            f"{name!r} is not finite in {counted(len(bad), 'row')}, the first of them {bad[0]}: "
            f"expected numbers everywhere"
        )


def _classes(array: np.ndarray, name: str, reading: Reading) -> Targets:
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise InputError(f"targets {name!r} are not whole, so they cannot be classes: give --target_kind=values")
    distinct, labels = np.unique(array, return_inverse=True)
    if array.dtype.kind in "iuf" and not np.array_equal(distinct, np.arange(len(distinct))):
        gaps = " with gaps" if distinct[-1] - distinct[0] >= len(distinct) else ""
        first, last = int(distinct[0]), int(distinct[-1])
        reading.tell(f"classes {name!r} have numbers from {first} to {last}{gaps}: numbered from 0 here")
    names = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in distinct]
    return labels.astype(np.int32), [*map(one_line, names)]


def _values(array: np.ndarray, name: str) -> Targets:
    if array.dtype.kind in _TEXT:
        raise InputError(f"targets {name!r} are text, so they cannot be values")
    values = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    return values, ()
