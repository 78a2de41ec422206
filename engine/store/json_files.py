"""Reads JSON that anyone may have written, within bounds, and writes our own."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from .files import DamagedError, read_bounded

MAX_BYTES = 64 * 2**20
# Marks that begin or part values; each value has one, so they bound the memory that parsing takes.
_MAX_MARKS = 4_000_000
_MAX_DEPTH = 32
_LARGEST = 2**63 - 1


def to_json(value: Any) -> bytes:
    """Encodes a value as readable, sorted JSON without NaN or infinity."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def read_json(path: Path) -> Any:
    """Reads a JSON file of at most 64 MiB; raises as `read_bounded` and `parse_json`."""
    return parse_json(read_bounded(path, MAX_BYTES))


def parse_json(content: bytes) -> Any:
    """Decodes JSON.

    Raises:
        DamagedError: it is none, or has what no file of ours has: a name twice, NaN, a number beyond
            64 bits, text that is no Unicode, or values nested more than 32 deep.
    """
    if sum(content.count(mark) for mark in (b",", b":", b"[", b"{")) > _MAX_MARKS:
        raise DamagedError(f"more than {_MAX_MARKS} values")
    try:
        value = json.loads(
            content.decode(), object_pairs_hook=_table, parse_int=_whole, parse_float=_number, parse_constant=_refuse
        )
        _check_depth([value], _MAX_DEPTH + 1)
        json.dumps(value, ensure_ascii=False).encode()
    except DamagedError:
        raise
    except RecursionError:
        raise DamagedError(f"values nested more than {_MAX_DEPTH} deep") from None
    except MemoryError:
        raise DamagedError("more values than fit the memory") from None
    except ValueError as error:
        raise DamagedError(f"not JSON: {error}") from None
    return value


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise DamagedError("a name that appears twice")
    return table


def _whole(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > _LARGEST:
        raise DamagedError(f"a number beyond 64 bits, {text[:20]}…")
    return int(text)


def _number(text: str) -> float:
    if not math.isfinite(float(text)):
        raise DamagedError(f"a number out of range, {text[:20]}")
    return float(text)


def _refuse(text: str) -> None:
    raise DamagedError(f"{text}, which is no number")


def _check_depth(value: dict[str, Any] | list[Any], depth: int) -> None:
    if depth == 0:
        raise DamagedError(f"values nested more than {_MAX_DEPTH} deep")
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, (dict, list)):
            _check_depth(one, depth - 1)


def checksum(value: Any) -> str:
    """Returns the hash of a value as JSON, whatever its layout in a file."""
    plain = json.loads(json.dumps(value, allow_nan=False))
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
