"""Files that appear whole or not at all, and small values that are kept from launch to launch."""

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from engine.errors import InputError

logger = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file that appears whole or not at all, also when the power fails.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}") from error


def to_json(value: Any) -> bytes:
    """JSON as it is stored: readable, sorted, without NaN or infinity."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def digest(content: bytes) -> str:
    """What a part is called: the hash of its bytes."""
    return hashlib.sha256(content).hexdigest()[:32]


def recall(path: Path | None, keys: set[str]) -> dict[str, Any] | None:
    """What was kept under a path; `None` where nothing with these keys can be read."""
    if path is None or not path.exists():
        return None
    try:
        kept = json.loads(path.read_text())
        if isinstance(kept, dict) and kept.keys() == keys:
            return kept
    except (OSError, ValueError):
        pass
    logger.warning("%s is damaged and made anew", path)
    return None


def keep(path: Path | None, value: dict[str, Any]) -> None:
    """Keeps a value, unless the place cannot be written to."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(value))
    except (OSError, InputError) as error:
        logger.warning("%s cannot be kept: %s", path, error)
