"""Answers that took a while to find, kept as JSON beside the compiled programs."""

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def recall(path: Path | None, keys: set[str]) -> dict[str, Any] | None:
    """Reads what was kept under a path; `None` where nothing with these keys can be read."""
    if path is None or not path.exists():
        return None
    try:
        kept = json.loads(path.read_bytes())
        if isinstance(kept, dict) and kept.keys() == keys:
            return kept
    except (OSError, ValueError, RecursionError):
        pass
    logger.warning("%s is damaged and made anew", path)
    return None


def keep(path: Path | None, value: dict[str, Any]) -> None:
    """Keeps a value, unless the place cannot be written to; readers see all of it or nothing."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(value, file, indent=2, sort_keys=True, allow_nan=False)
        os.replace(file.name, path)
    except OSError as error:
        logger.warning("%s cannot be kept: %s", path, error)
